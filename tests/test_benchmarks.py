"""The benchmarks run, and their figures fit together."""

import functools
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT

from benchmarks import (
    costs,
    export,
    findlr,
    granular,
    phase,
    random_cnn_style,
    train_script,
    training,
)
from benchmarks.floor import convolution_flops
from common.audio.resynthesis import METHODS
from common.cli import UserError
from common.report.tables import as_text
from data import BINS, HOP, SAMPLE_RATE, write_audio
from pix2pix_timbre.features import write_store
from pix2pix_timbre.gan import Pix2Pix
from pix2pix_timbre.model import build_discriminator, build_generator
from pix2pix_timbre.optimizer import TwoRateAdam


def number_after(text, printed):
    """Return the number that follows a text in the output."""
    return float(re.search(rf"^{re.escape(text)} ([\d.]+)", printed, re.MULTILINE)[1])


@pytest.mark.slow
@pytest.mark.stress
def test_the_training_benchmark_prints_what_fits_together(capsys):
    argv = ["--width", "2", "--batch_size", "3", "--rounds", "1", "--steps", "2"]
    assert training.main(argv) == 0
    printed = capsys.readouterr().out
    header, *lines = [re.split(r"\s{2,}", line) for line in printed.splitlines()[:4]]
    assert header == ["step", "seconds", "min", "max", "steps/s", "ratio", "of_peak"]
    rows = {name: dict(zip(header[1:], map(float, values), strict=True)) for name, *values in lines}
    assert list(rows) == [training.EAGER, *training.OURS]
    frame = number_after("operations:", printed) * 1e9
    peak = number_after("peak:", printed) * 1e9
    batch = number_after("input pipeline:", printed) / 1000
    assert batch > 0
    for name, row in rows.items():
        assert row["min"] == row["max"] == row["seconds"] > 0  # there is one round
        assert row["steps/s"] == pytest.approx(1 / row["seconds"], rel=0.01)
        assert row["ratio"] == pytest.approx(
            rows[training.EAGER]["seconds"] / row["seconds"], rel=0.01
        )
        assert row["of_peak"] == pytest.approx(
            3 * frame / row["seconds"] / peak, rel=0.02, abs=1e-4
        )
        if name in training.OURS:
            share = number_after(f"input pipeline over {name}:", printed)
            assert share == pytest.approx(100 * batch / row["seconds"], rel=0.02, abs=0.01)
    assert keras.config.dtype_policy().name == "float32"  # unchanged for later tests


@pytest.mark.slow
@pytest.mark.stress
def test_the_script_is_compared_with_a_loop_over_its_step(capsys):
    argv = ["--width", "2", "--batch_size", "2", "--rounds", "1", "--steps", "2"]
    assert train_script.main(argv) == 0
    header, script, loop, ratio = capsys.readouterr().out.splitlines()
    assert re.split(r"\s{2,}", header) == ["training", "seconds a step", "page faults a step"]
    seconds = [float(re.split(r"\s{2,}", line)[1]) for line in (script, loop)]
    expected = pytest.approx(seconds[0] / seconds[1], rel=0.02)
    assert float(ratio.rpartition(" ")[2]) == expected


def test_figures_are_medians_over_rounds_and_ratios_are_taken_within_a_round():
    measured = [
        {"peak": 10.0, training.EAGER: 8.0, "ours": 2.0},
        {"peak": 20.0, training.EAGER: 4.0, "ours": 4.0},
        {"peak": 40.0, training.EAGER: 9.0, "ours": 3.0},
    ]
    eager, ours = training.table([training.EAGER, "ours"], measured, 60.0)
    assert eager["ratio"] == 1
    assert ours == {
        "step": "ours",
        "seconds": 3.0,
        "min": 2.0,
        "max": 4.0,
        "steps/s": 1 / 3,
        "ratio": 3.0,
        "of_peak": 0.75,
    }
    without = [
        {name: value for name, value in one.items() if "eager" not in name} for one in measured
    ]
    assert training.table(["ours"], without, 60.0) == [{**ours, "ratio": "-"}]


