"""Training pairs: batches of origin and target frames cut from two feature stores."""

import os
from typing import NamedTuple

import keras
import numpy as np

from common.features import find_pairs, is_held_out, piece_of
from data import BINS, FRAME_COLUMNS

_IN_MEMORY = 4 * 2**30  # bytes of images that are read once where the memory's size is unknown


class Window(NamedTuple):
    """Where a pair of frames is cut."""

    origin: str
    target: str
    offset: int


def split_pairs(origin, target, share):
    """Pairs of two stores, split by piece into training and held out.

    Args:
        origin, target: Open ``common.features.FeatureStore``.
        share: Share of the pieces that is held out, decided by the hash of their names.

    Returns:
        ``(training, held_out, report)``: lists of (origin rendering, target rendering); dict of
        what has no partner: ``unpaired_renderings``, ``unpaired_columns``.

    Raises:
        UserError: The stores share no piece.
    """
    pairs, unpaired = find_pairs(origin, target)
    held_out = [pair for pair in pairs if is_held_out(piece_of(pair[0]), share)]
    training = [pair for pair in pairs if not is_held_out(piece_of(pair[0]), share)]
    beyond = sum(abs(origin.columns[a] - target.columns[b]) for a, b in pairs)
    return training, held_out, {"unpaired_renderings": len(unpaired), "unpaired_columns": beyond}


def memory_limit():
    """Bytes of images that are read once instead of window by window: a quarter of the memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return _IN_MEMORY


class PairedFrames(keras.utils.PyDataset):
    """Batches ``(origin, target)`` of frames, each (batch, BINS, FRAME_COLUMNS, 1) in [-1, 1].

    The order of an epoch and its offsets depend on ``seed`` and ``epoch`` only.

    Args:
        origin, target: Open ``common.features.FeatureStore``.
        pairs: List of (origin rendering, target rendering).
        batch_size: Frames per batch; the last batch may be smaller.
        random_offsets: Cut the windows anywhere instead of at multiples of FRAME_COLUMNS. Their
            number per piece stays the same.
        shuffle: Draw a new order each epoch.
        steps: Batches per epoch; default as many as the regular frames fill. More of them go
            through the frames again.
        seed: Integer.
        workers: Threads that prepare batches.

    Attributes:
        epoch: Number of the epoch that is drawn next, from 0.
    """

    def __init__(
        self,
        origin,
        target,
        pairs,
        batch_size,
        *,
        random_offsets=False,
        shuffle=False,
        steps=None,
        seed=0,
        workers=2,
    ):
        super().__init__(workers=workers, max_queue_size=16)
        self._stores = {"origin": origin, "target": target}
        self._length = {
            pair: min(origin.columns[pair[0]], target.columns[pair[1]]) for pair in pairs
        }
        self._regular = [
            Window(*pair, offset)
            for pair in pairs
            for offset in range(0, self._length[pair], FRAME_COLUMNS)
        ]
        self._batch_size = batch_size
        self._random_offsets = random_offsets
        self._shuffle = shuffle
        self._seed = seed
        self._count = steps * batch_size if steps else len(self._regular)
        self._steps = -(-self._count // batch_size)
        self._images = self._read_all(pairs)
        self._drawn = (None, None)
        self.epoch = 0

    @property
    def frame_count(self):
        """Number of regular frames."""
        return len(self._regular)

    def _read_all(self, pairs):
        wanted = {("origin", a) for a, _ in pairs} | {("target", b) for _, b in pairs}
        columns = sum(self._stores[side].columns[name] for side, name in wanted)
        if columns * BINS * np.dtype(np.float16).itemsize > memory_limit():
            return {}
        # frequency first, as the frames are, so that cutting one copies whole runs of memory
        return {
            (side, name): np.ascontiguousarray(self._stores[side].read(name).T)
            for side, name in wanted
        }

    def __len__(self):
        return self._steps

    def windows(self, epoch):
        """The ``Window`` list of an epoch, in its order."""
        if self._drawn[0] == epoch:
            return self._drawn[1]
        rng = np.random.default_rng([self._seed, epoch])
        rounds = -(-self._count // len(self._regular))
        indices = np.tile(np.arange(len(self._regular)), (rounds, 1))
        if self._shuffle or self._random_offsets:
            indices = rng.permuted(indices, axis=1)
        windows = [self._regular[index] for index in indices.ravel()[: self._count]]
        if self._random_offsets:
            last = [max(self._length[window[:2]] - FRAME_COLUMNS, 0) for window in windows]
            offsets = rng.integers(0, np.array(last), endpoint=True)
            windows = [
                window._replace(offset=int(offset))
                for window, offset in zip(windows, offsets, strict=True)
            ]
        self._drawn = (epoch, windows)
        return windows

    def __getitem__(self, index):
        windows = self.windows(self.epoch)
        batch = windows[index * self._batch_size : (index + 1) * self._batch_size]
        return self.frames("origin", batch), self.frames("target", batch)

    def frames(self, side, windows):
        """Frames of one side, "origin" or "target": (windows, BINS, FRAME_COLUMNS, 1) float32."""
        frames = np.zeros((len(windows), BINS, FRAME_COLUMNS, 1), np.float32)
        for frame, window in zip(frames, windows, strict=True):
            stop = min(window.offset + FRAME_COLUMNS, self._length[window[:2]])
            part = slice(window.offset, stop)
            name = getattr(window, side)
            if self._images:
                image = self._images[side, name][:, part]
            else:
                image = self._stores[side].read(name, part.start, part.stop).T
            frame[:, : image.shape[1], 0] = image
        frames *= 2
        frames -= 1
        return frames
