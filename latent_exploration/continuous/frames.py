"""What the networks see and make: mel spectra, and the loudness. Nothing looks ahead."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from common.audio.spectrograms import STFT, Mel, Scale

RATE = 24_000  # Hz
SIZE, HOP = 1024, 256  # samples of a window, and from one to the next
BANDS = 128
PAIR = 2  # spectra for each latent vector
CONTEXT = SIZE - HOP  # samples that the first spectrum needs before its own hop
TRANSFORM = STFT(SIZE, HOP, centred=False)
SCALE = Scale(-80.0, 0.0)
RELATIVE = Scale(-54.0, 6.0)  # of levels relative to the loudness
SOUNDING = 0.25  # loudness of what sounds: -60 dB
_FLOOR = 1e-4  # root mean square of loudness 0
FAINTEST_DB = -160.0  # lowest level that is told apart
_LARGEST_GAIN = 30.0
_SILENT_DB = 4.0  # levels less than this above the floor become silence


class Frames(NamedTuple):
    """What is known of a piece of audio.

    Attributes:
        levels: (frames, BANDS) float32, dB below full scale.
        loudness: (frames / PAIR,) float32 in [0, 1], -80 dB to full scale.
    """

    levels: np.ndarray
    loudness: np.ndarray

    @property
    def spectra(self) -> np.ndarray:
        """Levels from -80 dB to full scale: (frames, BANDS) float32 in [0, 1]."""
        return np.clip(SCALE.place(self.levels), 0, 1)

    @property
    def relative(self) -> np.ndarray:
        """Levels from 54 dB below the loudness to 6 dB above it: (frames, BANDS) float32 in [0, 1].

        They do not change with the gain of a recording.
        """
        loudness = np.repeat(SCALE.level(self.loudness), PAIR)[:, np.newaxis]
        return np.clip(RELATIVE.place(self.levels - loudness), 0, 1)

    def heard(self, relative: bool) -> np.ndarray:
        """What an encoder sees: ``relative`` spectra, or the absolute ones."""
        return self.relative if relative else self.spectra

    def amplified(self, decibels: np.ndarray) -> Frames:
        """The frames after gains in dB, (frames / PAIR,); silence stays what it is."""
        decibels = np.asarray(decibels, np.float32)
        levels = self.levels + np.repeat(decibels, PAIR)[:, np.newaxis]
        loudness = np.clip(self.loudness + decibels / SCALE.range_db, 0, 1)
        return Frames(levels, np.where(self.loudness > 0, loudness, 0))


@functools.lru_cache(maxsize=1)
def _mel():
    return Mel(RATE, SIZE, BANDS)


def analyse(audio: np.ndarray) -> Frames:
    """Levels and loudness of whole pairs of hops; the window of a spectrum ends with its hop.

    Args:
        audio: (CONTEXT + pairs * PAIR * HOP,), with the samples before the first hop.
    """
    amplitude = np.abs(TRANSFORM.forward(np.asarray(audio, np.float32))) / TRANSFORM.full_scale
    power = _mel().forward(amplitude**2)
    levels = 10 * np.log10(np.maximum(power, 10 ** (FAINTEST_DB / 10)))
    return Frames(levels.T.astype(np.float32), loudness(audio))


def loudness(audio: np.ndarray) -> np.ndarray:
    """Loudness of each pair of hops, by the logarithm of the root mean square of a window.

    Args:
        audio: As of ``analyse``.

    Returns:
        (pairs,) float32: 0 at -80 dB or less, 1 at a root mean square of 1.
    """
    windows = np.lib.stride_tricks.sliding_window_view(audio, SIZE)[HOP :: PAIR * HOP]
    level = np.sqrt(np.square(windows, dtype=float).mean(axis=1))
    return np.minimum(1 - np.log10(np.maximum(level, _FLOOR)) / np.log10(_FLOOR), 1).astype(
        np.float32
    )


def padded(audio: np.ndarray) -> np.ndarray:
    """Audio (samples,) with silence before it, and after it up to whole pairs of hops."""
    return np.pad(audio, (CONTEXT, -audio.size % (PAIR * HOP)))


def magnitudes(spectra: np.ndarray, loudness: np.ndarray | None = None) -> np.ndarray:
    """Magnitudes of TRANSFORM for spectra.

    Args:
        spectra: (frames, BANDS) in [0, 1].
        loudness: (frames / PAIR,) that the magnitudes get, by gains of at most 30 dB; default that
            of the spectra.

    Returns:
        (bins, frames) float32.
    """
    levels = SCALE.level(np.asarray(spectra, float).T)
    silent = levels < SCALE.floor_db + _SILENT_DB
    power = np.where(silent, 0, 10 ** (levels / 10))
    found = np.sqrt(_mel().smooth_inverse(power)) * TRANSFORM.full_scale
    found = np.where(silent.all(axis=0), 0, found).astype(np.float32)
    if loudness is None:
        return found
    # Parseval's theorem, for the mean square of a Hann window
    heard = np.sqrt(2 * np.square(found, dtype=float).sum(axis=0) / (0.375 * SIZE**2))
    wanted = np.repeat(_FLOOR ** (1 - np.asarray(loudness, float)), PAIR)
    gain = np.clip(wanted / np.maximum(heard, 1e-9), 1 / _LARGEST_GAIN, _LARGEST_GAIN)
    return (found * gain).astype(np.float32)
