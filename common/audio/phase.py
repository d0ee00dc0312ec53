"""Phase estimators for converted magnitudes, of columns half a window apart.

The networks predict magnitudes only. ``estimate_phase`` finds a phase for them: ``input`` takes
that of the recording, all others search for one that fits the predicted magnitude.
``common.audio.resynthesis`` uses them, and has another one for columns a quarter of a window apart.
"""

import heapq
from typing import Any, NamedTuple

import numpy as np

from data import FFT_SIZE, HOP, forward_spectra, inverse_spectra

ITERATIONS = 4  # more iterations preserve more of the magnitude and fewer notes
FAST_ITERATIONS, FAST_MOMENTUM = 32, 0.99
PGHI_TOLERANCE = 1e-4  # relative to the largest magnitude; fainter bins keep the phase of the input
_SMALLEST = 1e-30  # below, numbers lose precision
# parameter of the Gaussian closest to the window (Prusa et al. 2017)
HANN_GAMMA = 0.25645 * FFT_SIZE**2


class Codec(NamedTuple):
    """The transform of ``data.py``, with the methods that ``griffin_lim`` needs.

    Attributes:
        hop: Distance of columns in samples.
    """

    hop: int = HOP

    def forward(self, audio: np.ndarray) -> np.ndarray:
        """Spectra (..., BINS, columns) of audio (..., samples)."""
        return forward_spectra(audio, self.hop)

    def inverse(self, spectra: np.ndarray) -> np.ndarray:
        """Audio (..., samples) of spectra (..., BINS, columns)."""
        return inverse_spectra(spectra, hop=self.hop)


def estimate_phase(
    method: str, magnitude: np.ndarray, phase: np.ndarray, known: int = 0
) -> np.ndarray:
    """Estimate the phase for a magnitude.

    Args:
        method: One of ``ESTIMATORS``.
        magnitude: (..., BINS, columns), as ``data.forward_transform`` returns it.
        phase: Phase of the recording from which the magnitude was predicted: same shape, radians.
        known: Number of columns at the beginning whose phase is final and is kept, so that a long
            signal can be processed in parts. One column is enough, because a hop is half a window.

    Returns:
        Phase in radians, float32, same shape. The same arguments give the same phase.
    """
    return ESTIMATORS[method](magnitude, phase, known)


def griffin_lim(
    magnitude: np.ndarray,
    transform: Any,
    start: np.ndarray,
    iterations: int,
    momentum: float = 0.0,
    *,
    known: int = 0,
) -> np.ndarray:
    """Find spectra with a given magnitude and a fitting phase (Griffin and Lim 1984).

    With the momentum of Perraudin, Balazs and Sondergaard 2013 (their alpha; librosa's "fast"
    Griffin-Lim, which divides both terms by 1 + alpha), the magnitude is preserved better. With a
    hop of half a window the sound is not: many signals have nearly the same magnitude, and the
    momentum leads away from the one that is close to the start.

    Args:
        magnitude: (..., bins, columns).
        transform: Has ``forward`` and ``inverse`` as in ``common.audio.spectrograms``.
        start: Complex spectra from which the search starts, same shape.
        iterations: Number of projections.
        momentum: In [0, 1].
        known: Number of columns at the beginning that are kept from ``start``.

    Returns:
        complex64, same shape, with exactly the given magnitude, except in the known columns;
        ``start`` if there are no iterations.
    """
    magnitude, start = by_column(magnitude, np.float32), by_column(start, np.complex64)
    spectra, previous = start, 0
    for _ in range(iterations):
        consistent = transform.forward(transform.inverse(spectra))
        moved = consistent
        if momentum:  # go beyond the projection by its difference from the last one
            moved = consistent + np.float32(momentum) * (consistent - previous)
            previous = consistent
        spectra = _with_magnitude(moved, magnitude)
        spectra[..., :known] = start[..., :known]
    return spectra


def _with_magnitude(spectra, magnitude):
    """``magnitude * unit(spectra)``, three times as fast."""
    length = np.abs(spectra)
    changed = spectra * (magnitude / np.maximum(length, _SMALLEST))
    silent = length < _SMALLEST
    if silent.any():
        changed[silent] = magnitude[silent]
    return changed


def by_column(values: np.ndarray, dtype: type) -> np.ndarray:
    """Store values (..., bins, columns) column by column in memory, as transforms do."""
    return np.swapaxes(np.ascontiguousarray(np.swapaxes(values, -1, -2), dtype), -1, -2)


def unit(spectra: np.ndarray) -> np.ndarray:
    """Normalise spectra to magnitude 1; values of 0, or too small to divide by, become 1."""
    length = np.abs(spectra)
    silent = length < _SMALLEST
    return np.where(silent, 1, spectra / np.where(silent, 1, length)).astype(np.complex64)


