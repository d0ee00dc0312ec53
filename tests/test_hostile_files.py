"""Data scripts with full disks, folders that cannot be written, odd names, and links."""

import json
import os
import re
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import assert_refused, needs_player, outcome, write_midi

import compute_features
import synthesize_audios
import synthesize_notes
import time_stretching.preprocess
import vae_generation.preprocess
from common import cli
from common.audio import streaming
from common.cli import find_inputs, one_line, printable, report_skipped
from common.files.atomic import hidden_beside, replace_when_done
from common.files.audio import AudioWriter
from common.files.text import write_json
from common.music import synthesis
from data import load_audio, write_audio
from pix2pix_timbre.features import FeatureStore, read_image
from stress import names
from stress.tiny_soundfont import write_soundfont
from time_stretching.store import Store

ESCAPE = "\x1b]0;title\x07\x1b[2J"
INVALID = os.fsdecode(b"caf\xe9")


@pytest.fixture(params=[pytest.param("notes", marks=needs_player), "audios", "features"])
def script(request, tmp_path, notes_folder, midi_folder, audios_folder):
    """One of the data scripts: ``main``, and ``argv`` without the output."""
    if request.param == "notes":
        font = write_soundfont(tmp_path / "tone.sf2")
        flags = ["--soundfont", font, "--instruments", "keyboard_acoustic=0:0"]
        argv = [*flags, "--pitches", "60:61", "--velocities", 100, "--jobs", 2, "--out"]
        return SimpleNamespace(file="synthesize_notes.py", main=synthesize_notes.main, argv=argv)
    if request.param == "audios":
        flags = ["--nsynth_path", notes_folder, "--midi_path", midi_folder, "--jobs", 1]
        argv = [*flags, "--instruments", "guitar_acoustic", "--audios_path"]
        return SimpleNamespace(file="synthesize_audios.py", main=synthesize_audios.main, argv=argv)
    argv = ["--audios_path", audios_folder, "--jobs", 1, "--features_path"]
    return SimpleNamespace(file="compute_features.py", main=compute_features.main, argv=argv)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


# Disks


@needs_player
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_one_line_and_leaves_no_half_note(tmp_path, small_disk, run_script, jobs):
    """The other scripts have such tests in their own files."""
    font = write_soundfont(tmp_path / "tone.sf2")
    flags = ["--soundfont", font, "--instruments", "keyboard_acoustic=0:0", "--jobs", jobs]
    out = small_disk / "out"
    ci = {"CI": "true"}  # makes pyfluidsynth print where it found the library
    status, stdout, err = run_script("synthesize_notes.py", *flags, "--out", out, env=ci)
    assert (status, stdout) == (2, "")
    assert re.search(r"\.wav: cannot be written; is the disk full\?\n$", err)
    assert err.count("\n") == 1
    assert files(out) == []


@pytest.mark.parametrize(("durable", "waits"), [(True, 1), (False, 0)])
def test_only_a_durable_audio_waits_for_the_disk(tmp_path, monkeypatch, durable, waits):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    new = AudioWriter(tmp_path / "a.wav", 44100, channels=1, durable=durable)
    monkeypatch.setattr(soundfile.SoundFile, "flush", lambda file: synced.append(file.name))
    with new as writer:
        writer.write(np.full(99, 0.5, np.float32))
    assert len(synced) == waits
    assert np.array_equal(load_audio(tmp_path / "a.wav")[0], np.full(99, 0.5))


def test_a_folder_that_cannot_be_written_is_one_line(script, read_only, capsys):
    for out in (read_only / "there", read_only / "new", read_only / "there" / "new"):
        argv = [str(word) for word in [*script.argv, out]]
        assert_refused(script.main, argv, capsys, "read_only")
    assert files(read_only) == []


# Files that vanish or change during a run


