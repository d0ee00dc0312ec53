"""Spectrograms for the random network, and their conversion back to sound."""

import numpy as np

from common.audio.phase import griffin_lim
from common.audio.spectrograms import CQT, STFT

SAMPLE_RATE = 22050  # Hz
HOP = 512  # samples
MOMENTUM = 0.99  # momentum of Griffin-Lim
_LOWEST = 32.703  # Hz, C1: lowest constant-Q bin

TRANSFORMS = {
    "stft": STFT(4 * HOP, HOP),
    "cqt": CQT(SAMPLE_RATE, HOP, _LOWEST, bins=8 * 24, bins_per_octave=24),
}
# Shortest audio in samples: one window. The lowest constant-Q window lasts 1.1 s, and librosa
# rounds windows up to powers of two.
SHORTEST = {"stft": 4 * HOP, "cqt": 2**15}


def column_count(samples: int) -> int:
    """Number of columns for a length of audio: one for each hop that begins in it."""
    return 1 + samples // HOP


def log_magnitude(audio: np.ndarray, transform: str = "stft") -> tuple[np.ndarray, np.ndarray]:
    """Compute the logarithmic magnitude and the phase of audio.

    Args:
        audio: (samples,) at SAMPLE_RATE.
        transform: Name in TRANSFORMS: "stft", as published, or "cqt", 24 bins for each of the eight
            octaves from C1 on.

    Returns:
        ``(magnitude, phase)``, (bins, columns) float32 each: ``log(1 + |spectra|)``, and radians.
        There are ``column_count(samples)`` columns.
    """
    # double precision, because the faintest bins matter, too
    spectra = TRANSFORMS[transform].forward(np.asarray(audio, np.float64))
    spectra = spectra[:, : column_count(audio.shape[-1])].astype(np.complex64, copy=False)
    return np.log1p(np.abs(spectra)).astype(np.float32), np.angle(spectra).astype(np.float32)


def to_audio(
    magnitude: np.ndarray, phase: np.ndarray, iterations: int, length: int, transform: str = "stft"
) -> np.ndarray:
    """Convert a logarithmic magnitude to sound by Griffin-Lim with momentum.

    Args:
        magnitude: (bins, columns), as returned by ``log_magnitude``.
        phase: Start of the search, same shape, radians.
        iterations: Number of Griffin-Lim iterations.
        length: Number of samples to return, at most ``columns * HOP``.
        transform: See ``log_magnitude``. Frequencies outside the octaves of "cqt" are lost.

    Returns:
        (length,) float32; may leave [-1, 1].
    """
    transform = TRANSFORMS[transform]
    amplitude = np.expm1(np.asarray(magnitude, np.float32))
    start = amplitude * np.exp(1j * np.asarray(phase, np.float32))
    spectra = griffin_lim(amplitude, transform, start, iterations, MOMENTUM)
    return transform.inverse(spectra, length).astype(np.float32)
