"""Instruments: names in files and in words, families of NSynth, ranges, General MIDI programs.

An instrument of NSynth is named ``<family>_<source>_<preset>``, such as ``keyboard_acoustic_004``.
Here the place of the family is taken by the instrument's own name where NSynth has only a family:
"French horn" becomes ``french_horn_acoustic``, and its first preset ``french_horn_acoustic_000``.
"""

import re
from typing import NamedTuple

# The numbers of NSynth (Engel et al. 2017) are the positions in these lists.
FAMILIES = [
    *("bass", "brass", "flute", "guitar", "keyboard", "mallet"),
    *("organ", "reed", "string", "synth_lead", "vocal"),
]
SOURCES = ["acoustic", "electronic", "synthetic"]

_BREATH = ("staccato", "repetition", "vibrato", "swell", "bend")
_WITH_MUTE = (*_BREATH, "mute")


class Instrument(NamedTuple):
    """An instrument that is known by name.

    Attributes:
        name: In words, in lower case.
        family: Family of NSynth.
        spellings: Other names in lower case without spaces, also those of Studio-On-Line.
    """

    name: str
    family: str
    spellings: tuple = ()


class Part(NamedTuple):
    """An instrument of the orchestra that a General MIDI font plays.

    Attributes:
        name: In words.
        program: General MIDI program, counted from 0.
        low, high: Lowest and highest sounding pitch of a good player, as MIDI numbers.
        techniques: Techniques that the instrument can play, and ``common.music.techniques`` makes.
    """

    name: str
    program: int
    low: int
    high: int
    techniques: tuple


INSTRUMENTS = (
    Instrument("clarinet", "reed", ("clarinetbb", "clbb", "cl", "clar", "klarinette")),
    Instrument("bass clarinet", "reed", ("bcl",)),
    Instrument("saxophone", "reed", ("sax",)),
    Instrument("alto saxophone", "reed", ("altosax", "saxalto", "asax")),
    Instrument("oboe", "reed", ("ob",)),
    Instrument("English horn", "reed", ("coranglais",)),
    Instrument("bassoon", "reed", ("bn", "bsn", "fagott")),
    Instrument("contrabassoon", "reed", ("cbn", "doublebassoon")),
    Instrument("accordion", "reed", ("acc",)),
    Instrument("flute", "flute", ("fl", "flauta", "querfloete")),
    Instrument("piccolo", "flute", ("picc",)),
    Instrument("recorder", "flute"),
    Instrument("trumpet", "brass", ("trumpetc", "tpc", "tpt", "tp")),
    Instrument("French horn", "brass", ("horn", "hn", "waldhorn")),
    Instrument("trombone", "brass", ("tbn", "trb")),
    Instrument("tuba", "brass", ("basstuba", "btb")),
    Instrument("violin", "string", ("vn", "vln", "violine", "geige")),
    Instrument("viola", "string", ("va", "vla", "bratsche")),
    Instrument("cello", "string", ("violoncello", "vc", "vlc")),
    Instrument("double bass", "string", ("contrabass", "cb", "kontrabass")),
    Instrument("harp", "string", ("harfe", "hp")),
    Instrument("piano", "keyboard", ("pno", "pf", "grandpiano", "klavier")),
    Instrument("harpsichord", "keyboard", ("cembalo",)),
    Instrument("organ", "organ", ("pipeorgan",)),
    Instrument("harmonium", "organ"),
    Instrument("guitar", "guitar", ("gtr", "gitarre")),
    Instrument("acoustic guitar", "guitar", ("guitaracoustic", "steelguitar")),
    Instrument("nylon guitar", "guitar", ("guitarnylon", "classicalguitar")),
    Instrument("electric guitar", "guitar", ("guitarelectric",)),
    Instrument("banjo", "guitar"),
    Instrument("mandolin", "guitar"),
    Instrument("electric bass", "bass", ("basselectric", "bassguitar")),
    Instrument("xylophone", "mallet", ("xyl",)),
    Instrument("marimba", "mallet"),
    Instrument("vibraphone", "mallet", ("vibes",)),
    Instrument("glockenspiel", "mallet"),
    Instrument("choir", "vocal", ("choiraahs",)),
    Instrument("voice", "vocal", ("vox", "singer", "singing")),
)

# The twelve of the timbre studies come first (Grey 1977; Krumhansl 1989; Iverson and Krumhansl
# 1993; McAdams et al. 1995; Lakatos 2000); ``data/orchestra`` holds them. Ranges are those that
# books on orchestration give.
ORCHESTRA = (
    Part("clarinet", 71, 50, 91, _BREATH),
    Part("alto saxophone", 65, 49, 80, _BREATH),
    Part("trumpet", 56, 52, 82, _WITH_MUTE),
    Part("cello", 42, 36, 81, _WITH_MUTE),
    Part("French horn", 60, 35, 77, _WITH_MUTE),
    Part("oboe", 68, 58, 91, _BREATH),
    Part("flute", 73, 60, 96, _BREATH),
    Part("English horn", 69, 52, 81, _BREATH),
    Part("bassoon", 70, 34, 74, _BREATH),
    Part("trombone", 57, 40, 72, _WITH_MUTE),
    Part("piano", 0, 21, 108, ("staccato", "repetition", "mute")),
    Part("violin", 40, 55, 100, _WITH_MUTE),
    Part("piccolo", 72, 74, 108, _BREATH),
    Part("viola", 41, 48, 88, _WITH_MUTE),
    Part("double bass", 43, 28, 67, _WITH_MUTE),
    Part("tuba", 58, 26, 65, _WITH_MUTE),
    Part("choir", 52, 41, 84, _BREATH),
    Part("voice", 53, 48, 84, _BREATH),
)
TIMBRE_STUDIES = ORCHESTRA[:12]


def _plain(text):
    """Letters and digits of a name, in lower case."""
    return re.sub(r"[\W_]+", "", text).lower()


_KNOWN = {
    spelling: instrument
    for instrument in INSTRUMENTS
    for spelling in (_plain(instrument.name), *instrument.spellings)
}


def known_instrument(text: str) -> Instrument | None:
    """The ``Instrument`` that a name stands for, however it is spelled; None if it is unknown."""
    return _KNOWN.get(_plain(text))


def file_name(name: str, source: str = "acoustic") -> str:
    """Name in files of an instrument's name in words: "French horn" is ``french_horn_acoustic``.

    Args:
        name: In words; letters, digits, spaces, "-" and "_".
        source: One of ``SOURCES``.

    Raises:
        ValueError: The name holds no letter, or other characters.
    """
    words = re.findall(r"[^\W_]+", name.lower())
    if not re.fullmatch(r"[\w \-]+", name) or not re.search(r"[^\W\d_]", name):
        raise ValueError(f"{name!r} is no instrument's name: use letters, digits, spaces and -")
    return "_".join([*words, source])


def in_words(instrument: str) -> str:
    """Name in words of a name in files, with or without its preset, in lower case.

    ``french_horn_acoustic_000`` and ``french_horn_acoustic`` are "french horn".
    """
    name = re.sub(r"_\d{3}$", "", instrument)
    family, _, source = name.rpartition("_")
    return (family if source in SOURCES else name).replace("_", " ")


def family_of(instrument: str) -> str | None:
    """Family of NSynth of a name in files, such as ``french_horn_acoustic``; None if unknown."""
    family, _, source = instrument.rpartition("_")
    if source not in SOURCES:
        return None
    if family in FAMILIES:
        return family
    known = known_instrument(family)
    return known.family if known else None
