"""Training pairs: batches of origin and target frames from feature stores."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import find_recordings
from common.files.split import is_held_out
from common.music.names import piece_of
from common.training.batches import Batches
from common.work.machine import memory
from data import BINS, FRAME_COLUMNS, frames_to_network, network_to_frames
from pix2pix_timbre.augment import Augmentation
from pix2pix_timbre.features import FeatureStore, find_pairs


class Source(NamedTuple):
    """A rendering in a feature store, or the beginning of one.

    Attributes:
        store: Open store.
        rendering: Name of the rendering in it.
        most: Largest number of columns that is used; None for all.
    """

    store: FeatureStore
    rendering: str
    most: int | None = None

    @property
    def columns(self) -> int:
        """Number of columns."""
        columns = self.store.columns[self.rendering]
        return columns if self.most is None else min(columns, self.most)

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read columns ``start`` to ``stop``: (BINS, columns) float16 in [0, 1]."""
        stop = self.columns if stop is None else min(stop, self.columns)
        return self.store.read(self.rendering, start, stop).T


class Window(NamedTuple):
    """Position of a pair of frames."""

    origin: Source
    target: Source
    offset: int


def split_pairs(
    origin: FeatureStore, target: FeatureStore, share: float
) -> tuple[list[tuple[Source, Source]], list[tuple[Source, Source]], Counter[str]]:
    """Pairs of two stores, split by piece into training and held out.

    Args:
        origin, target: Open ``pix2pix_timbre.features.FeatureStore``.
        share: Share of the pieces that is held out, decided by the hash of their names.

    Returns:
        ``(training, held_out, report)``: lists of pairs of ``Source``, origin and target; Counter
        of unpaired material: ``unpaired_renderings``, ``unpaired_columns``.

    Raises:
        UserError: The stores share no piece.
    """
    names, unpaired = find_pairs(origin, target)
    training, held_out = [], []
    for first, second in names:
        side = held_out if is_held_out(piece_of(first), share) else training
        side.append((Source(origin, first), Source(target, second)))
    beyond = sum(abs(first.columns - second.columns) for first, second in training + held_out)
    report = Counter(unpaired_renderings=len(unpaired), unpaired_columns=beyond)
    return training, held_out, report


def audio_files(
    audios_path: Path, pairs: Iterable[tuple[Source, Source]]
) -> list[tuple[Path, Path]]:
    """Find the audio files of pairs: list of (origin, target) paths.

    Args:
        audios_path: Folder of the audios, ``<instrument>/<rendering>`` of any format.
        pairs: Iterable of pairs of ``Source``.

    Raises:
        UserError: An audio file is missing.
    """
    folders = {}

    def find(source):
        folder = audios_path / source.store.instrument
        if folder not in folders:
            folders[folder] = find_recordings(folder).files if folder.is_dir() else {}
        if source.rendering not in folders[folder]:
            raise UserError(
                f"{folder / source.rendering}.wav: no such file; --audios_path is what the "
                "features are made of"
            )
        return folders[folder][source.rendering]

    return [tuple(map(find, pair)) for pair in pairs]


def memory_limit() -> int:
    """Size in bytes up to which images are kept in memory: a quarter of the memory."""
    return memory() // 4


