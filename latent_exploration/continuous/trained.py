"""A trained continuous model at work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.latent import Control
from common.trained import load_networks, reading_config
from latent_exploration.continuous.frames import (
    BANDS,
    HOP,
    PAIR,
    RATE,
    SCALE,
    TRANSFORM,
    Frames,
    analyse,
    magnitudes,
    padded,
)

if TYPE_CHECKING:
    import keras

_LIKE = 64  # steps to a multiple of which paths are extended, so that few lengths are compiled


class TrainedContinuous:
    """Encoder and decoder at work, a ``common.latent.LatentModel``.

    The last number of a latent vector is the loudness that is wanted, from 0, -80 dB, to 1, a root
    mean square of 1; the others are free of it. A model without an adversary has no such number.

    Args:
        encoder, decoder: Keras models as ``latent_exploration.continuous.model`` builds them.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second.
        sample_rate: Hz.
        controls: The loudness, if there is one.
    """

    sample_rate, rate = RATE, RATE / (PAIR * HOP)

    def __init__(self, encoder: keras.Model, decoder: keras.Model) -> None:
        self.encoder, self.decoder = encoder, decoder
        self.dims = decoder.input_shape[-1]
        self._free = encoder.output_shape[-1] // 2
        self.controls = {}
        if self.dims > self._free:
            self.controls["loudness"] = Control(self._free, 1.0, -1 / SCALE.floor_db)
        for network in (encoder, decoder):
            network.compile(jit_compile=False)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Path (steps, dims) float32 of audio (samples,)."""
        frames = analyse(padded(audio))
        return self.joined(self.encode_frames(frames), frames.loudness)

    def joined(self, means: np.ndarray, loudness: np.ndarray) -> np.ndarray:
        """Path of mean latent vectors, with their loudness if the model has it."""
        return np.column_stack([means, loudness]) if self.controls else means

    def decode(self, z: np.ndarray, *, exact: bool = True) -> np.ndarray:
        """Audio (steps * PAIR * HOP,) float32 of a path (steps, dims).

        Args:
            z: Path.
            exact: Bring spectra to the loudness of the path, instead of leaving it to the decoder.
        """
        from common.audio.phase import RealTimeInversion

        inversion = RealTimeInversion(TRANSFORM.size, HOP)
        loudness = self.wanted(z) if exact else None
        audio = inversion.push(magnitudes(self.decode_spectra(z), loudness))
        return np.clip(np.concatenate([audio, inversion.finish()]), -1, 1)

    def wanted(self, path: np.ndarray) -> np.ndarray | None:
        """Loudness (steps,) of a path (steps, dims); None if the model has none."""
        return np.asarray(path)[:, -1] if self.controls else None

    def encode_frames(self, frames: Frames) -> np.ndarray:
        """Mean latent vectors (steps, dims), without the loudness."""
        return self._predict(self.encoder, self.heard(frames), PAIR)[:, : self._free]

    def heard(self, frames: Frames) -> np.ndarray:
        """What the encoder sees of frames: (frames, BANDS) in [0, 1]."""
        return frames.heard(relative=bool(self.controls))

    def decode_spectra(self, path: np.ndarray) -> np.ndarray:
        """Spectra (PAIR * steps, BANDS) in [0, 1] of a path (steps, dims)."""
        logits = self._predict(self.decoder, np.asarray(path, np.float32), 1)[:, :BANDS]
        return 1 / (1 + np.exp(-logits))

    def _predict(self, network, values, per):
        # what follows does not change what comes before
        steps = len(values) // per
        missing = -steps % _LIKE * per
        made = network.predict_on_batch(np.pad(values, ((0, missing), (0, 0)))[np.newaxis])[0]
        return np.asarray(made)[: len(made) * steps // (steps + missing // per)]


def open_trained(folder: Path, config: dict[str, Any]) -> TrainedContinuous:
    """Open the ``TrainedContinuous`` of a run folder.

    Raises:
        UserError: Damaged files.
    """
    from latent_exploration.continuous.model import Architecture, build_decoder, build_encoder

    with reading_config(folder):
        architecture = Architecture(**config["architecture"]).check()
    networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
    return TrainedContinuous(**load_networks(folder, networks))
