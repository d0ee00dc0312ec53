"""Spectrograms as the random network sees them, and the way back to sound."""

import functools

import numpy as np

from common.phase import griffin_lim

SAMPLE_RATE = 22050  # Hz
FFT_SIZE = 2048  # samples
HOP = 512  # samples
BINS = FFT_SIZE // 2 + 1
MOMENTUM = 0.99  # of Griffin-Lim


def _transform(audio):
    import librosa

    return librosa.stft(audio, n_fft=FFT_SIZE, hop_length=HOP).T


def _inverse(spectra, length=None):
    import librosa

    return librosa.istft(spectra.T, n_fft=FFT_SIZE, hop_length=HOP, length=length)


def log_magnitude(audio):
    """Logarithmic magnitude and phase of an audio.

    Args:
        audio: (samples,) at SAMPLE_RATE.

    Returns:
        ``(magnitude, phase)``, (frames, BINS) float32 each: ``log(1 + |STFT|)`` as published, and
        radians. ``frames`` is ``1 + samples // HOP``.
    """
    spectra = _transform(np.asarray(audio, np.float32))
    return np.log1p(np.abs(spectra)).astype(np.float32), np.angle(spectra).astype(np.float32)


def to_audio(magnitude, phase, iterations, length):
    """Sound of a logarithmic magnitude, its phase by Griffin and Lim 1984 with momentum.

    Args:
        magnitude: (frames, BINS), as of ``log_magnitude``.
        phase: To start from, same shape, radians.
        iterations: Of Griffin-Lim.
        length: Samples to return, at most ``frames * HOP``.

    Returns:
        (length,) float32; may leave [-1, 1].
    """
    amplitude = np.expm1(np.asarray(magnitude, np.float32))
    inverse = functools.partial(_inverse, length=(len(amplitude) - 1) * HOP)
    found = griffin_lim(
        amplitude.T,
        phase.T,
        iterations=iterations,
        momentum=MOMENTUM,
        transform=(_transform, inverse),
    ).T
    return _inverse(amplitude * np.exp(1j * found), length).astype(np.float32)
