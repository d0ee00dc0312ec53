"""A trained model: grains as points of a latent space, and the sequences of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import UserError
from common.files.audio import fit_length, safe_peak
from common.latent import read_vectors, write_vectors
from common.trained import load_networks, open_run, reading_config
from common.training.run_folder import RunFolder
from granular.sounds import Grains, Labels, Sound, SoundStore

if TYPE_CHECKING:
    import keras

    from granular.model import Architecture
    from granular.sequences import TrainedSequences

SEQUENCES = "sequences"  # folder of the networks of sequences inside that of the grains
_CONTEXT = 3  # grains on either side that sound into a part
_PART = 512  # grains that are decoded at a time
_BATCH = 256
_FEW_LATENTS = 3000


class TrainedGrains:
    """Encoder and decoder of grains at work, a ``common.latent.LatentModel``.

    Args:
        networks: Dict with the Keras models ``encoder``, ``decoder`` and, if there is one, ``post``
            of ``granular.model``.
        architecture: ``granular.model.Architecture``.
        grains: ``Grains``.
        labels: ``Labels``.
        sequences: ``granular.sequences.TrainedSequences``, or None.

    Attributes:
        dims: Length of a grain's latent vector.
        rate: Grains per second.
        sample_rate: Sample rate of the audio in Hz.
    """

    def __init__(
        self,
        networks: dict[str, keras.Model],
        architecture: Architecture,
        grains: Grains,
        labels: Labels,
        sequences: TrainedSequences | None = None,
    ) -> None:
        from granular.model import Synthesis

        self.encoder, self.decoder = networks["encoder"], networks["decoder"]
        self.post = networks.get("post")
        self.architecture, self.grains, self.labels = architecture, grains, labels
        self.sequences = sequences
        self.dims = architecture.latent_dim
        self.sample_rate = grains.sample_rate
        self.rate = grains.sample_rate / grains.hop
        self._synthesis = Synthesis(self.decoder, self.post, architecture)
        self._encode, self._compiled = None, {}

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Mean latent vectors (grains, dims) of audio (samples,) float32.

        The audio is followed by at least half a grain of silence.
        """
        hop = self.grains.hop
        count = max(-(-audio.size // hop) - 1, 1)
        audio = fit_length(np.asarray(audio, np.float32), (count + 3) * hop)
        found = []
        for start in range(0, count, _BATCH):
            stop = min(start + _BATCH, count)
            # a grain's windows are open at the ends of the audio only
            before, after = min(start, 1), min(count - stop, 1)
            part = audio[np.newaxis, (start - before) * hop : (stop + after + 3) * hop]
            mean = self._means(part)
            found.append(mean[before : len(mean) - after])
        return np.concatenate(found)

    def _means(self, audio):
        """Latent vectors (grains, dims) of (1, samples)."""
        if self._encode is None:
            from common.training.devices import compiled
            from granular.model import encoder_inputs

            self._encode = compiled(
                lambda audio: self.encoder(encoder_inputs(audio, self.architecture))[0]
            )
        return np.asarray(self._encode(audio))

    def encode_sounds(self, sounds: np.ndarray) -> np.ndarray:
        """Mean latent vectors (sounds, grains, dims) of sounds (sounds, samples)."""
        return np.stack([self._means(sound[np.newaxis]) for sound in sounds])

    def decode(self, z: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Audio (samples,) float32 of latent vectors (grains, dims), turned down if it would clip.

        Args:
            z: Latent vectors.
            seed: Of the noise; one seed always gives the same noise.
        """
        z, hop = np.asarray(z, np.float32), self.grains.hop
        samples = (len(z) + 3) * hop
        noise = np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)
        made = np.empty(samples, np.float32)
        for start in range(0, len(z), _PART):
            stop = min(start + _PART, len(z))
            first, last = max(start - 2 * _CONTEXT, 0), min(stop + 2 * _CONTEXT, len(z))
            audio = self.synthesize(
                z[first:last], noise[first * hop : (last + 3) * hop], first == 0, last == len(z)
            )
            left = start + _CONTEXT if start else 0
            right = stop + _CONTEXT
            made[left * hop : right * hop] = audio[(left - first) * hop : (right - first) * hop]
        return safe_peak(made)

    def synthesize(
        self, z: np.ndarray, noise: np.ndarray, first: bool = True, last: bool = True
    ) -> np.ndarray:
        """Audio (samples,) of latent vectors (grains, dims) and noise (samples,), compiled."""
        if (first, last) not in self._compiled:
            from common.training.devices import compiled

            def synthesize(latents, noise):
                return self._synthesis(latents, noise, first=first, last=last, training=False)

            self._compiled[first, last] = compiled(synthesize)
        return np.asarray(self._compiled[first, last](z[np.newaxis], noise[np.newaxis]))[0]

    def require_sequences(self) -> TrainedSequences:
        """Return ``sequences``; raise ``UserError`` if they have not been trained."""
        if self.sequences is None:
            raise UserError(
                "the model has no sequences; train them with python -m granular.train_sequences"
            )
        return self.sequences

    def sample(
        self,
        label: str,
        pitch: int = 60,
        count: int = 1,
        *,
        temperature: float = 1.0,
        seconds: float | None = None,
        seed: int = 0,
    ) -> list[np.ndarray]:
        """New sounds of a class: list of (samples,) float32.

        Args:
            label: Class.
            pitch: MIDI number, for a model of notes.
            count: Number of sounds.
            temperature: Factor on the deviation of the latent vectors of the class.
            seconds: Length; default that of the training.
            seed: Of latent vectors and noise.
        """
        sequences = self.require_sequences()
        rng = np.random.default_rng(seed)
        told = self.labels.vectors(label, [pitch] * count)
        z = sequences.draw(told, temperature, rng)
        steps = None if seconds is None else max(round(seconds * self.rate) - 3, 1)
        paths = sequences.decode(z, told, steps)
        return [self.decode(path, seed=int(rng.integers(2**31))) for path in paths]


def write_latents(
    folder: Path, trained: TrainedGrains, store: SoundStore, indices: Sequence[int]
) -> None:
    """Write latent vectors of some grains of sounds, at most 3000, into a run folder."""
    chosen = indices[:: -(-len(indices) // 300)]
    paths = trained.encode_sounds(store.audio(chosen))
    rows = [store.rows[index] for index in chosen for _ in range(paths.shape[1])]
    vectors = paths.reshape(-1, trained.dims)
    step = -(-len(vectors) // _FEW_LATENTS)
    write_vectors(folder, rows[::step], vectors[::step])


def read_latents(folder: Path) -> tuple[list[Sound], np.ndarray]:
    """Read what ``write_latents`` wrote into a run folder: ``(rows, vectors)``."""
    return read_vectors(folder, Sound, "granular.train_grains")


def load_trained(folder: Path) -> TrainedGrains:
    """The ``TrainedGrains`` of a run folder of ``granular.train_grains``, with its sequences.

    Raises:
        UserError: No such folder, another system's, or damaged files.
    """
    return open_trained(folder, open_run(folder, "granular"))


def open_trained(folder: Path, config: dict[str, Any]) -> TrainedGrains | TrainedSequences:
    """As ``load_trained``, given the content of ``config.json``; or the sequences alone."""
    folder = Path(folder)
    if config["system"] == "granular.sequences":
        from granular.sequences import open_sequences

        return open_sequences(folder, config)
    from granular.model import Architecture, build_decoder, build_encoder, build_post

    with reading_config(folder):
        architecture = Architecture(**config["architecture"]).check()
        grains = Grains(**config["grains"]).check()
        labels = Labels(tuple(config["labels"]["classes"]), bool(config["labels"]["pitched"]))
        if not labels.classes or grains.size != architecture.grain:
            raise TypeError("its classes or its grains do not fit its networks")
    networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
    if architecture.decoder == "filter_post":
        networks["post"] = build_post(architecture)
    networks = load_networks(folder, networks)
    sequences = None
    if (folder / SEQUENCES / "sequence_decoder.h5").is_file():
        from granular.sequences import open_sequences

        sequences = open_sequences(folder / SEQUENCES, RunFolder(folder / SEQUENCES).read_config())
    return TrainedGrains(networks, architecture, grains, labels, sequences)
