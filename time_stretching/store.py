"""The store of spectrograms: one HDF5 file, the columns of all recordings one after the other."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError, printable
from common.files.atomic import replace_when_done
from common.files.hdf5 import UNREADABLE, open_hdf5, plain_attributes
from common.files.split import is_held_out
from common.music.names import piece_below
from time_stretching.spectrogram import BINS, HOP, SAMPLE_RATE, WIDE

FORMAT_VERSION = 1
_CODEC = {"sample_rate": SAMPLE_RATE, "hop": HOP, "bins": BINS, **WIDE._asdict()}
_CHUNK = 64  # columns


class Recording(NamedTuple):
    """A recording of a store.

    Attributes:
        name: Path below the folder of audio files, without suffix.
        rate: At which the phase vocoder stretched it; 1 for the recording itself.
        start, columns: Where its columns lie in the store.
    """

    name: str
    rate: float
    start: int
    columns: int


def write_store(path, recordings):
    """Write a store; the file appears whole or not at all.

    Args:
        path: HDF5 file.
        recordings: Iterable of (name, rate, image), images (BINS, columns) in [0, 1], of the scale
            ``WIDE``.

    Returns:
        List of ``Recording``.
    """
    import h5py

    rows = []
    with replace_when_done(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs.update(_CODEC)
        images = file.create_dataset(
            "images", (0, BINS), np.float16, maxshape=(None, BINS), chunks=(_CHUNK, BINS)
        )
        for name, rate, image in recordings:
            start = len(images)
            columns = image.shape[-1]
            images.resize(start + columns, axis=0)
            images[start:] = image.T
            rows.append(Recording(name, rate, start, columns))
        for column, kind in Recording.__annotations__.items():
            values = [getattr(row, column) for row in rows]
            if kind is str:  # HDF5 takes no other text
                values = list(map(printable, values))
            dtype = h5py.string_dtype() if kind is str else kind
            file.create_dataset(column, data=values, dtype=dtype)
    return rows


class Store:
    """A store, open for reading.

    Args:
        path: HDF5 file of ``time_stretching.preprocess``.

    Attributes:
        recordings: List of ``Recording``.

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path):
        self.path = Path(path)
        remake = "make it with python -m time_stretching.preprocess"
        if not self.path.is_file():
            raise UserError(f"{path}: no such store of spectrograms; {remake}")
        try:
            self._file = open_hdf5(path)
            attributes = plain_attributes(self._file)
            self._images = self._file["images"]
            self.recordings = [
                Recording(*row)
                for row in zip(
                    self._file["name"].asstr()[()].tolist(),
                    *(self._file[column][()].tolist() for column in ("rate", "start", "columns")),
                    strict=True,
                )
            ]
            columns = sum(one.columns for one in self.recordings)
            fits = self._images.shape == (columns, BINS) and all(
                0 <= one.start <= one.start + one.columns <= columns for one in self.recordings
            )
        except UNREADABLE as error:
            raise UserError(f"{path}: not a readable store ({error}); {remake}") from error
        if attributes != {"format_version": FORMAT_VERSION, **_CODEC}:
            raise UserError(f"{path}: not of format {FORMAT_VERSION}; {remake}")
        if not fits:
            raise UserError(f"{path}: damaged, its tables do not fit its columns; {remake}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def read(self, recording, start=0, stop=None):
        """Columns of a recording: (BINS, columns) float32 in [0, 1], of the scale ``WIDE``."""
        stop = recording.columns if stop is None else min(stop, recording.columns)
        return self._images[recording.start + start : recording.start + stop].astype(np.float32).T

    def split(self, share):
        """Recordings to train on and those held out: ``(training, held_out)``, lists.

        All recordings of a piece stand on one side.

        Args:
            share: Of the pieces that is held out, in [0, 1].
        """
        sides = [], []
        for recording in self.recordings:
            sides[is_held_out(piece_below(recording.name), share)].append(recording)
        return sides
