"""A conditional auto-encoder of notes that plays paths: it is told one note throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common.audio.fades import cross_fade
from common.networks.conditions import NoteConditions

if TYPE_CHECKING:
    from vae_generation.trained import TrainedVAE

_VELOCITY = 80


class ConditionalPlayer:
    """A conditional VAE as a ``common.latent.LatentModel``.

    Args:
        vae: ``TrainedVAE`` with conditions.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second.
        sample_rate: Hz.
        conditions: ``NoteConditions`` with the names of its instruments.
        instrument, pitch: Name and MIDI number of what it is told, when it hears and when it plays.
    """

    def __init__(self, vae: TrainedVAE) -> None:
        self._vae = vae
        self.dims, self.rate, self.sample_rate = vae.dims, vae.rate, vae.sample_rate
        self.conditions = NoteConditions(vae.conditions.instruments)
        self.instrument = vae.conditions.instruments[0]
        self.pitch = min(max(60, vae.conditions.lowest), vae.conditions.highest)

    @property
    def pitch(self) -> int:
        """The pitch; ``UserError`` if it becomes one that the model was not trained on."""
        return self._pitch

    @pitch.setter
    def pitch(self, pitch: int) -> None:
        self._vae.conditions.require(pitch, "--pitch")
        self._pitch = pitch

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Path (steps, dims) float32 of audio (samples,)."""
        images = self._vae.windows(audio)
        return self._vae.encode_images(images, self._told(len(images)))[0]

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Audio (samples,) float32 of a path (steps, dims)."""
        images = self._vae.decode_images(z, self._told(len(z)))[..., 0]
        spectrogram = self._vae.spectrogram
        return spectrogram.audio(cross_fade(images, spectrogram.frames // 2))

    def _told(self, count):
        note = self.instrument, self.pitch, _VELOCITY
        return self._vae.condition_vectors([note] * count)
