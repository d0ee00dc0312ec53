"""The networks of stock layers, none of which looks ahead, and the model in training."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from common.cli import UserError
from common.networks.adversary import adversarial_loss, build_frame_classifier
from common.networks.gaussian import Sampling, kl_divergence
from common.networks.ridge import RidgeReader
from common.training.model import TrainingModel
from latent_exploration.continuous.frames import BANDS, PAIR

KERNEL = 5
LOUDNESS_CLASSES = 16
_PACE = 8.0  # of the adversary
_LINEAR = 15.0  # strength of the ridge regression, relative to that of the classifier
_SMALLEST = -10.0  # log variance of a decoded band
_NARROW = -4.0  # log variance of an untrained latent vector; noise would drown what it says
_PAIR_AT = 2  # layer with a stride


class Architecture(NamedTuple):
    """Settings from which the networks are built.

    Attributes:
        width: Channels of a hidden layer.
        depth: Hidden layers of each network.
        latent_dim: Length of a latent vector, without the loudness.
        told: Whether the decoder is told the loudness; then the encoder hears spectra relative to
            it.
    """

    width: int = 96
    depth: int = 4
    latent_dim: int = 16
    told: bool = True

    def check(self) -> Architecture:
        """Raise ``UserError`` if the settings make no network; otherwise return them."""
        limits = {"width": (1, 1024), "depth": (_PAIR_AT, 12), "latent_dim": (1, 256)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise UserError(f"--{name} {value}: give a whole number from {low} to {high}")
        if not isinstance(self.told, bool):
            raise UserError(f"told {self.told!r}: is true or false")
        return self


def _convolution(hidden, filters, name, stride=1, dtype=None):
    # a step with a stride sees its whole pair, and nothing later
    hidden = layers.ZeroPadding1D((KERNEL - stride, 0), name=f"{name}_before")(hidden)
    return layers.Conv1D(filters, KERNEL, strides=stride, dtype=dtype, name=name)(hidden)


def _block(hidden, width, name, stride=1):
    hidden = _convolution(hidden, width, name, stride)
    hidden = layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)
    return layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(hidden)


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network (batch, frames, BANDS) -> (batch, frames / PAIR, 2 * latent_dim).

    The first half is the mean, the second the log variance above -4. A step depends on no later
    spectrum.
    """
    inputs = hidden = layers.Input((None, BANDS), name="heard")
    for number in range(1, architecture.depth + 1):
        stride = PAIR if number == _PAIR_AT else 1
        hidden = _block(hidden, architecture.width, f"encoder_{number}", stride)
    outputs = _convolution(hidden, 2 * architecture.latent_dim, "encoder_out", dtype="float32")
    return keras.Model(inputs, outputs, name="encoder")


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network (batch, steps, latent_dim + 1) -> (batch, PAIR * steps, 2 * BANDS).

    The last input is the loudness; it is missing if the decoder is not told. The first half of the
    outputs are logits of the spectra, the second half log variances. A spectrum depends on no later
    step.
    """
    inputs = hidden = layers.Input(
        (None, architecture.latent_dim + architecture.told), name="latent"
    )
    for number in range(1, architecture.depth + 1):
        if number == architecture.depth - _PAIR_AT + 1:
            hidden = layers.UpSampling1D(PAIR, name="decoder_up")(hidden)
        hidden = _block(hidden, architecture.width, f"decoder_{number}")
    outputs = _convolution(hidden, 2 * BANDS, "decoder_out", dtype="float32")
    return keras.Model(inputs, outputs, name="decoder")


class ContinuousVAE(TrainingModel):
    """Encoder, decoder and adversary, trained on batches of ``batches.Excerpts``.

    The loss is the negative Gaussian log-likelihood of a spectrum, with decoded variances, plus
    ``beta`` times the Kullback-Leibler divergence of a latent vector, plus the cross-entropy of a
    classifier of the loudness, all in nats; plus how well ridge regression reads the loudness, in
    each collection of recordings by itself. The encoder works against both with ``strength``. As
    the classes are equally frequent, they are a flattened loudness.

    Args:
        encoder, decoder: As built by this module.
        beta: Weight of the divergence.
        collections: Number of collections of recordings.

    Attributes:
        strength: Variable, 0 unless a callback changes it.
    """

    loss_names = ("loss", "likelihood", "reconstruction", "kl", "adversary", "ridge")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        beta: float = 0.1,
        collections: int = 1,
    ) -> None:
        super().__init__("continuous")
        self.encoder, self.decoder, self.beta = encoder, decoder, beta
        self.dims = encoder.output_shape[-1] // 2
        self.classifier = build_frame_classifier(self.dims, LOUDNESS_CLASSES, pace=_PACE)
        self.reader = RidgeReader(self.dims, collections)
        self.sampling = Sampling()
        self.strength = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="strength"
        )

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, Any, Any, Any]:
        """Spectra, their log variances, and mean and log variance of the latent vectors."""
        heard, loudness, *_ = (self.share_out(part) for part in inputs)
        found = self.encoder(heard, training=training)
        mean, log_variance = found[..., : self.dims], found[..., self.dims :] + _NARROW
        latent = self.sampling(mean, log_variance) if training else mean
        if self.decoder.input_shape[-1] > self.dims:
            latent = ops.concatenate([latent, loudness], axis=-1)
        made = self.decoder(latent, training=training)
        variances = ops.clip(made[..., BANDS:], _SMALLEST, 0)
        return ops.sigmoid(made[..., :BANDS]), variances, mean, log_variance

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The loss, and its parts unweighted; ``reconstruction`` is a mean squared error."""
        made, variances, mean, log_variance = y_pred
        squares = ops.square(ops.cast(y, "float32") - made)
        terms = (squares * ops.exp(-variances) + variances + math.log(2 * math.pi)) / 2
        likelihood = ops.mean(ops.sum(terms, axis=-1))
        kl = ops.mean(kl_divergence(mean, log_variance))
        adversary = adversarial_loss(self.classifier, mean, x[2], self.strength, training=training)
        ridge = self.reader(mean, x[3], x[4], training=training)
        loss = likelihood + self.beta * kl + adversary + _LINEAR * self.strength * ridge
        values = (loss, likelihood, ops.mean(squares), kl, adversary, ridge)
        return loss, dict(zip(self.loss_names, values, strict=True)), ops.shape(made)[0]
