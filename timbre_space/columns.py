"""Batches of columns for training."""

from __future__ import annotations

import numpy as np

from common.training.batches import Batches


class Columns(Batches):
    """Batches ``((columns, labels), columns)``; the order of an epoch depends on its seed alone.

    Args:
        indices: Indices of the examples.
        batch_size: Columns of a batch; the last one may be smaller.
        columns: Scaled columns, (columns, bins) float32.
        labels: (columns, classes) float32, one-hot.
        shuffle: Draw a new order in each epoch.
        steps: Batches of an epoch; default as many as the columns fill.
        seed: Integer.
    """

    def __init__(
        self,
        indices: list[int],
        batch_size: int,
        *,
        columns: np.ndarray,
        labels: np.ndarray,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(indices), batch_size, steps)
        self._indices = np.asarray(indices)
        self._columns, self._labels = columns, labels
        self._shuffle, self._seed = shuffle, seed

    def draw(self, epoch: int) -> np.ndarray:
        """Indices of the columns in the order of an epoch."""
        order = np.tile(self._indices, (-(-self._count // len(self._indices)), 1))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permuted(order, axis=1)
        return order.ravel()

    def cut(self, positions: range, epoch: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The columns at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[positions.start : positions.stop]
        return (self._columns[chosen], self._labels[chosen]), self._columns[chosen]
