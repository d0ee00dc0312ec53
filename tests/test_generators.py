"""The small generative models, their lotteries, and tables of several seeds."""

import json

import keras
import numpy as np
import pytest
from conftest import ROOT, assert_refused, read_csv

from common.cli import UserError
from common.music.pitch import frequency
from common.report.tickets import group_lotteries
from common.training.export import PACKAGES, export_network, open_exported
from trimming import generator_lottery, seeds
from trimming import rounds as rounds_module
from trimming.cost import count_memory
from trimming.generators import GENERATORS, ddsp, open_generator, sing, wavenet
from trimming.generators.notes import (
    BANDS,
    FRAMES,
    HOP,
    RATE,
    SAMPLES,
    Note,
    log_mels,
    read_sides,
)
from trimming.graph import Graph
from trimming.trimmer import Trimmer

TIME = np.arange(SAMPLES, dtype=np.float32) / RATE


def tone(pitch, instrument="flute_acoustic_000"):
    return Note(instrument, pitch, np.sin(2 * np.pi * frequency(pitch) * TIME).astype(np.float32))


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Folder with the notes of two instruments."""
    folder = tmp_path_factory.mktemp("notes")
    for path in (ROOT / "data/orchestra/audio").glob("[cf]*_acoustic*"):
        (folder / path.name).symlink_to(path)
    return folder


def test_pitches_of_an_instrument_are_on_one_side_only(notes):
    sides = read_sides(notes)
    known = [{(note.instrument, note.pitch) for note in side} for side in sides[:3]]
    assert all(known)
    assert not (known[0] & known[1] or known[0] & known[2] or known[1] & known[2])
    assert sum(map(len, sides[:3])) == len(list(notes.iterdir()))
    for note in sides.test:
        assert note.audio.shape == (SAMPLES,)
        assert np.abs(note.audio).max() == pytest.approx(1)


def test_too_few_notes_are_told(tmp_path):
    name = "cello_acoustic_000-039-048.flac"
    (tmp_path / name).symlink_to(ROOT / "data/orchestra/audio" / name)
    with pytest.raises(UserError, match="of 1 note, none is left to be validated"):
        read_sides(tmp_path)


def test_a_tone_is_in_the_mel_band_of_its_frequency():
    found = log_mels(np.stack([tone(60).audio, tone(96).audio]))
    assert found.shape == (2, FRAMES, BANDS)
    low, high = found.mean(axis=1).argmax(axis=-1)
    assert 0 < low < high < BANDS


def test_classes_are_those_of_the_mu_law():
    audio = np.linspace(-1, 1, 1001)
    classes = wavenet.to_classes(audio)
    assert (classes.min(), classes.max()) == (0, wavenet.CLASSES - 1)
    assert (np.diff(classes) >= 0).all()
    middle = wavenet.from_classes(classes)
    mu = wavenet.CLASSES - 1
    expanded = np.sign(middle) * np.expm1(np.abs(middle) * np.log1p(mu)) / mu
    assert np.abs(expanded - audio).max() < 0.07  # the widest class
    assert np.abs(expanded - audio)[np.abs(audio) < 0.01].max() < 0.01


def test_wavenet_is_given_only_the_samples_before():
    (before, mels), classes = wavenet.arrays([tone(60), tone(72)])
    assert mels.shape == (2 * FRAMES // wavenet.LENGTH, wavenet.LENGTH, BANDS)
    # the last samples of an excerpt are given to the next one
    np.testing.assert_array_equal(before[1:4, 0, 0], wavenet.from_classes(classes[:3, -1]))
    np.testing.assert_array_equal(before[:, 1:, 0], wavenet.from_classes(classes[:, :-1]))
    network = wavenet.build(4)
    changed = before[:1].copy()
    changed[0, 500:] = 0
    one, other = (np.asarray(network([x, mels[:1]]))[0, :500] for x in (before[:1], changed))
    np.testing.assert_array_equal(one, other)


def test_the_distance_of_sing_is_in_decibels():
    rng = np.random.default_rng(0)
    audio = rng.normal(size=(2, SAMPLES, 1)).astype(np.float32)
    assert sing.error(audio, audio) == 0
    assert sing.error(audio, audio / 10) == pytest.approx(20, abs=0.01)
    assert sing.error(audio, 0 * audio) < 80
    assert np.asarray(sing.loss(audio, audio)) == pytest.approx([0, 0])


def test_partials_are_multiples_of_the_pitch():
    amplitudes = np.zeros((1, FRAMES, 3), np.float32)
    amplitudes[..., 0], amplitudes[..., 2] = 0.5, 0.25
    found = np.asarray(ddsp.harmonics(amplitudes, np.float32([[200.0]])))[0]
    angle = 2 * np.pi * 200 * TIME.astype(np.float64)
    np.testing.assert_allclose(found, 0.5 * np.sin(angle) + 0.25 * np.sin(3 * angle), atol=2e-3)


def test_amplitudes_move_in_straight_lines():
    amplitudes = np.linspace(0, 1, FRAMES, dtype=np.float32)[None, :, None]
    found = np.asarray(ddsp.harmonics(amplitudes, np.float32([[RATE / 4]])))[0]
    places = np.arange(1, SAMPLES - HOP, 4)  # where the sine is 1
    np.testing.assert_allclose(found[places], places / HOP / (FRAMES - 1), atol=1e-3)


def test_partials_above_half_the_rate_are_not_heard():
    controls = np.full((1, FRAMES, 1 + ddsp.PARTIALS + ddsp.FILTER), -30, np.float32)
    controls[..., : 1 + ddsp.PARTIALS] = 3
    audio = np.asarray(ddsp.sound_of(controls, np.float32([[1500.0]])))[0]
    power = np.abs(np.fft.rfft(audio * np.hanning(SAMPLES))) ** 2
    hertz = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    near = (np.abs(hertz - 1500) < 20) | (np.abs(hertz - 3000) < 20)
    assert power[~near].sum() < 1e-3 * power.sum()


def test_a_filter_of_ones_lets_the_noise_through():
    found = np.asarray(ddsp.noise(np.ones((2, FRAMES, ddsp.FILTER), np.float32)))
    np.testing.assert_array_equal(found[0], found[1])
    assert found.shape == (2, SAMPLES)
    assert np.abs(found).max() <= 0.1 + 1e-6
    assert found.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.05)  # of uniform noise


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_can_be_cut_to_a_hundredth(name):
    model = open_generator(name).build(GENERATORS[name].widths[1])
    shapes = [one.shape for one in model.outputs]
    trimmer = Trimmer(model, share=0.99, least_units=1)
    smaller = trimmer.step()
    assert smaller.count_params() <= 0.01 * model.count_params()
    assert [one.shape for one in smaller.outputs] == shapes
    assert not Graph(smaller).fixed.all()


def test_memory_is_the_most_that_lives_at_once():
    x = keras.Input((3,))
    first = keras.layers.Dense(6)(x)
    wide = keras.layers.Dense(20)(keras.layers.Dropout(0.1)(first))
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.Dense(6)(wide)))
    assert count_memory(model) == 4 * (20 + 6 + model.count_params())
    skipped = keras.layers.Add()([first, keras.layers.Dense(6)(wide)])
    model = keras.Model(x, skipped)
    assert count_memory(model) == 4 * (6 + 20 + 6 + model.count_params())


@pytest.fixture
def quick(monkeypatch):
    """Nothing is compiled, and nothing is timed."""
    monkeypatch.setattr(rounds_module, "measure_latency", lambda paths, _: [1e-3] * len(paths))
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings("ignore:.*run_functions_eagerly")
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "name", ["sing", pytest.param("ddsp", marks=[pytest.mark.slow, pytest.mark.stress])]
)
def test_the_script_chooses_a_width_and_trims(name, notes, tmp_path, capsys):
    argv = ["--model", name, "--audio_path", str(notes), "--output", str(tmp_path / "run")]
    argv += ["--epochs", "1", "--steps_per_epoch", "1", "--batch_size", "2", "--share", "0.85"]
    argv += ["--least_units", "1", "--rounds", "1"]
    widths = ["--widths", "6", "8"] if name == "sing" else ["--widths", "8"]
    assert generator_lottery.main([*argv, *widths]) == 0
    assert "test_multiplier" in capsys.readouterr().out
    places = sorted((tmp_path / "run").glob("width_*/round_01"))
    assert len(places) == 1
    if name == "sing":
        table = read_csv(tmp_path / "run" / "widths.csv")
        rows = [{key: float(row[key]) for key in ("width", "error")} for row in table]
        assert places[0].parent.name == f"width_{generator_lottery.choose_width(rows):g}"
        wrong = [*argv, *widths, "--lr", "0.1"]
        assert_refused(generator_lottery.main, wrong, capsys, "other settings")
        assert_refused(generator_lottery.main, [*argv, "--rewind_epoch", "2"], capsys, "--rewind")
        settings = places[0].parent / "lottery.json"
        about = json.loads(settings.read_text())
        settings.write_text(json.dumps(about | {"notes": about["notes"] + 1}))
        assert_refused(generator_lottery.main, [*argv, *widths], capsys, "settings (notes)")


def test_the_smallest_width_within_two_percent_is_chosen():
    errors = {10: 1.03, 20: 1.015, 30: 1.0}
    rows = [{"width": width, "error": error} for width, error in errors.items()]
    assert generator_lottery.choose_width(rows) == 20


def test_seeds_become_bars_and_a_picture(tmp_path, capsys):
    folders = tmp_path / "lotteries"
    for seed, error in ((0, 0.9), (1, 1.1)):
        folder = folders / f"seed_{seed}"
        folder.mkdir(parents=True)
        about = {"model": "ddsp", "width": 48, "criterion": "activation", "seed": seed}
        (folder / "lottery.json").write_text(json.dumps(about))
        lines = ["kind,round,weights,left,flops,score,multiplier,test,test_multiplier"]
        lines += ["ticket,0,1000,1,2000,2,1,3,1", f"ticket,1,180,0.18,300,{2 * error},{error},3,1"]
        if seed == 0:
            lines += ["scratch,1,170,0.17,300,3,1.5,3,1"]
        lines += ["ticket,2,90,0.09,100,2.4,1.2,3,1"]
        lines += ["ticket,3,9,0.009,10,2.4,1.2,3,1"] if seed else []
        (folder / "rounds.csv").write_text("\n".join(lines))
    argv = ["--tickets", str(folders / "seed_0"), str(folders / "seed_1")]
    argv += ["--output", str(tmp_path / "bars")]
    assert seeds.main(argv) == 0
    told = capsys.readouterr().out
    assert "1.000 ± 0.100" in told
    assert "global scale max 0.3 a round: 1 of 2 have cut 99%, which is left out" in told
    rows = read_csv(tmp_path / "bars" / "bars.csv")
    assert [row["gone"] for row in rows] == ["80%", "90%"]
    assert (rows[0]["scratch"], rows[1]["scratch"]) == ("1.5", "")
    assert rows[1]["multiplier"] == "1.200 ± 0.000"
    assert (tmp_path / "bars" / "tickets.png").read_bytes().startswith(b"\x89PNG")
    recorded = folders / "seed_1" / "lottery.json"
    recorded.write_text(json.dumps(about | {"seed": 0}))
    assert_refused(seeds.main, argv, capsys, "same settings and seed 0")
    recorded.write_text(json.dumps(about | {"share": 0.5}))
    assert seeds.main(argv) == 0
    assert [row["seeds"] for row in read_csv(tmp_path / "bars" / "bars.csv")] == ["1"] * 5
    (folders / "seed_1" / "lottery.json").unlink()
    assert_refused(seeds.main, argv, capsys, "seed_1: holds no rounds of a lottery; name the")
    argv[1:3] = [str(folders)]
    assert_refused(seeds.main, argv, capsys, f"name a folder within it, such as {folders}/seed_0")


def test_lotteries_that_differ_in_the_seed_alone_belong_together(tmp_path):
    about = {"model": "ddsp", "scope": "local", "lr": 0.1, "epochs": 8}
    others = [{}, {"seed": 1, "examples": ["(4,) 8 1.2"]}, {"rewind": "weights"}]  # the default
    others += [{"epochs": 40}, {"distil": 0.5}, {"distil": 1.0}, {"share": 0.5}]
    folders = []
    for number, other in enumerate(others):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        written = json.dumps({"seed": number} | about | other)
        (folders[-1] / "lottery.json").write_text(written)
    groups = group_lotteries(folders)
    assert [found for _, found in groups] == [folders[:3], *([one] for one in folders[3:])]
    short = "ddsp magnitude local 0.3 a round"
    assert seeds.titles([settings for settings, _ in groups]) == [
        f"{short} epochs 8",
        f"{short} epochs 40",
        f"{short} distilled distil 0.5",
        f"{short} distilled distil 1.0",
        "ddsp magnitude local 0.5 a round",
    ]


@pytest.mark.stress
@pytest.mark.parametrize(
    ("name", "form"), [*((name, "onnx") for name in GENERATORS), ("ddsp", "litert")]
)
def test_a_trimmed_generator_runs_elsewhere(name, form, tmp_path):
    for package in PACKAGES[form]:
        pytest.importorskip(package)
    generator = open_generator(name)
    keras.utils.set_random_seed(0)
    model = Trimmer(generator.build(12), share=0.6).step()
    export_network(model, tmp_path / "network", form, {})
    run = open_exported(tmp_path / "network", [one.name for one in model.inputs])
    inputs = [one[:2] for one in generator.arrays([tone(60), tone(64)])[0]]
    expected = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    np.testing.assert_allclose(run(inputs)[0], expected, atol=1e-4)
