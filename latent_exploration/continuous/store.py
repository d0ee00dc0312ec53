"""The store of levels: below those of each pair of hops lies their loudness."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.store import Store
from latent_exploration.continuous.frames import BANDS, PAIR, Frames

ROWS = PAIR * BANDS + 1


class Piece(NamedTuple):
    """Origin of a piece.

    Attributes:
        source: Name of the recording without suffix.
        number: Place in the recording, from 0.
        start: First column in the store.
        columns: Number of pairs of hops.
    """

    source: str
    number: int
    start: int = 0
    columns: int = 0


class SpectraStore(Store):
    """The store of ``latent_exploration.continuous.preprocess``, open for reading."""

    def __init__(self, path: str | Path) -> None:
        script = "python -m latent_exploration.continuous.preprocess"
        super().__init__(
            path, Piece, kind="store of levels", remake=script, expected={"levels": "dB"}
        )

    def _load(self):
        super()._load()
        if self._images.shape[1:] != (ROWS,):
            raise ValueError(f"its columns have {self._images.shape[1:]} rows, not {ROWS}")

    def frames(self, row: Piece, start: int = 0, stop: int | None = None) -> Frames:
        """``Frames`` of a piece, or of some of its pairs."""
        return unstacked(self.columns(row, start, stop))


def stacked(frames: Frames) -> np.ndarray:
    """Image (ROWS, pairs) of frames."""
    pairs = frames.levels.reshape(-1, PAIR * BANDS)
    return np.column_stack([pairs, frames.loudness]).T


def unstacked(image: np.ndarray) -> Frames:
    """Inverse of ``stacked``."""
    return Frames(image[:-1].T.reshape(-1, BANDS), image[-1])
