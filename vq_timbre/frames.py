"""Frames of an audio: their level, and their spectrum or waveform freed of level.

A frame has 2048 samples, and begins 512 after the one before (a hop). Three hops of silence are
added at both ends, so that each hop of the audio lies under four frames: frame ``t`` covers the
hops ``t - 3`` to ``t``.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

SIZE, HOP = 2048, 512
BINS = SIZE // 2 + 1
CONTEXT = SIZE // HOP - 1  # hops of silence at each end
RATES = 22050, 16000  # Hz
GATE_DB = -70.0  # root mean square below which a frame is silent, relative to full scale
INPUTS = {"spectrum": BINS, "waveform": SIZE}
_RANGE_DB = 80.0  # of the spectrum that the encoder sees


class Frames(NamedTuple):
    """Frames of an audio.

    Attributes:
        inputs: (frames, size) float32, what the encoder sees; the same at every level.
        power: (frames, BINS) float32, power spectrum with a mean of 1; 0 where a frame is digital
            silence.
        gains: (frames,) float32, root mean square under a Hann window; 0 where it is below
            ``GATE_DB``.
    """

    inputs: np.ndarray
    power: np.ndarray
    gains: np.ndarray


@functools.lru_cache
def window() -> np.ndarray:
    """Periodic Hann window (SIZE,) float32."""
    return np.hanning(SIZE + 1)[:-1].astype(np.float32)


def hops_of(samples: int) -> int:
    """Number of hops that hold some samples."""
    return -(-samples // HOP)


def padded(audio: np.ndarray) -> np.ndarray:
    """Whole hops of an audio (samples,), with ``CONTEXT`` hops of silence at both ends."""
    side = CONTEXT * HOP
    return np.pad(audio, (side, side + hops_of(audio.size) * HOP - audio.size))


def analyse(audio: np.ndarray, sees: str = "spectrum") -> Frames:
    """Cut an audio into frames, without padding.

    Args:
        audio: (..., samples) float32, a whole number of hops and at least ``SIZE``.
        sees: Key of ``INPUTS``: whether the encoder sees the spectrum, in dB below the mean power
            of the frame, or the windowed waveform with a root mean square of 1.

    Returns:
        ``Frames``, with the first axes of the audio.
    """
    import scipy.fft

    grains = np.lib.stride_tricks.sliding_window_view(audio, SIZE, axis=-1)[..., ::HOP, :]
    grains = grains * window()
    gains = np.sqrt(np.square(grains).mean(axis=-1) / np.square(window()).mean())
    level = np.maximum(gains, 1e-12)[..., np.newaxis]
    spectra = scipy.fft.rfft(grains / level, axis=-1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    power = power / np.maximum(power.mean(axis=-1, keepdims=True), 1e-12)
    if sees == "waveform":
        inputs = grains / level
    else:
        inputs = 1 + 10 * np.log10(power + 10 ** (-_RANGE_DB / 10)) / _RANGE_DB
    gains = np.where(gains < 10 ** (GATE_DB / 20), np.float32(0), gains)
    return Frames(inputs.astype(np.float32), power.astype(np.float32), gains.astype(np.float32))
