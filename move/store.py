"""The store of slices."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.store import Store
from common.music.split import split_notes
from move.slices import COLUMNS, Slices


class Slice(NamedTuple):
    """Origin of a slice.

    Attributes:
        source: Name of the note's file without suffix.
        instrument: Name.
        pitch, velocity: MIDI numbers; the pitch is that of the slice, also where it was moved.
        number: Place in the note, from 0.
        level: Level in dB that 1 stands for in the image of the note; 0 dB is that of a sine of
            amplitude 1.
        moved: Semitones by which the note was moved.
    """

    source: str
    instrument: str
    pitch: int
    velocity: int
    number: int
    level: float
    moved: int

    @property
    def played(self) -> "Slice":
        """The slice before its note was moved."""
        return self._replace(pitch=self.pitch - self.moved, moved=0)

    @property
    def age(self) -> int:
        """Number of half slices since the note began."""
        return 2 * self.number


class SliceStore(Store):
    """The store of ``move.preprocess``, open for reading.

    Args:
        path: HDF5 file.

    Attributes:
        slices: ``move.slices.Slices`` that made them.
        rows: List of ``Slice``, one per image (bins, COLUMNS).

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, Slice, kind="store of slices", remake="python -m move.preprocess")

    def _load(self):
        super()._load()
        kinds = Slices.__annotations__
        self.slices = Slices(**{name: kind(self.settings[name]) for name, kind in kinds.items()})
        shape = self.slices.bins, COLUMNS
        if self._images.shape[1:] != shape:
            raise ValueError(f"its slices are {self._images.shape[1:]}, not {shape}")

    def split(self, share: float) -> tuple[list[int], list[int]]:
        """Indices of both sides; see ``common.music.split.held_out_notes``.

        A note that was moved is trained on if the note that was played is, and never held out.
        """
        training, held_out = split_notes([row.played for row in self.rows], share)
        return training, [index for index in held_out if not self.rows[index].moved]


def by_note(rows: Sequence[Slice], indices: Sequence[int]) -> dict[str, dict[int, np.ndarray]]:
    """Dict from instrument to a dict from pitch to an array of the indices of its slices."""
    found = {}
    for index in indices:
        row = rows[index]
        found.setdefault(row.instrument, {}).setdefault(row.pitch, []).append(index)
    return {
        name: {pitch: np.array(places) for pitch, places in notes.items()}
        for name, notes in sorted(found.items())
    }
