"""Batches of images for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.training.batches import Batches

if TYPE_CHECKING:
    from vae_generation.store import ImageStore


class Images(Batches):
    """Batches ``(inputs, images)``; inputs are a tuple of the images and, if given, the conditions.

    The order of an epoch depends only on ``seed`` and ``epoch``.

    Args:
        store: Open ``vae_generation.store.ImageStore``.
        indices: Indices of the images in the store.
        batch_size: Images per batch; the last batch may be smaller.
        conditions: Condition vectors of all images of the store, (images, length), or None.
        shuffle: Draw a new order in each epoch.
        steps: Batches per epoch; default as many as the images fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: ImageStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        conditions: np.ndarray | None = None,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(indices), batch_size, steps)
        self._store = store
        self._indices = np.asarray(indices)
        self._conditions = conditions
        self._shuffle = shuffle
        self._seed = seed

    def draw(self, epoch: int) -> np.ndarray:
        """Draw the indices of the images in the order of an epoch."""
        rounds = -(-self._count // len(self._indices))
        order = np.tile(self._indices, (rounds, 1))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permuted(order, axis=1)
        return order.ravel()

    def cut(self, positions: range, epoch: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return the examples at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[list(positions)]
        images = self._store.read(chosen)
        if self._conditions is None:
            return (images,), images
        return (images, self._conditions[chosen]), images
