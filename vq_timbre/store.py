"""The store of phrases: audio in columns of one hop each."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.store import Store
from vq_timbre.frames import HOP


class Phrase(NamedTuple):
    """Origin of a phrase.

    Attributes:
        source: Name of the recording without suffix.
        number: Place in the recording, from 0.
        start: First column in the store.
        columns: Number of hops.
    """

    source: str
    number: int
    start: int = 0
    columns: int = 0


class PhraseStore(Store):
    """The store of ``vq_timbre.preprocess``, open for reading.

    Args:
        path: HDF5 file.

    Attributes:
        rows: List of ``Phrase``.
        sample_rate: Hz.

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            path, Phrase, kind="store of phrases", remake="python -m vq_timbre.preprocess"
        )

    def _load(self):
        super()._load()
        self.sample_rate = int(self.settings["sample_rate"])
        if self._images.shape[1:] != (HOP,):
            raise ValueError(f"its columns have {self._images.shape[1:]} samples, not {HOP}")

    def audio(self, row: Phrase, start: int, hops: int) -> np.ndarray:
        """Audio (hops * HOP,) float32 from a hop of a phrase on; beyond its ends it is silent.

        Args:
            row: ``Phrase``.
            start: Number of the hop, also below 0.
            hops: Number of hops.
        """
        columns = self.columns(row, max(start, 0), start + hops).T
        before = max(-start, 0)
        after = hops - before - len(columns)
        return np.pad(columns, ((before, after), (0, 0))).ravel()
