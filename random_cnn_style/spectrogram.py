"""Spectrograms as the random network sees them, and the way back to sound."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from common.audio.phase import griffin_lim

SAMPLE_RATE = 22050  # Hz
FFT_SIZE = 2048  # samples
HOP = 512  # samples
MOMENTUM = 0.99  # of Griffin-Lim
_LOWEST = 32.703  # Hz, C1: the lowest of the constant-Q bins
_OCTAVES, _PER_OCTAVE = 8, 24


class Transform(NamedTuple):
    """A way from audio to spectra and back.

    Attributes:
        bins: Number of frequencies.
        shortest: Samples that it needs.
        forward: From (samples,) at SAMPLE_RATE to (frames, bins) complex64, with
            ``1 + samples // HOP`` frames.
        inverse: From such spectra and a number of samples to audio.
    """

    bins: int
    shortest: int
    forward: Callable
    inverse: Callable


def _stft(audio):
    import librosa

    return librosa.stft(audio, n_fft=FFT_SIZE, hop_length=HOP).T


def _istft(spectra, length):
    import librosa

    return librosa.istft(spectra.T, n_fft=FFT_SIZE, hop_length=HOP, length=length)


_CONSTANT_Q = {
    "sr": SAMPLE_RATE,
    "hop_length": HOP,
    "fmin": _LOWEST,
    "bins_per_octave": _PER_OCTAVE,
}


def _cqt(audio):
    import librosa

    return librosa.cqt(audio, n_bins=_OCTAVES * _PER_OCTAVE, **_CONSTANT_Q).T


def _icqt(spectra, length):
    import librosa

    return librosa.icqt(spectra.T, length=length, **_CONSTANT_Q)


# The lowest of the constant-Q windows lasts 1.1 s; librosa makes them powers of two.
TRANSFORMS = {
    "stft": Transform(FFT_SIZE // 2 + 1, FFT_SIZE, _stft, _istft),
    "cqt": Transform(_OCTAVES * _PER_OCTAVE, 2**15, _cqt, _icqt),
}


def log_magnitude(audio, transform="stft"):
    """Logarithmic magnitude and phase of an audio.

    Args:
        audio: (samples,) at SAMPLE_RATE.
        transform: Name in TRANSFORMS: "stft", as published, or "cqt", 24 bins for each of the eight
            octaves from C1 on.

    Returns:
        ``(magnitude, phase)``, (frames, bins) float32 each: ``log(1 + |spectra|)``, and radians.
        ``frames`` is ``1 + samples // HOP``.
    """
    spectra = TRANSFORMS[transform].forward(np.asarray(audio, np.float32))
    return np.log1p(np.abs(spectra)).astype(np.float32), np.angle(spectra).astype(np.float32)


def to_audio(magnitude, phase, iterations, length, transform="stft"):
    """Sound of a logarithmic magnitude, its phase by Griffin and Lim 1984 with momentum.

    Args:
        magnitude: (frames, bins), as of ``log_magnitude``.
        phase: To start from, same shape, radians.
        iterations: Of Griffin-Lim.
        length: Samples to return, at most ``frames * HOP``.
        transform: As of ``log_magnitude``. What lies outside the octaves of "cqt" is lost.

    Returns:
        (length,) float32; may leave [-1, 1].
    """
    _, _, forward, inverse = TRANSFORMS[transform]
    amplitude = np.expm1(np.asarray(magnitude, np.float32))
    whole = functools.partial(inverse, length=(len(amplitude) - 1) * HOP)
    found = griffin_lim(
        amplitude.T,
        phase.T,
        iterations=iterations,
        momentum=MOMENTUM,
        transform=(forward, whole),
    ).T
    return inverse(amplitude * np.exp(1j * found), length).astype(np.float32)
