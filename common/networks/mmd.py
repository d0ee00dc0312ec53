"""Maximum mean discrepancy: a distance between two distributions that are known by samples."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernels of a mixture, relative to their width
PRIOR_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def squared_distances(vectors: Any) -> Any:
    """Squared Euclidean distances (number, number) of all pairs of vectors (number, dims)."""
    squares = ops.sum(ops.square(vectors), axis=-1)
    products = ops.matmul(vectors, ops.transpose(vectors))
    # rounding may make the distance of near vectors negative
    return ops.maximum(squares[:, None] + squares[None] - 2 * products, 0)


def squared_mmd(
    first: Any,
    second: Any,
    *,
    groups: tuple[Any, Any] | None = None,
    width: Any = None,
    scales: Sequence[float] = SCALES,
) -> Any:
    """Squared maximum mean discrepancy (Gretton et al. 2012, eq. 5), 0 for equal samples.

    The kernel is a sum of Gaussians: ``exp(-distance ** 2 / (scale * width))`` over the scales.
    This is no mean over examples: samples that are spread over devices have to be gathered first
    (``common.training.model.TrainingModel.gather``).

    Args:
        first, second: Samples, (any, dims) and (any other, dims).
        groups: Groups of which each is compared with itself alone, as a pair of (any, groups) and
            (any other, groups): 1 where an example belongs to a group, else 0. The result is the
            mean over the groups that both samples have; 0 if there is none.
        width: Squared length of the kernels of scale 1; default the median of the squared
            distances of all pairs, through which no gradient flows.
        scales: Factors on the width, one for each Gaussian.

    Returns:
        Scalar, from 0 to twice the number of scales.
    """
    first, second = (ops.cast(sample, "float32") for sample in (first, second))
    distances = squared_distances(ops.concatenate([first, second]))
    if width is None:
        width = ops.maximum(ops.stop_gradient(ops.median(distances)), keras.config.epsilon())
    kernel = sum(ops.exp(-distances / (scale * width)) for scale in scales)
    members = groups or (ops.ones_like(first[:, :1]), ops.ones_like(second[:, :1]))
    counts = [ops.sum(ops.cast(member, "float32"), axis=0) for member in members]
    shares = [
        sign * ops.cast(member, "float32") / ops.maximum(count, 1)
        for sign, member, count in zip((1, -1), members, counts, strict=True)
    ]
    weights = ops.concatenate(shares)
    found = ops.sum(weights * ops.matmul(kernel, weights), axis=0)
    both = ops.cast(ops.minimum(*counts) > 0, "float32")
    return ops.sum(found * both) / ops.maximum(ops.sum(both), 1)


def mmd_to_prior(
    latents: Any,
    seed: keras.random.SeedGenerator,
    *,
    width: Any = None,
    scales: Sequence[float] = PRIOR_SCALES,
) -> Any:
    """``squared_mmd`` of latent vectors to as many fresh samples of the normal distribution.

    This is the penalty of a Wasserstein auto-encoder (Tolstikhin et al. 2018, algorithm 2).

    Args:
        latents: (batch, dims).
        seed: ``keras.random.SeedGenerator``.
        width: Default ``dims``.
        scales: As in ``squared_mmd``.
    """
    samples = keras.random.normal(ops.shape(latents), seed=seed)
    return squared_mmd(latents, samples, width=width or latents.shape[-1], scales=scales)
