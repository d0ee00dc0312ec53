"""benchmarks/transfer: excerpts, tables, latencies, and the whole on one short piece."""

import csv
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
from conftest import ROOT

from benchmarks.transfer.__main__ import main
from benchmarks.transfer.excerpts import LINE, find_excerpts, lines_of, played, render_lines
from benchmarks.transfer.measures import alike
from benchmarks.transfer.report import distances
from benchmarks.transfer.streaming import lag
from benchmarks.transfer.systems import SYSTEMS, TRUTH
from benchmarks.transfer.tables import (
    FAD,
    PATCHES,
    SUBJECTS,
    TERMS,
    as_markdown,
    by_subject,
    summary,
)
from common.audio.loudness import loudness
from common.audio.metrics import fine_spectral_distance
from common.cli import UserError
from common.music.midi import Note
from common.music.notes import NoteLibrary
from data import SAMPLE_RATE

ORCHESTRA = ROOT / "data" / "orchestra"
MIDI = ROOT / "data" / "midi"


@pytest.fixture(scope="module")
def library():
    return NoteLibrary(ORCHESTRA)


@pytest.fixture(scope="module")
def excerpts(library, tmp_path_factory):
    audios = tmp_path_factory.mktemp("lines")
    lines = lines_of(MIDI, library)
    two = {name: lines[name] for name in ("bach_prelude_c", "pachelbel_canon")}
    render_lines(two, library, audios, seconds=4)
    return find_excerpts(LINE, audios, library, list(two), 3.0, lines=two)


def test_lines_have_one_voice_that_all_instruments_reach(library):
    lines = lines_of(MIDI, library)
    assert len(lines) == 11
    for notes in lines.values():
        assert all(one.end <= other.start for one, other in pairwise(notes))
        assert all(61 <= note.pitch <= 79 for note in notes)  # lowest flute, highest trumpet


def test_excerpts_show_the_target_by_another_piece(excerpts):
    assert [one.name for one in excerpts][:2] == [
        "flute_acoustic_2_violin_acoustic/bach_prelude_c",
        "flute_acoustic_2_violin_acoustic/pachelbel_canon",
    ]
    first = excerpts[0]
    assert first.style == "pachelbel_canon"
    assert first.source().size == first.truth().size == 3 * SAMPLE_RATE
    assert not np.array_equal(first.source(), first.truth())
    assert all(note.start < 3 for note in first.notes)
    np.testing.assert_array_equal(first.example(), excerpts[1].truth())


def test_a_piece_that_is_not_rendered_is_named(excerpts, library):
    with pytest.raises(UserError, match=r"bach_prelude_c, pachelbel_canon.*unknown is asked for"):
        find_excerpts(LINE, excerpts[0].audios, library, ["unknown"], 3.0, lines={})


def test_a_piece_that_begins_later_is_refused(excerpts, library):
    later = {"bach_prelude_c": (Note(60, 80, 5.0, 6.0),), "pachelbel_canon": ()}
    with pytest.raises(UserError, match="bach_prelude_c: no note in the first 3 s"):
        find_excerpts(LINE, excerpts[0].audios, library, list(later), 3.0, lines=later)


def test_the_systems_take_what_they_are_made_for(excerpts):
    taken = {name for name, system in SYSTEMS.items() if system.takes(excerpts[0])}
    assert set(SYSTEMS) - taken == {"pix2pix"}
    piano = excerpts[0]._replace(
        group="piano", origin="keyboard_acoustic", target="guitar_acoustic"
    )
    taken = {name for name, system in SYSTEMS.items() if system.takes(piano)}
    assert set(SYSTEMS) - taken == {"move", "vq", "vq-harmonic"}


def test_anchors_are_what_they_say(excerpts):
    first = excerpts[0]
    source = first.source()
    made = {name: SYSTEMS[name].convert(first, source) for name in ("copy-source", TRUTH)}
    np.testing.assert_array_equal(made["copy-source"], source)
    np.testing.assert_array_equal(made[TRUTH], first.truth())
    copied = SYSTEMS["copy-target"].convert(first, source)
    np.testing.assert_array_equal(copied, first.example())
    rephased = SYSTEMS["rephased"].convert(first, source)
    away = [
        fine_spectral_distance(first.truth(), alike(one, first.truth()))
        for one in (source, rephased)
    ]
    assert away[1] < 0.7 * away[0]


def test_grains_of_the_target_have_the_level_of_the_source(excerpts):
    source = excerpts[0].source()
    made = SYSTEMS["granular"].convert(excerpts[0], source)
    assert made.shape == source.shape
    levels = [np.sqrt(np.square(one).reshape(-1, 4410).mean(axis=1)) for one in (source, made)]
    assert np.corrcoef(*levels)[0, 1] > 0.7


