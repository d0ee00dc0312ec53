"""Batches of pieces of phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import PieceBatches
from vq_timbre.frames import CONTEXT, HOP, analyse
from vq_timbre.store import PhraseStore

PIECE = 64  # hops, 1.5 s at 22,050 Hz


class Pieces(PieceBatches):
    """Batches ``((inputs, power, gains), audio)``.

    The first three are ``vq_timbre.frames.Frames`` of PIECE + 3 frames; the audio (batch, PIECE *
    HOP) is what they cover four times.

    Args:
        store: Open ``vq_timbre.store.PhraseStore``.
        indices: Phrases to draw from.
        batch_size: Pieces of a batch.
        sees: See ``vq_timbre.frames.analyse``.
        order: ``shuffle``, ``steps`` and ``seed`` of ``PieceBatches``.
    """

    def __init__(
        self,
        store: PhraseStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        sees: str,
        **order: Any,
    ) -> None:
        self._rows = [store.rows[index] for index in indices]
        super().__init__([row.columns for row in self._rows], PIECE, batch_size, **order)
        self._store, self._sees = store, sees

    def cut(self, positions: Sequence[int], epoch: int) -> Any:
        """The pieces at some positions of an epoch as a batch."""
        audio = np.stack(
            [
                self._store.audio(self._rows[number], start - CONTEXT, PIECE + 2 * CONTEXT)
                for number, start in self.places(positions, epoch)
            ]
        )
        return tuple(analyse(audio, self._sees)), audio[:, CONTEXT * HOP : -CONTEXT * HOP]
