"""What a network is told about a note: pitch class, octave, instrument and technique, one-hot."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.music.names import find_instrument, pitch_number

PITCH_CLASSES = 12
OCTAVES = 9  # from C0 (MIDI 12) to B8 (119)
_LOWEST = 12


class NoteConditions(NamedTuple):
    """Encoding of notes as vectors of ones and zeros: the four parts one after the other.

    Pitch classes begin at C, octaves at 0 (C4 is MIDI 60).

    Attributes:
        instruments: Names.
        techniques: Names of playing techniques; empty where none is told.
    """

    instruments: tuple[str, ...]
    techniques: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Length of a vector."""
        return PITCH_CLASSES + OCTAVES + len(self.instruments) + len(self.techniques)

    @property
    def parts(self) -> dict[str, slice]:
        """Dict from "pitch_class", "octave", "instrument" and "technique" to slices of a vector."""
        sizes = PITCH_CLASSES, OCTAVES, len(self.instruments), len(self.techniques)
        ends = np.cumsum(sizes).tolist()
        names = "pitch_class", "octave", "instrument", "technique"
        return {
            name: slice(end - size, end) for name, size, end in zip(names, sizes, ends, strict=True)
        }

    @staticmethod
    def reaches(pitch: int) -> bool:
        """Whether a MIDI number has one of the octaves."""
        return _LOWEST <= pitch < _LOWEST + 12 * OCTAVES

    def vectors(
        self,
        instruments: Sequence[str] | str,
        pitches: Sequence[int],
        techniques: Sequence[str] | str | None = None,
    ) -> np.ndarray:
        """Vectors of notes: (notes, length) float32.

        Args:
            instruments: Name of each note's instrument; or one name for all of them.
            pitches: MIDI number of each.
            techniques: As ``instruments``, where the encoding has any.

        Raises:
            UserError: An instrument, a technique or a pitch is not known.
        """
        pitches = np.asarray(pitches, int)
        rows = np.arange(len(pitches))
        vectors = np.zeros((len(pitches), self.length), np.float32)
        parts = self.parts
        for pitch in pitches[(pitches < _LOWEST) | (pitches >= _LOWEST + 12 * OCTAVES)]:
            raise UserError(f"pitch {pitch}: beyond the reach of the model, C0 (12) to B8 (119)")
        vectors[rows, parts["pitch_class"].start + pitches % 12] = 1
        vectors[rows, parts["octave"].start + pitches // 12 - 1] = 1
        for part, given, known in (
            ("instrument", instruments, self.instruments),
            ("technique", techniques, self.techniques),
        ):
            if not known:
                continue
            names = [given] * len(rows) if isinstance(given, str) else given
            vectors[rows, parts[part].start + np.array([_place(n, known, part) for n in names])] = 1
        return vectors

    def instrument(self, text: str) -> str:
        """The instrument of a name such as "violin"; ``UserError`` when there is none or several.

        Args:
            text: A name, or the beginning of one.
        """
        found = find_instrument(text, self.instruments)
        if found is None:
            raise UserError(
                f"{text!r}: not known to the model; it has {', '.join(self.instruments)}"
            )
        return found

    def note(self, text: str) -> tuple[str, int]:
        """``(instrument, pitch)`` of a text such as "violin C4"; ``UserError`` for any other."""
        words = [word for word in re.split(r"[\s,]+", text) if word]
        pitch = pitch_number(words[-1]) if len(words) > 1 else None
        if pitch is None:
            raise UserError(f"{text!r}: name instrument and pitch, such as 'violin C4'")
        return self.instrument("_".join(words[:-1])), pitch


def _place(name, known, part):
    if name not in known:
        raise UserError(f"{part} {name!r}: not known to the model; it has {', '.join(known)}")
    return known.index(name)
