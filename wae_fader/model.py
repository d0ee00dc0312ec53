"""Networks of the WAE-Fader (Bitton et al. 2019), and the model in training.

The encoder knows nothing but the image. The decoder is told the note and the style: by a modulation
(FiLM) after each dense layer, and by adaptive instance normalisation after each convolution. Widths
are not published; those of "published" are the ones of the authors' earlier network without styles
(nebularnoise/serge).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from common.cli import UserError
from common.networks.adversary import adversarial_loss
from common.networks.film import adaptive_instance_normalization, film
from common.networks.mmd import mmd_to_prior
from common.training.model import TrainingModel

_MOMENTUM = 0.9  # of the moving means of normalisation: trainings are short


class Widths(NamedTuple):
    """Sizes of the layers.

    Attributes:
        filters: Number of filters of the encoder's convolutions, which halve rows and columns.
        units: Units of the dense layers of the encoder; those of the decoder are the same in
            reverse.
        base: Number of maps that the decoder's last dense layer makes.
        blocks: (filters, kernel, upsampling) of the decoder's convolutions, kernel and upsampling
            as (rows, columns); the last one makes the image.
        hidden: Units of the network that makes modulations of note and style.
    """

    filters: tuple
    units: tuple
    base: int
    blocks: tuple
    hidden: int


SIZES = {
    # whole columns of a note at once, so that each band of a pitch is found quickly
    "small": Widths(
        (16, 24, 32, 48),
        (128,),
        8,
        ((16, (3, 3), (1, 4)), (12, (3, 3), (1, 2)), (1, (5, 5), (1, 2))),
        128,
    ),
    "published": Widths(
        (16, 32, 64, 128, 256),
        (1024, 256),
        256,
        (
            (128, (5, 5), (2, 2)),
            (64, (5, 5), (2, 2)),
            (32, (7, 7), (2, 2)),
            (4, (9, 9), (2, 2)),
            (1, (7, 7), (2, 2)),
        ),
        256,
    ),
}


class Architecture(NamedTuple):
    """Settings from which the networks are built.

    Attributes:
        bins, frames: Rows and columns of an image.
        condition: Length of the vector that the decoder is told; 0 if it is told nothing.
        size: Name in ``SIZES``.
        latent_dim: Length of a latent vector.
    """

    bins: int
    frames: int
    condition: int
    size: str = "small"
    latent_dim: int = 3

    def check(self) -> Architecture:
        """Raise ``UserError`` for settings that do not fit together; else return them."""
        if self.size not in SIZES or min(self.bins, self.frames, self.latent_dim) < 1:
            raise UserError(f"size {self.size!r}, image {self.bins} x {self.frames}: not known")
        return self

    @property
    def base(self) -> tuple[int, int, int]:
        """Shape between the decoder's dense layers and its convolutions."""
        widths = SIZES[self.size]
        rows, columns = (
            math.prod(upsampling[axis] for _, _, upsampling in widths.blocks) for axis in (0, 1)
        )
        return -(-self.bins // rows), -(-self.frames // columns), widths.base


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network from images to latent vectors.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, bins, frames, 1) in [0, 1] -> (batch, latent_dim), in float32 whatever
        the dtype policy.
    """
    widths = SIZES[architecture.size]
    image = hidden = layers.Input((architecture.bins, architecture.frames, 1), name="image")

    def activated(layer, hidden):
        hidden = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{layer.name}_bn")(
            layer(hidden)
        )
        return layers.LeakyReLU(0.2, name=f"{layer.name}_relu")(hidden)

    for number, filters in enumerate(widths.filters, start=1):
        name = f"encoder_convolution_{number}"
        layer = layers.Conv2D(filters, 5, strides=2, padding="same", name=name)
        hidden = activated(layer, hidden)
    hidden = layers.Flatten(name="encoder_flat")(hidden)
    for number, units in enumerate(widths.units, start=1):
        hidden = activated(layers.Dense(units, name=f"encoder_dense_{number}"), hidden)
    latent = layers.Dense(architecture.latent_dim, dtype="float32", name="latent")(hidden)
    return keras.Model(image, latent, name="encoder")


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network from latent vectors, notes and styles to images.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, latent_dim) and, unless it is told nothing, (batch, condition) ->
        (batch, bins, frames, 1) in [0, 1], in float32 whatever the dtype policy.
    """
    widths, shape = SIZES[architecture.size], architecture.base
    latent = hidden = layers.Input((architecture.latent_dim,), name="latent")
    inputs, told = [latent], None
    if architecture.condition:
        inputs.append(layers.Input((architecture.condition,), name="condition"))
        told = inputs[1]
        for number in (1, 2):
            told = layers.Dense(widths.hidden, name=f"condition_dense_{number}")(told)
            told = layers.LeakyReLU(0.2, name=f"condition_relu_{number}")(told)
    units = (*widths.units[::-1], math.prod(shape))
    for number, width in enumerate(units, start=1):
        name = f"decoder_dense_{number}"
        hidden = layers.Dense(width, name=name)(hidden)
        if told is not None and number < len(units):
            hidden = film(hidden, told, f"{name}_film")
        hidden = layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)
    hidden = layers.Reshape(shape, name="decoder_image")(hidden)
    for number, (filters, kernel, upsampling) in enumerate(widths.blocks, start=1):
        name, is_last = f"decoder_convolution_{number}", number == len(widths.blocks)
        hidden = layers.UpSampling2D(upsampling, name=f"{name}_larger")(hidden)
        dtype = "float32" if is_last else None
        hidden = layers.Conv2D(filters, kernel, padding="same", dtype=dtype, name=name)(hidden)
        if is_last:
            break
        if told is not None:
            hidden = adaptive_instance_normalization(hidden, told, f"{name}_adain")
        hidden = layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)
    more = hidden.shape[1] - architecture.bins, hidden.shape[2] - architecture.frames
    if any(more):
        crop = tuple((0, extra) for extra in more)
        hidden = layers.Cropping2D(crop, dtype="float32", name="decoder_crop")(hidden)
    outputs = layers.Activation("sigmoid", dtype="float32", name="decoded")(hidden)
    return keras.Model(inputs, outputs, name="decoder")


