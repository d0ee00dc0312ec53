"""The corpus of MIDI files: bytes that depend on name and seed, and music that a piano can play."""

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mido
import pytest

import make_corpus
from common.cli import UserError
from common.music import etudes
from common.music.midi import read_notes

needs_music21 = pytest.mark.skipif(
    importlib.util.find_spec("music21") is None, reason="music21 is not installed"
)
ROOT = Path(__file__).parent.parent
TEXTURES = len(etudes.TEXTURES)


def make(folder, *flags, composers=(), count=0):
    flags = ["--midi_path", folder, "--etudes", count, "--jobs", 1, *flags]
    return make_corpus.main([*map(str, flags), "--composers", *composers])


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.mid")}


@pytest.fixture(scope="module")
def one_of_each(tmp_path_factory):
    folder = tmp_path_factory.mktemp("etudes")
    assert make(folder, count=TEXTURES) == 0
    return folder


def test_same_seed_same_bytes_and_files_are_independent(one_of_each, tmp_path):
    whole = contents(one_of_each)
    make(tmp_path / "fewer", count=3)
    fewer = contents(tmp_path / "fewer")
    assert len(fewer) == 3
    assert fewer.items() <= whole.items()
    make(tmp_path / "other", "--seed", 1, count=3)
    other = contents(tmp_path / "other")
    assert other.keys() == fewer.keys()
    assert all(other[name] != fewer[name] for name in fewer)


def test_processes_change_nothing(tmp_path, one_of_each):
    command = [sys.executable, ROOT / "make_corpus.py", "--midi_path", tmp_path, "--composers"]
    done = subprocess.run(
        [*command, "--etudes", "4", "--jobs", "2"], capture_output=True, text=True, check=True
    )
    assert "4 files" in done.stdout
    assert contents(tmp_path).items() <= contents(one_of_each).items()


def events(path):
    """List (tick, message) of a file."""
    now, found = 0, []
    (track,) = mido.MidiFile(path).tracks
    for message in track:
        now += message.time
        found.append((now, message))
    return found


def check_playable(path):
    """Check that keys are up before they are struck, that pedals are lifted, and the program."""
    down, pedal = {}, False
    for tick, message in events(path):
        assert message.is_meta or message.channel == 0
        if message.type == "note_on":
            assert message.note not in down
            down[message.note] = tick
        elif message.type == "note_off":
            assert tick > down.pop(message.note)
        elif message.type == "control_change":
            assert message.control == 64
            assert (message.value == 127) is not pedal
            pedal = not pedal
        elif message.type == "program_change":
            assert message.program == 0
    assert not down
    assert not pedal


def test_etudes_are_playable_and_cover_the_piano(one_of_each):
    pitches, velocities, pedalled = Counter(), Counter(), 0
    for path in one_of_each.rglob("*.mid"):
        check_playable(path)
        messages = [message for _, message in events(path)]
        strokes = [message for message in messages if message.type == "note_on"]
        pitches.update(message.note for message in strokes)
        velocities.update(message.velocity for message in strokes)
        pedalled += any(message.type == "control_change" for message in messages)
        assert 55 < mido.MidiFile(path).length < 95, path.name
        assert read_notes(path, sustain=False).notes
    assert set(pitches) == set(range(24, 101))
    assert min(velocities) == 20
    assert max(velocities) == 120
    assert 0 < pedalled < TEXTURES


