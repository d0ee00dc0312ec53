"""Mixing compared with closed forms, and the script synthesize_audios.py on small files."""

import tracemalloc
from pathlib import PurePosixPath

import numpy as np
import pytest
import soundfile
from conftest import NOTE_RATE, PIECES, make_note, snapshot, write_midi, write_notes
from hypothesis import given, settings
from hypothesis import strategies as st

import synthesize_audios
from common import cli
from common.cli import UserError
from common.music.midi import Note
from common.music.names import Variation, pair_key, piece_of
from common.music.notes import NoteLibrary
from common.music.synthesis import PEAK, audio_path, mix, notes_of
from data import load_audio

BOTH = ["keyboard_acoustic", "guitar_acoustic"]


class Steady:
    """A voice whose notes are constant for 4 s: a hundredth of their velocity."""

    def __init__(self, rate=NOTE_RATE, seconds=4.0, distance=0):
        self.sample_rate = rate
        self.seconds = seconds
        self.distance = distance

    def note(self, pitch, velocity):
        return np.full(int(self.seconds * self.sample_rate), np.float32(velocity / 100)), (
            self.distance
        )


class Tones:
    """A voice of decaying sines."""

    sample_rate = NOTE_RATE

    def note(self, pitch, velocity):
        return make_note(pitch, seconds=4, level=velocity / 127), 0


def test_a_note_is_its_sample_for_nine_tenths_and_then_decays():
    audio, counts = mix([Note(60, 50, 0.0, 1.0)], Steady(), duration_rate=1)
    held = 14400  # samples: 0.9 s
    np.testing.assert_array_equal(audio[:held], 0.5)
    decay = audio[held : held + 30000]
    np.testing.assert_allclose(decay, 0.5 * np.exp(-np.arange(30000) / 3000), rtol=1e-4)
    assert not audio[held + 33273 :].any()  # below a 16-bit step after ln(2 ** 16) time constants
    assert counts == {"notes": 1, "substituted": 0, "cut": 0}


def test_the_time_constant_of_the_release_is_3000_samples_at_any_rate():
    audio, _ = mix([Note(60, 50, 0.0, 1.0)], Steady(48000), duration_rate=1)
    held = 43200
    np.testing.assert_allclose(
        audio[held : held + 40000], 0.5 * np.exp(-np.arange(40000) / 9000), rtol=1e-4
    )


def test_the_duration_rate_stretches_notes_but_not_their_starts():
    notes = [Note(60, 50, 0.5, 0.75), Note(64, 20, 2.5, 2.6)]
    audio, _ = mix(notes, Steady(), duration_rate=4)
    assert not audio[:8000].any()
    np.testing.assert_array_equal(audio[8000 : 8000 + 14400], 0.5)
    assert audio[8000 + 14400 + 3000] == pytest.approx(0.5 / np.e, rel=1e-4)
    rest = 0.5 * np.exp(-(40000 - 22400) / 3000)
    assert audio[40000] == pytest.approx(0.2 + rest, rel=1e-4)


