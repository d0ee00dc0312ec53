"""SING as an auto-encoder of waveforms: convolutions with large windows and strides.

After Defossez et al. 2018 (1810.09785), in the form that 2007.16170 trims: nine convolutions, and
the distance of logarithmic power spectra as loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.training.spectral_losses import power_spectra
from trimming.generators.notes import RATE, SAMPLES, SIZE, Note, stacked

WINDOW, STRIDE = 128, 64  # samples
LATENT = 16  # numbers of a stride
SECONDS = SAMPLES / RATE
_DYNAMIC_RANGE = 80.0  # dB
_LARGEST = (SIZE / 4) ** 2  # power of a sine of amplitude 1


def build(width: int) -> keras.Model:
    """Network from a waveform, (SAMPLES, 1), to a waveform.

    Args:
        width: Channels of all layers but the latent one.
    """
    x = waveform = keras.Input((SAMPLES, 1), name="waveform")
    settings = {"padding": "same", "activation": "relu"}
    x = layers.Conv1D(width, WINDOW, STRIDE, name="encoder_window", **settings)(x)
    for number in range(2):
        x = layers.Conv1D(width, 1, name=f"encoder_{number}", **settings)(x)
    x = layers.Conv1D(LATENT, 3, padding="same", name="latent")(x)
    x = layers.Conv1D(width, 9, name="decoder_context", **settings)(x)
    for number in range(3):
        x = layers.Conv1D(width, 1, name=f"decoder_{number}", **settings)(x)
    x = layers.Conv1DTranspose(1, WINDOW, STRIDE, padding="same", use_bias=False, name="sound")(x)
    return keras.Model(waveform, x)


def arrays(notes: Sequence[Note]) -> tuple[list[np.ndarray], np.ndarray]:
    """Notes: ``([waveforms], waveforms)``, each (notes, SAMPLES, 1)."""
    audio = stacked(notes)[..., np.newaxis]
    return [audio], audio


def loss(target: Any, output: Any) -> Any:
    """Mean squared difference of ``log(1 + power)`` (Defossez et al. 2018, eq. 3): (batch,)."""
    one, other = (ops.log1p(power_spectra(audio[..., 0], SIZE)) for audio in (target, output))
    return ops.mean(ops.square(one - other), axis=(1, 2))


def error(target: np.ndarray, output: np.ndarray) -> float:
    """Log-spectral distance in dB, as mean over frames, of levels down to -80 dB.

    Args:
        target, output: (notes, SAMPLES, 1).
    """
    floor = _LARGEST * 10 ** (-_DYNAMIC_RANGE / 10)
    one, other = (
        10 * np.log10(np.maximum(np.asarray(power_spectra(audio[..., 0], SIZE)), floor))
        for audio in (target, output)
    )
    return float(np.sqrt(np.square(one - other).mean(axis=-1)).mean())
