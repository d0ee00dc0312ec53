"""Batches of columns for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import RowBatches


class Columns(RowBatches):
    """Batches ``((columns, labels), columns)``.

    Args:
        indices: Indices of the examples.
        batch_size: Columns of a batch.
        columns: Scaled columns, (columns, bins) float32.
        labels: (columns, classes) float32, one-hot.
        order: ``shuffle``, ``steps`` and ``seed`` of ``RowBatches``.
    """

    def __init__(
        self,
        indices: Sequence[int],
        batch_size: int,
        *,
        columns: np.ndarray,
        labels: np.ndarray,
        **order: Any,
    ) -> None:
        super().__init__(indices, batch_size, **order)
        self._columns, self._labels = columns, labels

    def cut(self, positions: range, epoch: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The columns at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[positions.start : positions.stop]
        return (self._columns[chosen], self._labels[chosen]), self._columns[chosen]