notes_lists = st.lists(
    st.builds(
        lambda pitch, velocity, start, length: Note(pitch, velocity, start, start + length),
        st.integers(40, 80),
        st.integers(1, 127),
        st.floats(0, 2),
        st.floats(0.001, 2),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=20)
@given(notes_lists, notes_lists)
def test_a_mix_is_the_sum_of_its_notes(first, second):
    together, counts = mix(first + second, Tones())
    parts = [mix([note], Tones())[0] for note in first + second]
    total = np.zeros_like(together)
    for part in parts:
        assert not part[together.size :].any()
        total[: part.size] += part[: together.size]
    np.testing.assert_allclose(together, total, atol=1e-6)
    assert counts["notes"] == len(first + second)


def test_substituted_and_cut_notes_are_counted():
    notes = [Note(60, 50, 0.0, 0.5), Note(62, 50, 0.0, 3.0)]
    assert mix(notes, Steady(), 1)[1] == {"notes": 2, "substituted": 0, "cut": 0}
    assert mix(notes, Steady(distance=3), 1)[1]["substituted"] == 2
    assert mix(notes, Steady(seconds=2.0), 1)[1]["cut"] == 1


@settings(max_examples=20)
@given(notes_lists, st.floats(0.3, 8))
def test_a_piece_is_equally_long_for_every_voice_of_one_rate(notes, duration_rate):
    sizes = {
        mix(notes, voice, duration_rate)[0].size
        for voice in (Steady(), Steady(seconds=0.1), Tones())
    }
    assert len(sizes) == 1


def test_a_piece_differs_by_less_than_a_millisecond_between_rates():
    notes = [Note(60, 50, 0.0, 0.777)]
    lengths = [mix(notes, Steady(rate), 1)[0].size / rate for rate in (16000, 44100, 48000)]
    assert max(lengths) - min(lengths) < 1e-3


@pytest.mark.parametrize("length", [0.01, 0.3, 0.5, 5.0])
def test_no_note_ends_with_a_click(tmp_path, length):
    pure = {("keyboard_acoustic", 0): (1.0,)}
    write_notes(tmp_path, pure, [45], [100])  # the samples end at a seventh of their level
    audio, _ = mix([Note(45, 100, 0.0, length)], NoteLibrary(tmp_path).voice(*next(iter(pure))))
    peak = np.abs(audio).max()
    steepest = 2 * np.pi * 110 / NOTE_RATE  # slope per sample of a sine of 110 Hz
    assert np.abs(np.diff(audio)).max() < 1.2 * steepest * peak
    assert abs(audio[-1]) < 1e-4 * peak


# Names


@pytest.mark.parametrize(
    ("settings_", "name"),
    [
        ((0, 1.0, 4.0, True), ""),
        ((3, 1.0, 4.0, True), "~transpose+3"),
        ((-12, 1.0, 4.0, True), "~transpose-12"),
        ((0, 0.5, 4.0, True), "~speed0.5"),
        ((0, 1.0, 1.5, True), "~duration1.5"),
        ((0, 1.0, 4.0, False), "~nopedal"),
        ((3, 2.0, 1.0, False), "~transpose+3_speed2_duration1_nopedal"),
    ],
)
def test_what_is_not_played_as_written_is_in_the_name(settings_, name):
    assert str(Variation(*settings_)) == name


def test_presets_are_told_apart_by_name(tmp_path):
    def name(*args):
        return audio_path(tmp_path, "a", *args).relative_to(tmp_path / "a").as_posix()

    assert name("piece", 0) == "piece.wav"
    assert name("piece", 4) == "piece@004.wav"
    assert name("deep/er/piece.v2", 4) == "deep/er/piece.v2@004.wav"
    assert name("take@004", 0) == "take@004@000.wav"


@given(
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=12),
    st.integers(0, 999),
)
def test_the_piece_is_recovered_from_the_name_of_its_audio(piece, preset):
    path = audio_path(PurePosixPath("x"), "a", piece, preset)
    assert pair_key(path.name.removesuffix(".wav")) == piece
    assert piece_of(path.name.removesuffix(".wav")) == piece.partition("~")[0]


# The script


@pytest.fixture
def synthesize(notes_folder, midi_folder, tmp_path):
    """Function that runs the script in this process, and returns the exit status."""

    def run(*flags, midi=midi_folder, notes=notes_folder, out=tmp_path / "audios", only=BOTH):
        paths = ["--nsynth_path", notes, "--midi_path", midi, "--audios_path", out]
        argv = [*paths, "--instruments", *only, "--jobs", 1, *flags]
        return synthesize_audios.main([str(word) for word in argv])

    return run


