"""Batches of excerpts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import Batches
from latent_exploration.continuous.frames import Frames
from latent_exploration.continuous.store import SpectraStore

EXCERPT = 64  # pairs of hops, 1.4 s


class Excerpts(Batches):
    """Batches ``((spectra, loudness, classes), spectra)`` of excerpts of EXCERPT pairs of hops.

    The first are (batch, frames, BANDS); loudness is (batch, pairs, 1), and classes are (batch,
    pairs, classes), one-hot. Excerpts of shorter pieces continue with silence. What a batch holds
    depends on ``seed``, its place and, with ``shuffle``, the epoch.

    Args:
        store: Open ``SpectraStore``.
        indices: Pieces to draw from.
        batch_size: Excerpts of a batch.
        edges: (classes - 1,) ascending limits of loudness between the classes.
        shuffle: Draw anew each epoch.
        steps: Batches of an epoch; default as many as the pieces fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: SpectraStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        edges: np.ndarray,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        rows = [store.rows[index] for index in indices]
        self._ends = np.cumsum([row.columns for row in rows])
        super().__init__(max(int(self._ends[-1]) // EXCERPT, 1), batch_size, steps)
        self._pieces = [store.frames(row) for row in rows]
        self._edges, self._shuffle, self._seed = edges, shuffle, seed

    def cut(self, positions: Sequence[int], epoch: int) -> Any:
        """The excerpts at some positions of an epoch as a batch."""
        rng = np.random.default_rng([self._seed, epoch, positions[0]])
        found = []
        for position in positions:
            total = self._ends[-1]
            place = rng.integers(total) if self._shuffle else position * EXCERPT % total
            number = int(np.searchsorted(self._ends, place, side="right"))
            piece = self._pieces[number]
            count = len(piece.loudness)
            start = int(min(place - (self._ends[number] - count), max(count - EXCERPT, 0)))
            found.append(_excerpt(piece, start))
        spectra, loudness = (np.stack(parts) for parts in zip(*found, strict=True))
        places = np.searchsorted(self._edges, loudness)
        classes = np.eye(len(self._edges) + 1, dtype=np.float32)[places]
        return (spectra, loudness[..., np.newaxis], classes), spectra


def _excerpt(piece, start):
    per = len(piece.spectra) // len(piece.loudness)
    spectra = piece.spectra[per * start : per * (start + EXCERPT)]
    loudness = piece.loudness[start : start + EXCERPT]
    missing = EXCERPT - len(loudness)
    return Frames(np.pad(spectra, ((0, per * missing), (0, 0))), np.pad(loudness, (0, missing)))
