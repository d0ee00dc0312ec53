"""The store of images of notes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.files.store import Store
from common.music.split import note_of
from common.report.evaluation import held_out
from wae_fader.images import NoteImages


class Note(NamedTuple):
    """Origin of an image.

    Attributes:
        source: Name of the note's file without suffix.
        instrument: Name, or the name of the folder of the file.
        style: What the decoder is told: the instrument, a technique, or the name of a folder.
        pitch: MIDI number.
        level: Level in dB that the value 1 of the image stands for; 0 dB is that of a sine of
            amplitude 1.
    """

    source: str
    instrument: str
    style: str
    pitch: int
    level: float


class NoteStore(Store):
    """The store of ``wae_fader.preprocess``, open for reading.

    Args:
        path: HDF5 file.

    Attributes:
        images: ``wae_fader.images.NoteImages`` that made them.
        rows: List of ``Note``, one per image (bins, frames).

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, Note, kind="store of notes", remake="python -m wae_fader.preprocess")

    def _load(self):
        super()._load()
        kinds = NoteImages.__annotations__
        self.images = NoteImages(
            **{name: kind(self.settings[name]) for name, kind in kinds.items()}
        ).check()
        shape = self.images.bins, self.images.frames
        if self._images.shape[1:] != shape:
            raise ValueError(f"its images are {self._images.shape[1:]}, not {shape}")

    def sides(self, configs: Sequence[dict[str, Any]]) -> tuple[list[int], list[int]]:
        """Indices of notes that any of some models was trained on, and of those that none was.

        Args:
            configs: Content of each run's ``config.json``.

        Raises:
            UserError: All notes were trained on, or a run has no split.
        """
        others = set(held_out({note_of(row) for row in self.rows}, configs, str, where=self.path))
        sides = [], []
        for index, row in enumerate(self.rows):
            sides[note_of(row) in others].append(index)
        return sides