class Fader(TrainingModel):
    """Encoder and decoder, trained by ``fit`` on batches of ``wae_fader.batches.Notes``.

    The loss is ``weight`` times the mean squared error of the reconstruction, plus ``prior`` times
    the discrepancy of the latent vectors from the normal distribution, plus the cross-entropy of a
    classifier of the style, which the encoder works against with the strength ``alpha``.

    Args:
        encoder, decoder: As built by this module.
        classifier: As built by ``common.networks.adversary.build_classifier``.
        weight, prior: Weights.
        published_kernel: Whether the discrepancy has the one kernel of the authors' earlier
            network, instead of several.
        pitch: Length of the first part of a condition, which tells the note; the rest is the style.

    Attributes:
        alpha: Variable; with 0 the classifier learns, and the encoder knows nothing of it.
    """

    loss_names = ("loss", "reconstruction", "prior", "classifier")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        classifier: keras.Model,
        *,
        weight: float,
        prior: float,
        published_kernel: bool,
        pitch: int,
    ) -> None:
        super().__init__("wae_fader")
        self.encoder = encoder
        self.decoder = decoder
        self.classifier = classifier
        self.noise = keras.random.SeedGenerator(0)
        self.weight, self.prior, self.pitch = weight, prior, pitch
        dims = encoder.output_shape[-1]
        # the squared distance of that kernel is divided by the dimensions twice
        self.kernel = {"width": dims**2, "scales": (1.0,)} if published_kernel else {}
        self.alpha = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="alpha"
        )

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, Any]:
        """Reconstruction and latent vectors."""
        image, condition = (self.share_out(part) for part in inputs)
        latent = self.encoder(image, training=training)
        return self.decoder(told(self.decoder, latent, condition), training=training), latent

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The loss, its parts unweighted."""
        (_, condition), (decoded, latent) = x, y_pred
        reconstruction = ops.mean(ops.square(ops.cast(y, "float32") - decoded))
        prior = mmd_to_prior(self.gather(latent), self.noise, **self.kernel)
        styles = condition[:, self.pitch :]
        classifier = adversarial_loss(self.classifier, latent, styles, self.alpha, training)
        loss = self.weight * reconstruction + self.prior * prior + classifier
        values = {
            "loss": loss,
            "reconstruction": reconstruction,
            "prior": prior,
            "classifier": classifier,
        }
        return loss, values, ops.shape(decoded)[0]


def told(decoder: keras.Model, latent: Any, condition: Any) -> list:
    """Inputs of a decoder: latent vectors, and as much of the condition as it is told."""
    if len(decoder.inputs) == 1:
        return [latent]
    return [latent, condition[:, : decoder.inputs[1].shape[-1]]]
