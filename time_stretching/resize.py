"""Resize spectra and codes along time, for another tempo."""

import hashlib

import numpy as np

LOWEST, HIGHEST = 0.25, 4.0  # range of the rates


def draw_rates(name: str, count: int, seed: int) -> tuple[float, ...]:
    """Draw log-uniform rates for a recording; they depend only on its name and the seed."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    return tuple(float(rate) for rate in np.exp(rng.uniform(*np.log([LOWEST, HIGHEST]), count)))


def positions(start: int, stop: int, rate: float) -> np.ndarray:
    """Positions in the input of columns of the result, in columns: (stop - start,) float64.

    Args:
        start, stop: Range of columns of the result.
        rate: Factor on the tempo: 2 is twice as fast.
    """
    return np.arange(start, stop) * float(rate)


def columns_at(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Select columns of values (..., features, columns); each is contiguous in memory."""
    return np.swapaxes(np.swapaxes(values, -1, -2)[..., indices, :], -1, -2)


def resize(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate linearly between columns.

    Args:
        values: (..., features, columns), real.
        places: (count,) positions in columns, in any order; those beyond the ends are moved there.

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
    """Like ``resize``, but interpolate the squares of magnitudes.

    So the power of a column lies between those of its neighbours, even if a partial moves from one
    bin to another between them.
    """
    return np.sqrt(resize(np.square(magnitudes), places))
