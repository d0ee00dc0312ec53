"""Batches of excerpts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import PieceBatches
from latent_exploration.continuous.frames import FAINTEST_DB, PAIR, SCALE, SOUNDING, Frames
from latent_exploration.continuous.store import SpectraStore

_MANY = 50  # recordings that make a collection
EXCERPT = 64  # pairs of hops, 1.4 s
_GAIN_DB = 10.0  # largest random gain or attenuation
_LOUDEST = 0.95  # loudness up to which excerpts are amplified


class Collections:
    """Recordings that are like each other: those of a folder, if there are many of them.

    Args:
        sources: Names of all recordings, with the folders that they lie in.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        numbers = Counter(map(_folder, dict.fromkeys(sources)))
        self._folders = sorted(one for one, number in numbers.items() if number >= _MANY)

    def __len__(self) -> int:
        """Number of collections; the last one is of all other recordings."""
        return len(self._folders) + 1

    def shares(self, source: str) -> np.ndarray:
        """The collection of a recording: (collections,) float32, one-hot."""
        folder = _folder(source)
        place = self._folders.index(folder) if folder in self._folders else -1
        return np.eye(len(self), dtype=np.float32)[place]


def _folder(source):
    return source.rpartition("/")[0].partition("/")[0]


class Excerpts(PieceBatches):
    """Batches ``((heard, loudness, classes, before, counts), spectra)`` of excerpts.

    They are EXCERPT pairs of hops long, with silence beyond the ends of their recording. What the
    encoder hears, and the spectra, are (batch, frames, BANDS); loudness is (batch, pairs, 1), and
    classes are (batch, pairs, classes), one-hot; ``counts`` (batch, pairs, collections) is 1 for
    pairs that sound, in the collection of the recording.

    With ``shuffle``, excerpts may begin before their recording, and get random gains, which rise or
    fall steadily from one value to another. The loudness after it has little to do with the timbre:
    ``before`` is the one before, and so are the classes.

    Args:
        store: Open ``SpectraStore``.
        indices: Pieces to draw from.
        batch_size: Excerpts of a batch.
        edges: (classes - 1,) ascending limits of loudness between the classes.
        collections: ``Collections`` of the recordings.
        relative: Whether the encoder hears spectra relative to the loudness.
        order: ``shuffle``, ``steps`` and ``seed`` of ``PieceBatches``.
    """

    def __init__(
        self,
        store: SpectraStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        edges: np.ndarray,
        collections: Collections,
        relative: bool = True,
        **order: Any,
    ) -> None:
        rows = [store.rows[index] for index in indices]
        super().__init__([row.columns for row in rows], EXCERPT, batch_size, **order)
        self._pieces = [store.frames(row) for row in rows]
        self._edges, self._relative = edges, relative
        self._collections = np.stack([collections.shares(row.source) for row in rows])

    def cut(self, positions: Sequence[int], epoch: int) -> Any:
        """The excerpts at some positions of an epoch as a batch."""
        rng = np.random.default_rng([self._seed, epoch, positions[0], 1])
        places = self.places(positions, epoch)
        if self._shuffle:
            places = [(number, _earlier(start, rng)) for number, start in places]
        found = [_excerpt(self._pieces[number], start) for number, start in places]
        before = np.stack([one.loudness for one in found])
        numbers = np.searchsorted(self._edges, before)
        classes = np.eye(len(self._edges) + 1, dtype=np.float32)[numbers]
        if self._shuffle:
            found = [one.amplified(_gains(one, rng)) for one in found]
        belongs = self._collections[[number for number, _ in places]]
        counts = (before > SOUNDING)[..., np.newaxis] * belongs[:, np.newaxis]
        heard = np.stack([one.heard(self._relative) for one in found])
        loudness = np.stack([one.loudness for one in found])[..., np.newaxis]
        inputs = heard, loudness, classes, before[..., np.newaxis], counts
        return inputs, np.stack([one.spectra for one in found])


def _gains(excerpt, rng):
    room = SCALE.range_db * (_LOUDEST - excerpt.loudness.max())
    ends = rng.uniform(-_GAIN_DB, max(min(_GAIN_DB, room), -_GAIN_DB), 2)
    return np.linspace(*ends, EXCERPT)


def _earlier(start, rng):
    # otherwise, excerpts would hardly ever hold the attack, and the end would be in half of them
    start -= rng.integers(EXCERPT)
    return start if rng.random() < 0.5 else max(start, 0)


def _excerpt(piece, start):
    before, stop = max(-start, 0), start + EXCERPT
    levels = piece.levels[PAIR * max(start, 0) : PAIR * stop]
    loudness = piece.loudness[max(start, 0) : stop]
    silent = before, EXCERPT - before - len(loudness)
    around = tuple(PAIR * count for count in silent)
    levels = np.pad(levels, (around, (0, 0)), constant_values=FAINTEST_DB)
    return Frames(levels, np.pad(loudness, silent))
