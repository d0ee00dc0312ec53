"""Pitch of each frame of an audio."""

from __future__ import annotations

import numpy as np

from vq_timbre.frames import HOP, SIZE

LOWEST, HIGHEST = 65.0, 2000.0  # Hz
_NEARLY = 0.85  # share of the highest peak
_LEAST = 0.2  # correlation of a spectrum that has a period


def track(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Track the pitch by probabilistic YIN (Mauch and Dixon 2014, librosa's pyin).

    Args:
        audio: (samples,) float32, a whole number of hops and at least a frame.
        sample_rate: Hz.

    Returns:
        (frames,) Hz, 0 where no pitch is heard.
    """
    import librosa

    hertz, voiced, _ = librosa.pyin(
        audio,
        fmin=LOWEST,
        fmax=HIGHEST,
        sr=sample_rate,
        frame_length=SIZE,
        hop_length=HOP,
        center=False,
        resolution=0.2,  # semitones
    )
    return np.where(voiced, np.nan_to_num(hertz), 0.0)


def fundamental(power: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fundamental frequency of power spectra by their autocorrelation (Boersma 1993).

    Unlike ``track``, it finds the period of a noise whose spectrum has partials.

    Args:
        power: (..., SIZE / 2 + 1), of frames under a Hann window.
        sample_rate: Hz.

    Returns:
        (...,) Hz, NaN for a spectrum without period.
    """
    lags = np.arange(int(sample_rate / HIGHEST) - 1, int(sample_rate / LOWEST) + 2)
    # the lags are so short that the ends of a windowed frame do not meet
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(SIZE + 1)[:-1], 2 * SIZE)) ** 2)
    found = np.fft.irfft(power)
    found = found[..., lags] / np.maximum(found[..., :1], 1e-20) * window[0] / window[lags]
    below, middle, above = found[..., :-2], found[..., 1:-1], found[..., 2:]
    peaks = np.where((middle > below) & (middle >= above), middle, 0.0)
    highest = peaks.max(axis=-1, keepdims=True)
    # multiples of the period are peaks as well: take the first one that is nearly as high
    place = np.argmax(peaks >= _NEARLY * highest, axis=-1)[..., np.newaxis]
    low, top, high = (np.take_along_axis(one, place, -1)[..., 0] for one in (below, middle, above))
    shift = (low - high) / (2 * np.minimum(low - 2 * top + high, -1e-20))
    period = lags[place[..., 0] + 1] + np.clip(shift, -0.5, 0.5)
    return np.where(highest[..., 0] > _LEAST, sample_rate / period, np.nan)
