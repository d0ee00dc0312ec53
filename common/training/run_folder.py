"""The folder of a training: its files, and how a run is started or continued in it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import UserError
from common.files.hdf5 import UNREADABLE, open_hdf5
from common.files.text import write_json, write_rows
from common.training.weights import save_state

if TYPE_CHECKING:
    import keras


# files beside the networks that belong to a run, and to every copy of it
KEPT = (
    *("history.csv", "history.png", "latents.h5", "latents.png", "reconstructions.png"),
    *("codes.csv", "codebook.png", "reconstruction.png", "tickets.csv"),
)
_RESUME = re.compile(r"resume-(\d+)\.weights\.h5")


class RunFolder:
    """The folder of one training: ``config.json``, ``history.csv``, weights, resume state, samples.

    Args:
        path: Folder; created when the run starts.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def resume_file(self) -> Path | None:
        """Path of the newest resume state, or None."""
        states = sorted(self.path.glob("resume-*.weights.h5"), key=self._epoch_of)
        return states[-1] if states else None

    @staticmethod
    def _epoch_of(path):
        match = _RESUME.fullmatch(path.name)
        return int(match[1]) if match else -1

    @property
    def finished_epochs(self) -> int:
        """Number of finished epochs, by the newest resume state; 0 without one."""
        return self._epoch_of(self.resume_file) if self.resume_file else 0

    def read_config(self) -> dict[str, Any]:
        """Read ``config.json``; ``UserError`` if it is missing or damaged."""
        path = self.path / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; {self.path} is no run folder") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: not readable as JSON ({error}); take another copy") from error
        except NotADirectoryError:
            raise UserError(f"{self.path}: is a file; name a run folder") from None
        if not isinstance(config, dict):
            raise UserError(f"{path}: not the configuration of a run; name another folder")
        return config

    def write_config(self, config: dict[str, Any]) -> None:
        """Write a dict to ``config.json``."""
        write_json(self.path / "config.json", config)

    def start(self, *, resume: bool, from_weights: bool = False) -> int:
        """Start a run in the folder, or find that one can be continued.

        Args:
            resume: Continue if there is a resume state; otherwise it is deleted.
            from_weights: The run starts from the weights in the folder, and may replace them.

        Returns:
            Number of finished epochs.

        Raises:
            UserError: The folder holds weights that the run would overwrite.
        """
        finished = self.finished_epochs if resume else 0
        if not finished:
            if resume and not from_weights and self._holds_foreign_weights():
                raise UserError(
                    f"{self.path}: holds weights but nothing to resume from; choose another "
                    "--output, go on from them with --epoch_offset, or replace them with "
                    "--no-resume"
                )
            self._remove_states()
        return finished

    def _holds_foreign_weights(self):
        # A run that was killed in its first epoch has weights at most of that epoch, and no resume
        # state yet: it may begin again. Its history tells.
        history = self.path / "history.csv"
        if not any(self.path.glob("*.h5")):
            return False
        return (
            not history.exists()
            or len(history.read_text(encoding="utf-8", errors="replace").splitlines()) > 2
        )

    def save_resume(self, model: keras.Model, epoch: int) -> None:
        """Save the state of model and optimisers after an epoch, and delete older states."""
        newest = self._resume_file(epoch)
        save_state(model, newest)
        self._remove_states(but=newest)

    def _remove_states(self, but=None):
        for state in self.path.glob("resume-*.weights.h5"):
            if state != but:
                state.unlink()

    def load_resume(self, model: keras.Model, epoch: int) -> None:
        """Restore the state after an epoch into a built and compiled model."""
        path = self._resume_file(epoch)
        try:
            open_hdf5(path).close()  # check it before Keras opens it by its path
            model.load_weights(path)
        except UNREADABLE as error:
            raise UserError(
                f"{path}: cannot be resumed from ({error}); --no-resume starts afresh"
            ) from error

    def _resume_file(self, epoch):
        return self.path / f"resume-{epoch:04d}.weights.h5"

    def read_history(self) -> list[dict[str, float | None]]:
        """Rows of ``history.csv`` up to the newest resume state, as dicts of numbers or None.

        Raises:
            UserError: Damaged.
        """
        path = self.path / "history.csv"
        if not self.finished_epochs or not path.exists():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = [
                    {name: float(value) if value else None for name, value in row.items()}
                    for row in csv.DictReader(file, strict=True)
                ]
            rows = [{**row, "epoch": int(row["epoch"])} for row in rows]
        except (ValueError, TypeError, LookupError, OverflowError, csv.Error) as error:
            raise UserError(
                f"{path}: damaged ({error}); mend the table, or remove it to go on without"
            ) from error
        return [row for row in rows if row["epoch"] <= self.finished_epochs]

    def write_history(self, rows: list[dict[str, float | None]]) -> None:
        """Write ``history.csv``, one row per epoch."""
        write_rows(self.path / "history.csv", rows)