def griffin_lim_phase(
    magnitude: np.ndarray,
    phase: np.ndarray,
    known: int = 0,
    *,
    iterations: int = ITERATIONS,
    momentum: float = 0.0,
) -> np.ndarray:
    """``griffin_lim`` for magnitudes of ``data.py``, started from a phase.

    Args and return value: as ``estimate_phase``; ``iterations`` and ``momentum`` as
    ``griffin_lim``.
    """
    magnitude, phase = np.asarray(magnitude), np.asarray(phase)
    if not iterations:
        return phase.astype(np.float32)
    start = magnitude.astype(np.float32) * np.exp(1j * phase.astype(np.complex64))
    found = np.angle(griffin_lim(magnitude, Codec(), start, iterations, momentum, known=known))
    # where the magnitude is zero, the product has lost the angle
    found = np.where(magnitude > 0, found, phase)
    found[..., :known] = phase[..., :known]
    return found.astype(np.float32)


def fast_griffin_lim(magnitude: np.ndarray, phase: np.ndarray, known: int = 0) -> np.ndarray:
    """``griffin_lim_phase`` with momentum, started from the phase of the recording."""
    fast = {"iterations": FAST_ITERATIONS, "momentum": FAST_MOMENTUM}
    return griffin_lim_phase(magnitude, phase, known, **fast)


def fast_griffin_lim_from_zero(
    magnitude: np.ndarray, phase: np.ndarray, known: int = 0
) -> np.ndarray:
    """``griffin_lim_phase`` with momentum, started from zero except in the known columns."""
    start = np.zeros(magnitude.shape, np.float32)
    start[..., :known] = np.asarray(phase)[..., :known]
    return fast_griffin_lim(magnitude, start, known)


def phase_gradient_heap_integration(
    magnitude: np.ndarray, phase: np.ndarray, known: int = 0
) -> np.ndarray:
    """Phase by phase gradient heap integration (Prusa, Balazs and Sondergaard 2017, algorithm 1).

    The phase's derivatives in time and frequency follow from those of the log magnitude, exactly
    for a Gaussian window with any redundancy. They are integrated along the loudest neighbours,
    starting from the loudest bin of each region with the phase of the recording.

    Args and return value: as ``estimate_phase``.
    """
    magnitude, phase = np.asarray(magnitude), np.asarray(phase)
    if magnitude.ndim > 2:
        pairs = zip(magnitude, phase, strict=True)
        return np.stack([phase_gradient_heap_integration(*pair, known) for pair in pairs])
    found = phase.astype(np.float64)
    floor = PGHI_TOLERANCE * magnitude.max(initial=0)
    if floor == 0:
        return phase.astype(np.float32)
    logarithm = np.log(np.maximum(magnitude, 1e-3 * floor))
    open_bins = magnitude > floor
    open_bins[:, :known] = False
    _integrate(found, open_bins, magnitude, phase_slopes(logarithm), known)
    found = np.angle(np.exp(1j * found)).astype(np.float32)
    found[:, :known] = phase[:, :known]
    return found


