"""Titles as a person would write them: of pieces, instruments, notes and conversions."""

import re
from collections.abc import Iterable

from common.music.names import pair_key, pitch_name, preset_of, split_variation

# Of files of which the rule of ``_spelled`` makes no good title.
_PIECES = {
    "bach_prelude_c": "Bach, Prelude in C",
    "beethoven_fur_elise": "Beethoven, Für Elise",
    "grieg_mountain_king": "Grieg, In the Hall of the Mountain King",
    "satie_gymnopedie_1": "Satie, Gymnopédie no. 1",
    "schumann_wild_horseman": "Schumann, The Wild Horseman",
    "tchaikovsky_old_french_song": "Tchaikovsky, Old French Song",
}
_COMPOSERS = re.compile(
    "albeniz|bach|bartok|beethoven|brahms|chopin|couperin|debussy|dvorak|faure|granados|grieg|"
    "handel|haydn|joplin|liszt|mendelssohn|mozart|mussorgsky|pachelbel|prokofiev|purcell|"
    "rachmaninoff|rachmaninov|rameau|ravel|satie|scarlatti|schubert|schumann|scriabin|"
    "shostakovich|sibelius|tchaikovsky|telemann|vivaldi",
    re.IGNORECASE,
)
_ABBREVIATIONS = {"op": "op. ", "no": "no. ", "k": "K. ", "bwv": "BWV ", "hwv": "HWV ", "d": "D. "}
_NUMBERED = re.compile(rf"({'|'.join(_ABBREVIATIONS)})(\d+[a-z]?)")

_FAMILIES = {
    "keyboard": "piano",
    "mallet": "mallets",
    "reed": "reeds",
    "string": "strings",
    "vocal": "voice",
}
_SOURCES = {"acoustic": "", "electronic": "electric ", "synthetic": "synthetic "}


def piece_title(rendering: str) -> str:
    """Title of a rendering of a piece: "Chopin, Prelude op. 28 no. 7, 2 semitones up".

    Args:
        rendering: Name of the rendering, ``<piece>[~<variation>][@<preset>]``.
    """
    piece, varied = split_variation(pair_key(rendering))
    parts = [_PIECES.get(piece) or _spelled(piece)]
    if varied.transpose:
        count, way = abs(varied.transpose), "up" if varied.transpose > 0 else "down"
        parts.append(f"{count} semitone{'s' if count > 1 else ''} {way}")
    if varied.playback_speed != 1:
        parts.append(f"at {varied.playback_speed:g} times the tempo")
    if varied.duration_rate != 4:
        parts.append(f"notes ring for {varied.duration_rate:g} times their length")
    if not varied.sustain:
        parts.append("without pedal")
    if preset_of(rendering):
        parts.append(f"preset {int(preset_of(rendering))}")
    return ", ".join(parts)


def _spelled(piece):
    words = [word for word in piece.split("_") if word]
    composer = []
    if len(words) > 1 and _COMPOSERS.fullmatch(words[0]):
        composer = [f"{words.pop(0).capitalize()},"]
    spelled = []
    for word in words:
        numbered = _NUMBERED.fullmatch(word)
        spelled.append(_ABBREVIATIONS[numbered[1]] + numbered[2] if numbered else word)
    title = " ".join(spelled)
    return " ".join([*composer, title[:1].upper() + title[1:]])


def instrument_title(instrument: str) -> str:
    """Title of an instrument of NSynth, ``<family>_<source>``: "piano", "electric guitar"."""
    family, _, source = instrument.rpartition("_")
    if source not in _SOURCES:
        return instrument.replace("_", " ")
    if family == "synth_lead":
        return "synth lead"
    return _SOURCES[source] + _FAMILIES.get(family, family.replace("_", " "))


def note_title(instrument: str, pitch: int, velocity: int) -> str:
    """Title of a note: "piano, C4, velocity 100".

    Args:
        instrument: Name of the instrument, as in NSynth.
        pitch: MIDI number; 60 is C4.
        velocity: MIDI velocity.
    """
    return f"{instrument_title(instrument)}, {pitch_name(pitch)}, velocity {velocity}"


def conversion_title(origins: Iterable[str], targets: Iterable[str]) -> str:
    """Title of a conversion between instruments: "piano to guitar, strings".

    Args:
        origins, targets: Lists of their names.
    """
    return " to ".join(", ".join(map(instrument_title, side)) for side in (origins, targets))
