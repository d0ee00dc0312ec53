"""Networks and sound in blocks; what comes out does not depend on how the audio is cut.

The networks are computed by NumPy: for a few steps at a time, the calls of a framework would take
longer than what they compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common.audio.phase import RealTimeInversion
from latent_exploration.continuous import frames
from latent_exploration.continuous.frames import BANDS, CONTEXT, HOP, PAIR, TRANSFORM

if TYPE_CHECKING:
    import keras

    from latent_exploration.continuous.trained import TrainedContinuous

BLOCK = 2048  # samples that real time is measured with


class Stream:
    """A network of ``latent_exploration.continuous.model``, fed in parts of any number of steps.

    Convolutions keep the steps before, which are zero at the beginning as in the network.

    Args:
        network: Keras model.
    """

    def __init__(self, network: keras.Model) -> None:
        makers = {
            "ZeroPadding1D": _Padding,
            "Conv1D": _Convolution,
            "LeakyReLU": _LeakyReLU,
            "BatchNormalization": _Normalisation,
            "UpSampling1D": _Repetition,
        }
        self._layers = [
            makers[type(layer).__name__](layer)
            for layer in network.layers
            if type(layer).__name__ != "InputLayer"
        ]

    def push(self, values: np.ndarray) -> np.ndarray:
        """Outputs (steps, channels) float32 of further inputs (steps, channels)."""
        for layer in self._layers:
            values = layer.push(values)
        return values


class _Padding:
    """Zeros before the first step only; later the convolution after it remembers."""

    def __init__(self, layer):
        self._count = layer.padding[0]

    def push(self, values):
        values = np.pad(values, ((self._count, 0), (0, 0)))
        self._count = 0
        return values


class _Convolution:
    def __init__(self, layer):
        kernel, self._bias = (np.asarray(weights) for weights in layer.get_weights())
        self._size, channels, filters = kernel.shape
        self._kernel = kernel.reshape(-1, filters)
        self._stride = layer.strides[0]
        self._held = np.zeros((0, channels), np.float32)

    def push(self, values):
        held = np.concatenate([self._held, values])
        count = max((len(held) - self._size) // self._stride + 1, 0)
        self._held = held[count * self._stride :]
        if not count:
            return np.zeros((0, len(self._bias)), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(held, self._size, axis=0)
        windows = windows[:: self._stride][:count].swapaxes(1, 2).reshape(count, -1)
        return windows @ self._kernel + self._bias


class _LeakyReLU:
    def __init__(self, layer):
        self._slope = np.float32(layer.negative_slope)

    def push(self, values):
        return np.where(values > 0, values, self._slope * values)


class _Normalisation:
    def __init__(self, layer):
        scale, offset, mean, variance = (np.asarray(weights) for weights in layer.get_weights())
        self._factor = scale / np.sqrt(variance + np.float32(layer.epsilon))
        self._offset = offset - mean * self._factor

    def push(self, values):
        return values * self._factor + self._offset


class _Repetition:
    def __init__(self, layer):
        self._times = layer.size

    def push(self, values):
        return np.repeat(values, self._times, axis=0)


class StreamEncoder:
    """Hears audio in parts: the path of what is complete.

    Args:
        trained: ``TrainedContinuous``.
    """

    def __init__(self, trained: TrainedContinuous) -> None:
        self._encoder, self._trained = Stream(trained.encoder), trained
        self._held = np.zeros(CONTEXT, np.float32)

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Path (steps, dims) of further audio (samples,); a step for each pair of hops."""
        self._held = np.concatenate([self._held, audio]).astype(np.float32)
        pairs = (self._held.size - CONTEXT) // (PAIR * HOP)
        if not pairs:
            return np.zeros((0, self._trained.dims), np.float32)
        heard = frames.analyse(self._held[: CONTEXT + pairs * PAIR * HOP])
        self._held = self._held[pairs * PAIR * HOP :]
        found = self._encoder.push(self._trained.heard(heard))
        return self._trained.joined(found[:, : found.shape[1] // 2], heard.loudness)


class StreamDecoder:
    """Speaks a path in parts: the audio that is final.

    Args:
        trained: ``TrainedContinuous``.
    """

    def __init__(self, trained: TrainedContinuous) -> None:
        self._decoder, self._wanted = Stream(trained.decoder), trained.wanted
        self._inversion = RealTimeInversion(TRANSFORM.size, HOP)

    def spectra(self, path: np.ndarray) -> np.ndarray:
        """Spectra (PAIR * steps, BANDS) in [0, 1] of a further part of a path (steps, dims)."""
        made = self._decoder.push(np.asarray(path, np.float32))
        return 1 / (1 + np.exp(-made[:, :BANDS]))

    def push(self, path: np.ndarray) -> np.ndarray:
        """Audio (samples,) float32 of a further part of a path, as far as it is final."""
        return self._inversion.push(frames.magnitudes(self.spectra(path), self._wanted(path)))

    def finish(self) -> np.ndarray:
        """The last audio: (samples,) float32."""
        return self._inversion.finish()


def delay() -> int:
    """Samples by which a block comes out later than it went in.

    A spectrum is known a hop after its window has ended, and the phase looks some hops ahead.
    """
    return RealTimeInversion(TRANSFORM.size, HOP).delay
