"""Paths through the latent space of a trained model of any kind.

A latent vector has the shape (dims,). A path (steps, dims) is a sequence of ``rate`` vectors per
second. No function modifies its arguments.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from common.files.store import read_arrays, write_arrays

VECTORS = "latents.h5"  # of a run folder
LARGEST = 100  # coordinate of a point, or weight in a mixture, that users may give


@runtime_checkable
class LatentModel(Protocol):
    """A model that encodes audio as a path through its latent space, and decodes it.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors per second.
        sample_rate: Sample rate of its audio in Hz.
    """

    dims: int
    rate: float
    sample_rate: int

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encode audio (samples,) float32 in [-1, 1] as a path (steps, dims) float32."""

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Decode a path (steps, dims) to audio (samples,) float32 in [-1, 1]."""


class Control(NamedTuple):
    """A dimension that people set themselves, in decibels.

    A ``LatentModel`` may have an attribute ``controls``, a dict from names to these.

    Attributes:
        dim: Number of the dimension.
        full_scale: Its value at 0 dB, a root mean square of 1.
        per_db: By how much it grows with a decibel.
    """

    dim: int
    full_scale: float
    per_db: float

    def values(self, decibels: np.ndarray) -> np.ndarray:
        """Values of the dimension for levels in dB below full scale."""
        return self.full_scale + self.per_db * np.asarray(decibels)


@runtime_checkable
class Follower(Protocol):
    """A ``LatentModel`` that finds a path whose sound has a descriptor of a given course.

    Attributes:
        descriptors: Their names.
    """

    descriptors: tuple[str, ...]

    def follow(self, name: str, target: np.ndarray) -> np.ndarray:
        """Path (steps, dims) for values of a descriptor (steps,)."""


def write_vectors(folder: Path, rows: Sequence, vectors: np.ndarray) -> None:
    """Write latent vectors of a training (rows, dims) and what they are of into a run folder.

    Args:
        folder: Run folder.
        rows: List of rows of the store that the training read.
        vectors: One for each row; kept as float16.
    """
    write_arrays(folder / VECTORS, {"mean": vectors.astype(np.float16)}, rows=rows)


def read_vectors(folder: Path, row_type: type, script: str) -> tuple[list, np.ndarray]:
    """Read what ``write_vectors`` wrote: ``(rows, vectors)``, the latter float32.

    Args:
        folder: Run folder.
        row_type: Type of the rows.
        script: Name of the script that trains such a model.

    Raises:
        UserError: The file is missing or damaged.
    """
    words = {"kind": "file of latent vectors", "remake": f"python -m {script}"}
    arrays, _, rows = read_arrays(Path(folder) / VECTORS, ["mean"], row_type, **words)
    return rows, arrays["mean"]


def decoding_speed(model: LatentModel, vectors: np.ndarray) -> float:
    """Seconds of audio that a model makes in a second of processor time.

    Args:
        model: A ``LatentModel``.
        vectors: Path (steps, dims) that it decodes, once before the measurement.
    """
    model.decode(vectors)  # the first call traces
    begin = time.process_time()
    audio = model.decode(vectors)
    return audio.size / model.sample_rate / (time.process_time() - begin)


def interpolate(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Interpolate between two latent vectors: (steps, dims), including both ends.

    The path follows a great circle with linearly changing length (White 2016, section 2.1). A
    straight line would come closer to zero than any training example.
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
        directions: (count, dims), orthonormal, sorted by descending variance.
        deviations: (count,) standard deviations along the directions.
    """

    mean: np.ndarray
    directions: np.ndarray
    deviations: np.ndarray

    def coordinates(self, vectors: np.ndarray) -> np.ndarray:
        """Coordinates (..., count) of vectors (..., dims) on the axes."""
        return (vectors - self.mean) @ self.directions.T

    def vectors(self, coordinates: np.ndarray) -> np.ndarray:
        """Vectors (..., dims) with coordinates (..., count)."""
        return coordinates @ self.directions + self.mean


def principal_axes(vectors: np.ndarray, count: int) -> Axes:
    """Compute at most ``count`` principal ``Axes`` of latent vectors (number, dims)."""
    mean = vectors.mean(axis=0)
    _, lengths, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    return Axes(mean, directions[:count], lengths[:count] / np.sqrt(len(vectors)))


def plane_points(vectors: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Project latent vectors (number, dims) onto a plane for a picture.

    Returns:
        ``(points, names)``: (number, 2) and the names of both coordinates. With two dimensions,
        the vectors themselves; with more, the first two principal axes; with one, it and zero.
    """
    dims = vectors.shape[1]
    if dims == 2:
        return vectors, ("latent 1", "latent 2")
    if dims == 1:
        return np.pad(vectors, ((0, 0), (0, 1))), ("latent 1", "")
    names = ("principal component 1", "principal component 2")
    return principal_axes(vectors, 2).coordinates(vectors), names


def plane_grid(vectors: np.ndarray, number: int) -> np.ndarray:
    """Grid over a latent plane: points (number * number, 2), row by row from the top.

    Its lines are quantiles of the vectors (any, 2), from 2 to 98 %, so that they are close together
    where there are many vectors.
    """
    lines = np.quantile(vectors, np.linspace(0.02, 0.98, number), axis=0)
    return _crossings(lines[:, 0], lines[:, 1])


def prior_grid(number: int) -> np.ndarray:
    """Grid over a latent plane with a standard normal prior: as ``plane_grid``, of its quantiles.

    Each line is the median of one of ``number`` strips that are equally likely.
    """
    from scipy.stats import norm

    line = norm.ppf((np.arange(number) + 0.5) / number)
    return _crossings(line, line)


def _crossings(across, up):
    return np.stack([np.tile(across, up.size), np.repeat(up[::-1], across.size)], axis=-1)


def shift(path: np.ndarray, direction: np.ndarray, amount: float | np.ndarray) -> np.ndarray:
    """Move a path along a direction (dims,) by an amount, a scalar or one per step (steps,)."""
    return path + np.multiply.outer(np.broadcast_to(amount, len(path)), direction)


def spread(path: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the distance of a path from its mean: 0 gives the mean, 2 exaggerates."""
    mean = path.mean(axis=0)
    return mean + factor * (path - mean)


def smooth(path: np.ndarray, steps: int) -> np.ndarray:
    """Moving average of a path over a number of steps, fewer at the ends."""
    sums = np.concatenate([np.zeros((1, path.shape[1])), np.cumsum(path, axis=0, dtype=float)])
    places = np.arange(len(path))
    first = np.maximum(places - (steps - 1) // 2, 0)
    last = np.minimum(places + steps // 2 + 1, len(path))
    return ((sums[last] - sums[first]) / (last - first)[:, np.newaxis]).astype(path.dtype)
