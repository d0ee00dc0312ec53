"""Penalties that arrange latent vectors by ratings.

All compare distances of latent vectors with rated ones over the rated pairs, off the diagonal.
Both are divided by their mean first, so that a penalty says nothing about the size of the space
and does not work against its prior.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from common.networks.mmd import squared_distances

PENALTIES = ("neighbours", "l2", "gaussian", "prior")
_SMALLEST = 1e-6


def relative(values: Any, weights: Any) -> Any:
    """Values divided by their weighted mean; weights (of the same shape) add up to 1."""
    return values / ops.maximum(ops.sum(values * weights), _SMALLEST)


def neighbours(distances: Any, targets: Any, weights: Any) -> Any:
    """Divergence of latent affinities from rated ones (Esling et al. 2018, section 3.2), in nats.

    Latent affinities are Gaussian, ``exp(-d^2)``, rated ones ``1 / (1 + t^2)``; both are normalised
    over all pairs together, so that the divergence is 0 when they agree.

    Args:
        distances, targets: (points, points).
        weights: (points, points), 0 for pairs that do not count.

    Returns:
        Scalar, at least 0.
    """
    counts = ops.cast(weights > 0, "float32")
    latent, rated = (
        _log_share(affinity, counts)
        for affinity in (-ops.square(distances), -ops.log1p(ops.square(targets)))
    )
    return ops.sum(counts * ops.exp(latent) * (latent - rated))


def _log_share(logarithm, counts):
    apart = ops.where(counts > 0, logarithm, -1e9)
    return ops.where(counts > 0, logarithm - ops.logsumexp(apart), 0.0)


def mean_square(distances: Any, targets: Any, weights: Any) -> Any:
    """Weighted mean of squared differences (the "l2" of the published code, per pair)."""
    return ops.sum(weights * ops.square(distances - targets))


def penalty(kind: str, points: Any, targets: Any, weights: Any) -> Any:
    """A penalty of points.

    Args:
        kind: "neighbours"; or "l2", also for drawn targets.
        points: (points, dims).
        targets: (points, points), at least 0.
        weights: (points, points), 0 for pairs that do not count, any positive number for others.
    """
    weights = weights / ops.maximum(ops.sum(weights), _SMALLEST)
    distances = relative(ops.sqrt(squared_distances(points) + _SMALLEST), weights)
    compare = neighbours if kind == "neighbours" else mean_square
    return compare(distances, relative(targets, weights), weights)


def by_class_and_column(kind: str, latents: Any, labels: Any, targets: Any, rated: Any) -> Any:
    """A penalty of the centres of the classes in a batch, plus one of its single vectors.

    Vectors of one class may be as far apart as they like.

    Args:
        kind: As in ``penalty``.
        latents: (batch, dims).
        labels: (batch, classes), one-hot.
        targets: (classes, classes).
        rated: (classes, classes): 1 for pairs that count, else 0.
    """
    counts = ops.sum(labels, axis=0)
    centres = ops.matmul(ops.transpose(labels), latents) / ops.maximum(counts, 1)[:, None]
    there = ops.cast(counts > 0, "float32")
    of_classes = penalty(kind, centres, targets, rated * there[:, None] * there)

    def spread(matrix):
        return ops.matmul(ops.matmul(labels, matrix), ops.transpose(labels))

    return of_classes + penalty(kind, latents, spread(targets), spread(rated))


def drawn_targets(mean: Any, deviation: Any, seed: keras.random.SeedGenerator) -> Any:
    """Targets (classes, classes) drawn from a Gaussian for each pair, symmetric, at least 0."""
    noise = ops.triu(keras.random.normal(ops.shape(mean), seed=seed), 1)
    return ops.maximum(mean + deviation * (noise + ops.transpose(noise)), 0)
