"""Networks of the auto-encoder of grains, four kinds of decoders, and the model in training."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from common.cli import UserError
from common.networks.filtered_noise import (
    cut_frames,
    draw_noise,
    filter_noise,
    overlap_add,
    scaled_sigmoid,
    synthesis_windows,
)
from common.networks.gaussian import Sampling, kl_divergence
from common.training.model import TrainingModel
from common.training.spectral_losses import multi_scale_distance

ENCODERS = ("spectrum", "convolution")
DECODERS = ("transposed", "upsampling", "filter", "filter_post")
BANDS, _SINGLE = 128, 48  # of the spectrum for the encoder; those that are single bins
TAPS = 65  # of the filter of the post-processing
KERNEL, STRIDE = 9, 4  # of convolutions
RESIDUAL = 3  # units after each convolution of the encoder, and before each one of a decoder
_LONGEST = 1024  # samples of the longest transform of the loss, if grains are not longer
# Noise has little power in a single bin; a filter has to reach the level of a sine of full scale.
GAIN = 8.0
_BIAS = -3.4  # of the filters at the start, so that the noise is not too loud
_LOG_VARIANCE = -4.0  # at the start, so that the decoder hears what the encoder says


class Widths(NamedTuple):
    """Sizes of layers.

    Attributes:
        filters: Channels of the strided convolutions of the encoder.
        units: Units of the dense layers.
        shape: Channels of the convolutional decoders, from the dense layer on.
    """

    filters: tuple[int, ...]
    units: int
    shape: tuple[int, ...]


SIZES = {
    "small": Widths((16, 32, 64), 256, (48, 32, 16)),
    "published": Widths((128, 128, 128), 512, (48, 80, 64)),
}


class Architecture(NamedTuple):
    """Settings of the networks.

    Attributes:
        grain: Samples of a grain.
        latent_dim: Dimensions of the latent space.
        decoder: One of ``DECODERS``.
        size: Key of ``SIZES``.
        encoder: One of ``ENCODERS``.
        as_published: Divide the sum of grains by their number, not by the sum of the windows, and
            limit the output of the post-processing softly.
    """

    grain: int
    latent_dim: int = 64
    decoder: str = "filter_post"
    size: str = "small"
    encoder: str = "spectrum"
    as_published: bool = False

    def check(self) -> Architecture:
        """Raise ``UserError`` if settings do not fit together; else return them."""
        for name, known in (("decoder", DECODERS), ("encoder", ENCODERS), ("size", SIZES)):
            if getattr(self, name) not in known:
                raise UserError(f"{name} {getattr(self, name)!r}: not known")
        if self.grain % STRIDE**3:
            raise UserError(f"grains of {self.grain} samples: not a multiple of {STRIDE**3}")
        return self


def _normalized(layer, hidden, name):
    """A layer, normalisation of all its outputs for each grain, and an activation."""
    hidden = layers.GroupNormalization(groups=1, name=f"{name}_norm")(layer(hidden))
    return layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)


def _residual(hidden, dilation, name):
    filters = hidden.shape[-1]
    inner = layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)
    wide = {"padding": "same", "dilation_rate": dilation}
    layer = layers.Conv1D(filters, 3, **wide, name=f"{name}_wide")
    inner = _normalized(layer, inner, f"{name}_inner")
    inner = layers.Conv1D(filters, 1, name=f"{name}_narrow")(inner)
    shortcut = layers.Conv1D(filters, 1, name=f"{name}_shortcut")(hidden)
    return layers.Add(name=f"{name}_sum")([inner, shortcut])


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network from grains to the distribution of their latent vectors.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: ``encoder_inputs`` -> ``[mean, log_variance]``, (batch, latent_dim) each.
    """
    widths = SIZES[architecture.size]
    if architecture.encoder == "spectrum":
        inputs = hidden = layers.Input((BANDS,), name="spectrum")
        for number in (1, 2):
            layer = layers.Dense(widths.units, name=f"encoder_dense_{number}")
            hidden = _normalized(layer, hidden, f"encoder_{number}")
    else:
        inputs, hidden = _convolutional(widths, architecture.grain)
    heads = gaussian_heads(hidden, architecture.latent_dim)
    return keras.Model(inputs, heads, name="encoder")


def _convolutional(widths, size):
    """Inputs and last hidden layer of an encoder of waveforms.

    Its layers normalise each grain; therefore the level of a grain is an input of its own.
    """
    grain = hidden = layers.Input((size, 1), name="grain")
    level = layers.Input((1,), name="level")
    for number, filters in enumerate(widths.filters, start=1):
        name = f"encoder_{number}"
        layer = layers.Conv1D(filters, KERNEL, STRIDE, padding="same", name=f"{name}_convolution")
        hidden = _normalized(layer, hidden, name)
        for unit in range(RESIDUAL):
            hidden = _residual(hidden, 3**unit, f"{name}_residual_{unit + 1}")
    hidden = layers.Flatten(name="encoder_flat")(hidden)
    hidden = layers.Concatenate(name="encoder_join")([hidden, level])
    hidden = _normalized(layers.Dense(widths.units, name="encoder_dense"), hidden, "encoder_last")
    return [grain, level], layers.Concatenate(name="encoder_join_again")([hidden, level])


