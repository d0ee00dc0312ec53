"""The store of spectrograms: an HDF5 file with the columns of all recordings in a row."""

from pathlib import Path
from typing import NamedTuple

from common.files import store
from common.music.names import piece_below
from time_stretching.spectrogram import BINS, HOP, SAMPLE_RATE, WIDE

# Settings of the images, which have the scale ``WIDE``.
SETTINGS = {"sample_rate": SAMPLE_RATE, "hop": HOP, "bins": BINS, **WIDE._asdict()}
SHAPE = BINS, None


class Recording(NamedTuple):
    """A recording in a store.

    Attributes:
        name: Path below the folder of audio files, without suffix.
        rate: Rate at which the phase vocoder stretched it; 1 for the recording itself.
        start, columns: First column in the store, and number of columns.
    """

    name: str
    rate: float
    start: int = 0
    columns: int = 0


class Store(store.Store):
    """The store of ``time_stretching.preprocess``, open for reading.

    Args:
        path: HDF5 file.

    Attributes:
        rows: List of ``Recording``.

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            path,
            Recording,
            kind="store of spectrograms",
            remake="python -m time_stretching.preprocess",
            expected=SETTINGS,
        )

    def _load(self):
        super()._load()
        if self._images.shape[1:] != (BINS,):
            raise ValueError(f"its images have {self._images.shape[1:]} bins, not {BINS}")

    def sides(self, share: float) -> tuple[list[Recording], list[Recording]]:
        """Split the recordings: lists ``(training, held_out)``.

        All recordings of a piece are on the same side.

        Args:
            share: Share of the pieces that is held out, in [0, 1].
        """
        split = self.split(share, lambda recording: piece_below(recording.name))
        return tuple([self.rows[index] for index in side] for side in split)
