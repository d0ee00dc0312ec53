"""Images of sounds for small networks: levels of a few bands, in blocks or at once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

RANGE_DB = 80  # of an image, from 0 to 1
_FAINT = 1e-3  # magnitude, relative to a full sine, that a silent image is measured by
_BLOCK = 512  # columns that are transformed at once


class Spectrum(NamedTuple):
    """Settings of the bands.

    Attributes:
        rate: Sample rate in Hz.
        size: Samples of a window.
        hop: Samples from one column to the next.
        bands: Number of bands.
        lowest: Centre of the first band in Hz.
        octave: Bands of an octave; 0 for bands of equal width in mel up to half the rate.
    """

    rate: int
    size: int
    hop: int
    bands: int
    lowest: float
    octave: int

    @property
    def centres(self) -> np.ndarray:
        """Frequencies of the bands: (bands,) in Hz."""
        if self.octave:
            return self.lowest * 2 ** (np.arange(self.bands) / self.octave)
        mels = np.linspace(_mel(self.lowest), _mel(self.rate / 2), self.bands + 2)[1:-1]
        return 700 * (10 ** (mels / 2595) - 1)

    def columns(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Magnitudes of the bands of a sound of any length.

        Column n is centred on sample n * ``hop``; a sine of full scale in the middle of a narrow
        band has about the magnitude 1.

        Args:
            blocks: Iterable of (samples,) float32, one after the other.

        Yields:
            (columns, bands) float32, parts of at most 512 columns.
        """
        held = np.zeros(self.size // 2, np.float32)
        for block in blocks:
            held = np.concatenate([held, block])
            count = (len(held) - self.size) // self.hop + 1
            if count >= _BLOCK:
                yield from self._parts(held, count)
                held = held[count * self.hop :]
        held = np.concatenate([held, np.zeros(self.size // 2, np.float32)])
        yield from self._parts(held, (len(held) - self.size) // self.hop + 1)

    def _parts(self, audio, count):
        import scipy.fft

        window, basis = _basis(self)
        grains = np.lib.stride_tricks.sliding_window_view(audio, self.size)[:: self.hop]
        for start in range(0, count, _BLOCK):
            part = grains[start : min(start + _BLOCK, count)] * window
            yield np.abs(scipy.fft.rfft(part)) @ basis


def _mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


@functools.lru_cache
def _basis(spectrum):
    """Window, and triangles (bins, bands) of width 1 bin or 1 band, whichever is wider."""
    size, rate = spectrum.size, spectrum.rate
    window = np.hanning(size + 1)[:-1]
    bins = np.arange(size // 2 + 1)[:, np.newaxis] * rate / size
    centres = spectrum.centres
    width = np.maximum(np.gradient(centres), rate / size)
    triangles = np.maximum(1 - np.abs(bins - centres) / width, 0)
    triangles /= np.maximum(triangles.sum(axis=0), 1e-9)
    return window.astype(np.float32), (triangles * 2 / window.sum()).astype(np.float32)


def image_of(columns: np.ndarray) -> np.ndarray:
    """Levels relative to the loudest: float32 in [0, 1], 1 for that one, 0 for 80 dB below it.

    So images do not depend on the gain of a recording, unless it is nearly silent.

    Args:
        columns: (..., columns, bands) magnitudes; each (columns, bands) is an image.
    """
    loudest = np.maximum(columns.max(axis=(-2, -1), keepdims=True), _FAINT)
    level = 20 * np.log10(np.maximum(columns / loudest, 10 ** (-RANGE_DB / 20)))
    return (1 + level / RANGE_DB).astype(np.float32)