def test_existing_files_are_kept_unless_the_settings_differ(tmp_path, capsys):
    make(tmp_path, count=2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mid")}
    capsys.readouterr()
    make(tmp_path, count=3)
    assert "3 files" in (printed := capsys.readouterr().out)
    assert "2 kept" in printed
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    with pytest.raises(UserError, match=r"etude_000.*other settings"):
        make(tmp_path, "--seed", 5, count=1)
    make(tmp_path, "--overwrite", count=2)
    assert all(path.stat().st_mtime_ns > time for path, time in before.items())
    next(iter(before)).write_bytes(b"MThd")
    with pytest.raises(UserError, match="unreadable"):
        make(tmp_path, count=2)


def test_a_key_that_is_down_is_released_before_it_strikes_again():
    notes = [
        etudes.Note(0.0, 3.0, 60, 50),
        etudes.Note(1.0, 2.0, 60, 60),
        etudes.Note(1.0, 2.0, 61, 60),
        etudes.Note(1.001, 4.0, 61, 60),  # two voices on the same key
    ]
    played = etudes.playable(etudes.Performance(notes, [(0.0, 60.0)], []))
    assert [(note.start, note.end, note.pitch) for note in played.notes] == [
        (0.0, 0.98, 60),
        (1.0, 2.0, 60),
        (1.001, 4.0, 61),
    ]


def test_time_follows_the_tempi():
    tempi = [(0.0, 60.0), (4.0, 120.0)]
    assert [etudes.seconds_at(tempi, quarter) for quarter in (0, 2, 4, 6)] == [0, 2, 4, 5]
    assert [etudes.tempo_at(tempi, quarter) for quarter in (0, 3.9, 4, 9)] == [60, 60, 120, 120]


@needs_music21
def test_a_chorale_has_the_pitches_and_positions_of_the_parse(tmp_path):
    import music21

    path = music21.corpus.getWork("bach/bwv66.6")
    expected = {
        (float(element.offset), pitch.midi)
        for part in music21.converter.parse(path).stripTies().parts
        for element in part.flatten().notes
        for pitch in element.pitches
    }
    score = make_corpus.read_score(path)
    assert {(start, pitch) for start, _, pitch in score.notes} == expected
    assert score.tempi == [(0.0, 96.0)]

    job = make_corpus.Job(tmp_path / "bwv66.6.mid", "bach/bwv66.6", path, 0, 3)
    seconds, kept = make_corpus.make_file(job)
    assert not kept
    assert seconds == pytest.approx(36 / 96 * 60, abs=1)
    check_playable(job.path)
    strokes = [(tick, message) for tick, message in events(job.path) if message.type == "note_on"]
    assert len(strokes) == len(expected)
    for tick, message in strokes:  # within 40 ms, as quarters at 96 a minute
        assert any(
            pitch == message.note and abs(tick / etudes.TICKS - start) < 0.064
            for start, pitch in expected
        )
    velocities = [message.velocity for _, message in strokes]
    assert min(velocities) >= 30
    assert max(velocities) <= 115
    assert len(set(velocities)) > 15


@needs_music21
def test_scores_are_cut_at_a_bar_and_chosen_alike(tmp_path):
    flags = ("--max_minutes", 0.3, "--limit_per_composer")
    assert make(tmp_path / "two", *flags, 2, composers=["bach"]) == 0
    make(tmp_path / "three", *flags, 3, composers=["bach"])
    two, three = contents(tmp_path / "two"), contents(tmp_path / "three")
    assert (len(two), len(three)) == (2, 3)
    assert two.items() <= three.items()
    for name in three:
        assert mido.MidiFile(tmp_path / "three" / name).length < 18.5


@needs_music21
def test_a_score_that_cannot_be_converted_is_reported_and_the_others_are_made(
    tmp_path, capsys, monkeypatch
):
    broken = tmp_path / "broken.mxl"
    broken.write_bytes(b"no archive")
    works = make_corpus.composer_works("bach")
    chosen = {"broken": broken, "bwv66.6": works["bwv66.6"]}
    monkeypatch.setattr(make_corpus, "composer_works", lambda composer: chosen)
    assert make(tmp_path / "out", composers=["bach"]) == 0
    printed = capsys.readouterr()
    assert [path.name for path in contents(tmp_path / "out")] == ["bwv66.6.mid"]
    assert "broken.mxl" in printed.err
    assert "1 skipped" in printed.err


@needs_music21
def test_versions_of_a_work_count_once():
    works = make_corpus.composer_works("bach")
    assert works["bwv277"].suffix == ".mxl"
    assert not any("-" in name for name in works)
    assert len(make_corpus.composer_works("beethoven")) > 15


def fails(*flags):
    command = [sys.executable, ROOT / "make_corpus.py", *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


def test_mistakes_take_one_line(tmp_path):
    assert "--etudes" in fails("--midi_path", tmp_path, "--composers", "--etudes", 0)
    assert "--max_minutes" in fails("--midi_path", tmp_path, "--max_minutes", 0)
    (tmp_path / "file").touch()
    flags = ("--composers", "--etudes", 1, "--jobs", 1)
    assert "file" in fails("--midi_path", tmp_path / "file", *flags)


@needs_music21
def test_an_unknown_composer_takes_one_line(tmp_path):
    assert "nobody" in fails("--midi_path", tmp_path, "--composers", "nobody")


def test_a_missing_music21_is_named(tmp_path, monkeypatch):
    for module in ("music21", "music21.common", "music21.corpus", "music21.corpus.corpora"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match="pip install music21"):
        make(tmp_path, composers=["bach"])
