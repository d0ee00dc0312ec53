"""Base class for data sets that yield one batch per slice of an epoch."""

import abc
import math
from typing import Any

import keras


class Batches(keras.utils.PyDataset, abc.ABC):
    """Base class for data sets: a subclass implements ``cut`` and, if it shuffles, ``draw``.

    Args:
        count: Number of examples in an epoch.
        batch_size: Number of examples in a batch; the last batch may be smaller.
        steps: Number of batches in an epoch; by default as many as the examples fill.
        options: Arguments for ``keras.utils.PyDataset``.

    Attributes:
        epoch: Number of the next epoch, from 0.
    """

    def __init__(
        self, count: int, batch_size: int, steps: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._count = steps * batch_size if steps else count
        self._batch_size = batch_size
        self._drawn = None, None
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(self._count / self._batch_size)

    def __getitem__(self, index: int) -> Any:
        return self.cut(self.positions(index), self.epoch)

    def positions(self, index: int) -> range:
        """Positions within the epoch of the examples in a batch: a range."""
        start = index * self._batch_size
        return range(start, min(start + self._batch_size, self._count))

    def drawn(self, epoch: int) -> Any:
        """Result of ``draw`` for an epoch, drawn only once."""
        drawn_epoch, drawn = self._drawn  # read once, because other threads may draw another epoch
        if drawn_epoch != epoch:
            drawn = self.draw(epoch)
            self._drawn = epoch, drawn
        return drawn

    def draw(self, epoch: int) -> Any:
        """Draw the random choices of an epoch; a subclass that shuffles overrides this."""

    @abc.abstractmethod
    def cut(self, positions: range, epoch: int) -> Any:
        """Return the examples at some positions of an epoch as a batch."""
