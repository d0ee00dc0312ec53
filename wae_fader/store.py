"""The store of images of notes."""

from pathlib import Path
from typing import NamedTuple

from common.files.store import Store
from wae_fader.images import NoteImages


class Note(NamedTuple):
    """Origin of an image.

    Attributes:
        source: Name of the note's file without suffix.
        instrument: Name, or the name of the folder of the file.
        style: What the decoder is told: the instrument, a technique, or the name of a folder.
        pitch: MIDI number.
        level: Level in dB that the value 1 of the image stands for.
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
