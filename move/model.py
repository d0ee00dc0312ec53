"""Networks of MoVE (Bitton et al. 2018), and the model in training.

The networks follow the figure that accompanies the paper: two convolutions and three dense layers
to a latent vector, four dense layers and three transposed convolutions back, with a modulation of
the features by the note after each layer. Widths are not published. Kernels are multiples of their
strides, so that transposed convolutions reach every pixel equally often (Odena et al. 2016).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from common.cli import UserError
from common.networks.adversary import translation_losses
from common.networks.film import film
from common.networks.gaussian import Sampling, kl_divergence
from common.networks.mmd import mmd_to_prior, squared_mmd
from common.training.model import TrainingModel
from move.slices import COLUMNS

MODULATIONS = ("film", "concatenate", "none")
_MOMENTUM = 0.9  # of the moving means of normalisation: trainings are short
_POOLED = 4  # columns of a slice, 31 ms, whose mean is compared with true ones


class Widths(NamedTuple):
    """Sizes of the layers.

    Attributes:
        strides: (rows, columns) of the two convolutions of the encoder.
        filters: Number of filters of the same.
        units: Units of the three dense layers of the encoder.
        decoder_strides: Strides of the three transposed convolutions; their products are the same
            as those of the encoder.
        decoder_filters: Number of filters of the first two of them.
        hidden: Units of the networks that make modulations of a note.
    """

    strides: tuple
    filters: tuple
    units: tuple
    decoder_strides: tuple
    decoder_filters: tuple
    hidden: int


SIZES = {
    "small": Widths(
        ((5, 2), (5, 4)), (16, 24), (384, 192, 96), ((5, 2), (1, 2), (5, 2)), (24, 16), 64
    ),
    "published": Widths(
        ((2, 2), (2, 2)), (32, 64), (1024, 512, 256), ((2, 2), (2, 2), (1, 1)), (64, 32), 32
    ),
}


class Architecture(NamedTuple):
    """Settings from which the networks are built.

    Attributes:
        bins: Rows of a slice.
        condition: Length of the vector of a note.
        size: Name in ``SIZES``.
        modulation: How the networks are told the note: "film", "concatenate" or "none".
        latent_dim: Length of a latent vector.
    """

    bins: int
    condition: int
    size: str = "small"
    modulation: str = "film"
    latent_dim: int = 3

    def check(self) -> Architecture:
        """Raise ``UserError`` for settings that do not fit together; else return them."""
        if self.size not in SIZES or self.modulation not in MODULATIONS:
            raise UserError(f"size {self.size!r}, modulation {self.modulation!r}: not known")
        (down, _), (again, _) = SIZES[self.size].strides
        rows = down * again
        if self.bins % rows:
            raise UserError(f"{self.bins} bins: not a multiple of {rows}")
        return self

    @property
    def bottleneck(self) -> tuple[int, int, int]:
        """Shape between convolutions and dense layers."""
        (down, right), (again, further) = SIZES[self.size].strides
        filters = SIZES[self.size].filters[-1]
        return self.bins // (down * again), COLUMNS // (right * further), filters


class _Teller:
    """Adds normalisation, the note and an activation after a layer."""

    def __init__(self, architecture, condition, name):
        self._modulation, self._name, self._number = architecture.modulation, name, 0
        self._condition = condition
        if self._modulation == "film":
            units = SIZES[architecture.size].hidden
            hidden = layers.Dense(units, name=f"{name}_film_dense")(condition)
            self._hidden = layers.LeakyReLU(0.2, name=f"{name}_film_relu")(hidden)

    def begin(self, hidden):
        """Join a flat input of dense layers with the note, where it is told so."""
        if self._modulation != "concatenate":
            return hidden
        return layers.Concatenate(name=f"{self._name}_join")([hidden, self._condition])

    def __call__(self, layer, hidden):
        self._number += 1
        name = f"{self._name}_{self._number}"
        hidden = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(layer(hidden))
        if self._modulation == "film":
            hidden = film(hidden, self._hidden, f"{name}_film")
        return layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network from slices and notes to the distribution of their latent vectors.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, bins, COLUMNS, 1) in [0, 1] and (batch, condition) ->
        ``[mean, log_variance]``, (batch, latent_dim) each, in float32 whatever the dtype policy.
    """
    widths = SIZES[architecture.size]
    image = hidden = layers.Input((architecture.bins, COLUMNS, 1), name="slice")
    condition = layers.Input((architecture.condition,), name="note")
    tell = _Teller(architecture, condition, "encoder")
    for number, (filters, stride) in enumerate(
        zip(widths.filters, widths.strides, strict=True), start=1
    ):
        layer = layers.Conv2D(
            filters,
            _kernel(stride),
            strides=stride,
            padding="same",
            name=f"encoder_convolution_{number}",
        )
        hidden = tell(layer, hidden)
    hidden = tell.begin(layers.Flatten(name="encoder_flat")(hidden))
    for number, width in enumerate(widths.units, start=1):
        hidden = tell(layers.Dense(width, name=f"encoder_dense_{number}"), hidden)
    settings = {"dtype": "float32"}
    mean = layers.Dense(architecture.latent_dim, name="mean", **settings)(hidden)
    # begins with a variance of 1, because random variances explode
    log_variance = layers.Dense(
        architecture.latent_dim, kernel_initializer="zeros", name="log_variance", **settings
    )(hidden)
    return keras.Model([image, condition], [mean, log_variance], name="encoder")


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network from latent vectors and notes to slices.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, latent_dim) and (batch, condition) -> (batch, bins, COLUMNS, 1) in
        [0, 1], in float32 whatever the dtype policy.
    """
    widths = SIZES[architecture.size]
    shape = architecture.bottleneck
    latent = layers.Input((architecture.latent_dim,), name="latent")
    condition = layers.Input((architecture.condition,), name="note")
    tell = _Teller(architecture, condition, "decoder")
    hidden = tell.begin(latent)
    for number, units in enumerate((*widths.units[::-1], math.prod(shape)), start=1):
        hidden = tell(layers.Dense(units, name=f"decoder_dense_{number}"), hidden)
    hidden = layers.Reshape(shape, name="decoder_image")(hidden)
    for number, stride in enumerate(widths.decoder_strides, start=1):
        is_last = number == len(widths.decoder_strides)
        layer = layers.Conv2DTranspose(
            1 if is_last else widths.decoder_filters[number - 1],
            _kernel(stride),
            strides=stride,
            padding="same",
            dtype="float32" if is_last else None,
            name=f"decoder_convolution_{number}",
        )
        hidden = layer(hidden) if is_last else tell(layer, hidden)
    outputs = layers.Activation("sigmoid", dtype="float32", name="decoded")(hidden)
    return keras.Model([latent, condition], outputs, name="decoder")


def build_critic(architecture: Architecture, instruments: int) -> keras.Model:
    """Network that tells true slices from transferred ones, one output for each instrument.

    Args:
        architecture: ``Architecture``; the widths are those of the encoder's first layers.
        instruments: Number of outputs.

    Returns:
        Keras model: (batch, bins, COLUMNS, 1) -> (batch, instruments) logits, in float32.
    """
    widths = SIZES[architecture.size]
    image = hidden = layers.Input((architecture.bins, COLUMNS, 1), name="slice")
    for number, (filters, stride) in enumerate(
        zip(widths.filters, widths.strides, strict=True), start=1
    ):
        name = f"critic_convolution_{number}"
        hidden = layers.Conv2D(filters, _kernel(stride), strides=stride, padding="same", name=name)(
            hidden
        )
        hidden = layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)
    hidden = layers.Flatten(name="critic_flat")(hidden)
    hidden = layers.Dense(widths.units[-1], name="critic_dense")(hidden)
    hidden = layers.LeakyReLU(0.2, name="critic_dense_relu")(hidden)
    logits = layers.Dense(instruments, dtype="float32", name="critic_logits")(hidden)
    return keras.Model(image, logits, name="critic")


def _kernel(stride):
    """Twice the stride, at least 3."""
    return tuple(max(2 * step, 3) for step in stride)


class Move(TrainingModel):
    """Encoder and decoder, trained by ``fit`` on batches of ``move.batches.Transfers``.

    The loss is ``weight`` times the mean squared error of the reconstruction, plus ``beta`` times
    the distance of the latent vectors from the prior, plus ``transfer`` times the discrepancy
    between slices that were transferred to an instrument and true ones of it: of their means over
    time, and of means over 31 ms.

    Args:
        encoder, decoder: As built by this module.
        weight: Weight of the reconstruction.
        prior: "kl": Kullback-Leibler divergence in nats; "mmd": discrepancy from the prior.
        instruments: Slice of a condition vector that tells the instrument.

    Attributes:
        beta, transfer: Variables.
    """

    loss_names = ("loss", "reconstruction", "prior", "discrepancy")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        weight: float,
        prior: str,
        instruments: slice,
    ) -> None:
        super().__init__("move")
        self.encoder = encoder
        self.decoder = decoder
        self.sampling = Sampling()
        self.noise = keras.random.SeedGenerator(0)
        self.weight, self.prior, self.instruments = weight, prior, instruments
        self.beta, self.transfer = (
            self.add_weight(shape=(), initializer="ones", trainable=False, dtype="float32", name=n)
            for n in ("beta", "transfer")
        )

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, ...]:
        """Reconstruction, transferred slices, mean, log variance, sample."""
        image, told, own, target, _ = (self.share_out(part) for part in inputs)
        mean, log_variance = self.encoder([image, told], training=training)
        latent = self.sampling(mean, log_variance) if training else mean
        both = [ops.concatenate([latent, latent]), ops.concatenate([own, target])]
        decoded, transferred = ops.split(self.decoder(both, training=training), 2)
        return decoded, transferred, mean, log_variance, latent

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The loss, its parts unweighted."""
        decoded, transferred, mean, log_variance, latent = y_pred
        _, _, own, target, matched = x
        y = ops.cast(y, "float32")
        instruments = tuple(note[:, self.instruments] for note in (own, target))
        reconstruction = ops.mean(ops.square(y - decoded))
        if self.prior == "kl":
            prior = ops.mean(kl_divergence(mean, log_variance))
        else:
            prior = mmd_to_prior(self.gather(latent), self.noise)
        towards, values = self.translation(y, transferred, instruments, matched, training)
        loss = self.weight * reconstruction + self.beta * prior + towards
        values |= {"loss": loss, "reconstruction": reconstruction, "prior": prior}
        return loss, values, ops.shape(decoded)[0]

    def translation(
        self, true: Any, made: Any, domains: tuple[Any, Any], matched: Any, training: bool
    ) -> tuple[Any, dict[str, Any]]:
        """The part of the loss that brings transferred slices to true ones, and its values.

        Args:
            true, made: Slices (batch, bins, COLUMNS, 1), and the same transferred.
            domains: (batch, instruments) one-hot of ``true``, and the same of ``made``.
            matched: (batch, 1), 1 where a slice takes part.
            training: Whether this is a training step.
        """
        groups = tuple(self.gather(names * matched) for names in domains[::-1])
        made, true = self.gather(made), self.gather(true)
        discrepancy = sum(
            squared_mmd(seen(made), seen(true), groups=groups) for seen in (_over_time, _mean)
        )
        return self.transfer * discrepancy, {"discrepancy": discrepancy}


class AdversarialMove(Move):
    """``Move`` with an adversary in place of the discrepancy, as the paper begins.

    Args:
        critic: As built by ``build_critic``.
        networks, settings: Arguments of ``Move``.
    """

    loss_names = (*Move.loss_names, "critic")

    def __init__(self, critic: keras.Model, *networks: keras.Model, **settings: Any) -> None:
        super().__init__(*networks, **settings)
        self.critic = critic

    def translation(
        self, true: Any, made: Any, domains: tuple[Any, Any], matched: Any, training: bool
    ) -> tuple[Any, dict[str, Any]]:
        """As of ``Move``; the discrepancy is only told."""
        _, values = super().translation(true, made, domains, matched, training)
        judging, making = translation_losses(
            self.critic, true, made, domains, weights=matched, training=training
        )
        return judging + self.transfer * making, values | {"critic": judging}


def _over_time(slices):
    parts = ops.reshape(slices, (-1, slices.shape[1], COLUMNS // _POOLED, _POOLED))
    return ops.reshape(ops.mean(parts, axis=3), (-1, slices.shape[1] * COLUMNS // _POOLED))


def _mean(slices):
    return ops.mean(slices, axis=(2, 3))