def gaussian_heads(hidden: Any, dims: int, log_variance: float = _LOG_VARIANCE) -> list[Any]:
    """Mean and log variance of a latent vector, of which the latter begins at a value."""
    bias = keras.initializers.Constant(log_variance)
    settings = {"kernel_initializer": "zeros", "bias_initializer": bias, "dtype": "float32"}
    return [
        layers.Dense(dims, dtype="float32", name="mean")(hidden),
        layers.Dense(dims, **settings, name="log_variance")(hidden),
    ]


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network from latent vectors to grains, or to filters that make grains of noise.

    All kinds of one size have about the same number of weights. The convolutional kinds mirror the
    encoder of waveforms, residual units included (Bitton et al. 2020, section 5.1), with other
    numbers of channels.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, latent_dim) -> (batch, grain) samples in [-1, 1], or
        (batch, grain / 2 + 1) numbers of which ``scaled_sigmoid`` makes magnitudes.
    """
    widths, grain = SIZES[architecture.size], architecture.grain
    latent = hidden = layers.Input((architecture.latent_dim,), name="latent")
    if architecture.decoder.startswith("filter"):
        for number in range(1, 4):
            layer = layers.Dense(widths.units, name=f"decoder_dense_{number}")
            hidden = _normalized(layer, hidden, f"decoder_{number}")
        bias = keras.initializers.Constant(_BIAS)
        outputs = layers.Dense(
            grain // 2 + 1, bias_initializer=bias, dtype="float32", name="filter"
        )(hidden)
        return keras.Model(latent, outputs, name="decoder")
    length = grain // STRIDE**3
    hidden = _normalized(layers.Dense(widths.units, name="decoder_dense_1"), hidden, "decoder_1")
    layer = layers.Dense(length * widths.shape[0], name="decoder_dense_2")
    hidden = _normalized(layer, hidden, "decoder_2")
    hidden = layers.Reshape((length, widths.shape[0]), name="decoder_shape")(hidden)
    for number, filters in enumerate((*widths.shape[1:], 1), start=3):
        name, settings = f"decoder_{number}", {"padding": "same"}
        for unit in reversed(range(RESIDUAL)):
            hidden = _residual(hidden, 3**unit, f"{name}_residual_{unit + 1}")
        if filters == 1:
            settings |= {"activation": "tanh", "dtype": "float32"}
        if architecture.decoder == "transposed":
            layer = layers.Conv1DTranspose(
                filters, KERNEL, STRIDE, **settings, name=f"{name}_convolution"
            )
        else:
            hidden = layers.UpSampling1D(STRIDE, name=f"{name}_upsampled")(hidden)
            layer = layers.Conv1D(filters, KERNEL, **settings, name=f"{name}_convolution")
        hidden = layer(hidden) if filters == 1 else _normalized(layer, hidden, name)
    return keras.Model(latent, layers.Reshape((grain,), name="decoded")(hidden), name="decoder")


def build_post(architecture: Architecture) -> keras.Model:
    """Post-processing of audio (batch, samples, 1): one filter of 65 taps.

    The published code has five channels for it, which are copies of one signal and so one filter;
    a bias, which is heard in silence only, where its gradient is far larger than those of all other
    weights together; and a soft limit, with which a loud sound is distorted, or remains quiet.
    """
    audio = layers.Input((None, 1), name="audio")
    layer = layers.Conv1D(
        1,
        TAPS,
        padding="same",
        use_bias=architecture.as_published,
        kernel_initializer="zeros",
        dtype="float32",
        name="filter",
    )
    limit = "softsign" if architecture.as_published else "linear"
    outputs = layers.Activation(limit, dtype="float32", name="limited")(layer(audio))
    model = keras.Model(audio, outputs, name="post")
    kernel, *bias = layer.get_weights()
    kernel[TAPS // 2] = 1
    layer.set_weights([kernel, *bias])
    return model


def bands(size: int) -> np.ndarray:
    """Bands (size / 2 + 1, BANDS) float32: single bins, then wider and wider ones.

    The ear resolves low frequencies best, and there the partials of a kick fill a few bins.
    """
    bins = size // 2 + 1
    edges = np.concatenate([np.arange(_SINGLE), np.geomspace(_SINGLE, bins, BANDS - _SINGLE + 1)])
    places = np.searchsorted(np.rint(edges), np.arange(bins), side="right") - 1
    return np.eye(BANDS, dtype=np.float32)[np.minimum(places, BANDS - 1)]


def encoder_inputs(audio: Any, architecture: Architecture) -> Any:
    """Grains of audio for the encoder, windowed as those of the synthesis.

    Args:
        audio: (batch, samples), ``filtered_noise.audio_length`` of some number of grains.
        architecture: ``Architecture``.

    Returns:
        For the encoder "spectrum", the level of each band (batch * grains, BANDS), in units
        of 25 dB: 2 for a sine of full scale, -2 for 100 dB less. For "convolution", ``[grains,
        levels]``: (batch * grains, grain, 1), of equal power; their level before that
        (batch * grains, 1), in the same units.
    """
    size = architecture.grain
    grains = cut_frames(audio, size)
    grains = ops.reshape(grains * synthesis_windows(ops.shape(grains)[1], size), (-1, size))
    if architecture.encoder == "spectrum":
        real, imaginary = ops.rfft(grains)
        power = (ops.square(real) + ops.square(imaginary)) * (16 / size**2)
        return 2 + ops.log10(ops.matmul(power, bands(size)) + 1e-10) / 2.5
    power = ops.mean(ops.square(grains), axis=1, keepdims=True) + 1e-10
    return [(grains / ops.sqrt(power))[..., None], 2 + ops.log10(power) / 2.5]


class Synthesis:
    """Decoder and post-processing as one function of latent vectors and noise.

    Args:
        decoder: Of ``build_decoder``.
        post: Of ``build_post``, or None.
        architecture: ``Architecture``.
    """

    def __init__(
        self, decoder: keras.Model, post: keras.Model | None, architecture: Architecture
    ) -> None:
        self._decoder, self._post, self._architecture = decoder, post, architecture

    def __call__(
        self,
        latents: Any,
        noise: Any,
        *,
        first: bool = True,
        last: bool = True,
        training: bool | None = None,
    ) -> Any:
        """Audio (batch, samples) of latent vectors (batch, grains, latent_dim).

        Args:
            latents: Latent vectors.
            noise: (batch, samples) in [-1, 1]; not used by the convolutional decoders.
            first, last: See ``common.networks.filtered_noise.overlap_add``.
            training: As of a Keras layer.
        """
        settings = {"first": first, "last": last, "as_published": self._architecture.as_published}
        count, dims = ops.shape(latents)[1], latents.shape[-1]
        outputs = self._decoder(ops.reshape(latents, (-1, dims)), training=training)
        outputs = ops.reshape(outputs, (-1, count, outputs.shape[-1]))
        if self._architecture.decoder.startswith("filter"):
            audio = filter_noise(GAIN * scaled_sigmoid(outputs), noise, **settings)
        else:
            audio = overlap_add(outputs, **settings)
        return audio if self._post is None else self._post(audio[..., None])[..., 0]


class GrainModel(TrainingModel):
    """Auto-encoder of grains, trained by ``fit`` on sounds (batch, samples).

    The loss is the spectral distance of whole sounds, plus ``beta`` times the Kullback-Leibler
    divergence of a grain's latent vector, as mean over the grains.

    Args:
        encoder, decoder, post: As built by this module; ``post`` may be None.
        architecture: ``Architecture``.
        floor, mel_rate: See ``common.training.spectral_losses.multi_scale_distance``.

    Attributes:
        beta: Variable.
    """

    loss_names = ("loss", "reconstruction", "divergence", "weight")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        post: keras.Model | None,
        architecture: Architecture,
        *,
        floor: float,
        mel_rate: float | None,
    ) -> None:
        super().__init__("grains")
        self.encoder, self.decoder, self.post = encoder, decoder, post
        self.sampling = Sampling()
        self.noise = keras.random.SeedGenerator(0)
        self._architecture, self._loss = architecture, {"floor": floor, "mel_rate": mel_rate}
        self._synthesis = Synthesis(decoder, post, architecture)
        longest = max(architecture.grain, _LONGEST)
        self._sizes = [longest >> number for number in range(4)]
        self.beta = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="beta"
        )

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, ...]:
        """Reconstruction (batch, samples), mean and log variance (batch * grains, latent_dim)."""
        audio = self.share_out(inputs)
        given = encoder_inputs(audio, self._architecture)
        mean, log_variance = self.encoder(given, training=training)
        latent = self.sampling(mean, log_variance) if training else mean
        batch, samples = ops.shape(audio)
        noise = draw_noise(batch, samples, self.noise)
        latent = ops.reshape(latent, (batch, -1, self._architecture.latent_dim))
        return self._synthesis(latent, noise, training=training), mean, log_variance

    def parts(self, x: Any, y: Any, y_pred: Any = None) -> list[Any]:
        """Spectral distance and divergence, unweighted, as means."""
        made, mean, log_variance = self(x, training=True) if y_pred is None else y_pred
        y = ops.cast(y, "float32")
        distances = multi_scale_distance(y, made, self._sizes, **self._loss)
        return [ops.mean(distances), ops.mean(kl_divergence(mean, log_variance))]

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The loss, its parts unweighted."""
        distance, divergence = self.parts(x, y, y_pred)
        loss = distance + self.beta * divergence
        values = (loss, distance, divergence, ops.convert_to_tensor(self.beta))
        return loss, dict(zip(self.loss_names, values, strict=True)), ops.shape(y_pred[0])[0]
