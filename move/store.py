"""The store of slices, and which notes a training holds out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.split import is_held_out
from common.files.store import Store
from common.music.names import NoteName
from move.slices import COLUMNS, Slices


class Slice(NamedTuple):
    """Origin of a slice.

    Attributes:
        source: Name of the note's file without suffix.
        instrument: Name.
        pitch, velocity: MIDI numbers.
        number: Place in the note, from 0.
    """

    source: str
    instrument: str
    pitch: int
    velocity: int
    number: int


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

    def split(
        self, share: float, key: Callable[[Slice], str] | None = None
    ) -> tuple[list[int], list[int]]:
        """Indices of both sides; see ``held_out_notes``."""
        notes = {(row.instrument, row.pitch) for row in self.rows}
        others = held_out_notes(notes, share)
        sides = [], []
        for index, row in enumerate(self.rows):
            sides[(row.instrument, row.pitch) in others].append(index)
        return sides


def held_out_notes(notes: set[tuple[str, int]], share: float) -> set[tuple[str, int]]:
    """The notes that a training does not see: a share of all, by a hash of their names.

    A note stays in training if the training would have no other of its pitch class, or none of its
    instrument in its octave.

    Args:
        notes: Set of (instrument, pitch).
        share: In [0, 1].

    Returns:
        Set of (instrument, pitch).
    """
    others = {note for note in notes if share and is_held_out(f"{note[0]}-{note[1]}", share)}
    for same in (lambda note: note[1] % 12, lambda note: (note[0], note[1] // 12)):
        trained = {same(note) for note in notes - others}
        others -= {note for note in others if same(note) not in trained}
    return others


def note_of(row: Slice | NoteName) -> str:
    """Name of a note of any strength, the unit of a split: such as ``violin_acoustic-060``."""
    return f"{row.instrument}-{row.pitch:03d}"


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
