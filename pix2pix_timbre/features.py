"""The feature store: one HDF5 file per instrument with the magnitude image of every piece.

Group ``pieces`` holds one dataset per rendering, (columns, BINS) float16 in [0, 1] (the scale of
``data.amplitude_to_db``), chunked by 256 columns, so that a window can be cut at any offset; the
published frames are the windows at multiples of 256. The attributes of the file are the constants
of the codec.

A rendering is named ``<piece>[~<variation>][@<preset:03d>]``. Origin and target are paired by piece
and variation; training and validation are told apart by piece alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

import data
from common.audio.streaming import filled_header, make_resampler, parts_of, read_resampled
from common.cli import UserError, printable
from common.files.hdf5 import UNREADABLE, create_hdf5
from common.files.store import FORMAT_VERSION, ImageFile
from common.music.names import pair_key
from data import FRAME_COLUMNS, SAMPLE_RATE

_MARKS = "audio_marks"  # dataset with a number for each rendering, in the order of the pieces
CODEC = {
    "sample_rate": data.SAMPLE_RATE,
    "fft_size": data.FFT_SIZE,
    "hop": data.HOP,
    "window": "symmetric Hann",
    "bins": data.BINS,
    "frame_columns": data.FRAME_COLUMNS,
    "amin": float(data.AMIN),
}


def to_half(image: np.ndarray) -> np.ndarray:
    """Like ``image.astype(np.float16)``, four times as fast, for float32 values from 0 to 65504.

    Multiplied by the difference of the exponent biases, a float32 has the bits of the float16 plus
    13 more, which are rounded to nearest, ties to even. (Below 2^-14, values extremely close to a
    tie count as a tie.)
    """
    bits = (image * np.float32(2.0**-112)).view(np.uint32)
    bits += (bits >> 13 & 1) + np.uint32(0x0FFF)
    bits >>= 13
    return bits.astype(np.uint16).view(np.float16)


def magnitude_image(audio: np.ndarray, columns: slice = slice(None)) -> np.ndarray:
    """Compute the image for the store: (columns, BINS) float16 in [0, 1].

    Args:
        audio: (samples,).
        columns: Slice of the columns to compute.
    """
    magnitude, _ = data.forward_transform(audio, with_phase=False, columns=columns)
    return to_half(data.amplitude_to_db(magnitude)).T


def phase_image(audio: np.ndarray, columns: slice = slice(None)) -> np.ndarray:
    """Compute the image of the phase: (columns, BINS) float16 in [0, 1]."""
    _, phase = data.forward_transform(audio, columns=columns)
    return to_half(data.phase_to_image(phase)).T


def phase_instrument(instrument: str) -> str:
    """Name under which the phase of an instrument is stored, as an instrument of its own."""
    return f"{instrument}_phase"


def _key(rendering):
    # In HDF5 a slash creates a group, and a piece may have the same name as a folder of pieces.
    return quote(rendering, safe=" ~@+!#$&'(),;=[]{}", errors="surrogateescape")


def _rendering(key):
    return unquote(key, errors="surrogateescape")


def _described(item):
    """Rendering and number of columns of a dataset in the store, given with its key."""
    key, dataset = item
    if dataset.dtype != np.float16 or dataset.shape != (len(dataset), data.BINS):
        raise ValueError(f"{key} is no image but {dataset.dtype} {dataset.shape}")
    if _key(_rendering(key)) != key:
        raise ValueError(f"{key} is no name of a rendering")
    return _rendering(key), len(dataset)


class FeatureStore(ImageFile):
    """A feature store, open for reading.

    Args:
        path: The HDF5 file.

    Attributes:
        columns: Dict from the name of a rendering to its number of columns.

    Raises:
        UserError: The file is missing, damaged, not a feature store, or has other codec constants.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, kind="feature store", remake="compute_features.py", expected=CODEC)

    def _load(self):
        self._pieces = self._file["pieces"]
        self.columns = dict(map(_described, self._pieces.items()))
        self._images = {}  # cached, because a look-up takes as long as reading a window

    @property
    def instrument(self) -> str:
        """Name of the instrument, which is that of the file."""
        return self.path.stem

    @property
    def renderings(self) -> list[str]:
        """Names of all renderings, sorted."""
        return sorted(self.columns)

    @property
    def marks(self) -> dict[str, int]:
        """Dict from renderings to the marks that identify their audios; 0 if there is none."""
        try:
            kept = self._file[_MARKS][()].tolist()
            return dict(zip(self.columns, kept, strict=True))
        except UNREADABLE:  # an older store has none
            return dict.fromkeys(self.columns, 0)

    def read(self, rendering: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Columns ``start`` to ``stop`` of a rendering: (columns, BINS) float16 in [0, 1].

        Raises:
            UserError: Damaged.
        """

        def cut():
            if rendering not in self._images:
                self._images[rendering] = self._pieces[_key(rendering)]
            return self._images[rendering][start:stop]

        return self._read(rendering, cut)


def write_store(
    path: Path,
    images: Iterable[tuple[str, np.ndarray]],
    instrument: str,
    marks: dict[str, int] | None = None,
) -> None:
    """Write a feature store; the file is complete or absent.

    Args:
        path: The HDF5 file.
        images: Iterable of (rendering, image), as ``magnitude_image`` returns it; the same images
            in the same order give the same bytes.
        instrument: Name of the instrument, stored as an attribute.
        marks: Dict from renderings to integers below 2^64 that identify their audios.

    Raises:
        OSError: The file cannot be written.
    """
    new = create_hdf5(path)
    with new as file:
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["instrument"] = printable(instrument)  # HDF5 takes no other text
        file.attrs.update(CODEC)
        pieces, columns = file.create_group("pieces"), 0
        for rendering, image in new.each(images):
            chunk = (min(data.FRAME_COLUMNS, len(image)), data.BINS)
            pieces.create_dataset(_key(rendering), data=image, chunks=chunk)
            columns += len(image)
        if marks is not None:
            kept = [marks.get(_rendering(key), 0) for key in pieces]
            file.create_dataset(_MARKS, data=np.array(kept, np.uint64))
        file.attrs["piece_count"] = len(pieces)
        file.attrs["column_count"] = columns


def find_pairs(
    origin: FeatureStore, target: FeatureStore
) -> tuple[list[tuple[str, str]], list[str]]:
    """Find renderings of the same piece and variation in two stores.

    Args:
        origin, target: Open ``FeatureStore``.

    Returns:
        ``(pairs, unpaired)``: sorted list of (origin rendering, target rendering), every origin
        preset with every target preset; and pair keys that are in only one of the stores.

    Raises:
        UserError: No piece in common.
    """
    sides = []
    for store in (origin, target):
        by_key = defaultdict(list)
        for rendering in store.renderings:
            by_key[pair_key(rendering)].append(rendering)
        sides.append(by_key)
    origins, targets = sides
    pairs = [
        (first, second)
        for key in sorted(origins.keys() & targets.keys())
        for first in origins[key]
        for second in targets[key]
    ]
    if not pairs:
        raise UserError(
            f"{origin.path} and {target.path} share no piece; render both from the same MIDI files"
        )
    return pairs, sorted(origins.keys() ^ targets.keys())


def read_image(path: Path, image: Callable[..., np.ndarray] = magnitude_image) -> np.ndarray:
    """Compute the image of an audio file, mixed to mono: (columns, BINS) float16 in [0, 1].

    Args:
        path: Audio file.
        image: ``pix2pix_timbre.features.magnitude_image`` or ``phase_image``.

    Raises:
        AudioFileError: Not readable, empty, or NaN or infinite samples.
    """
    resampler = make_resampler(filled_header(path).samplerate, SAMPLE_RATE, 1)
    blocks = read_resampled(path, resampler, mono=True)
    parts = parts_of((block for block, _ in blocks), FRAME_COLUMNS)
    return np.concatenate([image(audio[0], columns) for audio, columns, _ in parts])
