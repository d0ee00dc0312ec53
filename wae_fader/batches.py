"""Batches of notes for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.training.batches import Batches
from wae_fader.store import NoteStore


class Notes(Batches):
    """Batches ``((images, conditions), images)``.

    The order of an epoch depends only on ``seed`` and ``epoch``.

    Args:
        store: Open ``wae_fader.store.NoteStore``.
        indices: Indices of the notes in the store.
        batch_size: Notes of a batch; the last batch may be smaller.
        conditions: (notes of the store, length) vectors of note and style.
        shuffle: Draw a new order in each epoch.
        steps: Batches of an epoch; default as many as the notes fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: NoteStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        conditions: np.ndarray,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(indices), batch_size, steps)
        self._store, self._conditions = store, conditions
        self._indices, self._shuffle, self._seed = np.asarray(indices), shuffle, seed

    def draw(self, epoch: int) -> np.ndarray:
        """Draw the indices of the notes in the order of an epoch."""
        order = np.tile(self._indices, (-(-self._count // len(self._indices)), 1))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permuted(order, axis=1)
        return order.ravel()

    def cut(self, positions: range, epoch: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Return the notes at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[list(positions)]
        images = self._store.read(chosen)[..., np.newaxis]
        return (images, self._conditions[chosen]), images
