"""Batches of examples for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import RowBatches
from light_mir.store import ExampleStore


class Examples(RowBatches):
    """Batches ``(images, targets)``; all of them are kept in memory.

    Args:
        store: Open ``light_mir.store.ExampleStore``.
        indices: Indices of the examples in the store.
        batch_size: Examples of a batch.
        order: ``shuffle``, ``steps`` and ``seed`` of ``RowBatches``.
    """

    def __init__(
        self, store: ExampleStore, indices: Sequence[int], batch_size: int, **order: Any
    ) -> None:
        super().__init__(range(len(indices)), batch_size, **order)
        self.images, self.targets = store.images(indices), store.targets(indices)

    def cut(self, positions: range, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the examples at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[list(positions)]
        return self.images[chosen], self.targets[chosen]