def phase_slopes(logarithm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the phase from the log magnitude (Prusa et al. 2017, eq. 18 and 19).

    Args:
        logarithm: Natural logarithm of the magnitude, (BINS, columns).

    Returns:
        ``(in_time, in_frequency)``: radians per column and per bin. Windows are counted from their
        first sample, hence minus pi per bin.
    """
    by_bin, by_column = (
        np.gradient(logarithm, axis=axis) if logarithm.shape[axis] > 1 else 0.0 * logarithm
        for axis in (0, 1)
    )
    centre = 2 * np.pi * HOP / FFT_SIZE * np.arange(len(logarithm))[:, np.newaxis]
    in_time = centre + HOP * FFT_SIZE / HANN_GAMMA * by_bin
    in_frequency = -np.pi - HANN_GAMMA / (HOP * FFT_SIZE) * by_column
    return in_time, in_frequency


def _integrate(found, open_bins, magnitude, slopes, known):
    """Integrate the derivatives over the open bins, in place, starting from the known columns."""
    rows, columns = magnitude.shape
    heap = [(-magnitude[row, known - 1], row, known - 1) for row in range(rows)] if known else []
    heapq.heapify(heap)
    in_time, in_frequency = slopes
    steps = ((0, 1, in_time), (0, -1, in_time), (1, 0, in_frequency), (-1, 0, in_frequency))
    order = np.argsort(magnitude, axis=None, kind="stable")[::-1]
    loudest = iter(zip(*np.unravel_index(order, magnitude.shape), strict=True))
    while True:
        while heap:
            _, row, column = heapq.heappop(heap)
            for down, right, slope in steps:
                to_row, to_column = row + down, column + right
                inside = 0 <= to_row < rows and 0 <= to_column < columns
                if inside and open_bins[to_row, to_column]:
                    mean = (slope[row, column] + slope[to_row, to_column]) / 2
                    found[to_row, to_column] = found[row, column] + (down + right) * mean
                    open_bins[to_row, to_column] = False
                    heapq.heappush(heap, (-magnitude[to_row, to_column], to_row, to_column))
        seed = next((place for place in loudest if open_bins[place]), None)
        if seed is None:
            return
        open_bins[seed] = False
        heap.append((-magnitude[seed], *map(int, seed)))


class RealTimeInversion:
    """Sound of magnitudes that come one after the other, by a phase that looks a few columns ahead.

    Real-time iterative spectrogram inversion with look-ahead (Zhu, Beauregard and Wyse 2007,
    section IV): what is final is kept; some later columns are projected together, and then the
    first one of them becomes final. Column k is a Hann window that begins at ``k * hop``, as of
    ``common.audio.spectrograms.STFT`` without centring, and the audio begins where the first
    window ends less a hop. In parts or as a whole, the result is the same.

    Args:
        size: Length of a window in samples, a multiple of ``hop``.
        hop: Distance of columns in samples.
        ahead: Number of later columns that a column waits for.
        iterations: Projections for each column.
    """

    def __init__(self, size: int, hop: int, ahead: int = 3, iterations: int = 8) -> None:
        self._size, self._hop, self._rows = size, hop, size // hop
        self._ahead, self._iterations = ahead, iterations
        self._window = np.hanning(size + 1)[:-1].astype(np.float32)
        # by hop: what final columns have added to those that are not complete, and their weights
        self._sum, self._weight = np.zeros((2, self._rows - 1, hop), np.float32)
        self._columns = np.zeros((0, size // 2 + 1), np.float32)
        self._silence = np.zeros((1, self._rows, hop), np.float32)
        self._grains = self._silence[:0]
        self._square = np.square(self._window).reshape(self._rows, hop)
        self._skipped = self._rows - 1  # hops before the audio

    @property
    def delay(self) -> int:
        """Samples that are missing of those of the columns: window and look-ahead, less a hop."""
        return self._size - self._hop + self._ahead * self._hop

    def push(self, magnitude: np.ndarray) -> np.ndarray:
        """Add columns (size // 2 + 1, columns); the audio that is final: (samples,) float32."""
        audio = [np.zeros(0, np.float32)]
        for column in np.asarray(magnitude, np.float32).T:
            self._columns = np.concatenate([self._columns, column[np.newaxis]])
            self._grains = np.concatenate([self._grains, self._silence])
            if len(self._columns) > self._ahead:
                audio.append(self._next())
        return np.concatenate(audio)

    def finish(self) -> np.ndarray:
        """The last audio: (samples,) float32; in total a hop for each column."""
        audio = [np.zeros(0, np.float32)]
        while len(self._columns):
            audio.append(self._next())
        rest = self._sum / np.maximum(self._weight, self._square.max())
        audio.append(rest[self._skipped :].ravel())
        return np.concatenate(audio)

    def _next(self):
        """Project the columns that are not final, and make the first one so."""
        import scipy.fft

        count = len(self._columns)
        weight = self._added(self._weight, np.repeat(self._square[np.newaxis], count, axis=0))
        weight = np.maximum(weight, 1e-3)
        for _ in range(self._iterations):
            audio = (self._added(self._sum, self._grains) / weight).ravel()
            parts = np.lib.stride_tricks.sliding_window_view(audio, self._size)[:: self._hop]
            spectra = _with_magnitude(scipy.fft.rfft(parts * self._window), self._columns)
            grains = scipy.fft.irfft(spectra, self._size) * self._window
            self._grains = grains.reshape(count, self._rows, self._hop)
        total, weights = (
            self._added(held, new[:1])
            for held, new in ((self._sum, self._grains), (self._weight, self._square[np.newaxis]))
        )
        self._sum, self._weight = total[1:], weights[1:]
        self._columns, self._grains = self._columns[1:], self._grains[1:]
        if self._skipped:
            self._skipped -= 1
            return np.zeros(0, np.float32)
        return total[0] / np.maximum(weights[0], 1e-3)

    def _added(self, held, grains):
        """Hops (count + rows - 1, hop): what is held, and grains (count, rows, hop) added to it."""
        count = len(grains)
        total = np.zeros((count + self._rows - 1, self._hop), np.float32)
        total[: self._rows - 1] = held
        for row in range(self._rows):
            total[row : row + count] += grains[:, row]
        return total


ESTIMATORS = {
    "input": lambda magnitude, phase, known=0: np.asarray(phase, np.float32),
    "griffinlim": griffin_lim_phase,
    "fast-griffinlim": fast_griffin_lim,
    "fast-griffinlim-zero": fast_griffin_lim_from_zero,
    "pghi": phase_gradient_heap_integration,
}