def test_a_midi_file_that_disappears_is_skipped(tmp_path, notes_folder, monkeypatch, capsys):
    paths = [write_midi(tmp_path / "midi" / f"{name}.mid", [60]) for name in "abc"]
    read = synthesis.read_notes

    def remove_next(path, **flags):
        paths[1].unlink(missing_ok=True)
        return read(path, **flags)

    monkeypatch.setattr(synthesis, "read_notes", remove_next)
    flags = ["--nsynth_path", notes_folder, "--midi_path", tmp_path / "midi", "--jobs", 1]
    argv = [*flags, "--instruments", "guitar_acoustic", "--audios_path", tmp_path / "audios"]
    status, out, err = outcome(synthesize_audios.main, list(map(str, argv)), capsys)
    assert status == 1
    assert err[0].startswith(f"{paths[1]}: cannot be read (No such file or directory)")
    assert err[1:] == ["1 skipped, as listed above"]
    assert out[0].startswith("2 files written")
    assert files(tmp_path / "audios") == ["guitar_acoustic/a.wav", "guitar_acoustic/c.wav"]


def test_a_note_that_disappears_costs_the_pieces_that_it_plays_in(tmp_path, monkeypatch, capsys):
    note = np.float32(0.5 * np.sin(np.arange(3200) / 10))
    for pitch in (40, 60):
        write_audio(tmp_path / "notes" / f"guitar_acoustic_000-0{pitch}-100.wav", note, 16000)
    for name, pitch in (("a", 40), ("b", 60), ("c", 41)):
        write_midi(tmp_path / "midi" / f"{name}.mid", [pitch])
    gone = tmp_path / "notes" / "guitar_acoustic_000-060-100.wav"
    read = synthesis.read_notes

    def remove_note(path, **flags):
        gone.unlink(missing_ok=True)
        return read(path, **flags)

    monkeypatch.setattr(synthesis, "read_notes", remove_note)
    flags = ["--nsynth_path", tmp_path / "notes", "--midi_path", tmp_path / "midi", "--jobs", 1]
    argv = [*flags, "--instruments", "guitar_acoustic", "--audios_path", tmp_path / "audios"]
    status, _, err = outcome(synthesize_audios.main, list(map(str, argv)), capsys)
    assert status == 1
    assert err == [
        f"{tmp_path / 'midi' / 'b.mid'}: {gone}: no such file",
        "1 skipped, as listed above",
    ]
    assert files(tmp_path / "audios") == ["guitar_acoustic/a.wav", "guitar_acoustic/c.wav"]


@pytest.fixture
def compute(tmp_path, capsys):
    """Function that runs compute_features.py on ``audios``: status, lines of stdout and stderr."""

    def run(*flags):
        paths = ["--audios_path", tmp_path / "audios", "--features_path", tmp_path / "features"]
        words = [str(word) for word in [*paths, "--jobs", 1, *flags]]
        return outcome(compute_features.main, words, capsys)

    return run


def put(tmp_path, *names, columns=2):
    sound = np.float32(np.random.default_rng(columns).uniform(-0.5, 0.5, (columns - 1) * 512))
    for name in names:
        write_audio(tmp_path / "audios" / name, sound)


def columns(tmp_path, store="x"):
    with FeatureStore(tmp_path / "features" / f"{store}.h5") as opened:
        return opened.columns


@pytest.mark.parametrize("moment", ["before it is looked at", "before it is read"])
def test_an_audio_that_disappears_is_skipped(compute, tmp_path, monkeypatch, moment):
    put(tmp_path, "x/a.wav", "x/b.wav", "x/c.wav")
    gone = tmp_path / "audios/x/b.wav"

    def before(function):
        def first_remove(*args):
            gone.unlink(missing_ok=True)
            return function(*args)

        return first_remove

    name = "mark_of" if moment == "before it is looked at" else "read_image"
    monkeypatch.setattr(compute_features, name, before(getattr(compute_features, name)))
    status, out, err = compute()
    assert status == 1
    assert err == [f"{gone}: No such file or directory", "1 skipped, as listed above"]
    assert out[0].endswith("x.h5: 2 computed, 0 kept")
    assert list(columns(tmp_path)) == ["a", "c"]


