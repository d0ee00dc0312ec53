"""Several voices in unison: beats of detuned oscillators or players, in a magnitude that has none.

A network that predicts the most likely magnitude draws steady partials, also for instruments whose
partials beat because two oscillators or many players are a few cents apart. Here each partial gets
further voices: from column to column, their phases run apart from that of the first one, each at
its own frequency, and what is heard is the magnitude of their sum.
"""

import numbers
from typing import Any, NamedTuple

import numpy as np

from common.audio.partials import COLUMNS_AT_ONCE, SMALLEST, partial_advances
from common.cli import UserError
from data import SAMPLE_RATE

_GOLDEN = (np.sqrt(5) - 1) / 2
_RISE_DB, _RISE_SECONDS = 2, 0.023  # a bin that rises as much in a window's time begins a note


class Voices(NamedTuple):
    """What is heard in unison with each partial.

    Attributes:
        count: Number of voices, with the first one.
        cents: Largest detuning of a further voice against the first one.
        level: Amplitude of each further voice relative to that of the first one.
    """

    count: int = 1
    cents: float = 10.0
    level: float = 0.5

    @property
    def detunings(self) -> np.ndarray:
        """Detunings of the further voices in cents: (count - 1,), spread unevenly.

        Even steps would let all voices meet again and again.
        """
        return self.cents * (1 - 2 * (np.arange(self.count - 1) * _GOLDEN % 1))


ALONE = Voices()
MOST_VOICES, MOST_CENTS = 16, 100  # more would be a chord, not a beating tone


def checked_voices(voices: Voices) -> Voices:
    """The voices as given.

    Raises:
        UserError: No ``Voices``, or numbers that make no sense.
    """
    if not isinstance(voices, Voices):
        raise UserError(f"voices {voices!r}: give common.audio.voices.Voices(count, cents, level)")
    for name, kind, value, low, high in (
        ("count", numbers.Integral, voices.count, 1, MOST_VOICES),
        ("cents", numbers.Real, voices.cents, 1, MOST_CENTS),
        ("level", numbers.Real, voices.level, 0, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            whole = "whole " if kind is numbers.Integral else ""
            raise UserError(f"voices: {name} {value!r}: give a {whole}number from {low} to {high}")
    return voices


def voices_of(settings: Any) -> Voices:
    """The voices that a ``config.json`` names.

    Args:
        settings: Dict from some of the fields of ``Voices`` to their values; the others are those
            of ``ALONE``.

    Raises:
        UserError: Anything else, or numbers that make no sense.
    """
    if not isinstance(settings, dict) or set(settings) - set(Voices._fields):
        example = '{"count": 2, "cents": 9, "level": 0.45}'
        raise UserError(f"voices: {settings!r}: give numbers such as {example}")
    return checked_voices(ALONE._replace(**settings))


class Unison:
    """Add voices to a magnitude that comes in parts; in parts or as a whole, alike.

    The partial of a bin is the nearest peak of its column, as in ``common.audio.partials``. All
    voices of a note begin together, with the same phase, which lifts attacks. The mean power of
    long steady tones stays the same.

    Args:
        voices: ``Voices``.
        hop: Distance of columns in samples.
    """

    def __init__(self, voices: Voices, hop: int) -> None:
        self._level = voices.level
        self._detunings = 2 ** (voices.detunings / 1200) - 1  # relative
        self._hop = hop
        self._back = max(round(_RISE_SECONDS * SAMPLE_RATE / hop), 1)
        self._before = None  # logarithms of the last columns
        self._cycles = None  # of the partial of each bin, since its note began

    def push(self, magnitude: np.ndarray) -> np.ndarray:
        """Add columns, and return them with all voices.

        Args:
            magnitude: (channels, BINS, columns).

        Returns:
            float32, same shape.
        """
        columns = np.moveaxis(np.asarray(magnitude, np.float32), -1, 0)
        if not len(self._detunings):
            return np.moveaxis(columns, 0, -1)
        found = np.empty_like(columns)
        for start in range(0, len(columns), COLUMNS_AT_ONCE):
            part = slice(start, start + COLUMNS_AT_ONCE)
            found[part] = columns[part] * self._beats(columns[part])
        return np.moveaxis(found, 0, -1)

    def _beats(self, columns):
        """Factors of the magnitudes of some columns, (columns, channels, BINS)."""
        level = np.log(np.maximum(columns, SMALLEST))
        if self._before is None:
            self._before = np.full((self._back, *level.shape[1:]), np.log(SMALLEST), np.float32)
            self._cycles = np.zeros(level.shape[1:])
        known = np.concatenate([self._before, level])
        self._before = known[len(level) :]
        nearest, places, advances = partial_advances(level, self._hop)
        goes_on = level - known[: len(level)] <= _RISE_DB / 20 * np.log(10)
        goes_on = np.take_along_axis(goes_on, nearest.astype(np.intp), -1)
        cycles = np.empty(level.shape)
        for column, place in enumerate(places):
            self._cycles = (self._cycles.ravel().take(place) + advances[column]) * goes_on[column]
            cycles[column] = self._cycles
        total = np.ones(level.shape, np.complex64)
        for detuning in self._detunings:
            turns = detuning * cycles
            angle = (2 * np.pi * (turns - np.floor(turns))).astype(np.float32)
            total.real += self._level * np.cos(angle)
            total.imag += self._level * np.sin(angle)
        return np.abs(total) / np.sqrt(np.float32(1 + len(self._detunings) * self._level**2))
