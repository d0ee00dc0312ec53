"""Titles of pieces, instruments, notes and conversions, as a person would write them."""

import pytest

from common.music.names import pitch_number
from common.music.titles import conversion_title, instrument_title, note_title, piece_title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("chopin_prelude_op28_no7", "Chopin, Prelude op. 28 no. 7"),
        ("mozart_sonata_k545", "Mozart, Sonata K. 545"),
        ("debussy_clair_de_lune", "Debussy, Clair de lune"),
        ("satie_gymnopedie_1", "Satie, Gymnopédie no. 1"),
        ("my_song", "My song"),
        ("Bach", "Bach"),
        ("Take 5 (live)", "Take 5 (live)"),
        ("bach_fugue_bwv846a~transpose-1_speed1.5_nopedal@003",
         "Bach, Fugue BWV 846a, 1 semitone down, at 1.5 times the tempo, without pedal, preset 3"),
    ],
)  # fmt: skip
def test_pieces(name, title):
    assert piece_title(name) == title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("keyboard_acoustic", "piano"),
        ("string_acoustic", "strings"),
        ("guitar_electronic", "electric guitar"),
        ("bass_synthetic", "synthetic bass"),
        ("synth_lead_synthetic", "synth lead"),
        ("my_ukulele", "my ukulele"),
    ],
)
def test_instruments(name, title):
    assert instrument_title(name) == title


def test_notes():
    assert note_title("keyboard_acoustic", 60, 100) == "piano, C4, velocity 100"
    for pitch in range(128):  # every spelling is read as its pitch
        assert pitch_number(note_title("guitar_acoustic", pitch, 1).split(", ")[1]) == pitch


def test_conversions():
    origins, targets = ["keyboard_acoustic"], ["guitar_acoustic", "string_acoustic"]
    assert conversion_title(origins, targets) == "piano to guitar, strings"
