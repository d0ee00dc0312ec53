"""Auto-encoder of spectra, corrector of resized codes, and the models that train them.

The published networks (NoaCahan/TimeStretching) are dense layers without bias that see one column
at a time: 1025-512-256-120 and its mirror, and 120-300-120, with tanh after each. Ours have biases
and codes of 224 numbers, use neighbouring columns by convolutions along time, and give the rate to
the corrector. Our decoder has a linear last layer, whose clipped output reaches all targets. In
our encoder and decoder, the other layers add to a linear path, which is initialised with principal
components, so that training starts from the best linear code.

All networks consist of stock layers and take any number of columns; resizing is done outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from common.training.model import TrainingModel
from time_stretching.spectrogram import BINS, PUBLISHED

if TYPE_CHECKING:
    from common.audio.spectrograms import Scale
    from common.latent import Axes


AUDIBLE_DB = -36.0  # 90 dB below a full-scale sine


class Architecture(NamedTuple):
    """Settings from which the networks are built.

    Attributes:
        units: Units of the dense layers between spectrum and code.
        code: Numbers per column.
        kernel: Columns in a convolution's kernel, odd; 1 for the published dense layers.
        corrector: Units of the corrector's hidden layers.
    """

    units: tuple[int, ...] = (160,)
    code: int = 224
    kernel: int = 5
    corrector: tuple[int, ...] = (96, 96)

    @property
    def published(self) -> bool:
        """Whether these are the published networks."""
        return self.kernel == 1

    @classmethod
    def of(cls, content: dict[str, Any]) -> Architecture:
        """Make the architecture from a dict, as returned by ``_asdict`` or read from JSON."""
        content = dict(content)
        return cls(**content | {name: tuple(content[name]) for name in ("units", "corrector")})

    @property
    def context(self) -> int:
        """Largest number of columns on each side that influence a column of a network's output."""
        return (self.kernel - 1) // 2 * (len(self.corrector) + 1)


AS_PUBLISHED = Architecture(units=(512, 256), code=120, kernel=1, corrector=(300,))


def _dense(architecture, units, name, activation="tanh"):
    """Layer that processes single columns."""
    return layers.Dense(units, activation, use_bias=not architecture.published, name=name)


def _across(architecture, units, name, activation="tanh"):
    """Layer that also sees neighbouring columns, except in the published networks."""
    if architecture.published:
        return _dense(architecture, units, name, activation)
    return layers.Conv1D(
        units, architecture.kernel, padding="same", activation=activation, name=name
    )


def build_encoder(architecture: Architecture) -> keras.Model:
    """Network from spectra to codes.

    Returns:
        Keras model: (batch, columns, BINS) in [0, 1] -> (batch, columns, code) in [-1, 1].
    """
    inputs = hidden = layers.Input((None, BINS), name="encoder_input")
    for number, units in enumerate(architecture.units, start=1):
        hidden = _dense(architecture, units, f"encoder_dense_{number}")(hidden)
    hidden = _across(architecture, architecture.code, "encoder_code", None)(hidden)
    if not architecture.published:
        direct = _dense(architecture, architecture.code, "encoder_direct", None)(inputs)
        hidden = layers.Add(name="encoder_sum")([direct, hidden])
    outputs = layers.Activation("tanh", dtype="float32", name="encoder_output")(hidden)
    return keras.Model(inputs, outputs, name="encoder")


def build_decoder(architecture: Architecture) -> keras.Model:
    """Network from codes to spectra.

    Returns:
        Keras model: (batch, columns, code) -> (batch, columns, BINS). Its output has to be clipped
        to [0, 1]; the last activation of the published decoder is tanh, that of ours is linear.
    """
    inputs = layers.Input((None, architecture.code), name="decoder_input")
    first, *others = reversed(architecture.units)
    hidden = _across(architecture, first, "decoder_code")(inputs)
    for number, units in enumerate(others, start=1):
        hidden = _dense(architecture, units, f"decoder_dense_{number}")(hidden)
    hidden = _dense(architecture, BINS, "decoder_bins", None)(hidden)
    if not architecture.published:
        direct = _dense(architecture, BINS, "decoder_direct", None)(inputs)
        hidden = layers.Add(name="decoder_sum")([direct, hidden])
    last = "tanh" if architecture.published else "linear"
    outputs = layers.Activation(last, dtype="float32", name="decoder_output")(hidden)
    return keras.Model(inputs, outputs, name="decoder")


def begin_with(encoder: keras.Model, decoder: keras.Model, components: Axes) -> None:
    """Initialise the linear paths of our encoder and decoder with principal components.

    The contribution of the other layers starts at zero.

    Args:
        encoder, decoder: As built by this module, but not the published ones.
        components: ``common.latent.Axes``, one per number of a code.
    """
    # tanh is nearly linear there
    reach = 6 * components.deviations
    directions = components.directions / reach[:, np.newaxis]
    encoder.get_layer("encoder_direct").set_weights([directions.T, -directions @ components.mean])
    decoder.get_layer("decoder_direct").set_weights(
        [components.directions * reach[:, np.newaxis], components.mean]
    )
    for layer in (encoder.get_layer("encoder_code"), decoder.get_layer("decoder_bins")):
        layer.set_weights([np.zeros_like(one) for one in layer.get_weights()])


