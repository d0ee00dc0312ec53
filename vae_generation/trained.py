"""A trained model: its networks, and what its images and conditions mean."""

from pathlib import Path

import numpy as np

from common.cli import UserError
from common.training.run_folder import RunFolder
from common.training.weights import load_into
from vae_generation.condition import Conditions
from vae_generation.spectrogram import Spectrogram

_BATCH = 32
_SQUELCH_DB = 4.0  # above the floor


class TrainedVAE:
    """Encoder and decoder at work.

    Args:
        encoder, decoder: Keras models as ``vae_generation.model`` builds them.
        spectrogram: ``Spectrogram`` of its images.
        conditions: ``Conditions``, or None.
    """

    def __init__(self, encoder, decoder, spectrogram, conditions):
        self.encoder = encoder
        self.decoder = decoder
        self.spectrogram = spectrogram
        self.conditions = conditions
        for network in (encoder, decoder):
            network.compile(jit_compile=False)

    @property
    def latent_dim(self):
        """Length of a latent vector."""
        return self.encoder.output_shape[0][-1]

    def condition_vectors(self, notes):
        """Condition vectors of notes; None for a model without conditions."""
        return self.conditions.vectors(notes) if self.conditions else None

    def encode(self, images, conditions=None):
        """Mean and logarithm of variance: (images, latent_dim) float32 each."""
        found = [
            self.encoder.predict_on_batch(batch) for batch in self._batches(images, conditions)
        ]
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def decode(self, latents, conditions=None):
        """Images of latent vectors: (latents, bins, frames, 1) float32 in [0, 1].

        The decoder's sigmoid never reaches the 0 of silence, and what it leaves there is heard as a
        hiss: what is less than 4 dB above the floor is set to 0.
        """
        batches = self._batches(np.asarray(latents, np.float32), conditions)
        images = np.concatenate([self.decoder.predict_on_batch(batch) for batch in batches])
        threshold = self.spectrogram.floor_db + _SQUELCH_DB
        return np.where(self.spectrogram.decibels(images) < threshold, np.float32(0), images)

    def reconstruct(self, images, conditions=None):
        """Images, encoded and decoded."""
        return self.decode(self.encode(images, conditions)[0], conditions)

    def _batches(self, values, conditions):
        if self.conditions and conditions is None:
            raise UserError("the model needs instrument, pitch and velocity: use --conditional")
        for start in range(0, len(values), _BATCH):
            part = slice(start, start + _BATCH)
            yield values[part] if conditions is None else [values[part], conditions[part]]


def load_trained(folder):
    """The model of a run folder.

    Args:
        folder: Path of a folder that ``vae_generation.train`` wrote.

    Returns:
        ``TrainedVAE``.

    Raises:
        UserError: No such folder, another system's, or damaged files.
    """
    from vae_generation.model import Architecture, build_decoder, build_encoder

    folder = Path(folder)
    config = RunFolder(folder).read_config()
    if config.get("system") != "vae_generation":
        raise UserError(f"{folder}: holds no model of vae_generation; name a folder of its train")
    try:
        architecture = Architecture.of(config["architecture"]).check()
        spectrogram = Spectrogram(**config["spectrogram"]).check()
        given = config["conditions"]
        conditions = given and Conditions(**given | {"instruments": tuple(given["instruments"])})
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / 'config.json'}: damaged ({error!r})") from error
    networks = build_encoder(architecture), build_decoder(architecture)
    for network in networks:
        path = folder / f"{network.name}.h5"
        if not path.is_file():
            raise UserError(f"{path}: no such file of weights")
        load_into(network, path)
    return TrainedVAE(*networks, spectrogram, conditions)