def test_the_operations_at_the_published_width_are_62_gflop_a_frame():
    flops = 3 * convolution_flops(build_generator()) + 8 * convolution_flops(build_discriminator())
    assert flops / 1e9 == pytest.approx(62, abs=0.1)


def test_the_eager_loop_trains_as_our_step_does():
    def networks():
        keras.utils.set_random_seed(0)
        return build_generator(2, dropout=0.0), build_discriminator(2)

    eager, ours = networks(), networks()
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 2, 256, 256, 1)).astype(np.float32)
    losses = training.eager_step(*eager)(x, y)
    model = Pix2Pix(*ours)
    model.compile(TwoRateAdam(*training.RATES), run_eagerly=True)
    found = model.train_on_batch(x, y, return_dict=True)
    expected = dict(zip(("gen_mae", "gen_loss", "disc_loss"), losses, strict=True))
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        expected, rel=1e-5
    )
    for theirs, own in zip(eager, ours, strict=True):
        for one, other in zip(theirs.weights, own.weights, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=5e-6, err_msg=one.path)


@pytest.mark.stress
@pytest.mark.skipif(not find_spec("basic_pitch"), reason="Basic Pitch is not installed")
@pytest.mark.filterwarnings("ignore")  # of packages that are not ours
def test_the_phase_benchmark_measures_every_estimator(audios_folder, midi_folder, capsys):
    argv = ["--audios_path", str(audios_folder), "--midi_path", str(midi_folder), "--seconds", "1"]
    assert phase.main(argv) == 0
    rows = {}
    for part in capsys.readouterr().out.split("\n\n"):  # the table is wider than the terminal
        header, *lines = [line.split() for line in part.splitlines()]
        for name, *values in lines:
            rows.setdefault(name, {}).update(zip(header[1:], values, strict=False))
    assert list(rows) == [*METHODS, phase.TARGET]
    lost = {name: float(rows[name]["lost"]) for name in METHODS}
    assert 0 < lost["fast-griffinlim"] < lost["input"] < 1
    assert all(float(row["seconds"]) >= 0 for name, row in rows.items() if name != phase.TARGET)


def test_the_table_of_exports_has_a_row_for_each_network():
    rows = [
        ("a", "net", "onnx", "1.00", "2.00", "4.00", "2.00", "1e-06", "0.01"),
        ("a", "net", "onnx-int8", "0.25", "1.00", "4.00", "4.00", "1e-02", "0.5 (random inputs)"),
        ("b", "net", "savedmodel", "3.00", "5.00", "5.00", "1.00", "0e+00", "0"),
    ]
    found = export.compact([dict(zip(export.COLUMNS, row, strict=True)) for row in rows])
    assert len({line.count("|") for line in found}) == 1
    assert found[2] == "| a, net | 1.00 | 4.00 | 2.00, 1e-06 | - | 0.5 | - | - | - | - |"
    assert found[3] == "| b, net | 3.00 | 5.00 | - | - | - | - | - | - | 5.00, 0e+00 |"


def test_all_included_networks_are_exported_once():
    folders = [path.relative_to(ROOT / "models").as_posix() for path in export.model_folders()]
    assert {"vae_notes/predictor", "granular_drums/sequences", "vq_violin"} <= set(folders)
    assert "time_stretching/corrector" not in folders  # found with the model around it


@pytest.mark.slow
@pytest.mark.stress
def test_the_benchmark_of_granular_decoders_has_a_row_for_each(capsys, monkeypatch):
    monkeypatch.setattr("granular.model.DECODERS", ("transposed", "filter"))
    argv = ["--batch_size", "1", "--grains", "4", "--rounds", "1"]
    assert granular.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [dict(zip(lines[0].split(), line.split(), strict=True)) for line in lines[1:]]
    assert [row["decoder"] for row in rows] == ["transposed", "filter"]
    assert float(rows[0]["step_ratio"]) == 1
    assert float(rows[1]["network_ratio"]) == pytest.approx(
        float(rows[0]["network_ms"]) / float(rows[1]["network_ms"]), rel=1e-3
    )


