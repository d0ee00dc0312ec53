"""The store of spectrogram images: one HDF5 file with the settings that made them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError, printable
from common.files.atomic import replace_when_done
from common.files.hdf5 import UNREADABLE, open_hdf5, plain_attributes
from common.files.split import is_held_out
from common.music import names
from vae_generation.spectrogram import Spectrogram

FORMAT_VERSION = 1
UNKNOWN = -1


class Example(NamedTuple):
    """Where an image comes from.

    Attributes:
        source: Name of the recording; examples of one source stay together in a split.
        start: Second at which the image begins.
        instrument: Name, or "" where it is unknown.
        pitch, velocity: MIDI numbers, or UNKNOWN.
    """

    source: str
    start: float = 0.0
    instrument: str = ""
    pitch: int = UNKNOWN
    velocity: int = UNKNOWN


def parse_note(name):
    """``Example`` of a file named as in NSynth; None where it is not."""
    note = names.parse_note(name)
    return note and Example(name, 0.0, note.instrument, note.pitch, note.velocity)


def write_images(path, spectrogram, examples):
    """Write a store; the file appears whole or not at all.

    Args:
        path: HDF5 file.
        spectrogram: ``Spectrogram`` that made the images.
        examples: Iterable of (``Example``, image), images (bins, frames) in [0, 1].

    Returns:
        Number of images.
    """
    import h5py

    shape = (spectrogram.bins, spectrogram.frames)
    with replace_when_done(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format_version"] = FORMAT_VERSION
        for name, value in spectrogram._asdict().items():
            file.attrs[name] = value
        images = file.create_dataset(
            "images", (0, *shape), np.float16, maxshape=(None, *shape), chunks=(8, *shape)
        )
        rows = []
        for example, image in examples:
            images.resize(len(rows) + 1, axis=0)
            images[len(rows)] = image
            rows.append(example)
        text = h5py.string_dtype()
        for name, kind in Example.__annotations__.items():
            values = [getattr(row, name) for row in rows]
            if kind is str:  # HDF5 takes no other text
                values = list(map(printable, values))
            file.create_dataset(name, data=values, dtype=text if kind is str else None)
    return len(rows)


class ImageStore:
    """A store, open for reading.

    Args:
        path: HDF5 file of ``vae_generation.preprocess``.

    Attributes:
        spectrogram: ``Spectrogram`` that made the images.
        examples: List of ``Example``, one per image.

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path):
        self.path = Path(path)
        remake = "make it with python -m vae_generation.preprocess"
        if not self.path.is_file():
            raise UserError(f"{path}: no such store of images; {remake}")
        try:
            self._file = open_hdf5(path)
            attributes = plain_attributes(self._file)
            version = attributes.pop("format_version", None)
            self._images = self._file["images"]
            columns = {
                name: self._file[name].asstr()[()] if kind is str else self._file[name][()].tolist()
                for name, kind in Example.__annotations__.items()
            }
            self.spectrogram = Spectrogram(
                **{
                    name: kind(attributes[name])
                    for name, kind in Spectrogram.__annotations__.items()
                }
            )
            self.examples = [Example(*row) for row in zip(*columns.values(), strict=True)]
            shape = len(self.examples), self.spectrogram.bins, self.spectrogram.frames
            fits = self._images.shape == shape and self._images.dtype == np.float16
        except UNREADABLE as error:
            raise UserError(f"{path}: not a readable image store ({error}); {remake}") from error
        if version != FORMAT_VERSION:
            raise UserError(f"{path}: not of format {FORMAT_VERSION}; {remake}")
        if not fits:
            raise UserError(f"{path}: damaged, its images are not as many or as large; {remake}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def __len__(self):
        return len(self.examples)

    def read(self, indices):
        """Images: (indices, bins, frames, 1) float32 in [0, 1].

        Args:
            indices: Numbers of images, in any order, also repeated.
        """
        unique, place = np.unique(np.asarray(indices, int), return_inverse=True)
        return self._images[unique][place].astype(np.float32)[..., np.newaxis]

    def split(self, share):
        """Numbers of the images to train on and of those held out, by their sources' names.

        Args:
            share: Share of the sources that is held out, in [0, 1].

        Returns:
            ``(training, held_out)``: lists of numbers.
        """
        sides = [], []
        for index, example in enumerate(self.examples):
            sides[is_held_out(_group(example), share)].append(index)
        return sides


def _group(example):
    # a note that is transposed or struck harder is nearly the same
    name = example.source.partition("~")[0]
    return name if example.pitch == UNKNOWN else name.rpartition("-")[0]