def test_results_get_the_length_and_loudness_of_the_truth():
    truth = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    found = alike(truth[: SAMPLE_RATE // 2] * 0.01, truth)
    assert found.size == truth.size
    levels = [loudness(one, SAMPLE_RATE) for one in (found, truth)]
    assert levels[0] == pytest.approx(levels[1], abs=0.1)
    np.testing.assert_allclose(alike(truth * 0.1, truth), truth, rtol=1e-4)
    assert not alike(np.zeros(9), truth).any()


def test_notes_are_played_until_they_end(library):
    voice = library.voice("violin_acoustic", 0)
    audio = played([Note(69, 80, 0.5, 1.0)], voice)
    assert np.abs(audio[: int(0.49 * SAMPLE_RATE)]).max() < 1e-6
    assert np.abs(audio[int(0.6 * SAMPLE_RATE) :]).max() > 0.001
    assert played([], voice).size == 0


@pytest.mark.parametrize(("delay", "part"), [(0, 1), (1000, 1), (1000, 4000)])
def test_lag_of_a_stream_that_waits(delay, part):
    def stream(blocks):
        held = np.zeros((1, 0))
        for block in blocks:
            held = np.concatenate([held, block], axis=1)
            ready = (held.shape[1] - delay) // part * part
            if ready > 0:
                yield held[:, :ready]
                held = held[:, ready:]
        yield held

    found = lag(stream, np.ones(50000, np.float32), 100)
    # a sample waits for what follows it, for its part to be full, and for the end of its block
    assert delay + part - 1 <= found <= delay + part + 100


def test_tables_are_means_over_excerpts_and_shares_of_the_truth():
    rows = [
        {"excerpt": "c", "group": "piano", "system": "pix2pix", "F1": 0.4},  # no truth yet
        {"excerpt": "a", "group": "line", "system": TRUTH, "F1": 0.8},
        {"excerpt": "a", "group": "line", "system": "move", "F1": 0.4, "JD": 0.1},
        {"excerpt": "b", "group": "line", "system": "move", "F1": 0.4, "JD": 0.3},
        {"excerpt": "b", "group": "line", "system": TRUTH, "F1": 0.2},
    ]
    found = summary(rows, "group", {("line", "move"): {PATCHES: 2.0}})
    assert found == [
        {"group": "piano", "system": "pix2pix", "excerpts": 1},
        {
            "group": "line",
            "system": "move",
            "excerpts": 2,
            "F1/truth": pytest.approx(0.8),  # of the means 0.4 and 0.5
            "JD": pytest.approx(0.2),
            PATCHES: 2.0,
        },
        {"group": "line", "system": TRUTH, "excerpts": 2, "F1/truth": 1.0},
    ]
    parts = by_subject(found)
    assert {name for rows in parts.values() for row in rows for name in row} == {
        *("group", "system", "excerpts", "F1/truth", "JD", PATCHES)
    }
    assert set(TERMS) == {name for names in SUBJECTS.values() for name in names}
    assert as_markdown(found).splitlines()[3] == "| line | move | 2 | 0.8 | 0.2 | 2 |"


def test_the_floor_is_the_distance_of_the_halves_of_the_truth():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4, 40, 6))
    sounds = [
        ({"group": "line", "system": system}, excerpt, excerpt)
        for system, excerpts in ((TRUTH, truth), ("move", truth + 1), ("vq", truth))
        for excerpt in excerpts
    ]
    found = distances(sounds, "group")
    assert found["line", "vq"] == {PATCHES: 0, FAD: pytest.approx(0, abs=1e-9)}
    # eight dimensions could be told from the 80 frames of a half, but there are six
    assert found["line", "move"][FAD] == pytest.approx(6)
    assert 0 < found["line", TRUTH][FAD] < 1


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--systems", "nothing"], "--systems: 'nothing' is none of copy-source"),
        (["--musicnn", "nothing.whl"], "nothing.whl: no such file or folder"),
    ],
)
def test_mistakes_are_named_before_anything_is_made(argv, said, tmp_path):
    with pytest.raises(UserError, match=said):
        main([*argv, "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.skipif(not find_spec("basic_pitch"), reason="Basic Pitch is not installed")
@pytest.mark.filterwarnings("ignore")  # of packages that are not ours
def test_a_run_measures_each_system_and_goes_on_where_it_was(tmp_path, capsys):
    argv = ["--pieces", "bach_prelude_c", "--seconds", "4", "--output", str(tmp_path)]
    assert main([*argv, "--systems", "copy-source", "transcribed"]) == 0
    assert "FAD-musicnn is missing" in capsys.readouterr().out
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "copy-source: " not in said  # is kept
    assert "pix2pix: " in said
    with (tmp_path / "by_group.csv").open() as file:
        rows = {(row["group"], row["system"]): row for row in csv.DictReader(file)}
    assert len(rows) == 2 * len(SYSTEMS) - 4
    for group in ("piano", "line"):
        truth, copied = rows[group, TRUTH], rows[group, "copy-source"]
        assert float(truth["F1/truth"]) == float(truth["MFCC cosine"]) == 1
        assert float(truth["LSD"]) == float(truth["loudness"]) == 0
        # not quite 0, as it is brought to the loudness of the truth
        assert float(copied["DPD"]) < 0.1
        assert float(copied["JD"]) < 0.05
        assert float(rows[group, "transcribed"]["LSD"]) < float(copied["LSD"])
    assert float(rows["piano", "pix2pix"]["times real time"]) > 0
    assert float(rows["line", "vq"]["latency"]) > 0
    assert (tmp_path / "benchmark.html").stat().st_size > 100_000
    with pytest.raises(UserError, match=r"--seconds: .* was begun with 4"):
        main([*argv, "--seconds", "5"])
