"""Phase for a converted magnitude, by the estimator that ``--phase`` names.

The network predicts magnitudes alone. ``estimate_phase`` finds the phase to play them with:
``input`` reuses that of the recording, the others search one that fits the predicted magnitude.
"""

import heapq

import numpy as np

from data import BINS, FFT_SIZE, HOP, column_count, forward_spectra, inverse_spectra

ITERATIONS = 4  # more of them keep more of the magnitude and fewer of the notes
FAST_ITERATIONS, FAST_MOMENTUM = 32, 0.99
PGHI_TOLERANCE = 1e-4  # of the largest magnitude: what is fainter keeps the phase of the input
_SMALLEST = 1e-30  # below it numbers lose their digits
HANN_GAMMA = 0.25645 * FFT_SIZE**2  # of the Gaussian nearest to the window (Prusa et al. 2017)


class Codec:
    """The transform of ``data.py``, as ``griffin_lim`` takes it."""

    bins, hop = BINS, HOP
    columns = staticmethod(column_count)
    forward = staticmethod(forward_spectra)
    inverse = staticmethod(inverse_spectra)


def estimate_phase(method, magnitude, phase, known=0):
    """Phase for a magnitude.

    Args:
        method: One of ``ESTIMATORS``.
        magnitude: (..., BINS, columns), as ``data.forward_transform`` returns it.
        phase: Of the recording that the magnitude was made from: same shape, radians.
        known: Number of columns at the beginning whose phase is final and is kept, so that a long
            signal can be estimated in parts: a hop is half a window, so one column is all that the
            next part can know of what came before.

    Returns:
        Phase in radians, float32, same shape. Nothing is drawn at random: the same arguments give
        the same phase.
    """
    return ESTIMATORS[method](magnitude, phase, known)


def griffin_lim(magnitude, transform, start, iterations, momentum=0.0, *, known=0):
    """Spectra of a magnitude whose phase fits it, by Griffin and Lim 1984.

    With the momentum of Perraudin, Balazs and Sondergaard 2013 (their alpha; librosa's "fast"
    Griffin-Lim, which divides both terms by 1 + alpha), the magnitude is kept better, but with a
    hop of half a window not the sound: there are many signals with nearly the same magnitude, and
    the momentum leads away from that which the start is close to.

    Args:
        magnitude: (..., bins, columns).
        transform: With ``forward`` and ``inverse`` as in ``common.audio.spectrograms``.
        start: Complex spectra that the search begins with, same shape.
        iterations: Number of projections.
        momentum: In [0, 1].
        known: Number of columns at the beginning that are kept as they are in ``start``.

    Returns:
        complex64, same shape, of exactly the given magnitude but in the known columns; ``start``
        without iterations.
    """
    magnitude, start = by_column(magnitude, np.float32), by_column(start, np.complex64)
    spectra, previous = start, np.zeros_like(start)
    for _ in range(iterations):
        consistent = transform.forward(transform.inverse(spectra))
        # leap beyond the projection by the difference to the last one
        spectra = consistent + np.float32(momentum) * (consistent - previous)
        previous = consistent
        spectra = magnitude * unit(spectra)
        spectra[..., :known] = start[..., :known]
    return spectra


def by_column(values, dtype):
    """Values (..., bins, columns), in memory column by column, as transforms have them."""
    return np.swapaxes(np.ascontiguousarray(np.swapaxes(values, -1, -2), dtype), -1, -2)


def unit(spectra):
    """Spectra with all magnitudes 1; what is 0, or too small to divide by, becomes 1."""
    length = np.abs(spectra)
    silent = length < _SMALLEST
    return np.where(silent, 1, spectra / np.where(silent, 1, length)).astype(np.complex64)


def griffin_lim_phase(magnitude, phase, known=0, *, iterations=ITERATIONS, momentum=0.0):
    """``griffin_lim`` of the codec's magnitudes, begun with a phase.

    Args and return value: as ``estimate_phase``; ``iterations`` and ``momentum`` as
    ``griffin_lim``.
    """
    magnitude, phase = np.asarray(magnitude), np.asarray(phase)
    if not iterations:
        return phase.astype(np.float32)
    start = magnitude.astype(np.float32) * np.exp(1j * phase.astype(np.complex64))
    found = np.angle(griffin_lim(magnitude, Codec, start, iterations, momentum, known=known))
    # where the magnitude is zero, the product has lost the angle
    found = np.where(magnitude > 0, found, phase)
    found[..., :known] = phase[..., :known]
    return found.astype(np.float32)


def fast_griffin_lim(magnitude, phase, known=0):
    """``griffin_lim_phase`` with momentum, begun with the phase of the recording."""
    fast = {"iterations": FAST_ITERATIONS, "momentum": FAST_MOMENTUM}
    return griffin_lim_phase(magnitude, phase, known, **fast)


def fast_griffin_lim_from_zero(magnitude, phase, known=0):
    """``griffin_lim_phase`` with momentum that knows the phase of the known columns only."""
    start = np.zeros(magnitude.shape, np.float32)
    start[..., :known] = np.asarray(phase)[..., :known]
    return fast_griffin_lim(magnitude, start, known)


def phase_gradient_heap_integration(magnitude, phase, known=0):
    """Phase by phase gradient heap integration (Prusa, Balazs and Sondergaard 2017, algorithm 1).

    The phase's slopes in time and frequency follow from those of the logarithm of the magnitude,
    exactly for a Gaussian window and any redundancy. From the loudest bin of each region on, they
    are integrated along the loudest neighbours; a region begins with the phase of the recording.

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


def phase_slopes(logarithm):
    """Slopes of the phase by the logarithm of the magnitude (Prusa et al. 2017, eq. 18 and 19).

    Args:
        logarithm: (BINS, columns), natural.

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
    """Integrate slopes over the open bins, in place, beginning at the known columns."""
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


ESTIMATORS = {
    "input": lambda magnitude, phase, known=0: np.asarray(phase, np.float32),
    "griffinlim": griffin_lim_phase,
    "fast-griffinlim": fast_griffin_lim,
    "fast-griffinlim-zero": fast_griffin_lim_from_zero,
    "pghi": phase_gradient_heap_integration,
}
DEFAULT_PHASE = "griffinlim"  # the best one measured
