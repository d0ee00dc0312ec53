"""WaveNet: the next sample from the last ones, by dilated causal convolutions.

After van den Oord et al. 2016 (1609.03499): gated units, residual and skip connections, a softmax
over samples in mu-law. Conditions are mel spectra of the note, as in the vocoders.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from trimming.generators.notes import BANDS, FRAMES, HOP, RATE, Note, log_mels, stacked

CLASSES = 64  # of mu-law
LENGTH = 8  # frames of an example
SECONDS = LENGTH * HOP / RATE
DILATIONS = (1, 3, 9, 27, 81)  # of three samples each

loss = "sparse_categorical_crossentropy"  # nats a sample
error = None


def build(width: int) -> keras.Model:
    """Network from the samples before, (LENGTH * HOP, 1), and mel spectra to probabilities.

    Args:
        width: Channels of all layers.
    """
    samples = keras.Input((LENGTH * HOP, 1), name="samples")
    mels = keras.Input((LENGTH, BANDS), name="mels")
    condition = layers.Conv1D(width, 3, padding="same", activation="relu", name="condition")(mels)
    x, skips = layers.Conv1D(width, 3, padding="causal", name="first")(samples), []
    for number, dilation in enumerate(DILATIONS):
        gated = []
        for kind, activation in (("filter", "tanh"), ("gate", "sigmoid")):
            name = f"{kind}_{number}"
            heard = layers.Conv1D(
                width, 3, padding="causal", dilation_rate=dilation, name=name
            )(x)  # fmt: skip
            told = layers.Conv1D(width, 1, use_bias=False, name=f"{name}_condition")(condition)
            both = layers.Add()([heard, layers.UpSampling1D(HOP)(told)])
            gated.append(layers.Activation(activation)(both))
        z = layers.Multiply()(gated)
        skips.append(layers.Conv1D(width, 1, name=f"skip_{number}")(z))
        if dilation != DILATIONS[-1]:
            x = layers.Add()([x, layers.Conv1D(width, 1, name=f"residual_{number}")(z)])
    x = layers.ReLU()(layers.Add()(skips))
    x = layers.Conv1D(width, 1, activation="relu", name="last")(x)
    return keras.Model(
        [samples, mels], layers.Conv1D(CLASSES, 1, activation="softmax", name="classes")(x)
    )


def arrays(notes: Sequence[Note]) -> tuple[list[np.ndarray], np.ndarray]:
    """Excerpts of notes: ``([samples, mels], classes)``.

    Returns:
        (excerpts, LENGTH * HOP, 1) samples before, (excerpts, LENGTH, BANDS), and (excerpts,
        LENGTH * HOP) int32.
    """
    audio = stacked(notes)
    classes = to_classes(audio)
    before = np.pad(from_classes(classes), ((0, 0), (1, 0)))[:, :-1]
    mels = log_mels(audio).reshape(len(audio) * FRAMES // LENGTH, LENGTH, BANDS)
    cut = (len(mels), LENGTH * HOP)
    return [before.reshape(*cut, 1), mels], classes.reshape(cut)


def to_classes(audio: np.ndarray) -> np.ndarray:
    """Classes of samples in [-1, 1] by mu-law (ITU-T G.711): int32, 0 to CLASSES - 1."""
    mu = CLASSES - 1
    compressed = np.sign(audio) * np.log1p(mu * np.abs(audio)) / np.log1p(mu)
    return np.clip((compressed + 1) / 2 * CLASSES, 0, mu).astype(np.int32)


def from_classes(classes: np.ndarray) -> np.ndarray:
    """Samples in the middle of classes, compressed as they are: float32 in (-1, 1)."""
    return ((classes + 0.5) / CLASSES * 2 - 1).astype(np.float32)
