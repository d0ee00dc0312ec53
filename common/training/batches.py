"""Batches of what stands at the places of an epoch."""

import abc
import math

import keras


class Batches(keras.utils.PyDataset, abc.ABC):
    """Base of the datasets: a subclass says what ``cut(positions, epoch)`` gives.

    Args:
        count: Places of an epoch.
        batch_size: Places per batch; the last batch may be smaller.
        options: Of ``keras.utils.PyDataset``.

    Attributes:
        epoch: Number of the epoch that is drawn next, from 0.
    """

    def __init__(self, count, batch_size, **options):
        super().__init__(**options)
        self._count = count
        self._batch_size = batch_size
        self.epoch = 0

    def __len__(self):
        return math.ceil(self._count / self._batch_size)

    def __getitem__(self, index):
        return self.cut(self.positions(index), self.epoch)

    def positions(self, index):
        """Places of a batch in the order of the epoch: a range."""
        start = index * self._batch_size
        return range(start, min(start + self._batch_size, self._count))

    @abc.abstractmethod
    def cut(self, positions, epoch):
        """What stands at some places of an epoch, as a batch."""
