"""Phases of partials that run on at their own frequency: single pass spectrogram inversion.

Beauregard, Harish and Wyse 2015. A partial is a peak of the magnitude; the bins around it
have its phase, alternating by pi as under any symmetric window that is counted from its first
sample. From column to column, that phase advances by the frequency of the peak.
"""

import numpy as np

from data import BINS, FFT_SIZE

KEPT_DB = 12  # between two magnitudes; a recording that is as close as that lends its phase
SMALLEST = np.float32(1e-9)  # magnitudes and curvatures below count as this
# columns per step: few enough that the arrays stay in the processor's cache
COLUMNS_AT_ONCE = 64


def nearest_peaks(level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the peak that is nearest to each bin, the lower one of two.

    Args:
        level: (..., bins).

    Returns:
        ``(nearest, peaks)``: number of the nearest peak's bin, int16, or of the bin itself where
        there is no peak; whether a bin is a peak. Both (..., bins).
    """
    count = level.shape[-1]
    peaks = np.zeros(level.shape, bool)
    inner = level[..., 1:-1]
    np.logical_and(inner > level[..., :-2], inner >= level[..., 2:], out=peaks[..., 1:-1])
    bins = np.arange(count, dtype=np.int16)
    below = np.maximum.accumulate(np.where(peaks, bins, np.int16(-3 * count)), axis=-1)
    above = np.where(peaks, bins, np.int16(3 * count))[..., ::-1]
    above = np.minimum.accumulate(above, axis=-1)[..., ::-1]
    nearest = np.where(bins - below <= above - bins, below, above)
    return np.where((nearest < 0) | (nearest >= count), bins, nearest), peaks


def peak_offsets(level: np.ndarray) -> np.ndarray:
    """Distance of the top of a parabola through three bins from the middle one, in bins.

    Args:
        level: Logarithm of a magnitude, (..., bins).

    Returns:
        (..., bins) in [-0.5, 0.5]; meaningless where there is no peak.
    """
    low, middle, high = level[..., :-2], level[..., 1:-1], level[..., 2:]
    curvature = np.minimum(low - 2 * middle + high, -SMALLEST)
    offsets = np.zeros_like(level)
    np.clip((low - high) / (2 * curvature), -0.5, 0.5, out=offsets[..., 1:-1])
    return offsets


def partial_advances(level: np.ndarray, hop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the partial of each bin, and how far it runs from column to column.

    Args:
        level: Logarithm of a magnitude, (columns, channels, BINS).
        hop: Distance of columns in samples.

    Returns:
        ``(nearest, places, cycles)``, each (columns, channels, BINS): number of the bin that is the
        peak; its place in a raveled column; cycles of its frequency in a hop.
    """
    nearest, _ = nearest_peaks(level)
    places = nearest + BINS * np.arange(level.shape[1])[:, np.newaxis]
    rows = places + level[0].size * np.arange(len(level))[:, np.newaxis, np.newaxis]
    offsets = peak_offsets(level).ravel().take(rows)
    return nearest, places, np.float32(hop / FFT_SIZE) * (nearest + offsets)


class PartialTracker:
    """Phases for a magnitude that comes in parts: a recording's where it fits, else tracked.

    Where the recording's magnitude is within KEPT_DB of the wanted one, its phase is kept; in all
    other bins the phase is that of the nearest partial, advanced from the last column. The
    frequencies are those of the geometric mean of two columns, which lies in the middle of what it
    is to be advanced by.

    Args:
        hop: Distance of columns in samples.
    """

    def __init__(self, hop: int) -> None:
        self._hop = hop
        self._level = self._phasors = None  # of the last column, (channels, BINS)

    def push(self, wanted: np.ndarray, played: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Find the phases of the next columns.

        Args:
            wanted: Magnitude that is to be heard, (channels, BINS, columns).
            played, phase: Magnitude of the recording, and its phase in radians; same shape.

        Returns:
            Complex numbers of magnitude 1, same shape, complex64.
        """
        wanted, played, phase = (np.moveaxis(one, -1, 0) for one in (wanted, played, phase))
        found = np.empty(wanted.shape, np.complex64)
        for start in range(0, len(wanted), COLUMNS_AT_ONCE):
            part = slice(start, start + COLUMNS_AT_ONCE)
            self._track(wanted[part], played[part], phase[part], found[part])
        return np.moveaxis(found, 0, -1)

    def _track(self, wanted, played, phase, found):
        limit = np.float32(10 ** (KEPT_DB / 20))
        kept = (wanted < limit * played) & (played < limit * wanted)
        given = _phasors(phase)
        level = np.log(np.maximum(wanted, SMALLEST))
        if self._phasors is None:  # the first column has the phase of the recording
            self._level, self._phasors = level[0], given[0]
            kept[0] = True
        before = np.concatenate([self._level[np.newaxis], level[:-1]])
        places, steps = self._advances((level + before) / 2)
        phasors = self._phasors / np.abs(self._phasors)  # products of many are no longer exact
        for column in range(len(wanted)):
            tracked = phasors.ravel().take(places[column]) * steps[column]
            phasors = np.where(kept[column], given[column], tracked)
            found[column] = phasors
        self._level, self._phasors = level[-1], phasors

    def _advances(self, level):
        """Of all bins: places, in a raveled column, of the partials; factors of their phasors."""
        nearest, places, cycles = partial_advances(level, self._hop)
        cycles += np.float32(0.5) * ((np.arange(BINS, dtype=np.int16) - nearest) & 1)
        return places, _phasors(np.float32(2 * np.pi) * cycles)


def _phasors(angle):
    found = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=found.real)
    np.sin(angle, out=found.imag)
    return found
