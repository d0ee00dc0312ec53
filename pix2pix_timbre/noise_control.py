"""Noise controls: a model's image plus noise, for comparison with an image that moves as much.

A model whose output moves like true instruments may have learned how they move, or merely to add
noise. Its control is a smoother model with plain noise: white over bins and columns, proportional
to the local level of the image, and as strong as needed for the same spectral flux.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from data import BINS, FRAME_COLUMNS
from pix2pix_timbre.windows import convert_image

_NEIGHBOURHOOD = 5  # bins and columns over which the level is averaged
_STRONGEST = 64.0  # largest noise that is tried, relative to the local level
_STEPS = 16  # halvings of the interval that holds the noise level


@functools.cache
def _noise():
    """Standard normal noise of a frame: (BINS, FRAME_COLUMNS) float32.

    It is the same for all frames, so that a result depends neither on batches nor on the order of
    frames, and neighbouring conversions of the same columns agree.
    """
    return np.random.default_rng(0).standard_normal((BINS, FRAME_COLUMNS)).astype(np.float32)


def add_noise(frames: np.ndarray, level: float) -> np.ndarray:
    """Add noise in proportion to the local level.

    Args:
        frames: (frames, BINS, FRAME_COLUMNS, 1) in [0, 1].
        level: Standard deviation of the noise, relative to the mean of the 5 by 5 values around.

    Returns:
        float32, same shape, limited to [0, 1].
    """
    from scipy.ndimage import uniform_filter

    around = (1, _NEIGHBOURHOOD, _NEIGHBOURHOOD, 1)
    local = uniform_filter(np.asarray(frames, np.float32), around, mode="nearest")
    return np.clip(frames + level * local * _noise()[..., np.newaxis], 0, 1)


def flux(image: np.ndarray) -> float:
    """Spectral flux of an image: mean absolute difference from column to column."""
    return float(np.abs(np.diff(image, axis=-1)).mean())


def noise_level(
    predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, wanted: float
) -> float:
    """Find the noise that gives a converted image a spectral flux, by bisection.

    Args:
        predict: Function from frames to frames in [0, 1].
        image: (BINS, columns) in [0, 1], to be converted.
        wanted: Flux of the noisy converted image, see ``flux``.

    Returns:
        Level for ``add_noise``: 0 where the image without noise has that flux or more.
    """
    known = []
    convert_image(lambda frames: known.append(predict(frames)) or known[-1], image)

    def reached(level):
        frames = iter(known)
        return flux(convert_image(lambda _: add_noise(next(frames), level), image)) >= wanted

    low, high = 0.0, 1 / 64
    if reached(low):
        return low
    while not reached(high) and high < _STRONGEST:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def with_noise(
    predict: Callable[[np.ndarray], np.ndarray], level: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Function from frames to the noisy frames that ``predict`` makes of them."""
    return lambda frames: add_noise(predict(frames), level)