class PairedFrames(Batches):
    """Batches ``(origin, target)`` of frames, each (batch, BINS, FRAME_COLUMNS, 1) in [-1, 1].

    The order of an epoch and its offsets depend on ``seed`` and ``epoch`` only.

    Args:
        pairs: List of pairs of ``Source``, origin and target.
        batch_size: Frames per batch; the last batch may be smaller.
        random_offsets: Cut windows anywhere instead of at multiples of FRAME_COLUMNS, but the same
            number per piece.
        shuffle: Draw a new order each epoch.
        steps: Batches per epoch; default one pass through the regular frames. With more, frames
            are repeated.
        augment: ``pix2pix_timbre.augment.Augmentation`` of both sides alike, or None.
        augment_origin: ``Augmentation`` of the origin alone, applied first, or None.
        seed: Integer.
        workers: Threads that prepare batches.

    Attributes:
        seed: As given.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Source, Source]],
        batch_size: int,
        *,
        random_offsets: bool = False,
        shuffle: bool = False,
        steps: int | None = None,
        augment: Augmentation | None = None,
        augment_origin: Augmentation | None = None,
        seed: int = 0,
        workers: int = 2,
    ) -> None:
        self._length = {pair: min(side.columns for side in pair) for pair in pairs}
        self._regular = [
            Window(*pair, offset)
            for pair in pairs
            for offset in range(0, self._length[pair], FRAME_COLUMNS)
        ]
        self._random_offsets = random_offsets
        self._shuffle = shuffle
        self._augment = augment
        self._augment_origin = augment_origin
        self.seed = seed
        super().__init__(len(self._regular), batch_size, steps, workers=workers, max_queue_size=16)
        self._images = self._read_all(pairs)

    @property
    def frame_count(self) -> int:
        """Number of regular frames."""
        return len(self._regular)

    @staticmethod
    def _read_all(pairs):
        sources = {source for pair in pairs for source in pair}
        columns = sum(source.columns for source in sources)
        if columns * BINS * np.dtype(np.float16).itemsize > memory_limit():
            return {}
        # frequency first, like frames, so that cutting a frame copies contiguous memory
        return {source: np.ascontiguousarray(source.read()) for source in sources}

    def windows(self, epoch: int) -> list[Window]:
        """List the ``Window`` of each example of an epoch, in order."""
        return self.drawn(epoch)

    def draw(self, epoch: int) -> list[Window]:
        """Draw the ``windows`` of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        rounds = -(-self._count // len(self._regular))
        indices = np.tile(np.arange(len(self._regular)), (rounds, 1))
        if self._shuffle or self._random_offsets:
            indices = rng.permuted(indices, axis=1)
        windows = [self._regular[index] for index in indices.ravel()[: self._count]]
        if self._random_offsets:
            last = [max(self._end(window) - FRAME_COLUMNS, 0) for window in windows]
            offsets = rng.integers(0, np.array(last), endpoint=True)
            windows = [
                window._replace(offset=int(offset))
                for window, offset in zip(windows, offsets, strict=True)
            ]
        return windows

    def cut(self, positions: Sequence[int], epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the frames at some positions of an epoch: ``(origin, target)``."""
        windows = [self.windows(epoch)[position] for position in positions]
        origin, target = (
            self.frames([(window[side], window.offset, self._end(window)) for window in windows])
            for side in (0, 1)
        )
        for place, position in enumerate(positions):
            pair = np.stack([origin[place, ..., 0], target[place, ..., 0]])
            if self._augment_origin is not None:
                rng = np.random.default_rng([self.seed, epoch, position, 2])
                pair[:1] = _augmented(pair[:1], self._augment_origin, rng)
            if self._augment is not None:
                rng = np.random.default_rng([self.seed, epoch, position])
                pair = _augmented(pair, self._augment, rng)
            origin[place, ..., 0], target[place, ..., 0] = pair
        return origin, target

    def _end(self, window):
        return self._length[window[:2]]

    def frames(self, cuts: Sequence[tuple[Source, int, int]]) -> np.ndarray:
        """Read frames at any positions: (cuts, BINS, FRAME_COLUMNS, 1) float32 in [-1, 1].

        Args:
            cuts: List of (source, offset, end); columns from ``end`` on are silent.
        """
        frames = np.zeros((len(cuts), BINS, FRAME_COLUMNS, 1), np.float32)
        for frame, (source, offset, end) in zip(frames, cuts, strict=True):
            stop = min(offset + FRAME_COLUMNS, end)
            kept = self._images.get(source)
            image = source.read(offset, stop) if kept is None else kept[:, offset:stop]
            frame[:, : image.shape[1], 0] = image
        return frames_to_network(frames)


def _augmented(frames, augment, rng):
    """Apply an ``Augmentation`` to frames (sides, BINS, FRAME_COLUMNS) in [-1, 1]."""
    return frames_to_network(augment(network_to_frames(frames), rng))
