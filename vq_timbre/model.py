"""Networks of VQ timbre (Bitton, Esling and Harada 2020), and the model in training.

Encoder and decoder follow an independent implementation of the paper (see README.md): strided
convolutions over one frame, dense layers and one GRU over the frames. Between the layers of the
encoder we put normalisation and activations, which that one lacks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from common.cli import UserError
from common.networks.codebook import (
    Codebook,
    commitment,
    perplexity,
    straight_through,
)
from common.networks.filtered_noise import draw_noise, smooth_filters
from common.training.model import TrainingModel
from common.training.spectral_losses import multi_scale_distance
from vq_timbre.frames import BINS, CONTEXT, HOP, INPUTS
from vq_timbre.synthesis import magnitudes, speak

_MOMENTUM = 0.95  # of the moving means of the encoder's vectors
_FIRST = 0.3  # share of the standard deviations of the spectra with which a decoder begins
_RESOLUTIONS = 1024, 256  # samples; the frames themselves have 2048
_FLOOR = 1e-5  # of a power spectrum with a mean of 1: 50 dB below it, nothing is compared


class Widths(NamedTuple):
    """Sizes of the layers.

    Attributes:
        filters: Number of filters of each convolution of the encoder.
        strides: Stride of each.
        kernel: Length of all their kernels.
        dims: Length of a code.
        units: Units of the dense layers and of the GRU of the decoder.
        dense: Number of dense layers before the GRU, and of those after it.
        padding: Of the convolutions: "same" or "valid".
    """

    filters: tuple
    strides: tuple
    kernel: int
    dims: int
    units: int
    dense: int
    padding: str = "same"


SIZES = {
    "tiny": Widths((4, 8), (8, 8), 8, 4, 16, 1),
    "small": Widths((16, 32, 48, 64, 96), (4, 4, 2, 2, 2), 7, 32, 224, 1),
    "published": Widths((32, 64, 96, 128, 192, 224, 256), (2,) * 7, 13, 128, 768, 4, "valid"),
}


class Architecture(NamedTuple):
    """Settings from which the networks are built.

    Attributes:
        size: Name in ``SIZES``.
        codes: Number of codes.
        sees: What the encoder sees of a frame, a key of ``vq_timbre.frames.INPUTS``.
    """

    size: str = "small"
    codes: int = 512
    sees: str = "spectrum"

    def check(self) -> Architecture:
        """Raise ``UserError`` for settings that do not exist; else return them."""
        whole = isinstance(self.codes, int) and not isinstance(self.codes, bool)
        if self.size not in SIZES or self.sees not in INPUTS or not whole or self.codes < 2:
            raise UserError(f"{self}: no such networks")
        if (self.size, self.sees) == ("published", "spectrum"):
            raise UserError("--size published: sees waveforms; add --sees waveform")
        return self

    @property
    def widths(self) -> Widths:
        """``Widths`` of the size."""
        return SIZES[self.size]


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network from frames to vectors of the space of the codes.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (frames, size of ``Frames.inputs``, 1) -> (frames, dims) float32, each
        element with a mean of 0 and a variance of 1 over the frames.
    """
    widths, size = architecture.widths, INPUTS[architecture.sees]
    frame = hidden = layers.Input((size, 1), name="frame")
    for number, (filters, stride) in enumerate(
        zip(widths.filters, widths.strides, strict=True), start=1
    ):
        hidden = layers.Conv1D(
            filters,
            widths.kernel,
            strides=stride,
            padding=widths.padding,
            name=f"convolution_{number}",
        )(hidden)
        hidden = layers.BatchNormalization(momentum=_MOMENTUM, name=f"normalisation_{number}")(
            hidden
        )
        hidden = layers.LeakyReLU(0.2, name=f"activation_{number}")(hidden)
    hidden = layers.Flatten(name="flat")(hidden)
    hidden = layers.Dense(widths.dims, dtype="float32", name="vector")(hidden)
    # over the frames, not over the vector: an encoder that gives all frames one vector cannot be
    hidden = layers.BatchNormalization(
        center=False, scale=False, momentum=_MOMENTUM, dtype="float32", name="normalised"
    )(hidden)
    return keras.Model(frame, hidden, name="encoder")


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network from codes to filters; it goes on from a state, so that it can work in parts.

    Args:
        architecture: ``Architecture``.

    Returns:
        Keras model: (batch, steps, dims) and (batch, units) -> ``[shares, state]``: logarithms of
        the shares of the power that the bins of a filter have, (batch, steps, BINS) float32; and
        (batch, units). The state is 0 at the beginning.
    """
    widths = architecture.widths
    codes = hidden = layers.Input((None, widths.dims), name="codes")
    state = layers.Input((widths.units,), name="state")
    hidden = _dense(hidden, widths, "before")
    recurrent = layers.GRU(widths.units, return_sequences=True, return_state=True, name="recurrent")
    heard, last = recurrent(hidden, initial_state=state)
    hidden = layers.Concatenate(name="both")([heard, hidden])  # around the GRU, which learns slowly
    hidden = _dense(hidden, widths, "after")
    shares = layers.Dense(BINS, dtype="float32", name="bins")(hidden)
    shares = layers.Activation("log_softmax", dtype="float32", name="shares")(shares)
    return keras.Model([codes, state], [shares, last], name="decoder")


def begin_with_spectra(decoder: keras.Model, power: np.ndarray) -> None:
    """Let the last layer of a decoder begin with the principal components of log spectra.

    So it begins with the mean spectrum, and each unit moves it along one component; training is
    much shorter than from random weights.

    Args:
        decoder: Of ``build_decoder``.
        power: (frames, BINS), ``Frames.power`` of frames that sound.
    """
    layer = decoder.get_layer("bins")
    logs = np.log(power + _FLOOR)
    mean = logs.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(logs - mean, rowvar=False))
    kernel = np.array(layer.get_weights()[0])
    count = min(len(kernel), len(values))
    deviations = np.sqrt(np.maximum(values[::-1][:count], 0))
    kernel[:count] = _FIRST * deviations[:, np.newaxis] * vectors.T[::-1][:count]
    layer.set_weights([kernel, mean])


def _dense(hidden, widths, name):
    for number in range(1, widths.dense + 1):
        hidden = layers.Dense(widths.units, name=f"{name}_{number}")(hidden)
        hidden = layers.LayerNormalization(name=f"{name}_{number}_normalisation")(hidden)
        hidden = layers.LeakyReLU(0.2, name=f"{name}_{number}_activation")(hidden)
    return hidden


class VQTimbre(TrainingModel):
    """Encoder, code book and decoder, trained by ``fit`` on batches of ``vq_timbre.batches``.

    The loss is the sum of three terms: ``spectrum_weight`` times the distance of the power spectrum
    that filtered noise has in the mean from that of the frame, ``audio_weight`` times the
    multi-scale spectral distance of the sound from the recording, and ``commitment_weight`` times
    the commitment to the codes.

    Args:
        encoder, decoder: As built by this module.
        codebook: Layer.
        spectrum_weight, audio_weight, commitment_weight: Weights of the loss.

    Attributes:
        quantised: Variable: 1 where the decoder is given codes, 0 where it is given the vectors of
            the encoder and the code book does not learn.
    """

    loss_names = ("loss", "spectrum", "audio", "commitment", "perplexity")

    def __init__(
        self,
        encoder: keras.Model,
        codebook: Codebook,
        decoder: keras.Model,
        *,
        spectrum_weight: float,
        audio_weight: float,
        commitment_weight: float,
    ) -> None:
        super().__init__("vq_timbre")
        self.encoder, self.decoder, self.quantiser = encoder, decoder, codebook
        self.weights_of = spectrum_weight, audio_weight, commitment_weight
        self.noise = keras.random.SeedGenerator(0)
        self.quantised = self.add_weight(
            shape=(), initializer="ones", trainable=False, dtype="float32", name="quantised"
        )

    @property
    def codebook(self) -> keras.Model:
        """Network that looks up codes."""
        return self.quantiser.table

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, ...]:
        """Sound, shares of power, vectors, codes and numbers of the codes."""
        seen, _, gains = (self.share_out(part) for part in inputs)
        batch, steps = ops.shape(seen)[:2]
        vectors = self.encoder(ops.reshape(seen, (-1, seen.shape[2], 1)), training=training)
        vectors = ops.reshape(vectors, (batch, steps, vectors.shape[-1]))
        weights = self.quantised * ops.cast(gains > 0, "float32")
        codes, numbers = self.quantiser(vectors, weights, training=bool(training))
        given = self.quantised * straight_through(vectors, codes) + (1 - self.quantised) * vectors
        state = ops.zeros((batch, self.decoder.input_shape[1][-1]))
        shares, _ = self.decoder([given, state], training=training)
        noise = draw_noise(batch, (steps + CONTEXT) * HOP, self.noise)
        return speak(shares, gains, noise), shares, vectors, codes, numbers

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The loss, its parts unweighted, and the perplexity of the codes of the batch."""
        sound, shares, vectors, codes, numbers = y_pred
        _, power, gains = x
        heard = ops.cast(gains > 0, "float32")
        spectrum = ops.sum(heard * spectral_distance(shares, power)) / (ops.sum(heard) + 1e-6)
        audio = ops.mean(multi_scale_distance(sound, y, _RESOLUTIONS))
        commit = self.quantised * commitment(vectors, codes)
        size = self.quantiser.vectors.shape[0]
        used = ops.one_hot(ops.reshape(numbers, (-1,)), size, dtype="float32")
        values = {
            "spectrum": spectrum,
            "audio": audio,
            "commitment": commit,
            "perplexity": perplexity(ops.sum(used, axis=0)),
        }
        parts = (spectrum, audio, commit)
        loss = sum(weight * part for weight, part in zip(self.weights_of, parts, strict=True))
        return loss, {"loss": loss, **values}, ops.shape(y)[0]


def expected_power(shares: Any) -> Any:
    """Power spectrum that noise has in the mean, after a filter and under a Hann window.

    Noise has independent bins; the window's transform, 1/4, 1/2, 1/4, spreads their power.

    Args:
        shares: As of ``build_decoder``.

    Returns:
        Of the same shape, with a mean of 1.
    """
    power = ops.square(smooth_filters(magnitudes(shares)))
    below = ops.concatenate([power[..., 1:2], power[..., :-1]], axis=-1)
    above = ops.concatenate([power[..., 1:], power[..., -2:-1]], axis=-1)
    power = 4 * power + below + above
    return power / ops.mean(power, axis=-1, keepdims=True)


def spectral_distance(shares: Any, power: Any) -> Any:
    """Mean absolute difference of magnitudes plus that of log powers, of each frame.

    Args:
        shares: As of ``build_decoder``.
        power: (batch, steps, BINS) with a mean of 1.

    Returns:
        (batch, steps).
    """
    expected = expected_power(shares)
    linear = ops.abs(ops.sqrt(expected + 1e-10) - ops.sqrt(power + 1e-10))
    log = ops.abs(ops.log(expected + _FLOOR) - ops.log(power + _FLOOR))
    return ops.mean(linear + log, axis=-1)
