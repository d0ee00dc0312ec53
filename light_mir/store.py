"""The store of examples of a task."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.store import Store
from light_mir.tasks import Task, find_task

SIDES = ("training", "validation")


class Example(NamedTuple):
    """Origin of an image.

    Attributes:
        source: What it was made from: a note, a kit, or the number of a piece.
        side: "training" or "validation".
        target: See ``light_mir.tasks.Task.target``.
    """

    source: str
    side: str
    target: str


class ExampleStore(Store):
    """A store of ``light_mir.preprocess``, open for reading.

    Args:
        path: HDF5 file.
        task: Name of the task that it must be of; None for any.

    Attributes:
        task: ``light_mir.tasks.Task``.

    Raises:
        UserError: Missing, damaged, or of another task.
    """

    def __init__(self, path: Path | str, task: str | None = None) -> None:
        super().__init__(path, Example, kind="store of examples", remake="light_mir.preprocess")
        try:
            self.task: Task = find_task(self.settings.get("task"))
            if task not in (None, self.task.name):
                raise UserError(f"holds examples of {self.task.name}, not of {task}")
            for row in self.rows:
                if row.side not in SIDES or not np.isfinite(self.task.target(row.target)).all():
                    raise ValueError(row)
        except UserError as error:
            self.close()
            raise UserError(f"{path}: {error}") from error
        except (ValueError, IndexError) as error:
            self.close()
            raise UserError(f"{path}: damaged; make it again with light_mir.preprocess") from error

    def side(self, name: str) -> list[int]:
        """Indices of the examples of a side, in ``SIDES``."""
        return [index for index, row in enumerate(self.rows) if row.side == name]

    def images(self, indices: list[int] | np.ndarray) -> np.ndarray:
        """Images as networks take them: (indices, frames, bands, 1) float32."""
        return self.read(indices).transpose(0, 2, 1)[..., np.newaxis]

    def targets(self, indices: list[int] | np.ndarray) -> np.ndarray:
        """Targets: (indices, ...) float32."""
        return np.stack([self.task.target(self.rows[index].target) for index in indices])