def test_an_audio_that_changes_while_others_are_read_is_computed_again(
    compute, tmp_path, monkeypatch
):
    put(tmp_path, "x/a.wav", "x/b.wav")

    def change(path, image):
        loaded = read_image(path, image)
        if path.name == "b.wav":
            put(tmp_path, "x/a.wav", columns=7)  # its old features exist already
        return loaded

    monkeypatch.setattr(compute_features, "read_image", change)
    assert compute()[0] == 0
    assert columns(tmp_path) == {"a": 2, "b": 2}
    monkeypatch.undo()
    _, out, _ = compute()
    assert out[0].endswith("x.h5: 1 computed, 1 kept")
    assert columns(tmp_path) == {"a": 7, "b": 2}
    assert compute()[1][0].endswith("x.h5: 0 computed, 2 kept")


# Names


def test_files_of_every_name_are_played_and_stored(capsys):
    count = 3 * len(names.NAMES)
    assert names.main(["--files", str(count)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "each file was played and stored under its own name"
    assert all(f": {count} files in" in line for line in lines[:-1])


def test_the_names_of_the_benchmark_are_hostile():
    found = names.names(len(names.NAMES))
    assert len(set(found)) == len(found)
    assert max(len(os.fsencode(name)) for name in found) == 255 - len(".mid")
    assert any(name.startswith("-") for name in found)
    assert any("\n" in name for name in found)
    assert any("\x1b" in name for name in found)
    assert any("\udce9" in name for name in found)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) < len(found)


@pytest.mark.parametrize("extra", [0, 4])
def test_an_audio_whose_name_would_be_too_long_is_skipped(tmp_path, notes_folder, capsys, extra):
    """A preset makes the name of an audio longer than that of its piece."""
    stems = ["x" * 251, "x" * 100, "é" * 125 + "x"]
    for stem in stems:
        write_midi(tmp_path / "midi" / f"{stem}.mid", [60])
    voice = f"keyboard_acoustic:{extra}"
    flags = ["--nsynth_path", notes_folder, "--midi_path", tmp_path / "midi", "--jobs", 1]
    argv = [*flags, "--instruments", voice, "--audios_path", tmp_path / "audios"]
    status, _, err = outcome(synthesize_audios.main, list(map(str, argv)), capsys)
    made = files(tmp_path / "audios")
    if not extra:
        assert (status, err) == (0, [])
        assert made == sorted(f"keyboard_acoustic/{stem}.wav" for stem in stems)
        return
    assert made == [f"keyboard_acoustic/{stems[1]}@004.wav"]
    assert status == 1
    reason = "the name of its audio is too long; shorten it"
    assert err[:-1] == [f"{tmp_path}/midi/{stem}.mid: {reason}" for stem in (stems[0], stems[2])]


def test_a_piece_named_like_a_folder_of_audios_is_refused(tmp_path, notes_folder, capsys):
    write_midi(tmp_path / "midi/a.mid", [60])
    write_midi(tmp_path / "midi/a.wav/b.mid", [60])
    flags = ["--nsynth_path", notes_folder, "--midi_path", tmp_path / "midi", "--jobs", 1]
    argv = [*flags, "--instruments", "guitar_acoustic", "--audios_path", tmp_path / "audios"]
    said = "guitar_acoustic/a.wav: both an audio and a folder of others; rename a file or a folder"
    assert_refused(synthesize_audios.main, list(map(str, argv)), capsys, said)
    assert not (tmp_path / "audios").exists()


def test_a_folder_in_the_place_of_an_audio_is_one_line(script, tmp_path, capsys):
    place = {
        "synthesize_notes.py": "audio/keyboard_acoustic_000-060-100.wav",
        "synthesize_audios.py": "guitar_acoustic/march.wav",
        "compute_features.py": "guitar_acoustic.h5",
    }[script.file]
    (tmp_path / "out" / place).mkdir(parents=True)
    argv = [str(word) for word in [*script.argv, tmp_path / "out"]]
    assert_refused(script.main, argv, capsys, f"{tmp_path}/out/{place}: ")


def test_parts_of_features_are_of_any_name_and_never_in_each_others_way(compute, tmp_path):
    long = "x" * 250
    stems = ["a", "a.npy/b", "a.npy", f"{long}", "A", "n\ne"]
    put(tmp_path, *(f"x/{stem}.wav" for stem in stems), f"x/{long}.flac"[:257])
    assert compute()[0] == 0
    assert set(columns(tmp_path)) >= set(stems) - {long}
    assert len(columns(tmp_path)) == 7


def test_the_temporary_name_of_a_long_name_is_short_and_its_own(tmp_path):
    assert hidden_beside(tmp_path / "a.wav", "part") == tmp_path / ".part.a.wav"
    long = [tmp_path / f"{'x' * 250}{end}" for end in ("a.wav", "b.wav", f".{'y' * 4}")]
    hidden = [hidden_beside(path, "part") for path in long]
    assert len({path.name for path in hidden}) == 3
    for path, temporary in zip(long, hidden, strict=True):
        assert temporary.suffix == path.suffix
        assert len(temporary.name) < 143
        with replace_when_done(path) as used:
            used.write_bytes(b"whole")
        assert path.read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 3


def test_an_instrument_of_any_name_is_stored_and_printed_safely(compute, tmp_path):
    for name in (f"new\nline{ESCAPE}", INVALID):
        put(tmp_path, f"{name}/a.wav")
        (tmp_path / "audios" / name / "b.wav").write_bytes(b"no audio")
    status, out, err = compute()
    assert status == 1
    assert len(out) == 2
    assert len(err) == 3
    assert out[0] == f"{tmp_path}/features/caf\\udce9.h5: 1 computed, 0 kept"
    assert r"new\nline\x1b]0;title\x07\x1b[2J.h5: 1 computed, 0 kept" in out[1]
    assert err[1].startswith(rf"{tmp_path}/audios/new\nline\x1b]0;title\x07\x1b[2J/b.wav: not a re")
    assert all(line.isprintable() for line in out + err)
    assert columns(tmp_path, INVALID) == {"a": 2}


def test_an_instrument_named_like_the_phase_of_another_is_refused(compute, tmp_path):
    put(tmp_path, "x/a.wav", "x_phase/a.wav")
    status, _, err = compute("--with_phase")
    assert status == 2
    assert len(err) == 1
    assert "x_phase.h5: both an instrument and the phase of another; rename a folder" in err[0]
    assert not (tmp_path / "features").exists()


def test_what_is_printed_is_one_line_that_no_terminal_obeys(capsys):
    assert printable("Für Elise 月光") == "Für Elise 月光"
    assert printable(f"a\nb\t{ESCAPE}{INVALID}\u202e\\") == (
        r"a\nb\t\x1b]0;title\x07\x1b[2Jcaf\udce9\u202e" + "\\"
    )
    assert one_line(OSError(28, "No space\nleft", "a\nb")) == r"a\nb: No space left"
    assert one_line(OSError(21, "Is a directory", ".part.a.wav", None, "a.wav")) == (
        "a.wav: Is a directory"
    )
    assert one_line(f"a\nb: {ESCAPE}") == r"a b: \x1b]0;title\x07\x1b[2J"
    skipped = [
        ("x/a\nb .mid", "x/a\nb .mid: not\nmusic"),
        ("x/a  b.mid", "x/a  b.mid: not music"),
        ("x/a.mid", OSError(13, "Permission denied", "x/a.mid")),
        ("x/a.mid", "y/a.mid: gone"),
    ]
    assert report_skipped(skipped) == 1
    assert capsys.readouterr().err.splitlines() == [
        r"x/a\nb .mid: not music",
        "x/a  b.mid: not music",
        "x/a.mid: Permission denied",
        "x/a.mid: y/a.mid: gone",
        "4 skipped, as listed above",
    ]
    argv = ["--midi_path", f"new\nline{ESCAPE}"]
    _, _, err = outcome(synthesize_audios.main, argv, capsys)
    assert len(err) == 1
    assert r"new line\x1b]0;title\x07\x1b[2J: no such folder" in err[0]


# Links


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")


def test_a_link_counts_as_what_it_leads_to_but_not_for_ever(tmp_path):
    touch(tmp_path, "in/a.mid", "in/deep/b.mid", "out/c.mid", "out/d/e.mid")
    (tmp_path / "in/linked").symlink_to(tmp_path / "out")
    (tmp_path / "in/file.mid").symlink_to(tmp_path / "out/c.mid")
    (tmp_path / "in/deep/up").symlink_to("..")
    (tmp_path / "in/deep/self").symlink_to(".")
    (tmp_path / "out/back").symlink_to(tmp_path / "in")
    (tmp_path / "in/.hidden").symlink_to(tmp_path / "out")
    expected = ["a", "deep/b", "file", "linked/c", "linked/d/e"]

    def is_midi(path):
        return path.suffix == ".mid"

    assert list(find_inputs(tmp_path / "in", is_midi).files) == expected
    (tmp_path / "link").symlink_to("in")
    assert list(find_inputs(tmp_path / "link", is_midi).files) == expected


def test_a_link_that_leads_nowhere_is_reported(compute, tmp_path):
    put(tmp_path, "x/a.wav")
    (tmp_path / "audios/x/b.wav").symlink_to("gone.wav")
    (tmp_path / "audios/x/c.wav").symlink_to("c.wav")
    (tmp_path / "audios/x/folder.wav").mkdir()
    os.mkfifo(tmp_path / "audios/x/pipe.wav")
    status, _, err = compute()
    assert status == 1
    assert err[0] == f"{tmp_path}/audios/x/b.wav: No such file or directory"
    assert err[1].startswith(f"{tmp_path}/audios/x/c.wav: Too many")
    assert err[2] == "2 skipped, as listed above"
    assert list(columns(tmp_path)) == ["a"]


def test_a_folder_that_may_not_be_read_is_named(compute, tmp_path, monkeypatch, capsys):
    put(tmp_path, "x/a.wav", "y/a.wav")
    real = os.scandir

    def refuse(path):
        if str(path).endswith("/y"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(cli.os, "scandir", refuse)
    status, out, err = compute()
    assert status == 1
    assert err == [f"{tmp_path}/audios/y: Permission denied", "1 skipped, as listed above"]
    assert out[0].endswith("x.h5: 1 computed, 0 kept")
    with pytest.raises(PermissionError):
        find_inputs(tmp_path / "audios", lambda path: path.suffix == ".wav")


def test_stores_and_configurations_hold_names_that_are_not_utf_8(tmp_path, capsys):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * 16000)
    write_audio(tmp_path / "in" / f"{INVALID}.wav", sound, 16000)
    flags = ["--audio_path", tmp_path / "in", "--jobs", 1]
    for system, more in (
        (vae_generation.preprocess, ["--spectrogram", "log"]),
        (time_stretching.preprocess, ["--random_rates", 0]),
    ):
        argv = [*flags, *more, "--features_path", tmp_path / f"{INVALID}.h5"]
        assert outcome(system.main, list(map(str, argv)), capsys)[::2] == (0, [])
    with Store(tmp_path / f"{INVALID}.h5") as store:
        assert [recording.name for recording in store.rows] == [r"caf\udce9"]
    write_json(tmp_path / "config.json", {"é": INVALID})
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"é": INVALID}
    assert "é" in text


def test_a_disk_that_is_full_before_the_output_is_begun_names_the_output(small_disk):
    output = small_disk / "a.wav"
    with pytest.raises(OSError, match=r"a\.wav: cannot be written; is the disk full\?") as caught:  # noqa: SIM117
        with streaming._unnamed_file(output) as file:
            for _ in range(20):
                file.write(bytes(2**14))
    assert one_line(caught.value).startswith(f"{output}: ")
    assert not output.exists()
