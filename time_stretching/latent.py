"""The codes of time stretching as a latent space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common.audio.spectrograms import sound_of
from common.files.audio import safe_peak
from time_stretching.methods import encode_audio
from time_stretching.spectrogram import HOP, SAMPLE_RATE, TRANSFORM

if TYPE_CHECKING:
    from time_stretching.trained import Stretcher


class Codes:
    """A ``common.latent.LatentModel`` with one code per column of the spectrogram.

    Args:
        stretcher: ``time_stretching.trained.Stretcher``.

    Attributes:
        dims: Length of a code.
        rate: Codes per second.
        sample_rate: Sample rate of the audio in Hz.
    """

    def __init__(self, stretcher: Stretcher) -> None:
        self._stretcher = stretcher
        self.dims = stretcher.architecture.code
        self.rate = SAMPLE_RATE / HOP
        self.sample_rate = SAMPLE_RATE

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encode audio (samples,) float32 as a path (columns, dims)."""
        columns = TRANSFORM.columns(audio.size)
        return encode_audio(audio[np.newaxis], columns, self._stretcher).T

    def decode(self, z: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Decode a path to audio ((columns - 1) * HOP,), by Griffin-Lim from a random phase."""
        magnitude = self._stretcher.magnitude(np.asarray(z, np.float32).T)
        return safe_peak(sound_of(magnitude, TRANSFORM, np.random.default_rng(seed)))
