"""Batches of windows of spectrograms, to train an auto-encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.training.batches import Batches
from time_stretching.spectrogram import BINS, WIDE

if TYPE_CHECKING:
    from common.audio.spectrograms import Scale
    from time_stretching.store import Recording, Store


class Windows(Batches):
    """Batches (images, images) of windows, (batch, columns, BINS) in [0, 1].

    In each epoch every recording is cut into consecutive windows, starting at a random column;
    shorter recordings are padded with silence. The windows depend only on ``seed`` and ``epoch``.

    Args:
        store: Open ``time_stretching.store.Store``.
        recordings: The recordings to use.
        scale: ``Scale`` of the images.
        columns: Length of a window in columns.
        batch_size: Windows per batch; the last batch may be smaller.
        shuffle: Draw order and first columns in each epoch; otherwise windows begin at column 0.
        steps: Batches per epoch; default as many as the windows fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: Store,
        recordings: Sequence[Recording],
        scale: Scale,
        *,
        columns: int,
        batch_size: int,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self._windows = sum(max(one.columns // columns, 1) for one in recordings)
        super().__init__(self._windows, batch_size, steps)
        self._store = store
        self._recordings = recordings
        self._scale = scale
        self._columns = columns
        self._shuffle = shuffle
        self._seed = seed

    def cut(self, positions: range, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the examples at some positions of an epoch as a batch."""
        images = np.zeros((len(positions), self._columns, BINS), np.float32)
        order = self.drawn(epoch)
        for image, place in zip(images, positions, strict=True):
            recording, start = order[place]
            given = self._store.columns(recording, start, start + self._columns)
            image[: given.shape[-1]] = WIDE.to(self._scale, given).T
        return images, images

    def draw(self, epoch: int) -> list[tuple[Recording, int]]:
        """Draw (recording, first column) for each position of an epoch."""
        order = []
        for number in range(math.ceil(self._count / self._windows)):
            rng = np.random.default_rng([self._seed, epoch, number])
            windows = []
            for recording in self._recordings:
                fitting = max(recording.columns // self._columns, 1)
                spare = max(recording.columns - fitting * self._columns, 0)
                first = int(rng.integers(spare + 1)) if self._shuffle else 0
                windows += [(recording, first + self._columns * one) for one in range(fitting)]
            if self._shuffle:
                windows = [windows[place] for place in rng.permutation(len(windows))]
            order += windows
        return order
