"""A trained model: its networks, and what its images, notes and styles mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import UserError
from common.files.audio import fit_length, safe_peak
from common.latent import LARGEST, read_vectors, write_vectors
from common.networks.conditions import NoteConditions
from common.trained import SQUELCH_DB, load_networks, open_run, predict_in_parts, reading_config
from wae_fader.images import ITERATIONS, RANGE_DB, NoteImages
from wae_fader.store import Note, NoteStore

if TYPE_CHECKING:
    import keras

    from wae_fader.mcnn import Renderer

_BATCH = 64


class TrainedFader:
    """Encoder and decoder at work, a ``common.latent.LatentModel``.

    A latent vector is a whole note. A style is a name, or a dict from names to weights, which need
    not sum to 1.

    Args:
        encoder, decoder: Keras models as ``wae_fader.model`` builds them.
        images: ``wae_fader.images.NoteImages``.
        conditions: ``common.networks.conditions.NoteConditions``, whose instruments are the styles.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second, one for each note.
        sample_rate: Sample rate of the audio in Hz.
        note_seconds: Length of a note.
        style: Style that ``decode`` plays unless told another.
        pitch: MIDI number that ``decode`` plays unless told others.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        images: NoteImages,
        conditions: NoteConditions,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.images = images
        self.conditions = conditions
        self.dims = encoder.output_shape[-1]
        self.sample_rate = images.sample_rate
        self.rate = images.sample_rate / images.samples
        self.note_seconds = images.seconds
        self.style, self.pitch = conditions.instruments[0], 60
        for network in (encoder, decoder):
            network.compile(jit_compile=False)

    @property
    def told(self) -> int:
        """How many numbers of a condition the decoder is told; 0 if none."""
        return self.decoder.inputs[1].shape[-1] if len(self.decoder.inputs) > 1 else 0

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Latent vectors (notes, dims) of an audio (samples,) that is cut into notes of a length.

        Args:
            audio: float32 at ``sample_rate``.
        """
        number = max(-(-audio.size // self.images.samples), 1)
        notes = fit_length(audio, number * self.images.samples).reshape(number, -1)
        return self.encode_images(np.stack([self.images.image(note)[0] for note in notes]))

    def decode(
        self,
        z: np.ndarray,
        pitches: Sequence[int] | np.ndarray | None = None,
        style: str | Mapping[str, float] | None = None,
        *,
        iterations: int = ITERATIONS,
    ) -> np.ndarray:
        """Audio (samples,) of notes one after the other, its loudest value near full scale.

        Args:
            z: Latent vectors (notes, dims).
            pitches: MIDI number of each; default ``pitch``.
            style: Default ``style``.
            iterations: Number of Griffin-Lim iterations.
        """
        pitches = np.full(len(z), self.pitch) if pitches is None else pitches
        images = self.decode_images(z, pitches, style or self.style)
        sounds = [self.images.audio(image, iterations=iterations) for image in images]
        return safe_peak(np.concatenate(sounds))

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        """Latent vectors (notes, dims) float32 of images (notes, bins, frames)."""
        return predict_in_parts(self.encoder, images[..., np.newaxis], _BATCH)

    def decode_images(
        self,
        latents: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        styles: str | Mapping[str, float] | Sequence[str | Mapping[str, float]],
    ) -> np.ndarray:
        """Images (notes, bins, frames) float32 in [0, 1] of notes.

        The decoder's sigmoid never reaches the 0 of silence, so what is less than 4 dB above the
        floor is set to 0.

        Args:
            latents: (notes, dims).
            pitches: MIDI number of each.
            styles: One style, or one for each note.
        """
        inputs = [np.asarray(latents, np.float32)]
        if self.told:
            inputs.append(self.vectors(pitches, styles)[:, : self.told])
        images = predict_in_parts(self.decoder, inputs, _BATCH)[..., 0]
        return np.where(images < SQUELCH_DB / RANGE_DB, np.float32(0), images)

    def mean_power(self, latents: np.ndarray, pitch: int, style: str) -> np.ndarray:
        """Mean power (notes, bins) of notes that are decoded of latent vectors (notes, dims)."""
        decoded = self.decode_images(latents, np.full(len(latents), pitch), style)
        return np.stack([self.images.mean_power(image) for image in decoded])

    def vectors(
        self,
        pitches: Sequence[int] | np.ndarray,
        styles: str | Mapping[str, float] | Sequence[str | Mapping[str, float]],
    ) -> np.ndarray:
        """Conditions (notes, length) float32; arguments as of ``decode_images``.

        Raises:
            UserError: A pitch or a style is not known, or a weight is not from -100 to 100.
        """
        if isinstance(styles, str | Mapping):
            styles = [styles] * len(pitches)
        known = self.conditions.instruments
        vectors = self.conditions.vectors(known[0], pitches)
        part = vectors[:, self.conditions.parts["instrument"]]
        part[:] = 0
        for row, style in zip(part, styles, strict=True):
            weights = {style: 1.0} if isinstance(style, str) else style
            for name, weight in weights.items():
                if not abs(weight) <= LARGEST:
                    raise UserError(
                        f"{name!r} with the weight {weight}: give one from -{LARGEST} to {LARGEST}"
                    )
                row[known.index(self.conditions.instrument(name))] += weight
        return vectors

    def note_image(self, audio: np.ndarray) -> tuple[np.ndarray, float]:
        """``NoteImages.image``; this and the others as of ``common.report.pairs``."""
        return self.images.image(audio)

    def change_note(
        self, image: np.ndarray, pitch: int, target: str, source: str | None
    ) -> np.ndarray:
        """Image (bins, frames) of a note in the style of another one, whatever its own is."""
        return self.decode_images(self.encode_images(image[np.newaxis]), [pitch], target)[0]

    def changed_level(self, level: float, target: str, source: str | None) -> float:
        """The level itself: what is changed has that of the note."""
        return level

    def note_sound(self, image: np.ndarray, level: float) -> np.ndarray:
        """Sound (samples,) of an image."""
        return self.images.audio(image, level)


def write_latents(
    folder: Path, trained: TrainedFader, store: NoteStore, indices: Sequence[int]
) -> tuple[list[Note], np.ndarray]:
    """Write the latent vectors of notes of a store into a run folder: ``(rows, vectors)``."""
    rows = [store.rows[index] for index in indices]
    parts = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
    vectors = np.concatenate([trained.encode_images(store.read(part)) for part in parts])
    write_vectors(folder, rows, vectors)
    return rows, vectors


def read_latents(folder: Path) -> tuple[list[Note], np.ndarray]:
    """Read what ``write_latents`` wrote into a run folder: ``(rows, vectors)``."""
    return read_vectors(folder, Note, "wae_fader.train")


def load_trained(folder: Path) -> TrainedFader:
    """The ``TrainedFader`` of a run folder of ``wae_fader.train``.

    Raises:
        UserError: No such folder, another system's, or damaged files.
    """
    return open_trained(folder, open_run(folder, "wae_fader"))


def open_trained(folder: Path, config: dict[str, Any]) -> TrainedFader | Renderer:
    """As ``load_trained``, given the content of ``config.json``; or its ``Renderer``."""
    if config["system"] == "wae_fader.mcnn":
        from wae_fader.mcnn import Renderer

        return Renderer(folder.parent, load_trained(folder.parent).images)
    from wae_fader.model import Architecture, build_decoder, build_encoder

    with reading_config(folder):
        architecture = Architecture(**config["architecture"]).check()
        images = NoteImages(**config["images"]).check()
        conditions = NoteConditions(tuple(config["styles"]))
        if not conditions.instruments or architecture.condition > conditions.length:
            raise TypeError("its styles do not fit its networks")
        networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
    networks = load_networks(folder, networks)
    return TrainedFader(**networks, images=images, conditions=conditions)
