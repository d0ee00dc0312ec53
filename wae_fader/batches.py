"""Batches of notes for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import RowBatches
from wae_fader.store import NoteStore


class Notes(RowBatches):
    """Batches ``((images, conditions), images)``.

    Args:
        store: Open ``wae_fader.store.NoteStore``.
        indices: Indices of the notes in the store.
        batch_size: Notes of a batch.
        conditions: (notes of the store, length) vectors of note and style.
        order: ``shuffle``, ``steps`` and ``seed`` of ``RowBatches``.
    """

    def __init__(
        self,
        store: NoteStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        conditions: np.ndarray,
        **order: Any,
    ) -> None:
        super().__init__(indices, batch_size, **order)
        self._store, self._conditions = store, conditions

    def cut(self, positions: range, epoch: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Return the notes at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[list(positions)]
        images = self._store.read(chosen)[..., np.newaxis]
        return (images, self._conditions[chosen]), images
