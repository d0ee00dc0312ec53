"""Batches of pieces of phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.training.batches import Batches
from vq_timbre.frames import CONTEXT, HOP, analyse
from vq_timbre.store import PhraseStore

PIECE = 64  # hops, 1.5 s at 22,050 Hz


class Pieces(Batches):
    """Batches ``((inputs, power, gains), audio)``.

    The first three are ``vq_timbre.frames.Frames`` of PIECE + 3 frames; the audio (batch, PIECE *
    HOP) is what they cover four times. With ``shuffle``, pieces begin anywhere; otherwise at equal
    distances. What a batch holds depends on ``seed``, its place and, with ``shuffle``, the epoch.

    Args:
        store: Open ``vq_timbre.store.PhraseStore``.
        indices: Phrases to draw from.
        batch_size: Pieces of a batch.
        sees: See ``vq_timbre.frames.analyse``.
        shuffle: Draw anew each epoch.
        steps: Batches of an epoch; default as many as the phrases fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: PhraseStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        sees: str,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self._rows = [store.rows[index] for index in indices]
        self._ends = np.cumsum([row.columns for row in self._rows])
        count = max(int(self._ends[-1]) // PIECE, 1)
        super().__init__(count, batch_size, steps)
        self._store, self._sees, self._shuffle, self._seed = store, sees, shuffle, seed

    def cut(self, positions: Sequence[int], epoch: int) -> Any:
        """The pieces at some positions of an epoch as a batch."""
        rng = np.random.default_rng([self._seed, epoch, positions[0]])
        total, audios = self._ends[-1], []
        for position in positions:
            place = rng.integers(total) if self._shuffle else position * PIECE % total
            number = int(np.searchsorted(self._ends, place, side="right"))
            row = self._rows[number]
            # a piece ends with the phrase, unless that is shorter
            start = min(place - (self._ends[number] - row.columns), max(row.columns - PIECE, 0))
            audios.append(self._store.audio(row, int(start) - CONTEXT, PIECE + 2 * CONTEXT))
        audio = np.stack(audios)
        return tuple(analyse(audio, self._sees)), audio[:, CONTEXT * HOP : -CONTEXT * HOP]
