"""Names of notes and renderings, and the MIDI files of renderings."""

import argparse

import pytest
from conftest import write_midi
from hypothesis import given
from hypothesis import strategies as st

from common.music.names import (
    NoteName,
    Variation,
    find_instrument,
    parse_note,
    pitch_argument,
    pitch_name,
    pitch_number,
    split_variation,
    tempo_of,
)
from common.music.synthesis import notes_of


@given(st.integers(0, 999), st.integers(0, 127), st.integers(1, 127))
def test_a_note_is_recovered_from_its_name(preset, pitch, velocity):
    note = NoteName("synth_lead_synthetic", preset, pitch, velocity)
    assert parse_note(str(note)) == parse_note(f"folder/{note}") == note


@pytest.mark.parametrize(
    "name", ["a_000-128-100", "a_000-060-000", "a_00-060-100", "_000-060-100", "a_000-060-100.wav"]
)
def test_other_names_are_no_notes(name):
    assert parse_note(name) is None


@given(
    st.integers(-12, 12),
    st.sampled_from([0.5, 1.0, 1.25]),
    st.sampled_from([1.0, 2.5, 4.0]),
    st.booleans(),
    st.sampled_from(["piece", "piece~live", "a/piece~2"]),
)
def test_a_variation_is_recovered_from_its_name(transpose, speed, duration, sustain, piece):
    varied = Variation(transpose, speed, duration, sustain)
    assert split_variation(f"{piece}{varied}") == (piece, varied)


@pytest.mark.parametrize("key", ["speed2", "a~", "a~live", "a~speed1.2.3", "a~speed0", "~"])
def test_what_is_no_variation_belongs_to_the_piece(key):
    assert split_variation(key) == (key, Variation())
    assert tempo_of(key) == (key, 1.0)


@pytest.mark.parametrize(
    ("file", "rendering", "pitch"),
    [
        ("song~live.mid", "song~live", 60),
        ("song~live.mid", "song~live~transpose+2@003", 62),
        ("song.MID", "song", 60),
        ("deep/song.Midi", "deep/song~transpose-1", 59),
        ("song~transpose+2.mid", "song~transpose+2", 60),
        ("song~speed2~live.mid", "song~speed2~live", 60),
    ],
)
def test_the_midi_file_of_a_rendering_is_found_whatever_its_name(tmp_path, file, rendering, pitch):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    write_midi(tmp_path / file, (60,))
    assert [note.pitch for note in notes_of(rendering, tmp_path)] == [pitch]


@pytest.mark.parametrize(
    ("text", "number"),
    [("C4", 60), ("A4", 69), ("Bb3", 58), ("f#2", 42), ("C-1", 0), ("60", 60), ("G9", 127)],
)
def test_pitches_by_name(text, number):
    assert pitch_number(text) == number


def test_the_name_of_every_pitch_is_read_again():
    assert [pitch_number(pitch_name(pitch)) for pitch in range(128)] == list(range(128))
    assert [pitch_name(pitch) for pitch in (0, 60, 69)] == ["C-1", "C4", "A4"]


@pytest.mark.parametrize("text", ["H4", "C", "128", "G#9", "C4x", "", "Cb-1"])
def test_what_is_no_pitch(text):
    assert pitch_number(text) is None


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("violin_acoustic", "violin_acoustic"),
        ("Violins", "violin_acoustic"),
        ("bass", "bass_acoustic"),
        ("basso", "bassoon_acoustic"),
        ("bas", None),
        ("piano", "keyboard_acoustic"),
        ("vi", None),
        ("tuba", None),
    ],
)
def test_instruments_by_an_everyday_name(word, found):
    names = [f"{name}_acoustic" for name in ("bass", "bassoon", "keyboard", "viola", "violin")]
    assert find_instrument(word, names) == found


def test_a_piano_keeps_its_name_where_there_is_one():
    assert find_instrument("piano", ("keyboard_acoustic", "piano_acoustic")) == "piano_acoustic"


def test_tags_of_folders_are_instruments_too():
    tags = ("soft pad", "Bright", "x")
    assert find_instrument("soft_pad", tags) == find_instrument("Soft pad", tags) == "soft pad"
    assert find_instrument("bright", tags) == "Bright"
    assert find_instrument("x", tags) == "x"
    assert find_instrument("y", tags) is None


def test_a_pitch_on_a_command_line_is_a_name_or_a_number():
    assert pitch_argument("C4") == pitch_argument("60") == 60
    with pytest.raises(
        argparse.ArgumentTypeError, match="'H9' is no pitch; give a name such as C4"
    ):
        pitch_argument("H9")
