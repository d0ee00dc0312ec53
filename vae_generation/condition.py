"""Conditions (instrument, pitch, velocity of a note), and their encoding for the networks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.music.names import find_instrument, pitch_number
from vae_generation.store import Example

DYNAMICS = {"pp": 33, "quiet": 40, "soft": 40, "p": 49, "mp": 64, "medium": 70, "mf": 80}
DYNAMICS |= {"f": 96, "loud": 100, "ff": 112}
_DEFAULT_VELOCITY = 80


class Conditions(NamedTuple):
    """Encoding of conditions as vectors.

    Attributes:
        instruments: Names; each has a place in the vector.
        lowest, highest: MIDI numbers of the lowest and highest pitch; each pitch has a place.
    """

    instruments: tuple[str, ...]
    lowest: int
    highest: int

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Conditions:
        """Make the encoding for the notes of a training; ``UserError`` if a note has no pitch."""
        if not examples or any(one.pitch < 0 or not one.instrument for one in examples):
            raise UserError(
                "--conditional: the features hold recordings without pitch; make them from notes "
                "named as in NSynth"
            )
        pitches = [one.pitch for one in examples]
        return cls(tuple(sorted({one.instrument for one in examples})), min(pitches), max(pitches))

    @property
    def length(self) -> int:
        """Length of a vector."""
        return len(self.instruments) + self.highest - self.lowest + 2

    def vectors(self, notes: Sequence[tuple[str, int, int] | Example]) -> np.ndarray:
        """Encode notes: (notes, length) float32.

        Args:
            notes: List of (instrument, pitch, velocity), or of ``Example``.
        """
        found = np.zeros((len(notes), self.length), np.float32)
        for row, note in zip(found, notes, strict=True):
            instrument, pitch, velocity = (
                (note.instrument, note.pitch, note.velocity) if isinstance(note, Example) else note
            )
            row[self.instruments.index(instrument)] = 1
            row[len(self.instruments) + pitch - self.lowest] = 1
            row[-1] = velocity / 127
        return found

    def parse(self, text: str) -> tuple[str, int, int]:
        """Parse a description of a note, such as "guitar, C4, loud".

        Returns:
            ``(instrument, pitch, velocity)``.

        Raises:
            UserError: Unknown instrument, or a pitch that the model was not trained on.
        """
        instrument = pitch = velocity = None
        for word in filter(None, re.split(r"[\s,]+", text)):
            if velocity is None and word.lower() in DYNAMICS:
                velocity = DYNAMICS[word.lower()]
            elif instrument is None and (found := find_instrument(word, self.instruments)):
                instrument = found
            elif pitch is None and pitch_number(word) is not None:
                pitch = pitch_number(word)
            elif velocity is None and word.isdecimal() and 1 <= int(word) <= 127:
                velocity = int(word)
            else:
                raise UserError(
                    f"{text!r}: {word!r} is no instrument of the model "
                    f"({', '.join(self.instruments)}), pitch (C4) or velocity (loud, or 1 to 127)"
                )
        if instrument is None or pitch is None:
            raise UserError(f"{text!r}: name instrument and pitch, such as 'guitar, C4, loud'")
        self.require(pitch, text)
        return instrument, pitch, _DEFAULT_VELOCITY if velocity is None else velocity

    def require(self, pitch: int, text: str) -> None:
        """Raise ``UserError`` for a pitch that the model was not trained on."""
        if not self.lowest <= pitch <= self.highest:
            raise UserError(
                f"{text!r}: pitch {pitch} is beyond the model's {self.lowest} to {self.highest}"
            )
