"""Convolutional variational auto-encoder (Kingma and Welling 2014) over spectrogram images.

Layers are named as in musikalkemist/generating-sound-with-neural-networks, so that its weights can
be loaded. Encoder and decoder consist of stock layers; random sampling is done outside.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import layers, ops

from common.cli import UserError
from common.networks.gaussian import Sampling, kl_divergence
from common.networks.mmd import PRIOR_SCALES, mmd_to_prior
from common.training.model import TrainingModel

RECONSTRUCTION_WEIGHT = 1_000_000


class Architecture(NamedTuple):
    """Settings from which the networks are built.

    Attributes:
        bins, frames: Numbers of rows and columns of an image.
        filters, kernels: Number of filters and kernel size of each convolution of the encoder.
        strides: Strides (bins, columns) of each convolution.
        latent_dim: Length of a latent vector.
        condition: Length of the condition vector; 0 for none.
    """

    bins: int = 256
    frames: int = 64
    filters: tuple[int, ...] = (512, 256, 128, 64, 32)
    kernels: tuple[int, ...] = (3, 3, 3, 3, 3)
    strides: tuple[tuple[int, int], ...] = ((2, 2), (2, 2), (2, 2), (2, 2), (2, 1))
    latent_dim: int = 128
    condition: int = 0

    @classmethod
    def of(cls, content: dict[str, Any]) -> Architecture:
        """Make the architecture from a dict, as returned by ``_asdict`` or read from JSON."""
        content = dict(content)
        content["strides"] = tuple(tuple(stride) for stride in content["strides"])
        for name in ("filters", "kernels"):
            content[name] = tuple(content[name])
        return cls(**content)

    def check(self) -> Architecture:
        """Raise ``UserError`` if the settings do not fit together; otherwise return them."""
        if not len(self.filters) == len(self.kernels) == len(self.strides):
            raise UserError(
                f"--filters: {len(self.filters)} layers, but {len(self.kernels)} --kernels and "
                f"{len(self.strides)} --strides; give as many of each"
            )
        for axis, (name, size) in enumerate((("rows", self.bins), ("columns", self.frames))):
            factor = 1
            for stride in self.strides:
                factor *= stride[axis]
            if size % factor:
                raise UserError(
                    f"--strides: they divide the {name} by {factor}, but images have {size}; "
                    "change them, or --bins and --duration of the features"
                )
        return self

    @property
    def bottleneck(self) -> tuple[int, int, int]:
        """Shape after the last convolution."""
        bins, columns = self.bins, self.frames
        for down, right in self.strides:
            bins, columns = bins // down, columns // right
        return bins, columns, self.filters[-1]


def _block(number, name, convolution):
    yield convolution
    yield layers.ReLU(name=f"{name}_relu_{number}")
    yield layers.BatchNormalization(name=f"{name}_bn_{number}")


def _convolutional_encoder(architecture):
    """Return the inputs and the flattened features."""
    inputs = layers.Input((architecture.bins, architecture.frames, 1), name="encoder_input")
    hidden = inputs
    shapes = zip(architecture.filters, architecture.kernels, architecture.strides, strict=True)
    for number, (filters, kernel, stride) in enumerate(shapes, start=1):
        name = f"encoder_conv_layer_{number}"
        convolution = layers.Conv2D(filters, kernel, strides=stride, padding="same", name=name)
        for layer in _block(number, "encoder", convolution):
            hidden = layer(hidden)
    hidden = layers.Flatten(name="encoder_flatten")(hidden)
    if not architecture.condition:
        return inputs, hidden
    condition = layers.Input((architecture.condition,), name="encoder_condition")
    hidden = layers.Concatenate(name="encoder_join")([hidden, condition])
    return [inputs, condition], hidden


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network from images to the distribution of their latent vectors.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, bins, columns, 1), with a condition also (batch, condition), ->
        ``[mu, log_variance]``, (batch, latent_dim) each, in float32 whatever the dtype policy.
    """
    inputs, hidden = _convolutional_encoder(architecture)
    mean = layers.Dense(architecture.latent_dim, dtype="float32", name="mu")(hidden)
    # the initial variance is 1, because random variances would explode
    log_variance = layers.Dense(
        architecture.latent_dim, kernel_initializer="zeros", dtype="float32", name="log_variance"
    )(hidden)
    return keras.Model(inputs, [mean, log_variance], name="encoder")


