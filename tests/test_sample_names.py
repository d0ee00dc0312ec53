"""Names of recordings; names of instruments in words and in files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.cli import UserError
from common.music.instruments import (
    FAMILIES,
    INSTRUMENTS,
    ORCHESTRA,
    TIMBRE_STUDIES,
    family_of,
    file_name,
    in_words,
    known_instrument,
)
from common.music.sample_names import DYNAMICS, SampleName, compile_pattern, parse_pitch, read_name

STEPS = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "s": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}


@st.composite
def spellings(draw):
    """Draw a pitch in a common spelling, and its MIDI number."""
    step = draw(st.sampled_from(sorted(STEPS)))
    accidental = draw(st.sampled_from(sorted(ACCIDENTALS)))
    octave = draw(st.integers(0, 8))
    letter = step.lower() if draw(st.booleans()) else step
    number = 12 * (octave + 1) + STEPS[step] + ACCIDENTALS[accidental]
    return f"{letter}{accidental}{draw(st.sampled_from(['', '-']))}{octave}", number


@given(
    spellings(),
    st.sampled_from(["{}", "violin_{}", "Vn-ord-{}-ff-1c-N", "{} (loud)", "take {}_v100", "x.{}"]),
)
def test_every_spelling_of_a_pitch_is_read(spelling, frame):
    text, expected = spelling
    assert parse_pitch(text) == expected
    found = read_name(frame.format(text))
    assert (found.pitch, found.spelled) == (expected, "note name")


@given(st.integers(12, 127), st.sampled_from(["{}", "note{}", "Piano_{:03d}", "midi-{} ff"]))
def test_midi_numbers_are_read(number, frame):
    found = read_name(frame.format(number))
    assert (found.pitch, found.spelled) == (number, "MIDI number")


@pytest.mark.parametrize("text", ["", "H4", "A", "A10", "C-", "128", "Ab#4", "4A", "G9#", "G#9"])
def test_what_is_no_pitch_is_refused(text):
    with pytest.raises(UserError, match=r"is no pitch|beyond the MIDI numbers"):
        parse_pitch(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "Strings/Violin/ordinario/Vn-ord-A4-ff-1c-N",
            ("violin", 69, 112, "ordinary"),
        ),
        ("TinySOL/Winds/Sax_Alto/ordinario/ASax-ord-A#3-mf-N-T14d", ("alto saxophone", 58, 80)),
        ("Brass/Horn/brassy/Hn-brassy-A#2-ff", ("French horn", 46, 112, "brassy")),
        ("Strings/Violin/pizzicato_l_vib/Vn-pizz_lv-F#5-ff-3c-N", ("violin", 78, 112)),
        ("Vc-pizz-C3-pp", ("cello", 48, 32, "pizzicato")),
        ("violin_A4_1_forte_arco-normal", ("violin", 69, 96, "ordinary")),
        ("violin_A4_1_piano_arco-normal", ("violin", 69, 48, "ordinary")),
        ("Piano.ff.Bb4", ("piano", 70, 112, None)),
        ("grand piano/soft/mf/a-4", ("piano", 69, 80, "soft")),
        ("A4v12", (None, 69, None, None)),
        ("A4 vel 33", (None, 69, 33, None)),
        ("A4_v033", (None, 69, 33, None)),
        ("C4-100", (None, 60, 100, None)),
        ("C4-2", (None, 60, None, None)),
        ("F2 v2", (None, 41, None, None)),
        ("English_Horn/staccato/069", ("English horn", 69, None, "staccato")),
        ("multiphonics/Bn-multi-N-mf-N-N", ("bassoon", None, 80, None)),
        ("12", (None, 12, None, None)),
        ("3", (None, None, None, None)),
    ],
)
def test_names_of_libraries_are_read(name, expected):
    found = read_name(name)
    assert (found.instrument, found.pitch, found.velocity, found.technique)[: len(expected)] == (
        expected
    )


def test_a_name_of_nsynth_is_read_whole():
    assert read_name("train/synth_lead_synthetic_011-060-075") == SampleName(
        "synth_lead_synthetic", 60, 75, None, 11, "NSynth"
    )


def test_folders_below_an_instrument_are_techniques():
    for name, technique in {"sul tasto/A4": "sul_tasto", "wav/A4": None, "ff/A4": None}.items():
        assert read_name(name).technique is None
        assert read_name(name, of_one_instrument=True).technique == technique
        assert read_name(f"Strings/viola/{name}").technique == technique


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("A4 C5", "names several pitches"),
        ("060-100", "has several numbers"),
        ("A#9", "beyond the MIDI numbers"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        read_name(name)


def test_a_pattern_tells_what_the_usual_reading_cannot():
    pattern = compile_pattern(r"(?P<pitch>\d+)-(?P<velocity>\d+)$")
    found = read_name("Cello/060-100", pattern)
    assert (found.instrument, found.pitch, found.velocity) == ("cello", 60, 100)
    pattern = compile_pattern(
        r"^(?P<instrument>\w+) (?P<technique>\w+) (?P<dynamics>\w+) (?P<preset>\d) (?P<pitch>\w+)"
    )
    assert read_name("kazoo pizz FF 3 a4 take 7", pattern) == SampleName(
        "kazoo", 69, 112, "pizzicato", 3, "pattern"
    )
    with pytest.raises(UserError, match="does not match"):
        read_name("b", pattern)
    with pytest.raises(UserError, match="is no velocity from 1 to 127"):
        read_name("a-200", compile_pattern(r"-(?P<velocity>\d+)"))
    with pytest.raises(UserError, match="none of the dynamics"):
        read_name("a-loud-60", compile_pattern("(?P<dynamics>loud)"))


@pytest.mark.parametrize("text", ["(", "abc", "(?P<tempo>.)"])
def test_a_pattern_must_name_its_groups(text):
    with pytest.raises(UserError, match="--pattern"):
        compile_pattern(text)


def test_own_dynamics_are_read():
    assert read_name("A4-hard", dynamics={**DYNAMICS, "hard": 120}).velocity == 120


# Instruments


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("violin", "violin_acoustic"),
        ("French horn", "french_horn_acoustic"),
        ("12-string guitar", "12_string_guitar_acoustic"),
    ],
)
def test_a_name_in_words_becomes_one_in_files_and_back(words, name):
    assert file_name(words) == name
    expected = words.lower().replace("-", " ")
    assert in_words(name) == in_words(f"{name}_007") == expected


def test_every_known_instrument_is_found_by_each_of_its_spellings():
    for instrument in INSTRUMENTS:
        assert instrument.family in FAMILIES
        for text in (instrument.name, file_name(instrument.name)[:-9], *instrument.spellings):
            assert known_instrument(text) == instrument
        assert family_of(file_name(instrument.name)) == instrument.family
    assert known_instrument("kazoo") is None
    assert family_of("kazoo_acoustic") is None
    assert family_of("synth_lead_synthetic") == "synth_lead"


@pytest.mark.parametrize("name", ["", "7", "a/b", "a:b", "-", "violin\n"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="no instrument's name"):
        file_name(name)


def test_the_parts_of_the_orchestra_are_known_instruments_with_a_range():
    assert len(TIMBRE_STUDIES) == 12
    for part in ORCHESTRA:
        assert known_instrument(part.name)
        assert 21 <= part.low < part.high <= 108
