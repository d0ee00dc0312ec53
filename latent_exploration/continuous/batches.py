"""Batches of excerpts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import PieceBatches
from latent_exploration.continuous.frames import Frames
from latent_exploration.continuous.store import SpectraStore

EXCERPT = 64  # pairs of hops, 1.4 s


class Excerpts(PieceBatches):
    """Batches ``((spectra, loudness, classes), spectra)`` of excerpts of EXCERPT pairs of hops.

    The first are (batch, frames, BANDS); loudness is (batch, pairs, 1), and classes are (batch,
    pairs, classes), one-hot. Excerpts of shorter pieces continue with silence.

    Args:
        store: Open ``SpectraStore``.
        indices: Pieces to draw from.
        batch_size: Excerpts of a batch.
        edges: (classes - 1,) ascending limits of loudness between the classes.
        order: ``shuffle``, ``steps`` and ``seed`` of ``PieceBatches``.
    """

    def __init__(
        self,
        store: SpectraStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        edges: np.ndarray,
        **order: Any,
    ) -> None:
        rows = [store.rows[index] for index in indices]
        super().__init__([row.columns for row in rows], EXCERPT, batch_size, **order)
        self._pieces = [store.frames(row) for row in rows]
        self._edges = edges

    def cut(self, positions: Sequence[int], epoch: int) -> Any:
        """The excerpts at some positions of an epoch as a batch."""
        places = self.places(positions, epoch)
        found = [_excerpt(self._pieces[number], start) for number, start in places]
        spectra, loudness = (np.stack(parts) for parts in zip(*found, strict=True))
        numbers = np.searchsorted(self._edges, loudness)
        classes = np.eye(len(self._edges) + 1, dtype=np.float32)[numbers]
        return (spectra, loudness[..., np.newaxis], classes), spectra


def _excerpt(piece, start):
    per = len(piece.spectra) // len(piece.loudness)
    spectra = piece.spectra[per * start : per * (start + EXCERPT)]
    loudness = piece.loudness[start : start + EXCERPT]
    missing = EXCERPT - len(loudness)
    return Frames(np.pad(spectra, ((0, per * missing), (0, 0))), np.pad(loudness, (0, missing)))
