"""Trained auto-encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.fades import cross_fade
from common.cli import UserError
from common.trained import SQUELCH_DB, load_networks, open_run, predict_in_parts
from vae_generation.condition import Conditions
from vae_generation.spectrogram import Spectrogram
from vae_generation.store import Example

if TYPE_CHECKING:
    import keras

    from vae_generation.continuation import Continuation
    from vae_generation.player import ConditionalPlayer


PREDICTOR = "predictor"  # folder of the recurrent network inside that of its auto-encoder
_BATCH = 32


class TrainedVAE:
    """A trained encoder and decoder, a ``common.latent.LatentModel``.

    Args:
        encoder, decoder: Keras models as built by ``vae_generation.model``.
        spectrogram: ``Spectrogram`` of the images.
        conditions: ``Conditions``, or None.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors per second in ``encode``: one for each half of an image.
        sample_rate: Sample rate of the audio in Hz.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        spectrogram: Spectrogram,
        conditions: Conditions | None,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.spectrogram = spectrogram
        self.conditions = conditions
        self.dims = encoder.output_shape[0][-1]
        self.sample_rate = spectrogram.sample_rate
        self._hop = spectrogram.frames // 2  # columns
        self.rate = spectrogram.sample_rate / (self._hop * spectrogram.hop)
        for network in (encoder, decoder):
            network.compile(jit_compile=False)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encode audio (samples,) float32, padded to whole windows, as a path (windows, dims)."""
        return self.encode_images(self.windows(audio))[0]

    def decode(self, z: np.ndarray, *, seed: int = 0, exact: bool = False) -> np.ndarray:
        """Decode a path (windows, dims) to audio (samples,), with ``Spectrogram.audio``."""
        image = cross_fade(self.decode_images(z)[..., 0], self._hop)
        return self.spectrogram.audio(image, seed=seed, exact=exact)

    def player(self) -> TrainedVAE | ConditionalPlayer:
        """What plays paths: the model itself, or one that is told the same note throughout."""
        from vae_generation.player import ConditionalPlayer

        return ConditionalPlayer(self) if self.conditions else self

    def try_out(self, audio: np.ndarray) -> None:
        """Let the networks work on audio (samples,) float32, told one note if any."""
        images, told = self.windows(audio), None
        if self.conditions:
            note = (self.conditions.instruments[0], self.conditions.lowest, 64)
            told = self.condition_vectors([note] * len(images))
        self.reconstruct(images, told)

    def windows(self, audio: np.ndarray, hop: int | None = None) -> np.ndarray:
        """Cut audio into windows, and convert them to images: (windows, bins, columns, 1) float32.

        Args:
            audio: (samples,) float32 at ``sample_rate``.
            hop: Distance of windows in samples; default half an image.
        """
        hop = hop or self._hop * self.spectrogram.hop
        reach = max(audio.size - self.spectrogram.samples, 0)
        starts = range(0, -(-reach // hop) * hop + 1, hop)
        images = [self.spectrogram.image(audio[start:])[0] for start in starts]
        return np.stack(images)[..., np.newaxis]

    def condition_vectors(
        self, notes: Sequence[tuple[str, int, int] | Example]
    ) -> np.ndarray | None:
        """Encode notes as condition vectors; None for a model without conditions."""
        return self.conditions.vectors(notes) if self.conditions else None

    def encode_images(
        self, images: np.ndarray, conditions: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Encode images: mean and log variance, (images, dims) float32 each."""
        return tuple(predict_in_parts(self.encoder, self._inputs(images, conditions), _BATCH))

    def decode_images(
        self, latents: np.ndarray, conditions: np.ndarray | None = None
    ) -> np.ndarray:
        """Decode latent vectors to images: (latents, bins, columns, 1) float32 in [0, 1].

        The decoder's sigmoid never reaches the 0 of silence, so what is less than 4 dB above the
        floor is set to 0.
        """
        inputs = self._inputs(np.asarray(latents, np.float32), conditions)
        images = predict_in_parts(self.decoder, inputs, _BATCH)
        threshold = self.spectrogram.floor_db + SQUELCH_DB
        return np.where(self.spectrogram.decibels(images) < threshold, np.float32(0), images)

    def reconstruct(self, images: np.ndarray, conditions: np.ndarray | None = None) -> np.ndarray:
        """Encode and decode images."""
        return self.decode_images(self.encode_images(images, conditions)[0], conditions)

    def _inputs(self, values, conditions):
        if self.conditions and conditions is None:
            raise UserError("the model needs instrument, pitch and velocity: use --conditional")
        return values if conditions is None else [values, conditions]


def load_trained(folder: Path | str) -> TrainedVAE:
    """Open the ``TrainedVAE`` of a run folder of ``vae_generation.train``.

    Raises:
        UserError: Missing folder, run of another system, or damaged files.
    """
    return open_trained(folder, open_run(folder, "vae_generation"))


def open_trained(folder: Path | str, config: dict[str, Any]) -> TrainedVAE | Continuation:
    """Open the ``TrainedVAE`` or ``Continuation`` of a run folder.

    Args:
        folder: Path.
        config: Content of its ``config.json``.
    """
    if config["system"] == "vae_generation.continuation":
        from vae_generation.continuation import open_continuation

        return open_continuation(folder, config)
    from vae_generation.model import Architecture, build_decoder, build_encoder

    try:
        architecture = Architecture.of(config["architecture"]).check()
        spectrogram = Spectrogram(**config["spectrogram"]).check()
        given = config["conditions"]
        conditions = given and Conditions(**given | {"instruments": tuple(given["instruments"])})
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder}/config.json: damaged ({error!r})") from error
    networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
    networks = load_networks(folder, networks)
    return TrainedVAE(**networks, spectrogram=spectrogram, conditions=conditions)
