"""Base classes for data sets that yield one batch per slice of an epoch."""

import abc
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


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


class RowBatches(Batches):
    """Base class for data sets of rows, each of which is used once before any is used again.

    The order of an epoch depends only on ``seed`` and ``epoch``.

    Args:
        indices: Indices of the rows.
        batch_size: Rows of a batch; the last batch may be smaller.
        shuffle: Draw a new order in each epoch.
        steps: Batches of an epoch; default as many as the rows fill.
        seed: Integer.
    """

    def __init__(
        self,
        indices: Sequence[int],
        batch_size: int,
        *,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(indices), batch_size, steps)
        self._indices, self._shuffle, self._seed = np.asarray(indices), shuffle, seed

    def draw(self, epoch: int) -> np.ndarray:
        """Draw the indices of the rows in the order of an epoch."""
        order = np.tile(self._indices, (-(-self._count // len(self._indices)), 1))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permuted(order, axis=1)
        return order.ravel()


class PieceBatches(Batches):
    """Base class for data sets of pieces of recordings, all of the same length.

    With ``shuffle``, pieces begin anywhere in the recordings; otherwise at equal distances. What a
    batch holds depends on ``seed``, its place and, with ``shuffle``, the epoch.

    Args:
        lengths: Lengths of the recordings.
        piece: Length of a piece, in the same unit.
        batch_size: Pieces of a batch; the last batch may be smaller.
        shuffle: Draw anew each epoch.
        steps: Batches of an epoch; default as many as the recordings fill.
        seed: Integer.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        piece: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self._lengths, self._ends, self._piece = lengths, np.cumsum(lengths), piece
        super().__init__(max(int(self._ends[-1]) // piece, 1), batch_size, steps)
        self._shuffle, self._seed = shuffle, seed

    def places(self, positions: Sequence[int], epoch: int) -> list[tuple[int, int]]:
        """Where the pieces at some positions of an epoch are: ``(recording, start)`` of each.

        A piece ends with its recording at the latest, unless that is shorter than a piece.
        """
        rng = np.random.default_rng([self._seed, epoch, positions[0]])
        total, found = int(self._ends[-1]), []
        for position in positions:
            place = rng.integers(total) if self._shuffle else position * self._piece % total
            number = int(np.searchsorted(self._ends, place, side="right"))
            length = self._lengths[number]
            start = min(place - (self._ends[number] - length), max(length - self._piece, 0))
            found.append((number, int(start)))
        return found
