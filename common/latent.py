"""Ways through the latent space of a trained model, whatever the model.

A latent vector is (dims,), a path (steps, dims): one vector after another, ``rate`` of them a
second. No function modifies its arguments.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class LatentModel(Protocol):
    """A model between audio and paths through its latent space.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second.
        sample_rate: Of its audio, Hz.
    """

    dims: int
    rate: float
    sample_rate: int

    def encode(self, audio):
        """Path (steps, dims) float32 of an audio (samples,) float32 in [-1, 1]."""

    def decode(self, z):
        """Audio (samples,) float32 in [-1, 1] of a path (steps, dims)."""


def interpolate(first, second, steps):
    """Latent vectors on the way from one to another: (steps, dims), both ends included.

    On the great circle, with the length changing evenly (White 2016, section 2.1): what lies on a
    straight line is nearer to zero than anything that was trained on.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    share = np.linspace(0, 1, steps)[:, np.newaxis]
    straight = (1 - share) * first + share * second
    if min(lengths) == 0:
        return straight
    angle = np.arccos(np.clip(first @ second / (lengths[0] * lengths[1]), -1, 1))
    if np.sin(angle) < 1e-6:
        return straight
    units = first / lengths[0], second / lengths[1]
    weights = np.sin((1 - share) * angle), np.sin(share * angle)
    directions = (weights[0] * units[0] + weights[1] * units[1]) / np.sin(angle)
    return directions * ((1 - share) * lengths[0] + share * lengths[1])


class Axes(NamedTuple):
    """Principal components of latent vectors.

    Attributes:
        mean: (dims,).
        directions: (count, dims), orthonormal, that of the greatest variance first.
        deviations: (count,) standard deviations along these.
    """

    mean: np.ndarray
    directions: np.ndarray
    deviations: np.ndarray

    def coordinates(self, vectors):
        """Where vectors (..., dims) lie on the axes: (..., count)."""
        return (vectors - self.mean) @ self.directions.T

    def vectors(self, coordinates):
        """Vectors (..., dims) at coordinates (..., count)."""
        return coordinates @ self.directions + self.mean


def principal_axes(vectors, count):
    """The ``Axes`` along which latent vectors (number, dims) vary most; at most ``count``."""
    mean = vectors.mean(axis=0)
    _, lengths, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    return Axes(mean, directions[:count], lengths[:count] / np.sqrt(len(vectors)))


def plane_points(vectors):
    """Two coordinates of latent vectors (number, dims), and the coordinates' names.

    Returns:
        ``(points, names)``: (number, 2): themselves where they have two, else along the first two
        principal axes; of one dimension, that and zero.
    """
    dims = vectors.shape[1]
    if dims == 2:
        return vectors, ("latent 1", "latent 2")
    if dims == 1:
        return np.pad(vectors, ((0, 0), (0, 1))), ("latent 1", "")
    names = ("principal component 1", "principal component 2")
    return principal_axes(vectors, 2).coordinates(vectors), names


def plane_grid(vectors, number):
    """Points of a grid over a latent plane: (number * number, 2), row by row from above.

    Its lines are quantiles of the vectors (any, 2), from 2 to 98 %, so that they are close where
    much is to be heard.
    """
    lines = np.quantile(vectors, np.linspace(0.02, 0.98, number), axis=0)
    across, down = lines[:, 0], lines[::-1, 1]
    return np.stack([np.tile(across, number), np.repeat(down, number)], axis=-1)


def shift(path, direction, amount):
    """A path, moved along a direction (dims,) by an amount, or by one for each step (steps,)."""
    return path + np.multiply.outer(np.broadcast_to(amount, len(path)), direction)


def spread(path, factor):
    """A path whose distance from its mean is multiplied: 0 stands still, 2 exaggerates."""
    mean = path.mean(axis=0)
    return mean + factor * (path - mean)


def smooth(path, steps):
    """A path averaged over a number of steps around each, fewer at its ends."""
    sums = np.concatenate([np.zeros((1, path.shape[1])), np.cumsum(path, axis=0, dtype=float)])
    places = np.arange(len(path))
    first = np.maximum(places - (steps - 1) // 2, 0)
    last = np.minimum(places + steps // 2 + 1, len(path))
    return ((sums[last] - sums[first]) / (last - first)[:, np.newaxis]).astype(path.dtype)
