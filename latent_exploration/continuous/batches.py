"""Batches of excerpts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import PieceBatches
from latent_exploration.continuous.frames import FAINTEST_DB, PAIR, SCALE, Frames
from latent_exploration.continuous.store import SpectraStore

EXCERPT = 64  # pairs of hops, 1.4 s
_GAIN_DB = 10.0  # largest random gain or attenuation
_LOUDEST = 0.95  # loudness up to which excerpts are amplified


class Excerpts(PieceBatches):
    """Batches ``((heard, loudness, classes), spectra)`` of excerpts of EXCERPT pairs of hops.

    What the encoder hears, and the spectra, are (batch, frames, BANDS); loudness is (batch, pairs,
    1), and classes are (batch, pairs, classes), one-hot. Excerpts of shorter pieces continue with
    silence.

    With ``shuffle``, excerpts get random gains, which rise or fall steadily from one value to
    another. The classes are those of the loudness before: the loudness after it has little to do
    with the timbre.

    Args:
        store: Open ``SpectraStore``.
        indices: Pieces to draw from.
        batch_size: Excerpts of a batch.
        edges: (classes - 1,) ascending limits of loudness between the classes.
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
        relative: bool = True,
        **order: Any,
    ) -> None:
        rows = [store.rows[index] for index in indices]
        super().__init__([row.columns for row in rows], EXCERPT, batch_size, **order)
        self._pieces = [store.frames(row) for row in rows]
        self._edges, self._relative = edges, relative

    def cut(self, positions: Sequence[int], epoch: int) -> Any:
        """The excerpts at some positions of an epoch as a batch."""
        places = self.places(positions, epoch)
        found = [_excerpt(self._pieces[number], start) for number, start in places]
        numbers = np.searchsorted(self._edges, np.stack([one.loudness for one in found]))
        classes = np.eye(len(self._edges) + 1, dtype=np.float32)[numbers]
        if self._shuffle:
            rng = np.random.default_rng([self._seed, epoch, positions[0], 1])
            found = [one.amplified(_gains(one, rng)) for one in found]
        heard = np.stack([one.heard(self._relative) for one in found])
        loudness = np.stack([one.loudness for one in found])[..., np.newaxis]
        return (heard, loudness, classes), np.stack([one.spectra for one in found])


def _gains(excerpt, rng):
    room = SCALE.range_db * (_LOUDEST - excerpt.loudness.max())
    ends = rng.uniform(-_GAIN_DB, max(min(_GAIN_DB, room), -_GAIN_DB), 2)
    return np.linspace(*ends, EXCERPT)


def _excerpt(piece, start):
    levels = piece.levels[PAIR * start : PAIR * (start + EXCERPT)]
    loudness = piece.loudness[start : start + EXCERPT]
    missing = EXCERPT - len(loudness)
    levels = np.pad(levels, ((0, PAIR * missing), (0, 0)), constant_values=FAINTEST_DB)
    return Frames(levels, np.pad(loudness, (0, missing)))