def build_corrector(architecture: Architecture) -> keras.Model:
    """Network from resized codes to the codes of the target in ``time_stretching.pairs``.

    Ours adds a correction to the codes, multiplied by a gate that depends only on the rate. The
    gate is closed at rate 1, where resizing changes nothing. The correction starts with zeros.

    Returns:
        Keras model: (batch, columns, code) -> same shape; ours takes a second input, (batch,
        columns, 2): ``time_stretching.trained.told``.
    """
    codes = hidden = layers.Input((None, architecture.code), name="corrector_codes")
    if architecture.published:
        for number, units in enumerate((*architecture.corrector, architecture.code), start=1):
            hidden = _dense(architecture, units, f"corrector_dense_{number}")(hidden)
        return keras.Model(codes, hidden, name="corrector")
    told = layers.Input((None, 2), name="corrector_told")
    hidden = layers.Concatenate(name="corrector_join")([codes, told])
    for number, units in enumerate(architecture.corrector, start=1):
        hidden = _across(architecture, units, f"corrector_conv_{number}")(hidden)
    missing = layers.Conv1D(
        architecture.code,
        architecture.kernel,
        padding="same",
        kernel_initializer="zeros",
        name="corrector_missing",
    )(hidden)
    # selects log2 of the rate, 0 at rate 1; without biases it stays 0 in the following layers
    rate = layers.Dense(1, use_bias=False, trainable=False, name="corrector_rate")
    octaves = rate(told)
    rate.set_weights([np.array([[1.0], [0.0]], np.float32)])
    slow_fast = layers.Dense(32, "relu", use_bias=False, name="corrector_slow_fast")(octaves)
    gate = layers.Dense(architecture.code, "tanh", use_bias=False, name="corrector_gate")(slow_fast)
    missing = layers.Multiply(name="corrector_gated")([missing, gate])
    outputs = layers.Add(dtype="float32", name="corrector_output")([codes, missing])
    return keras.Model([codes, told], outputs, name="corrector")


class AutoEncoder(TrainingModel):
    """Encoder and decoder, trained by ``fit`` on batches (images, images).

    The loss is the mean squared error.

    Args:
        encoder, decoder: As built by this module.
        scale: ``Scale`` of the images.
    """

    loss_names = ("loss", "published")

    def __init__(self, encoder: keras.Model, decoder: keras.Model, scale: Scale) -> None:
        super().__init__("autoencoder")
        self.encoder = encoder
        self.decoder = decoder
        self._to_published = scale.change_to(PUBLISHED)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Encode and decode images."""
        return self.decoder(self.encoder(self.share_out(inputs)))

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """Compute ``loss``, and ``published``: mean squared error in the published scale."""
        y = ops.cast(y, "float32")
        loss = ops.mean(ops.square(y_pred - y))
        factor, offset = self._to_published
        moved = [ops.clip(image * factor + offset, 0.0, 1.0) for image in (y, y_pred)]
        published = ops.mean(ops.square(moved[0] - moved[1]))
        return loss, {"loss": loss, "published": published}, ops.shape(y)[0]


class Correction(TrainingModel):
    """The corrector, trained by ``fit`` on batches of ``time_stretching.pairs.Pairs``.

    The published loss is the mean squared error of the codes. Ours is the log-spectral distance of
    the decoded images, above the threshold of hearing: the frozen decoder shows which errors of the
    codes matter.

    Args:
        corrector: As built by this module.
        decoder: Decoder of the trained auto-encoder, for our loss; None for the published loss.
        scale: ``Scale`` of the decoder's images.
    """

    loss_names = ("loss", "codes", "distance")

    def __init__(
        self, corrector: keras.Model, decoder: keras.Model | None = None, scale: Scale | None = None
    ) -> None:
        super().__init__("correction")
        self.corrector = corrector
        self.decoder = decoder
        if decoder is not None:
            decoder.trainable = False
            self._range_db = scale.range_db
            self._audible = max((AUDIBLE_DB - scale.floor_db) / scale.range_db, 0.0)

    @property
    def metrics(self) -> list[keras.Metric]:
        """Means of ``loss``, of ``codes`` (squared error) and, for our loss, ``distance`` in dB."""
        return super().metrics[: 2 if self.decoder is None else 3]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Correct codes."""
        inputs = [self.share_out(part) for part in inputs]
        return self.corrector(inputs if len(inputs) > 1 else inputs[0])

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """Compute the loss and its parts; the weight is the number of valid columns."""
        codes, images, valid = y
        count = ops.sum(valid)

        def mean(columns):
            return ops.sum(columns * valid) / ops.maximum(count, 1.0)

        errors = ops.square(y_pred - ops.cast(codes, "float32"))
        loss = mean(ops.mean(errors, axis=-1))
        values = {"codes": loss}
        if self.decoder is not None:
            found, wanted = self.decoder(y_pred), ops.cast(images, "float32")
            # bins audible in either image, so that predictions that are too faint are trained, too
            found = ops.where(wanted > self._audible, found, ops.maximum(found, self._audible))
            difference = found - ops.maximum(wanted, self._audible)
            squares = ops.mean(ops.square(difference), axis=-1)
            # a root has no finite gradient at zero
            loss = values["distance"] = self._range_db * mean(ops.sqrt(squares + 1e-8))
        return loss, values | {"loss": loss}, count