def wavs(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def peak_of(path):
    return np.abs(load_audio(path)[0]).max()


def test_every_piece_is_played_by_every_instrument(audios_folder):
    expected = [f"{instrument}/{piece}.wav" for instrument in BOTH for piece in PIECES]
    assert wavs(audios_folder) == sorted([*BOTH, *expected])
    for name in expected:
        header = soundfile.info(audios_folder / name)
        assert (header.samplerate, header.channels, header.subtype) == (44100, 1, "PCM_16")
        # each file fills the range, as published
        assert peak_of(audios_folder / name) == pytest.approx(PEAK, abs=2**-14)
    for piece in PIECES:
        sizes = {soundfile.info(audios_folder / name / f"{piece}.wav").frames for name in BOTH}
        assert len(sizes) == 1


def test_the_notes_of_a_piece_are_heard_at_their_time_and_pitch(synthesize, tmp_path):
    write_midi(tmp_path / "midi" / "two.mid", [60, 72], ticks=960)  # a second each
    assert synthesize("--duration_rate", "1", midi=tmp_path / "midi", only=BOTH[:1]) == 0
    audio, rate = load_audio(tmp_path / "audios" / "keyboard_acoustic" / "two~duration1.wav")
    for start, frequency in ((0.1, 261.63), (1.4, 523.25)):
        part = audio[int(start * rate) :][: rate // 2] * np.hanning(rate // 2)
        assert np.argmax(np.abs(np.fft.rfft(part, 4 * rate))) / 4 == pytest.approx(frequency, abs=1)


def test_presets_and_variations_have_names_of_their_own(synthesize, tmp_path, midi_folder):
    assert synthesize("--transpose", "3", only=["keyboard_acoustic:0,4"]) == 0
    assert synthesize(only=["keyboard_acoustic_004"]) == 0
    folder = tmp_path / "audios" / "keyboard_acoustic"
    names = [f"{piece}{suffix}.wav" for piece in PIECES for suffix in SUFFIXES]
    assert wavs(folder) == sorted(names)
    first, second = (load_audio(folder / f"march~transpose+3{end}.wav")[0] for end in ("", "@004"))
    assert first.shape == second.shape
    assert not np.allclose(first, second, atol=0.01)


SUFFIXES = ("@004", "~transpose+3", "~transpose+3@004")


def test_every_combination_of_variations_is_a_rendering(synthesize, tmp_path, capsys):
    write_midi(tmp_path / "midi" / "two.mid", [60, 64])
    combinations = ["--transpose", "-3", "0", "-3", "--playback_speed", "1", "2", "1.0"]
    assert synthesize(*combinations, midi=tmp_path / "midi") == 0
    said = capsys.readouterr().out
    assert "8 files written; 16 notes played" in said
    suffixes = ["", "~speed2", "~transpose-3", "~transpose-3_speed2"]
    expected = [f"{instrument}/two{suffix}.wav" for instrument in BOTH for suffix in suffixes]
    assert wavs(tmp_path / "audios") == sorted([*BOTH, *expected])
    # each equals the rendering of a run of its own
    alone = tmp_path / "alone"
    for flags in (
        [],
        ["--playback_speed", "2"],
        ["--transpose", "-3"],
        ["--transpose", "-3", "--playback_speed", "2"],
    ):
        assert synthesize(*flags, midi=tmp_path / "midi", out=alone) == 0
    contents = [(alone / name).read_bytes() for name in expected]
    assert [(tmp_path / "audios" / name).read_bytes() for name in expected] == contents
    assert len(set(contents)) == 8
    # and a run of all of them keeps these
    assert synthesize(*combinations, midi=tmp_path / "midi", out=alone) == 0
    assert "0 files written; 8 kept" in capsys.readouterr().out


def test_durations_are_variations_too(synthesize, tmp_path):
    write_midi(tmp_path / "midi" / "a.mid", [60])
    assert synthesize("--duration_rate", "1", "4", midi=tmp_path / "midi", only=BOTH[:1]) == 0
    folder = tmp_path / "audios" / "keyboard_acoustic"
    assert wavs(folder) == ["a.wav", "a~duration1.wav"]
    long, short = (soundfile.info(folder / name).frames for name in wavs(folder))
    # a quarter of a second, held for nine tenths of one and of four times its length
    assert (long - short) / 44100 == pytest.approx(0.9 * 0.25 * 3, abs=1e-3)


def test_a_file_that_is_skipped_in_some_variations_says_in_which(synthesize, tmp_path, capsys):
    midi = tmp_path / "midi"
    write_midi(midi / "good.mid", [60])
    write_midi(midi / "high.mid", [76])
    (midi / "empty.mid").write_bytes(b"")
    flags = ["--transpose", "0", "5", "--playback_speed", "1", "2"]
    assert synthesize(*flags, midi=midi, only=BOTH[:1]) == 1
    out, err = capsys.readouterr()
    assert "6 files written" in out
    empty, high, last = err.splitlines()
    assert "empty.mid: " in empty
    assert "~" not in empty
    assert "high.mid: keyboard_acoustic_000: no sounding note within 6 semitones" in high
    assert high.endswith(" (high~transpose+5, high~transpose+5_speed2)")
    assert last == "2 skipped, as listed above"


def test_a_file_named_like_a_variation_of_another_is_refused(synthesize, tmp_path):
    for name in ("a.mid", "a~transpose+3.mid"):
        write_midi(tmp_path / "midi" / name, [60])
    with pytest.raises(UserError, match=r"2 renderings are named a~transpose\+3; rename a file"):
        synthesize("--transpose", "0", "3", midi=tmp_path / "midi")
    assert not (tmp_path / "audios").exists()
    assert synthesize("--transpose", "3", midi=tmp_path / "midi") == 0


def test_a_shared_gain_keeps_the_balance_of_the_instruments(synthesize, tmp_path):
    loud = {("keyboard_acoustic", 0): (1.0,)}
    write_notes(tmp_path / "notes", loud, [60], [100])
    for note in list((tmp_path / "notes").iterdir()):
        audio, rate = soundfile.read(note)
        soundfile.write(note.with_name(note.name.replace("keyboard", "guitar")), audio / 4, rate)
    write_midi(tmp_path / "midi" / "a.mid", [60, 62])
    arguments = {"midi": tmp_path / "midi", "notes": tmp_path / "notes"}
    assert synthesize("--shared_gain", **arguments) == 0
    loud, soft = (tmp_path / "audios" / name / "a.wav" for name in BOTH)
    assert peak_of(loud) == pytest.approx(PEAK, abs=2**-14)
    assert peak_of(soft) == pytest.approx(PEAK / 4, rel=2e-3)
    # restarted after one of them was lost, the gain is still that of both
    before = soft.read_bytes()
    soft.unlink()
    assert synthesize("--shared_gain", **arguments) == 0
    assert soft.read_bytes() == before
    assert synthesize("--overwrite", **arguments) == 0
    assert peak_of(soft) == pytest.approx(PEAK, abs=2**-14)


def test_a_restart_keeps_what_is_there_and_makes_what_is_missing(synthesize, tmp_path, capsys):
    out = tmp_path / "audios"
    synthesize()
    first = {path: path.read_bytes() for path in out.rglob("*.wav")}
    before = snapshot(out)
    capsys.readouterr()
    assert synthesize() == 0
    assert snapshot(out) == before
    assert "0 files written; 8 kept" in capsys.readouterr().out
    lost = out / "guitar_acoustic" / "march.wav"
    lost.unlink()
    assert synthesize() == 0
    assert "1 file written; 7 kept" in capsys.readouterr().out
    for left in (0, 20, -1):  # what a crash of the machine leaves
        lost.write_bytes(first[lost][:left])
        assert synthesize() == 0
        said = "1 file written; 1 of them because the old file was damaged; 7 kept"
        assert said in capsys.readouterr().out
        assert lost.read_bytes() == first[lost]
    changed = {name for name, *_ in snapshot(out) - before if name.endswith(".wav")}
    assert changed == {"guitar_acoustic/march.wav"}
    assert synthesize("--overwrite") == 0
    changed = {name for name, *_ in snapshot(out) - before if name.endswith(".wav")}
    assert len(changed) == 8
    assert {path: path.read_bytes() for path in out.rglob("*.wav")} == first


@pytest.mark.parametrize("gain", [[], ["--shared_gain"]])
def test_memory_does_not_grow_with_the_number_of_voices(synthesize, tmp_path, monkeypatch, gain):
    for number in range(4):
        write_notes(tmp_path / "notes", {("guitar_acoustic", number): (1.0, number)}, [60], [100])
    write_midi(tmp_path / "midi" / "a.mid", [60] * 60)
    arguments = {"midi": tmp_path / "midi", "notes": tmp_path / "notes"}

    def peak_memory(name, presets):
        tracemalloc.start()
        try:
            only = [f"guitar_acoustic:{presets}"]
            assert synthesize(*gain, only=only, out=tmp_path / name, **arguments) == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_memory("in_memory", "0,1,2,3")
    monkeypatch.setattr("common.music.synthesis._IN_MEMORY", 2**16)
    one, four = peak_memory("one", "0"), peak_memory("four", "0,1,2,3")
    assert four < 1.5 * one
    for path in (tmp_path / "in_memory").rglob("*.wav"):
        same = tmp_path / "four" / path.relative_to(tmp_path / "in_memory")
        assert same.read_bytes() == path.read_bytes()


def test_two_processes_write_the_same_bytes_as_one(synthesize, tmp_path, audios_folder):
    assert synthesize("--jobs", "2") == 0
    for path in audios_folder.rglob("*.wav"):
        same = tmp_path / "audios" / path.relative_to(audios_folder)
        assert same.read_bytes() == path.read_bytes()


def test_pieces_of_equal_names_do_not_collide(synthesize, tmp_path):
    midi = tmp_path / "midi"
    names = ["a.mid", "a.midi", "x/a.mid", "y/a.mid", "x.mid", "ü 1.mid", "b.MID"]
    for number, name in enumerate(names):
        write_midi(midi / name, [60] * (number + 1))
    assert synthesize(midi=midi, only=BOTH[:1]) == 0
    folder = tmp_path / "audios" / "keyboard_acoustic"
    found = {
        path.relative_to(folder).as_posix(): soundfile.info(path).frames
        for path in folder.rglob("*.wav")
    }
    assert sorted(found) == sorted(
        f"{name}.wav" for name in ["a.mid", "a.midi", "x/a", "y/a", "x", "ü 1", "b"]
    )
    assert len(set(found.values())) == len(names)


def test_an_instrument_of_the_default_list_must_be_there(run_script, notes_folder, midi_folder):
    paths = ["--nsynth_path", notes_folder, "--midi_path", midi_folder, "--audios_path", "/nowhere"]
    status, out, err = run_script("synthesize_audios.py", *paths)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "no instrument 'string_acoustic'; it has guitar_acoustic, keyboard_acoustic" in err


def write_bad_midi(folder):
    """Write damaged MIDI files; return the message for each."""
    good = write_midi(folder / "cut.mid", [60, 62]).read_bytes()
    contents = {
        "cut.mid": (good[:-7], "cut off"),
        "empty.mid": (b"", "it is empty"),
        "text.mid": (b"no music", "does not begin with MThd"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    write_midi(folder / "silent.mid", [])
    write_midi(folder / "high.mid", [127])
    return {name: said for name, (_, said) in contents.items()} | {
        "silent.mid": "holds no playable note",
        "high.mid": "no sounding note within 6 semitones of pitch 127",
    }


def test_bad_files_among_good_ones_are_reported_and_skipped(synthesize, tmp_path, capsys):
    said = write_bad_midi(tmp_path / "midi")
    write_midi(tmp_path / "midi" / "good.mid", [60, 64])
    assert synthesize(midi=tmp_path / "midi") == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == len(said) + 1
    for name, message in said.items():
        assert sum(f"{name}: " in line and message in line for line in lines) == 1
    assert lines[-1] == "5 skipped, as listed above"
    assert "2 files written; 4 notes played" in out
    good = [f"{name}/good.wav" for name in BOTH]
    assert wavs(tmp_path / "audios") == sorted([*BOTH, *good])


def test_bad_files_alone_end_with_status_2(run_script, notes_folder, tmp_path):
    said = write_bad_midi(tmp_path / "midi")
    paths = ["--nsynth_path", notes_folder, "--midi_path", tmp_path / "midi"]
    flags = ["--audios_path", tmp_path / "audios", "--instruments", *BOTH, "--jobs", 1]
    status, _, err = run_script("synthesize_audios.py", *paths, *flags)
    assert status == 2
    assert "Traceback" not in err
    assert len(err.splitlines()) == len(said) + 2
    last = err.splitlines()[-1]
    assert last.startswith("synthesize_audios.py: error: ")
    assert last.endswith("midi: none of its MIDI files could be played")
    assert wavs(tmp_path / "audios") == []


def test_mistakes_in_the_flags_are_one_line_and_write_nothing(
    capsys, notes_folder, midi_folder, tmp_path
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    good = {
        "nsynth_path": notes_folder,
        "midi_path": midi_folder,
        "audios_path": tmp_path / "audios",
        "instruments": "guitar_acoustic",
    }
    for name, value, message in [
        ("midi_path", tmp_path / "empty", "no .mid or .midi file in it or below it"),
        ("midi_path", tmp_path / "missing", "no such folder"),
        ("nsynth_path", tmp_path / "empty", "no notes named"),
        ("instruments", "harp", "no instrument 'harp'; it has guitar_acoustic, keyboard_acoustic"),
        ("instruments", "keyboard_acoustic:0,9", "has no preset 9; it has 0, 4"),
        ("instruments", "a:b", "write <family>_<source>"),
        ("audios_path", tmp_path / "file" / "audios", "part of this path is a file"),
        ("playback_speed", "0", "must be above 0"),
        ("duration_rate", "nan", "must be finite"),
        ("transpose", "1.5", "is not a whole number"),
        ("sustain", "perhaps", "neither on nor off"),
    ]:
        flags = {**good, name: value}
        argv = [str(word) for flag, value in flags.items() for word in (f"--{flag}", value)]
        with pytest.raises(SystemExit) as caught:
            cli.run(synthesize_audios.main, argv)
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, ""), name
        assert err.count("\n") == 1
        assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]


def test_a_speed_at_which_a_piece_takes_days_is_refused(synthesize, tmp_path, capsys):
    with pytest.raises(UserError, match="none of its MIDI files"):
        synthesize("--playback_speed", "1e-9")
    assert "march.mid: would last 5" in capsys.readouterr().err


def test_a_note_that_is_silent_where_it_is_played_is_no_division_by_zero(
    synthesize, tmp_path, capsys
):
    late = np.zeros(4 * NOTE_RATE)
    late[-1000:] = 0.5
    (tmp_path / "notes").mkdir()
    soundfile.write(tmp_path / "notes" / "guitar_acoustic_000-060-050.wav", late, NOTE_RATE)
    write_midi(tmp_path / "midi" / "a.mid", [60])
    arguments = {"midi": tmp_path / "midi", "notes": tmp_path / "notes", "only": BOTH[1:]}
    with pytest.raises(UserError):
        synthesize(**arguments)
    assert "a.mid: guitar_acoustic_000 makes no sound of its notes" in capsys.readouterr().err


def test_a_broken_note_is_one_line(run_script, midi_folder, tmp_path):
    notes = write_notes(tmp_path / "notes", {("guitar_acoustic", 0): (1.0,)})
    for path in notes.glob("*-048-*"):
        path.write_bytes(path.read_bytes()[:100])
    paths = ["--nsynth_path", notes, "--midi_path", midi_folder]
    flags = ["--audios_path", tmp_path / "audios", "--instruments", "guitar_acoustic"]
    status, out, err = run_script("synthesize_audios.py", *paths, *flags)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "guitar_acoustic_000-048-050.wav: cut off" in err


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_one_line_and_leaves_whole_files_only(
    run_script, notes_folder, midi_folder, small_disk, processes
):
    paths = ["--nsynth_path", notes_folder, "--midi_path", midi_folder]
    flags = ["--audios_path", small_disk / "audios", "--jobs", processes, "--instruments", *BOTH]
    status, out, err = run_script(
        "synthesize_audios.py", *paths, *flags, env={"JOBLIB_TEMP_FOLDER": "/tmp"}
    )
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert ".wav: cannot be written; is the disk full?" in err
    assert not list(small_disk.rglob("*.wav"))


def test_a_default_other_than_preset_0_is_said(tmp_path, capsys):
    write_notes(tmp_path, {("bass_electronic", 18): (1.0,)}, [60])
    library = NoteLibrary(tmp_path)
    assert synthesize_audios.voices_of(library, ["bass_electronic"]) == (("bass_electronic", 18),)
    assert "no preset 0; preset 18 plays" in capsys.readouterr().out


@given(
    varied=st.tuples(
        st.integers(-12, 12),
        st.sampled_from([1, 0.5, 1.25, 3]),
        st.sampled_from([4, 1, 2.5]),
        st.booleans(),
    ),
    preset=st.sampled_from(["", "@010"]),
)
@settings(max_examples=40)
def test_the_notes_of_a_rendering_follow_from_its_name(midi_folder, varied, preset):
    transpose, speed, *_ = varied
    found = notes_of(f"march{Variation(*varied)}{preset}", midi_folder)
    assert [note.pitch - transpose for note in found] == list(PIECES["march"])
    assert [note.start * speed for note in found] == pytest.approx(np.arange(8) / 4)


def test_a_rendering_without_its_midi_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a/b\.mid: no such file"):
        notes_of("a/b~transpose+2@001", tmp_path)
