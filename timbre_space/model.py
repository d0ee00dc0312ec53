"""Dense variational auto-encoder of columns (Esling et al. 2018), and the model in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from common.cli import UserError
from common.networks.gaussian import Sampling, kl_divergence
from common.training.model import TrainingModel
from timbre_space.penalties import by_class_and_column, drawn_targets
from timbre_space.ratings import Ratings, scaled_positions

_SMALLEST_DEVIATION = 0.25  # of a class prior


class Architecture(NamedTuple):
    """Settings from which the networks are built.

    Attributes:
        bins: Length of a column.
        units: Units of the hidden layers of the encoder; the decoder mirrors them.
        latent_dim: Length of a latent vector.
    """

    bins: int
    units: tuple[int, ...] = (2000, 2000, 2000)
    latent_dim: int = 64

    def check(self) -> Architecture:
        """Raise ``UserError`` for sizes that make no network; else return them."""
        if min(self.bins, *self.units, self.latent_dim) < 1:
            raise UserError(f"{self._asdict()}: sizes must be positive")
        return self


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network from scaled columns (batch, bins) to ``[mean, log_variance]`` of latent vectors."""
    column = hidden = layers.Input((architecture.bins,), name="column")
    for number, units in enumerate(architecture.units, start=1):
        hidden = layers.Dense(units, activation="relu", name=f"encoder_dense_{number}")(hidden)
    settings = {"dtype": "float32"}
    mean = layers.Dense(architecture.latent_dim, name="mean", **settings)(hidden)
    # begins with a variance of 1, because random variances explode
    log_variance = layers.Dense(
        architecture.latent_dim, kernel_initializer="zeros", name="log_variance", **settings
    )(hidden)
    return keras.Model(column, [mean, log_variance], name="encoder")


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network from latent vectors (batch, latent_dim) to scaled columns (batch, bins)."""
    latent = hidden = layers.Input((architecture.latent_dim,), name="latent")
    for number, units in enumerate(architecture.units[::-1], start=1):
        hidden = layers.Dense(units, activation="relu", name=f"decoder_dense_{number}")(hidden)
    outputs = layers.Dense(architecture.bins, dtype="float32", name="decoded")(hidden)
    return keras.Model(latent, outputs, name="decoder")


class Space(TrainingModel):
    """Encoder and decoder, trained by ``fit`` on batches ``((columns, labels), columns)``.

    The loss is minus the log-likelihood of a column, a Gaussian around what is decoded with one
    learned deviation for all values; plus ``beta`` times the Kullback-Leibler divergence from the
    prior; plus ``strength`` times the penalty.

    Args:
        encoder, decoder: As built by this module.
        classes: Names of the instruments, in the order of the labels.
        ratings: ``Ratings`` of them, or None.
        kind: One of ``timbre_space.penalties.PENALTIES``.

    Attributes:
        beta, strength: Variables. With "prior", a strength above 0 replaces the standard normal
            prior by one Gaussian for each rated class.
    """

    loss_names = ("loss", "reconstruction", "likelihood", "kl", "penalty")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        classes: Sequence[str],
        ratings: Ratings | None = None,
        kind: str = "neighbours",
    ) -> None:
        super().__init__("timbre_space")
        self.encoder = encoder
        self.decoder = decoder
        self.sampling = Sampling()
        self.noise = keras.random.SeedGenerator(0)
        self.kind = kind
        count, dims = len(classes), decoder.input_shape[-1]
        self.log_deviation = self._number("log_deviation", (), trainable=True)
        self.beta, self.strength = self._number("beta", ()), self._number("strength", ())
        self.targets, self.deviations, self.rated = (
            self._number(name, (count, count)) for name in ("targets", "deviations", "rated")
        )
        self.centres, self.log_widths = (
            self._number(name, (count, dims)) for name in ("centres", "log_widths")
        )
        self.beta.assign(1)
        if ratings is not None:
            self.rate(ratings)

    def _number(self, name, shape, trainable=False):
        return self.add_weight(
            shape=shape, initializer="zeros", trainable=trainable, dtype="float32", name=name
        )

    def rate(self, ratings: Ratings) -> None:
        """Take other ratings, of the same instruments in the same order."""
        self.targets.assign(np.nan_to_num(ratings.mean))
        self.deviations.assign(np.nan_to_num(ratings.deviation))
        self.rated.assign(ratings.rated.astype("float32"))
        if self.kind == "prior":
            centres, widths = class_priors(ratings, self.centres.shape[-1])
            self.centres.assign(centres)
            self.log_widths.assign(np.log(widths))

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, Any, Any]:
        """Reconstruction, mean and log variance; at inference the mean is decoded."""
        column = self.share_out(inputs[0])
        mean, log_variance = self.encoder(column, training=training)
        latent = self.sampling(mean, log_variance) if training else mean
        return self.decoder(latent, training=training), mean, log_variance

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The loss, its parts unweighted; ``likelihood`` is negative, in nats per value."""
        decoded, mean, log_variance = y_pred
        labels = ops.cast(x[1], "float32")
        reconstruction = ops.mean(ops.square(ops.cast(y, "float32") - decoded))
        likelihood = (
            reconstruction * ops.exp(-2 * self.log_deviation) / 2
            + self.log_deviation
            + math.log(2 * math.pi) / 2
        )
        penalty = 0.0 * reconstruction
        if self.kind == "prior":
            # the divergence does not change when both are moved and scaled
            is_on = ops.cast(self.strength > 0, "float32")
            width = is_on * ops.matmul(labels, self.log_widths)
            mean = (mean - is_on * ops.matmul(labels, self.centres)) * ops.exp(-width)
            log_variance = log_variance - 2 * width
        else:
            targets = self.targets
            if self.kind == "gaussian":
                targets = drawn_targets(targets, self.deviations, self.noise)
            gathered = self.gather(mean), self.gather(labels)
            penalty = by_class_and_column(self.kind, *gathered, targets, self.rated)
        kl = ops.mean(kl_divergence(mean, log_variance))
        loss = y.shape[-1] * likelihood + self.beta * kl + self.strength * penalty
        values = (loss, reconstruction, likelihood, kl, penalty)
        named = dict(zip(self.loss_names, values, strict=True))
        return loss, named, ops.shape(decoded)[0]


def class_priors(ratings: Ratings, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of a Gaussian prior for each instrument: (instruments, dims) each.

    The first three means are the scaled positions of the ratings, with a variance of 1 over the
    instruments; the deviations there are the spread of the instrument's ratings, to the same scale.
    All other means are 0 and deviations 1, and so are those of instruments without ratings.
    """
    used = min(dims, 3)
    positions = scaled_positions(ratings, used)
    known = np.isfinite(positions[:, 0])
    size = positions[known].std()
    means, widths = np.zeros((len(known), dims)), np.ones((len(known), dims))
    means[known, :used] = positions[known] / size
    for place in np.flatnonzero(known):
        spread = ratings.deviation[place, ratings.rated[place]].mean()
        widths[place, :used] = max(spread / size, _SMALLEST_DEVIATION)
    return means, widths
