"""Batches of examples for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.training.batches import Batches
from light_mir.store import ExampleStore


class Examples(Batches):
    """Batches ``(images, targets)``; all of them are kept in memory.

    The order of an epoch depends only on ``seed`` and ``epoch``.

    Args:
        store: Open ``light_mir.store.ExampleStore``.
        indices: Indices of the examples in the store.
        batch_size: Examples of a batch; the last batch may be smaller.
        shuffle: Draw a new order in each epoch.
        steps: Batches of an epoch; default as many as the examples fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: ExampleStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(indices), batch_size, steps)
        self.images, self.targets = store.images(indices), store.targets(indices)
        self._shuffle, self._seed = shuffle, seed

    def draw(self, epoch: int) -> np.ndarray:
        """Draw the places of the examples in the order of an epoch."""
        length = len(self.images)
        order = np.tile(np.arange(length), (-(-self._count // length), 1))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permuted(order, axis=1)
        return order.ravel()

    def cut(self, positions: range, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the examples at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[list(positions)]
        return self.images[chosen], self.targets[chosen]
