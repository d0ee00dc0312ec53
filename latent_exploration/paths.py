"""Operations on latent paths (steps, dims); those that other systems need are in common.latent.

Dimensions are counted from 0. No function modifies its arguments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def scale(path: np.ndarray, factor: float, dim: int | None = None) -> np.ndarray:
    """Multiply the values of one dimension, or of all."""
    return _changed(path, dim, lambda values: values * factor)


def bias(path: np.ndarray, amount: float, dim: int | None = None) -> np.ndarray:
    """Add a number to the values of one dimension, or of all."""
    return _changed(path, dim, lambda values: values + amount)


def curve(path: np.ndarray, dim: int, points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Replace a dimension by a curve of straight lines.

    Args:
        path: (steps, dims).
        dim: Number of the dimension.
        points: Pairs of time and value in any order. A time is a share of the path: 0 is its first
            step, 1 its last one. Before the first point and after the last one the curve is level.
    """
    times, values = zip(*sorted(points), strict=True)
    drawn = np.interp(np.linspace(0, 1, len(path)), times, values)
    return _changed(path, dim, lambda _: drawn)


def randomise(path: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """Add independent Gaussian noise with a standard deviation to every value."""
    return path + amount * np.random.default_rng(seed).standard_normal(path.shape)


def stretch(path: np.ndarray, steps: int) -> np.ndarray:
    """Bring a path to a number of steps by linear interpolation; both ends stay where they are."""
    places = np.linspace(0, len(path) - 1, steps)
    first = np.minimum(places.astype(int), max(len(path) - 2, 0))
    share = (places - first)[:, np.newaxis]
    return (1 - share) * path[first] + share * path[np.minimum(first + 1, len(path) - 1)]


def cross_fade(
    first: np.ndarray, second: np.ndarray, share: float | np.ndarray | tuple[float, float]
) -> np.ndarray:
    """Fade from one path to another: (1 - share) * first + share * second.

    Shares below 0 and above 1 extrapolate. The shorter path is stretched to the longer one.

    Args:
        first, second: (steps, dims) each.
        share: One number throughout; a pair, between which it runs evenly; or an array (steps,).
    """
    first, second = _of_one_length([first, second])
    if isinstance(share, tuple):
        share = np.linspace(*share, len(first))
    share = np.broadcast_to(share, len(first))[:, np.newaxis]
    return (1 - share) * first + share * second


def mix(paths: Sequence[np.ndarray], x: float | np.ndarray, y: float | np.ndarray) -> np.ndarray:
    """Mix four paths by a point of the unit square, with bilinear weights.

    Args:
        paths: Four paths (steps, dims): those of the corners (0, 0), (1, 0), (0, 1) and (1, 1). The
            shorter ones are stretched to the longest one.
        x, y: Numbers, or arrays (steps,) for a point that moves. Outside of the square the mixture
            is extrapolated.
    """
    lower = cross_fade(paths[0], paths[1], x)
    upper = cross_fade(paths[2], paths[3], x)
    return cross_fade(lower, upper, y)


def _of_one_length(paths):
    steps = max(map(len, paths))
    return [path if len(path) == steps else stretch(path, steps) for path in paths]


def _changed(path, dim, change):
    if dim is None:
        return change(path)
    made = np.array(path, dtype=np.result_type(path, np.float32))
    made[:, dim] = change(path[:, dim])
    return made
