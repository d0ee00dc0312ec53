"""DDSP: a network that plays a harmonic oscillator and filtered noise.

After Engel et al. 2020 (2001.04643): perceptrons hear pitch and loudness, a recurrent network the
timbre; after another recurrent network they set the amplitudes of partials and a filter of noise.
The synthesiser has no weights. It is part of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.music.pitch import frequency
from common.networks.filtered_noise import audio_length, draw_noise, filter_noise, scaled_sigmoid
from common.training.spectral_losses import multi_scale_distance
from trimming.generators.notes import (
    BANDS,
    FRAMES,
    HOP,
    RATE,
    SAMPLES,
    SIZE,
    Note,
    log_mels,
    stacked,
)

LATENT = 16  # numbers of a frame that tell the timbre
PARTIALS = 40
FILTER = 33  # points of the filter of the noise
SECONDS = SAMPLES / RATE
_SIZES = 1024, 256, 64  # samples of the windows of the loss
_NOISE_SEED = 7

error = None


def build(width: int) -> keras.Model:
    """Network from pitch, loudness (FRAMES, 1) and mel spectra to what ``sound_of`` plays.

    Args:
        width: Units of all layers; half of them in the one that hears the timbre.
    """
    pitch, loudness = (keras.Input((FRAMES, 1), name=name) for name in ("pitch", "loudness"))
    mels = keras.Input((FRAMES, BANDS), name="mels")
    heard = [_perceptron(one, width, one.name) for one in (pitch, loudness)]
    timbre = layers.GRU(width // 2, return_sequences=True, name="listener")(mels)
    timbre = layers.Dense(LATENT, name="latent")(timbre)
    heard.append(_perceptron(timbre, width, "timbre"))
    x = layers.Concatenate()(heard)
    x = layers.GRU(width, return_sequences=True, name="player")(x)
    x = _perceptron(layers.Concatenate()([x, *heard[:2]]), width, "last")
    outputs = layers.Dense(1 + PARTIALS + FILTER, name="controls")(x)
    return keras.Model([pitch, loudness, mels], outputs)


def _perceptron(x, width, name):
    for number in range(3):
        x = layers.Dense(width, activation="relu", name=f"{name}_{number}")(x)
    return x


def arrays(notes: Sequence[Note]) -> tuple[list[np.ndarray], np.ndarray]:
    """Notes: ``([pitch, loudness, mels], targets)``.

    The pitch is that of the note's name.

    Returns:
        (notes, FRAMES, 1) twice, (notes, FRAMES, BANDS), and (notes, SAMPLES + 1): the audio, and
        behind it the frequency in Hz.
    """
    audio, mels = stacked(notes), log_mels(stacked(notes))
    pitches = np.array([note.pitch for note in notes], np.float32)[:, np.newaxis, np.newaxis]
    loudness = mels.max(axis=-1, keepdims=True)
    target = np.concatenate([audio, frequency(pitches[..., 0])], axis=1).astype(np.float32)
    pitch = np.repeat((pitches - 60) / 24, FRAMES, axis=1)
    return [pitch, loudness, mels], target


def loss(target: Any, output: Any) -> Any:
    """Multi-scale spectral distance of the sound that is played (Engel et al. 2020, eq. 6).

    Args:
        target: As of ``arrays``.
        output: As of the network.

    Returns:
        (batch,).
    """
    audio = sound_of(output, target[:, SAMPLES:])
    return multi_scale_distance(target[:, :SAMPLES], audio, _SIZES, floor=1e-2)


def sound_of(controls: Any, hertz: Any) -> Any:
    """Play partials and noise.

    Args:
        controls: (batch, FRAMES, 1 + PARTIALS + FILTER): level, shares of the partials, and points
            of the filter of the noise, each of any number.
        hertz: (batch, 1), frequency of the first partial.

    Returns:
        (batch, SAMPLES).
    """
    controls = scaled_sigmoid(controls)
    level, shares = controls[..., :1], controls[..., 1 : 1 + PARTIALS]
    numbers = ops.arange(1, PARTIALS + 1, dtype="float32")
    heard = ops.cast(hertz * numbers < RATE / 2, "float32")[:, None]
    shares = shares * heard
    amplitudes = level * shares / (ops.sum(shares, axis=-1, keepdims=True) + 1e-7)
    return harmonics(amplitudes, hertz) + noise(controls[..., 1 + PARTIALS :])


def harmonics(amplitudes: Any, hertz: Any) -> Any:
    """Sum of sines whose amplitudes move in straight lines from frame to frame.

    Args:
        amplitudes: (batch, frames, partials).
        hertz: (batch, 1).

    Returns:
        (batch, frames * HOP).
    """
    frames, partials = amplitudes.shape[1:]
    time = ops.reshape(ops.arange(frames * HOP, dtype="float32"), (frames, 1, HOP)) / RATE
    numbers = ops.arange(1, partials + 1, dtype="float32")[:, None]
    cycles = hertz[:, :, None, None] * numbers * time
    sines = ops.sin(2 * math.pi * (cycles - ops.floor(cycles)))  # (batch, frames, partials, HOP)
    after = ops.concatenate([amplitudes[:, 1:], amplitudes[:, -1:]], axis=1)
    share = ops.arange(HOP, dtype="float32") / HOP
    found = (1 - share) * ops.matmul(amplitudes[:, :, None], sines)[:, :, 0]
    found = found + share * ops.matmul(after[:, :, None], sines)[:, :, 0]
    return ops.reshape(found, (-1, frames * HOP))


def noise(points: Any) -> Any:
    """Filter the same noise each time.

    Args:
        points: (batch, frames, FILTER), magnitudes at equal distances from 0 to half the rate.

    Returns:
        (batch, frames * HOP), a tenth of what a filter of ones would let through.
    """
    frames = points.shape[1]
    bins = SIZE // 2 + 1
    places = np.linspace(0, FILTER - 1, bins)
    spread = np.maximum(1 - np.abs(places - np.arange(FILTER)[:, np.newaxis]), 0)
    filters = ops.matmul(points, ops.convert_to_tensor(spread.astype(np.float32)))
    drawn = draw_noise(1, audio_length(frames, SIZE), _NOISE_SEED)
    audio = filter_noise(filters, ops.repeat(drawn, ops.shape(points)[0], axis=0), first=False)
    side = (SIZE - HOP) // 2
    return 0.1 * audio[:, side : side + frames * HOP]
