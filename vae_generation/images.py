"""Batches of images for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from common.training.batches import RowBatches

if TYPE_CHECKING:
    from vae_generation.store import ImageStore


class Images(RowBatches):
    """Batches ``(inputs, images)``; inputs are a tuple of the images and, if given, the conditions.

    Args:
        store: Open ``vae_generation.store.ImageStore``.
        indices: Indices of the images in the store.
        batch_size: Images per batch; the last batch may be smaller.
        conditions: Condition vectors of all images of the store, (images, length), or None.
        options: ``shuffle``, ``steps`` and ``seed`` of ``RowBatches``.
    """

    def __init__(
        self,
        store: ImageStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        conditions: np.ndarray | None = None,
        **options: Any,
    ) -> None:
        super().__init__(indices, batch_size, **options)
        self._store = store
        self._conditions = conditions

    def cut(self, positions: range, epoch: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return the examples at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[list(positions)]
        images = self._store.read(chosen)
        if self._conditions is None:
            return (images,), images
        return (images, self._conditions[chosen]), images
