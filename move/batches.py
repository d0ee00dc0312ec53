"""Batches of slices of pairs of instruments, for a transfer in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import Batches
from move.store import SliceStore, by_note

_PAIR = 32  # largest number of slices of a pair of instruments
_MATCHED = 0.75  # share of slices whose pitch both instruments play
_UNTOLD = 0.3  # share of slices whose instrument the encoder is not told


class Transfers(Batches):
    """Batches ``((image, told, own, target, matched), image)``.

    ``told`` is the note for the encoder, ``own`` and ``target`` those of the decoder for
    reconstruction and transfer, and ``matched`` (batch, 1) is 1 where the slice takes part in the
    comparison of transferred slices with true ones. Those of a pair of instruments have the same
    distribution of pitches, because a transfer keeps the pitch.

    What a batch holds depends on ``seed``, its place and, with ``shuffle``, the epoch only.

    Args:
        store: Open ``move.store.SliceStore``.
        indices: Slices to draw from.
        batch_size: Slices of a batch.
        vectors: (slices of the store, length) condition vectors.
        instruments: Slice of a vector that tells the instrument.
        shuffle: Draw anew each epoch.
        steps: Batches of an epoch; default as many as the slices fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: SliceStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        vectors: np.ndarray,
        instruments: slice,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(indices), batch_size, steps)
        self._store, self._vectors, self._told = store, vectors, instruments
        self._shuffle, self._seed = shuffle, seed
        self._notes = by_note(store.rows, indices)

    def cut(self, positions: Sequence[int], epoch: int) -> Any:
        """Return the slices at some positions of an epoch as a batch."""
        rng = np.random.default_rng([self._seed, epoch if self._shuffle else 0, positions[0]])
        pairs = -(-len(positions) // _PAIR)
        drawn = [self._pair(rng, len(part)) for part in np.array_split(positions, pairs)]
        indices, others, matched = (np.concatenate(part) for part in zip(*drawn, strict=True))
        images = self._store.read(indices)[..., np.newaxis]
        own = self._vectors[indices]
        target = own.copy()
        target[:, self._told] = self._vectors[others][:, self._told]
        told = own.copy()
        told[rng.random(len(told)) < _UNTOLD, self._told] = 0
        return (images, told, own, target, matched[:, np.newaxis]), images

    def _pair(self, rng, size):
        """Indices, indices of slices of the target instrument, and ``matched``, of one pair."""
        names = rng.permutation(list(self._notes))[:2]
        notes = [self._notes[name] for name in (names[0], names[-1])]
        common = sorted(notes[0].keys() & notes[1].keys())
        indices, others, matched = [], [], []
        shared = rng.choice(common, int(_MATCHED * size / 2)) if common else ()
        for number, count in enumerate((size - size // 2, size // 2)):
            own, other = notes[number], notes[1 - number]
            pitches = np.array([*shared, *rng.choice(list(own), count - len(shared))], int)
            drawn = [rng.choice(own[pitch]) for pitch in pitches]
            is_shared = np.arange(count) < len(shared)
            anywhere = next(iter(other.values()))[0]
            indices += drawn
            others += np.where(is_shared, anywhere, drawn).astype(int).tolist()
            matched += is_shared.tolist()
        return np.array(indices, int), np.array(others, int), np.array(matched, np.float32)