@pytest.mark.stress
def test_the_style_benchmark_counts_its_operations(capsys):
    # two convolutions of 2 * 4 * (3 * 5 * 7), two products of both kinds
    assert random_cnn_style.operations(4, 6, (3, 5, 7)) == 2 * (2 * 4 * 105 + 2 * 4 * 10 * 7)
    argv = ["--seconds", "1", "--filters", "64", "--rounds", "1"]
    assert random_cnn_style.main(argv) == 0
    printed = capsys.readouterr().out
    assert number_after("operations:", printed) > 0
    assert number_after("time over floor: median", printed) > 0
    assert number_after("memory:", printed) < 4


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not on this system")
def test_the_memory_of_a_process_is_its_own():
    script = """
from benchmarks.memory import peak_memory
before = peak_memory()
held = bytearray(b"x") * 2**27
print(before, peak_memory())
"""
    ballast = np.ones(2**26)  # the memory of the parent does not count
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < ballast.nbytes / 4
    assert after - before == pytest.approx(2**27, rel=0.1)


def test_costs_on_paper_are_those_of_files(capsys, tmp_path):
    columns = 512 + np.arange(0, 256, 4)
    images = [(str(name), np.zeros((size, BINS), np.float16)) for name, size in enumerate(columns)]
    write_store(tmp_path / "x.h5", images, "x")
    write_audio(tmp_path / "x.wav", np.zeros(10 * SAMPLE_RATE))
    assert (tmp_path / "x.wav").stat().st_size == pytest.approx(costs.WAV_HOUR / 360, rel=1e-3)
    hours = columns.sum() * HOP / SAMPLE_RATE / 3600
    expected = hours * costs.IMAGE_HOUR + len(columns) * costs.CHUNK / 2
    assert (tmp_path / "x.h5").stat().st_size == pytest.approx(expected, rel=0.02)

    argv = ["--synthesis", "500", "--features", "100", "--stores", "1000", "--instruments", "2"]
    assert costs.main([*argv, "--notes", "50", "--workers", "10"]) == 0
    header, *lines = [
        re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()[:-1]
    ]
    rows = [dict(zip(header, line, strict=False)) for line in lines]
    assert [row["step"] for row in rows] == ["synthesis", "features", "stores"] * 2
    synthesis, features, stores = rows[:3]  # two instruments, 200 hours each
    assert [row["core hours"] for row in rows[:3]] == ["0.80", "4.00", "0.02"]
    assert (synthesis["read GB"], synthesis["written GB"]) == ("1", "127")
    assert features["read GB"] == "127"
    assert features["written GB"] == stores["read GB"] == "64"
    assert (synthesis["tasks"], features["tasks"]) == ("1,276", "2,552")
    assert (synthesis["scheduler MB"], features["scheduler MB"]) == ("6", "38")


@pytest.mark.slow
@pytest.mark.stress
def test_the_benchmark_of_learning_rates_tells_both_generators_apart(
    features_folder, capsys, monkeypatch
):
    monkeypatch.setattr(findlr, "as_text", functools.partial(as_text, width=1000))
    monkeypatch.setattr(findlr, "LAST", 4)
    monkeypatch.setattr(findlr, "FACTORS", (0.1, 1.0))
    argv = ["--dataset_path", str(features_folder), "--width", "1", "--steps", "4"]
    argv += ["--networks", "discriminator", "--sweep_steps", "20"]
    with pytest.raises(UserError, match="--validation_split: no piece is held out"):
        findlr.main(argv)
    assert findlr.main([*argv, "--validation_split", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [re.split(r"\s{2,}", line) for line in lines if "disc_loss" in line]
    assert [row[0] for row in rows] == ["discriminator", "discriminator, trained generator"]
    assert rows[0][2] == rows[1][2]  # both columns are at the suggested rate
    untrained, trained = (np.array(row[3:], float) for row in rows)
    assert untrained.shape == (6,) and not np.allclose(untrained, trained)
    assert (np.concatenate([untrained, trained]) > 0).all()
