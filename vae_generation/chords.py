"""Parse chord symbols, and arrange a progression."""

import re
from typing import NamedTuple

from common.cli import UserError
from common.music.names import pitch_number

_SYMBOL = re.compile(r"([A-G][#b]?)([^/]*)(?:/([A-G][#b]?))?")
QUALITIES = {  # semitones above the root
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "min": (0, 3, 7),
    "-": (0, 3, 7),
    "maj": (0, 4, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "M7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "min7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
    "+": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "add9": (0, 4, 7, 14),
    "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14),
}
BASS, MIDDLE = 36, 60  # C2; C4
VELOCITIES = (96, 72, 80, 72)  # velocities of the beats of a bar


class Stroke(NamedTuple):
    """Notes that are struck together.

    Attributes:
        beat: Time in beats, from 0.
        beats: Duration in beats.
        pitches: MIDI numbers.
        velocity: Velocity of all notes.
    """

    beat: float
    beats: float
    pitches: tuple[int, ...]
    velocity: int


def parse_chord(symbol: str) -> tuple[int, tuple[int, ...]]:
    """Pitches of a chord symbol: bass (from C2 on), and the others as close to C4 as possible.

    Args:
        symbol: Chord symbol such as "C", "Am7", "F#dim" or "G/B".

    Returns:
        ``(bass, pitches)``: MIDI number; sorted tuple.

    Raises:
        UserError: Unknown chord symbol.
    """
    match = _SYMBOL.fullmatch(symbol)
    if match is None or match[2] not in QUALITIES:
        raise UserError(
            f"--chords: {symbol!r} is no chord; a root (C, F#, Bb), one of "
            f"{' '.join(filter(None, QUALITIES))} or nothing, and perhaps a bass (/G)"
        )
    root = pitch_number(f"{match[1]}4") % 12
    bass = pitch_number(f"{match[3] or match[1]}4") % 12
    # within the octave around C4, so that voices move little from chord to chord
    pitches = {MIDDLE + (root + step + 6) % 12 - 6 for step in QUALITIES[match[2]]}
    return BASS + bass, tuple(sorted(pitches))


def progression(text: str, beats: float = 4) -> list[Stroke]:
    """Arrange a progression: each chord is struck on the strong beats, over its bass.

    Args:
        text: Chord symbols, separated by spaces, commas or bars.
        beats: Number of beats per chord.

    Returns:
        List of ``Stroke``.

    Raises:
        UserError: There is no chord, or an unknown one.
    """
    symbols = [symbol for symbol in re.split(r"[\s,|]+", text) if symbol]
    if not symbols:
        raise UserError("--chords: holds no chord, such as C Am F G")
    strokes = []
    for number, symbol in enumerate(symbols):
        bass, pitches = parse_chord(symbol)
        begin = number * beats
        strokes.append(Stroke(begin, beats, (bass,), VELOCITIES[0]))
        for beat in range(0, beats, 2):
            velocity = VELOCITIES[beat % len(VELOCITIES)]
            strokes.append(Stroke(begin + beat, min(2, beats - beat), pitches, velocity))
    return strokes
