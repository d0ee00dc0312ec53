"""Batches of images for a training."""

import math

import keras
import numpy as np


class Images(keras.utils.PyDataset):
    """Batches ``(inputs, images)``; inputs are a tuple of the images and, if any, the conditions.

    The order of an epoch depends on ``seed`` and ``epoch`` only.

    Args:
        store: Open ``vae_generation.store.ImageStore``.
        indices: Numbers of the images.
        batch_size: Images per batch; the last batch may be smaller.
        conditions: (images of the store, length) array, or None.
        shuffle: Draw a new order each epoch.
        steps: Batches per epoch; default as many as the images fill.
        seed: Integer.

    Attributes:
        epoch: Number of the epoch that is drawn next, from 0.
    """

    def __init__(
        self, store, indices, batch_size, *, conditions=None, shuffle=False, steps=None, seed=0
    ):
        super().__init__()
        self._store = store
        self._indices = np.asarray(indices)
        self._batch_size = batch_size
        self._conditions = conditions
        self._shuffle = shuffle
        self._count = steps * batch_size if steps else len(self._indices)
        self._seed = seed
        self.epoch = 0

    def __len__(self):
        return math.ceil(self._count / self._batch_size)

    def __getitem__(self, index):
        return self.cut(self.positions(index), self.epoch)

    def positions(self, index):
        """Places of a batch in the order of the epoch: a range."""
        start = index * self._batch_size
        return range(start, min(start + self._batch_size, self._count))

    def cut(self, positions, epoch):
        """What stands at some places of an epoch, as a batch."""
        rounds = -(-self._count // len(self._indices))
        order = np.tile(np.arange(len(self._indices)), (rounds, 1))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permuted(order, axis=1)
        chosen = self._indices[order.ravel()[list(positions)]]
        images = self._store.read(chosen)
        if self._conditions is None:
            return (images,), images
        return (images, self._conditions[chosen]), images
