"""Note libraries: names, choice of the file, substitution, laziness."""

import time

import numpy as np
import pytest
import soundfile
from conftest import NOTE_RATE, PITCHES, VOICES, frequency_of, make_note, write_notes
from hypothesis import assume, given
from hypothesis import strategies as st

import common.music.notes
from common.cli import UserError
from common.files.audio import AudioFileError
from common.music.notes import MAX_SUBSTITUTION, NOTE_SECONDS, NoteLibrary, Voice, parse_instrument

PIANO = {("keyboard_acoustic", 0): (1.0,)}


def put(folder, name, audio, rate=NOTE_RATE, subtype=None):
    soundfile.write(folder / name, audio, rate, subtype=subtype)


def fundamental(audio, rate):
    """Measure the frequency of the strongest partial in Hz, to a fraction of a cent."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 32 * rate))
    return np.argmax(spectrum) / 32


# Names of instruments


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("keyboard_acoustic", ("keyboard_acoustic", None)),
        ("keyboard_acoustic:0", ("keyboard_acoustic", (0,))),
        ("keyboard_acoustic:0,4,9", ("keyboard_acoustic", (0, 4, 9))),
        ("keyboard_acoustic:9,4,9", ("keyboard_acoustic", (9, 4))),
        ("my guitar", ("my guitar", None)),
        ("Gitarre (gezupft)-2:7", ("Gitarre (gezupft)-2", (7,))),
        ("12-string guitar_acoustic_003", ("12-string guitar_acoustic", (3,))),
        ("keyboard_acoustic_004", ("keyboard_acoustic", (4,))),
        ("synth_lead_synthetic", ("synth_lead_synthetic", None)),
        ("synth_lead_synthetic_011", ("synth_lead_synthetic", (11,))),
    ],
)
def test_instruments_are_named_as_in_nsynth(text, parsed):
    assert parse_instrument(text) == parsed


@pytest.mark.parametrize(
    "text", ["", ":0", "a:", "a:,", "a:0,", "a:x", "a:-1", "a:1000", " a", "a/b", "../a", "a\n"]
)
def test_other_forms_are_refused(text):
    with pytest.raises(UserError, match="write <family>_<source>"):
        parse_instrument(text)


@given(st.from_regex(r"[a-z]+_[a-z]+", fullmatch=True), st.lists(st.integers(0, 999), max_size=5))
def test_every_list_of_presets_is_read(name, presets):
    text = f"{name}:{','.join(map(str, presets))}" if presets else name
    assert parse_instrument(text) == (name, tuple(dict.fromkeys(presets)) or None)
    for preset in presets:
        assert parse_instrument(f"{name}_{preset:03d}") == (name, (preset,))


@given(st.text(max_size=20))
def test_any_text_is_parsed_or_refused(text):
    try:
        name, presets = parse_instrument(text)
    except UserError:
        return
    assume(presets is None)
    assert name == text


# The library


def test_instruments_and_presets_are_known_by_name(notes_folder):
    library = NoteLibrary(notes_folder)
    assert library.instruments == ["guitar_acoustic", "keyboard_acoustic"]
    assert library.presets("keyboard_acoustic") == [0, 4]
    assert library.presets("guitar_acoustic") == [0]
    assert library.default_preset("keyboard_acoustic") == 0
    assert library.voice("keyboard_acoustic", 4).name == "keyboard_acoustic_004"
    assert library.voice("keyboard_acoustic", 4).sample_rate == NOTE_RATE


def test_notes_may_lie_in_the_folder_audio_and_be_flac(tmp_path, notes_folder):
    write_notes(tmp_path / "audio", VOICES, suffix=".flac")
    (tmp_path / "examples.json").write_text("not even JSON")
    note, _ = NoteLibrary(tmp_path).voice("guitar_acoustic", 0).note(60, 100)
    direct, _ = NoteLibrary(notes_folder).voice("guitar_acoustic", 0).note(60, 100)
    np.testing.assert_allclose(note, direct, atol=2**-14)


def test_without_preset_0_the_first_is_the_default(tmp_path):
    write_notes(tmp_path, {("bass_electronic", 27): (1.0,), ("bass_electronic", 18): (1.0,)}, [60])
    assert NoteLibrary(tmp_path).default_preset("bass_electronic") == 18


def test_an_unknown_instrument_is_answered_with_the_known_ones(notes_folder):
    library = NoteLibrary(notes_folder)
    for ask in (library.presets, library.default_preset, lambda name: library.voice(name, 0)):
        with pytest.raises(UserError, match="no instrument 'harp'; it has guitar_acoustic, key"):
            ask("harp")
    with pytest.raises(UserError, match="keyboard_acoustic has no preset 7; it has 0, 4"):
        library.voice("keyboard_acoustic", 7)


def test_a_folder_without_notes_is_an_error(tmp_path):
    with pytest.raises(UserError, match="missing: no such folder of notes"):
        NoteLibrary(tmp_path / "missing")
    for name in ("note.wav", "a_000-060-100.mp3", "a_000-60-100.wav", "a_000-060-100.wav.bak"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="no notes named <family>_<source>_<preset>-<pitch>"):
        NoteLibrary(tmp_path)


def test_opening_a_library_of_3000_files_opens_none(tmp_path, monkeypatch):
    for preset in range(6):
        for pitch in range(21, 121):
            for velocity in (25, 50, 75, 100, 127):
                name = f"keyboard_acoustic_{preset:03d}-{pitch:03d}-{velocity:03d}.wav"
                (tmp_path / name).write_bytes(b"RIFF")

    def refuse(*args, **kwargs):
        raise AssertionError("a note was opened")

    monkeypatch.setattr(soundfile, "SoundFile", refuse)
    monkeypatch.setattr(soundfile, "info", refuse)
    monkeypatch.setattr(common.music.notes, "load_audio", refuse)
    start = time.perf_counter()
    library = NoteLibrary(tmp_path)
    assert library.presets("keyboard_acoustic") == [0, 1, 2, 3, 4, 5]
    assert time.perf_counter() - start < 1  # 0.02 s when measured; a header read takes longer
    with pytest.raises(AssertionError, match="a note was opened"):
        library.voice("keyboard_acoustic", 0)


# Notes


@pytest.fixture
def files(tmp_path):
    """Files of a voice: pitches 60 and 72, velocities 25, 50, 127, each with its own level."""
    for pitch in (60, 72):
        for velocity in (25, 50, 127):
            note = make_note(pitch, level=velocity / 200)
            put(tmp_path, f"keyboard_acoustic_000-{pitch:03d}-{velocity:03d}.wav", note)
    return tmp_path


def voice_of(folder):
    return NoteLibrary(folder).voice("keyboard_acoustic", 0)


@pytest.mark.parametrize(
    ("velocity", "nearest"),
    [(1, 25), (25, 25), (37, 25), (38, 50), (50, 50), (88, 50), (89, 127), (127, 127)],
)
def test_the_nearest_velocity_is_played(files, velocity, nearest):
    note, distance = voice_of(files).note(60, velocity)
    assert distance == 0
    np.testing.assert_array_equal(note, voice_of(files).note(60, nearest)[0])
    np.testing.assert_allclose(np.abs(note).max(), nearest / 200, rtol=0.01)


def test_a_note_is_its_file_but_for_the_last_hundredth_of_a_second(files):
    note, _ = voice_of(files).note(60, 127)
    stored, _ = soundfile.read(files / "keyboard_acoustic_000-060-127.wav", dtype="float32")
    assert note.dtype == np.float32
    fade = NOTE_RATE // 100
    np.testing.assert_array_equal(note[:-fade], stored[:-fade])
    np.testing.assert_allclose(note[-fade:], stored[-fade:] * np.linspace(1, 0, fade), atol=1e-7)


@pytest.mark.parametrize("semitones", [-6, -5, -1, 1, 6])
def test_a_missing_pitch_is_taken_from_its_neighbour_and_sounds_right(tmp_path, semitones):
    put(tmp_path, "keyboard_acoustic_000-066-100.wav", make_note(66, seconds=4))
    note, distance = voice_of(tmp_path).note(66 + semitones, 100)
    assert distance == abs(semitones)
    measured = fundamental(note, NOTE_RATE)
    cents = 1200 * np.log2(measured / frequency_of(66 + semitones))
    assert abs(cents) < 1
    expected = min(4 * NOTE_RATE, 4 * NOTE_RATE / 2 ** (semitones / 12))
    assert len(note) == pytest.approx(expected, abs=1)
    assert note[-1] == 0


def test_the_nearest_pitch_is_chosen_the_lower_one_of_two(files):
    assert voice_of(files).note(65, 50)[1] == 5
    assert voice_of(files).note(67, 50)[1] == 5
    low, distance = voice_of(files).note(66, 50)
    assert distance == 6
    assert len(low) < 2 * NOTE_RATE  # played faster, so it came from 60


@pytest.mark.parametrize("pitch", [0, 53, 79, 127])
def test_no_note_is_farther_than_the_limit(files, pitch):
    assert MAX_SUBSTITUTION == 6
    with pytest.raises(UserError, match=rf"keyboard_acoustic_000: .* 6 semitones of pitch {pitch}"):
        voice_of(files).note(pitch, 50)


def test_silent_notes_are_passed_over(files):
    put(files, "keyboard_acoustic_000-064-050.wav", np.zeros(NOTE_RATE))
    put(files, "keyboard_acoustic_000-065-050.wav", np.zeros(0))
    note, distance = voice_of(files).note(64, 50)
    assert distance == 4
    assert note.any()
    assert voice_of(files).note(65, 50)[1] == 5


def test_silence_alone_is_an_error_and_not_played(tmp_path):
    put(tmp_path, "keyboard_acoustic_000-060-050.wav", np.zeros(NOTE_RATE))
    with pytest.raises(UserError, match="no sounding note within 6 semitones of pitch 60"):
        voice_of(tmp_path).note(60, 50)


def test_long_notes_are_cut_and_end_without_a_click(tmp_path):
    put(tmp_path, "keyboard_acoustic_000-060-050.wav", np.full(6 * NOTE_RATE, 0.5))
    note, _ = voice_of(tmp_path).note(60, 50)
    assert len(note) == NOTE_SECONDS * NOTE_RATE
    assert note[-1] == 0
    assert np.abs(np.diff(note[100:])).max() < 0.5 / 100


def test_stereo_and_other_rates_become_mono_at_the_rate_of_the_voice(tmp_path):
    put(tmp_path, "keyboard_acoustic_000-060-050.wav", make_note(60))
    left = make_note(61, rate=44100)
    put(tmp_path, "keyboard_acoustic_000-061-050.wav", np.stack([left, left * 0.5], 1), 44100)
    note, distance = voice_of(tmp_path).note(61, 50)
    assert (note.ndim, distance) == (1, 0)
    assert len(note) == 2 * NOTE_RATE
    assert fundamental(note, NOTE_RATE) == pytest.approx(frequency_of(61), rel=3e-4)


def test_a_note_is_read_once(files, monkeypatch):
    voice, reads = voice_of(files), []
    load = Voice._load
    monkeypatch.setattr(Voice, "_load", lambda *args: reads.append(args) or load(*args))
    first, _ = voice.note(60, 50)
    assert voice.note(60, 51)[0] is first
    assert len(reads) == 1


def test_a_broken_note_is_named(files):
    (files / "keyboard_acoustic_000-072-050.wav").write_bytes(b"RIFF")
    voice = voice_of(files)
    assert voice.note(60, 50)[1] == 0
    with pytest.raises(AudioFileError, match=r"acoustic_000-072-050\.wav: not a readable"):
        voice.note(72, 50)


def test_the_shared_notes_sound_at_their_pitch(notes_folder):
    for instrument, preset in VOICES:
        voice = NoteLibrary(notes_folder).voice(instrument, preset)
        for pitch in PITCHES:
            note, _ = voice.note(pitch, 100)
            ratio = fundamental(note, NOTE_RATE) / frequency_of(pitch)
            assert ratio == pytest.approx(round(ratio), rel=1e-3)
