"""Resizing along time: what happens to spectra and codes when the tempo changes."""

import hashlib

import numpy as np

LOWEST, HIGHEST = 0.25, 4.0  # rates


def draw_rates(name: str, count: int, seed: int) -> tuple[float, ...]:
    """Rates for a recording, log-uniform, decided by its name: tuple of floats."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    return tuple(float(rate) for rate in np.exp(rng.uniform(*np.log([LOWEST, HIGHEST]), count)))


def positions(start: int, stop: int, rate: float) -> np.ndarray:
    """Where columns of the result lie in the input, in its columns: (stop - start,) float64.

    Args:
        start, stop: Columns of the result.
        rate: Factor on the tempo: 2 is twice as fast.
    """
    return np.arange(start, stop) * float(rate)


def columns_at(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Columns of values (..., features, columns), in memory one after the other."""
    return np.swapaxes(np.swapaxes(values, -1, -2)[..., indices, :], -1, -2)


def resize(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values between columns, by linear interpolation along time.

    Args:
        values: (..., features, columns), real.
        places: (count,) in columns, ascending or not; beyond the ends, the end is taken.

    Returns:
        (..., features, count), float32.
    """
    values = np.asarray(values)
    last = values.shape[-1] - 1
    places = np.clip(places, 0, last)
    low = np.minimum(places.astype(int), max(last - 1, 0))
    share = (places - low).astype(np.float32)
    after = columns_at(values, np.minimum(low + 1, last))
    return (columns_at(values, low) * (1 - share) + after * share).astype(np.float32)


def resize_power(magnitudes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """As ``resize`` of magnitudes, but by interpolation of their squares.

    So a column between two others has a power between theirs, also where a partial moves from one
    bin to another meanwhile.
    """
    return np.sqrt(resize(np.square(magnitudes), places))
