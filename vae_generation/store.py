"""The store of spectrogram images: an HDF5 file with the images and their settings."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.store import Store
from common.music import names
from vae_generation.spectrogram import Spectrogram

UNKNOWN = -1


class Example(NamedTuple):
    """Origin of an image.

    Attributes:
        source: Name of the recording; a split keeps the examples of one source together.
        start: Time in seconds at which the image begins.
        instrument: Name, or "" if unknown.
        pitch, velocity: MIDI numbers, or UNKNOWN.
    """

    source: str
    start: float = 0.0
    instrument: str = ""
    pitch: int = UNKNOWN
    velocity: int = UNKNOWN


def parse_note(name: str) -> Example | None:
    """``Example`` for a file named as in NSynth; None for any other name."""
    note = names.parse_note(name)
    return note and Example(name, 0.0, note.instrument, note.pitch, note.velocity)


class ImageStore(Store):
    """The store of ``vae_generation.preprocess``, open for reading.

    Args:
        path: HDF5 file.

    Attributes:
        spectrogram: ``Spectrogram`` that made the images.
        rows: List of ``Example``, one per image.

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            path, Example, kind="store of images", remake="python -m vae_generation.preprocess"
        )

    def _load(self):
        super()._load()
        self.spectrogram = Spectrogram(
            **{
                name: kind(self.settings[name])
                for name, kind in Spectrogram.__annotations__.items()
            }
        )
        shape = self.spectrogram.bins, self.spectrogram.frames
        if self._images.shape[1:] != shape:
            raise ValueError(f"its images are {self._images.shape[1:]}, not {shape}")

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read images: (indices, bins, columns, 1) float32 in [0, 1]; see ``Store.read``."""
        return super().read(indices)[..., np.newaxis]

    def split(
        self, share: float, key: Callable[[Example], str] | None = None
    ) -> tuple[list[int], list[int]]:
        """Like ``Store.split``; by default the examples of a recording stay together."""
        return super().split(share, key or _group)


def _group(example):
    # transposed or louder copies are nearly the same note
    name = example.source.partition("~")[0]
    return name if example.pitch == UNKNOWN else name.rpartition("-")[0]