def build_plain_encoder(architecture: Architecture) -> keras.Model:
    """Like ``build_encoder``, for a plain auto-encoder: -> (batch, latent_dim)."""
    inputs, hidden = _convolutional_encoder(architecture)
    output = layers.Dense(architecture.latent_dim, dtype="float32", name="encoder_output")(hidden)
    return keras.Model(inputs, output, name="encoder")


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network from latent vectors to images, the mirror of the encoder.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, latent_dim), with a condition also (batch, condition), ->
        (batch, bins, columns, 1) in [0, 1], in float32 whatever the dtype policy.
    """
    shape = architecture.bottleneck
    inputs = layers.Input((architecture.latent_dim,), name="decoder_input")
    hidden, given = inputs, inputs
    if architecture.condition:
        condition = layers.Input((architecture.condition,), name="decoder_condition")
        hidden = layers.Concatenate(name="decoder_join")([inputs, condition])
        given = [inputs, condition]
    hidden = layers.Dense(shape[0] * shape[1] * shape[2], name="decoder_dense")(hidden)
    hidden = layers.Reshape(shape, name="decoder_reshape")(hidden)
    steps = list(zip(architecture.filters, architecture.kernels, architecture.strides, strict=True))
    for number, (filters, kernel, stride) in enumerate(steps[:0:-1], start=1):
        name = f"decoder_conv_transpose_layer_{number}"
        convolution = layers.Conv2DTranspose(
            filters, kernel, strides=stride, padding="same", name=name
        )
        for layer in _block(number, "decoder", convolution):
            hidden = layer(hidden)
    _, kernel, stride = steps[0]
    outputs = layers.Conv2DTranspose(
        1,
        kernel,
        strides=stride,
        padding="same",
        dtype="float32",
        name=f"decoder_conv_transpose_layer_{len(steps)}",
    )(hidden)
    outputs = layers.Activation("sigmoid", dtype="float32", name="sigmoid_layer")(outputs)
    return keras.Model(given, outputs, name="decoder")


class VAE(TrainingModel):
    """Encoder and decoder, trained by ``fit`` on batches ``(inputs, images)``.

    The loss of an image is ``weight`` times its mean squared error plus ``beta`` times the
    Kullback-Leibler divergence of its latent distribution from the standard normal one, in nats,
    plus ``attraction`` times the maximum mean discrepancy, from 0 to 2, between the means of the
    batch and the standard normal distribution. (Samples are also normal where all means are 0.)

    Args:
        encoder, decoder: As built by this module.
        weight: Weight of the reconstruction.

    Attributes:
        beta, attraction: Variables, 1 and 0 unless a callback changes them.
    """

    loss_names = ("loss", "reconstruction", "kl", "mmd")

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, weight: float = RECONSTRUCTION_WEIGHT
    ) -> None:
        super().__init__("vae")
        self.encoder = encoder
        self.decoder = decoder
        self.sampling = Sampling()
        self.noise = keras.random.SeedGenerator(0)
        self.weight = weight
        self.beta, self.attraction = (
            self.add_weight(
                shape=(), initializer=initial, trainable=False, dtype="float32", name=name
            )
            for name, initial in (("beta", "ones"), ("attraction", "zeros"))
        )

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, Any, Any]:
        """Return reconstruction, mean and log variance; at inference the mean is decoded."""
        inputs = [self.share_out(part) for part in inputs]
        conditions = inputs[1:]
        mean, log_variance = self.encoder(inputs if conditions else inputs[0], training=training)
        latent = self.sampling(mean, log_variance) if training else mean
        given = [latent, *conditions] if conditions else latent
        return self.decoder(given, training=training), mean, log_variance

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """``loss``, ``reconstruction`` (mean squared error), ``kl`` in nats, and ``mmd``."""
        decoded, mean, log_variance = y_pred
        reconstruction = ops.mean(ops.square(ops.cast(y, "float32") - decoded))
        kl = ops.mean(kl_divergence(mean, log_variance))
        mmd = mmd_to_prior(self.gather(mean), self.noise) / len(PRIOR_SCALES)
        loss = self.weight * reconstruction + self.beta * kl + self.attraction * mmd
        values = {"loss": loss, "reconstruction": reconstruction, "kl": kl, "mmd": mmd}
        return loss, values, ops.shape(decoded)[0]


def build_predictor(latent_dim: int, units: int = 128) -> keras.Model:
    """Build the recurrent network that continues a sequence of latent vectors.

    Returns:
        Keras model: (batch, steps, latent_dim) -> (batch, steps, 2 * latent_dim): mean and
        logarithm of variance of the vector that follows each step.
    """
    inputs = layers.Input((None, latent_dim), name="predictor_input")
    hidden = layers.GRU(units, return_sequences=True, name="predictor_gru")(inputs)
    outputs = layers.Dense(2 * latent_dim, dtype="float32", name="predictor_output")(hidden)
    return keras.Model(inputs, outputs, name="predictor")
