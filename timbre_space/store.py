"""The store of columns."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.store import Store
from common.music.split import note_of
from timbre_space.spectra import Spectra


class Column(NamedTuple):
    """Origin of a column.

    Attributes:
        source: Name of the note's file without suffix.
        instrument: Name.
        pitch, velocity: MIDI numbers.
        number: Place in the note, in steps of 10 ms.
    """

    source: str
    instrument: str
    pitch: int
    velocity: int
    number: int


class ColumnStore(Store):
    """The store of ``timbre_space.preprocess``, open for reading.

    Args:
        path: HDF5 file.

    Attributes:
        spectra: ``Spectra`` that made the columns.
        rows: List of ``Column``.

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path: str | Path) -> None:
        remake = "python -m timbre_space.preprocess"
        super().__init__(path, Column, kind="store of columns", remake=remake)

    def _load(self):
        super()._load()
        settings = str(self.settings["kind"]), int(self.settings["sample_rate"])
        self.spectra = Spectra(*settings).check()
        shape = len(self.spectra.frequencies), 1
        if self._images.shape[1:] != shape:
            raise ValueError(f"its columns have {self._images.shape[1:]} values, not {shape}")

    def levels(self) -> np.ndarray:
        """All columns: (columns, bins) float32 in dB."""
        return self.read(range(len(self)))[..., 0]

    def split(
        self, share: float, key: Callable[[Column], str] | None = None
    ) -> tuple[list[int], list[int]]:
        """Like ``Store.split``; by default the columns of a note stay together."""
        return super().split(share, key or note_of)
