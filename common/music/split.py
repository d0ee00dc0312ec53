"""Which notes a training holds out: pairs of instrument and pitch, of any strength and take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.files.split import is_held_out


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


def split_notes(rows: Sequence[Any], share: float) -> tuple[list[int], list[int]]:
    """Indices of the rows of both sides: ``(training, held_out)``; see ``held_out_notes``.

    Args:
        rows: Anything with ``instrument`` and ``pitch``.
        share: In [0, 1].
    """
    others = held_out_notes({(row.instrument, row.pitch) for row in rows}, share)
    sides = [], []
    for index, row in enumerate(rows):
        sides[(row.instrument, row.pitch) in others].append(index)
    return sides


def note_of(row: Any) -> str:
    """Name of a note of any strength, the unit of a split: such as ``violin_acoustic-060``.

    Args:
        row: Anything with ``instrument`` and ``pitch``.
    """
    return f"{row.instrument}-{row.pitch:03d}"
