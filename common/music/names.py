"""Names of notes and of renderings.

A note of NSynth is named ``<family>_<source>_<preset:03d>-<pitch:03d>-<velocity:03d>``, a rendering
of ``synthesize_audios.py`` ``<piece>[~<variation>][@<preset:03d>]``.
"""

import argparse
import re
from collections.abc import Collection
from typing import NamedTuple

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

_PITCH = re.compile(r"([A-Ga-g])(##?|bb?)?(-?\d)")
_NOTE = re.compile(r"(.+)_(\d{3})-(\d{3})-(\d{3})")
_PRESET = re.compile(r"@(\d{3})$")
_VARIATION = re.compile(
    r"(?:transpose([+-]\d+))?_?(?:speed([\d.e+-]+))?_?(?:duration([\d.e+-]+))?_?(nopedal)?"
)


class NoteName(NamedTuple):
    """A note of a library; its ``str`` is the name of its file.

    Attributes:
        instrument: ``<family>_<source>``.
        preset: Number of the preset, 0 to 999.
        pitch: MIDI number, 0 to 127.
        velocity: MIDI velocity, 1 to 127.
    """

    instrument: str
    preset: int
    pitch: int
    velocity: int

    def __str__(self) -> str:
        """The name without suffix, as in NSynth."""
        return f"{self.instrument}_{self.preset:03d}-{self.pitch:03d}-{self.velocity:03d}"


def parse_note(name: str) -> NoteName | None:
    """Parse the name of a note's file, without suffix; None if it is not one."""
    match = _NOTE.fullmatch(name.rpartition("/")[2])
    if match is None:
        return None
    found = NoteName(match[1], *map(int, match.groups()[1:]))
    return found if found.pitch < 128 and 0 < found.velocity < 128 else None


def pitch_number(text: str) -> int | None:
    """MIDI number of a pitch such as "C4" (60), "Bb3" or "60"; None for any other text."""
    if text.isdecimal():
        number = int(text)
    else:
        match = _PITCH.fullmatch(text)
        if match is None:
            return None
        letter, accidentals, octave = match.groups(default="")
        shift = accidentals.count("#") - accidentals.count("b")
        number = 12 * (int(octave) + 1) + PITCH_CLASSES.index(letter.upper()) + shift
    return number if 0 <= number < 128 else None


def pitch_name(pitch: int) -> str:
    """Name of a MIDI number: "C4" for 60."""
    octave, number = divmod(pitch, 12)
    return f"{PITCH_CLASSES[number]}{octave - 1}"


def pitch_argument(text: str) -> int:
    """Argument type: a pitch by its name or MIDI number."""
    found = pitch_number(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no pitch; give a name such as C4, or 60")
    return found


def find_instrument(word: str, instruments: Collection[str]) -> str | None:
    """The instrument that a word names; None if there is none or several.

    Args:
        word: A name, or the beginning of one with at least three letters, also in the plural; case
            does not count, and a space is as good as an underscore.
        instruments: Names of instruments.
    """
    if word in instruments:
        return word
    plain = {name: "_".join(name.lower().split()) for name in instruments}
    word = "_".join(word.lower().split())
    if word.startswith("piano") and not any(name.startswith("piano") for name in plain.values()):
        word = word.replace("piano", "keyboard")  # NSynth's name
    singular = word.removesuffix("s")
    for is_meant in (
        lambda name: name == word,
        lambda name: name.rpartition("_")[0] in (word, singular),
        lambda name: name.startswith(singular) and len(singular) > 2,
    ):
        found = [name for name, key in plain.items() if is_meant(key)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


class Variation(NamedTuple):
    """How a rendering differs from the written piece; its ``str`` is part of the name.

    Attributes:
        transpose: Semitones.
        playback_speed: Factor on the tempo.
        duration_rate: Factor on the length of each note.
        sustain: Whether the sustain pedal holds notes.
    """

    transpose: int = 0
    playback_speed: float = 1.0
    duration_rate: float = 4.0
    sustain: bool = True

    def __str__(self) -> str:
        """Text after the "~" in a name; "" for the defaults."""
        parts = []
        if self.transpose:
            parts.append(f"transpose{self.transpose:+d}")
        if self.playback_speed != 1:
            parts.append(f"speed{self.playback_speed:g}")
        if self.duration_rate != 4:
            parts.append(f"duration{self.duration_rate:g}")
        if not self.sustain:
            parts.append("nopedal")
        return "~" + "_".join(parts) if parts else ""


def split_variation(key: str) -> tuple[str, Variation]:
    """Split a name into piece and variation: ``(piece, Variation)``.

    Args:
        key: Name of a rendering without its preset. A "~" that is not followed by a variation is
            part of the piece's name.
    """
    piece, mark, text = key.rpartition("~")
    match = _VARIATION.fullmatch(text)
    if not mark or not text or match is None:
        return key, Variation()
    transpose, speed, duration, nopedal = match.groups()
    try:
        found = Variation(int(transpose or 0), float(speed or 1), float(duration or 4), not nopedal)
    except ValueError:
        return key, Variation()
    return (piece, found) if found.playback_speed > 0 else (key, Variation())


def rendering_name(piece: str, preset: int) -> str:
    """Name of a rendering; preset 0 is left out unless the name would be ambiguous.

    Args:
        piece: Name of the piece, including its variation.
        preset: Number of the preset, 0 to 999.
    """
    return f"{piece}@{preset:03d}" if preset or _PRESET.search(piece) else piece


def pair_key(rendering: str) -> str:
    """Piece and variation of a rendering, which are equal for an origin and its target."""
    return _PRESET.sub("", rendering)


def preset_of(rendering: str) -> str:
    """Preset of a rendering: three digits, or "" for preset 0."""
    match = _PRESET.search(rendering)
    return match[1] if match else ""


def piece_of(rendering: str) -> str:
    """Piece of a rendering, without variation and preset; the unit of a split."""
    return pair_key(rendering).partition("~")[0]


def piece_below(name: str) -> str:
    """Piece of an audio file ``<instrument>/<rendering>``; any other name is returned unchanged."""
    return piece_of(name.partition("/")[2] or name)


def tempo_of(rendering: str) -> tuple[str, float]:
    """Split a rendering's name into ``(name at the written tempo, playback speed)``."""
    key = pair_key(rendering)
    piece, varied = split_variation(key)
    if varied.playback_speed == 1:
        return rendering, 1.0
    return f"{piece}{varied._replace(playback_speed=1.0)}{rendering[len(key) :]}", (
        varied.playback_speed
    )
