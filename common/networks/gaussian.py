"""Latent vectors with normal distributions (Kingma and Welling 2014)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

_WIDEST = 3.0  # largest log variance; that of the prior is 0


class Sampling(layers.Layer):
    """Layer that samples from Gaussians, given mean and log variance."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(name="sampling", dtype="float32")
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, mean: Any, log_variance: Any) -> Any:
        """Sample: (batch, latent_dim)."""
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(ops.minimum(log_variance, _WIDEST) / 2) * noise


def kl_divergence(mean: Any, log_variance: Any) -> Any:
    """Divergence of diagonal Gaussians from the standard normal (Kingma and Welling, app. B).

    Above a log variance of _WIDEST, which no useful latent number has, it continues linearly,
    because the exponential would end a training after a single step too far.

    Returns:
        (batch,), in nats.
    """
    bounded = ops.minimum(log_variance, _WIDEST)
    variance = ops.exp(bounded) * (1 + log_variance - bounded)
    terms = 1 + log_variance - ops.square(mean) - variance
    return -0.5 * ops.sum(terms, axis=-1)
