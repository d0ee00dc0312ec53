"""A trained model: its networks, and what its slices and conditions mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.files.store import read_arrays, write_arrays
from common.networks.conditions import NoteConditions
from common.trained import load_networks, open_run, reading_config
from move.slices import HOP, RANGE_DB, Slices, cut, join
from move.store import Slice, SliceStore

if TYPE_CHECKING:
    import keras


ITERATIONS = 32  # of Griffin-Lim
_BATCH = 128
_SQUELCH = 4.0 / RANGE_DB  # of decoded values
_FEW_LATENTS = 3000


class TrainedMove:
    """Encoder and decoder at work, a ``common.latent.LatentModel``.

    Args:
        encoder, decoder: Keras models as ``move.model`` builds them.
        slices: ``move.slices.Slices``.
        conditions: ``common.networks.conditions.NoteConditions``.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second, one for each half of a slice.
        sample_rate: Sample rate of the audio in Hz.
        instrument: Name of the instrument that ``decode`` plays unless told another.
        pitch: MIDI number that ``decode`` plays unless told others.
    """

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, slices: Slices, conditions: NoteConditions
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.slices = slices
        self.conditions = conditions
        self.dims = encoder.output_shape[0][-1]
        self.sample_rate = slices.sample_rate
        self.rate = slices.sample_rate / (HOP * slices.hop)
        self.instrument, self.pitch = conditions.instruments[0], 60
        for network in (encoder, decoder):
            network.compile(jit_compile=False)

    def encode(
        self, audio: np.ndarray, pitches: np.ndarray | None = None, instrument: str | None = None
    ) -> np.ndarray:
        """Latent vectors (slices, dims) of an audio (samples,) float32.

        Args:
            audio: At ``sample_rate``.
            pitches: MIDI number of each slice; default as they are heard.
            instrument: Name; None where it is unknown.
        """
        from move.pitches import heard_pitches

        if pitches is None:
            pitches = heard_pitches(audio, self.slices).pitches
        image, _ = self.slices.image(audio)
        return self.encode_slices(cut(image), pitches, instrument)

    def decode(
        self,
        z: np.ndarray,
        pitches: np.ndarray | None = None,
        instrument: str | None = None,
        *,
        iterations: int = ITERATIONS,
    ) -> np.ndarray:
        """Audio (samples,) of latent vectors (slices, dims), its loudest value near full scale.

        Args:
            z: Latent vectors.
            pitches: MIDI number of each slice; default ``pitch``.
            instrument: Name; default ``instrument``.
            iterations: Number of Griffin-Lim iterations.
        """
        from common.files.audio import safe_peak

        pitches = np.full(len(z), self.pitch) if pitches is None else pitches
        image = join(self.decode_slices(z, pitches, instrument or self.instrument))
        return safe_peak(self.slices.audio(image, iterations))

    def encode_slices(
        self,
        images: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        instrument: str | Sequence[str] | None = None,
    ) -> np.ndarray:
        """Mean latent vectors of slices.

        Args:
            images: (slices, bins, COLUMNS) float32.
            pitches: MIDI number of each.
            instrument: One name, one for each, or None where it is unknown.

        Returns:
            (slices, dims) float32.
        """
        vectors = self.conditions.vectors(instrument or self.instrument, pitches)
        if instrument is None:
            vectors[:, self.conditions.parts["instrument"]] = 0
        found = [
            self.encoder.predict_on_batch([images[part][..., np.newaxis], vectors[part]])[0]
            for part in _parts(len(images))
        ]
        return np.concatenate(found)

    def decode_slices(
        self,
        latents: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        instrument: str | Sequence[str],
    ) -> np.ndarray:
        """Slices (slices, bins, COLUMNS) float32 in [0, 1]; arguments as of ``encode_slices``.

        The decoder's sigmoid never reaches the 0 of silence, and what it leaves there is heard as a
        hiss: what is less than 4 dB above the floor is set to 0.
        """
        latents = np.asarray(latents, np.float32)
        vectors = self.conditions.vectors(instrument, pitches)
        found = [
            self.decoder.predict_on_batch([latents[part], vectors[part]])[..., 0]
            for part in _parts(len(latents))
        ]
        images = np.concatenate(found)
        return np.where(images < _SQUELCH, np.float32(0), images)

    def mean_power(self, latents: np.ndarray, pitch: int, instrument: str) -> np.ndarray:
        """Mean power (slices, bins) of slices that are decoded of latent vectors (slices, dims)."""
        decoded = self.decode_slices(latents, np.full(len(latents), pitch), instrument)
        images = self.slices.images(decoded.shape[2])
        return np.stack([np.square(images.magnitude(one)).mean(axis=1) for one in decoded])

    def transfer(
        self,
        images: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        target: str | Sequence[str],
        instrument: str | Sequence[str] | None = None,
    ) -> np.ndarray:
        """Slices of another instrument; arguments as of ``encode_slices``, and its name."""
        return self.decode_slices(self.encode_slices(images, pitches, instrument), pitches, target)


def _parts(number):
    return [slice(start, start + _BATCH) for start in range(0, number, _BATCH)]


def write_latents(
    path: Path, trained: TrainedMove, store: SliceStore, indices: Sequence[int]
) -> tuple[list[Slice], np.ndarray]:
    """Write the latent vectors of slices of a store: ``(rows, vectors)``.

    Of more than 3000 slices, some at equal distances are taken.
    """
    chosen = indices[:: -(-len(indices) // _FEW_LATENTS)]
    rows = [store.rows[index] for index in chosen]
    vectors = trained.encode_slices(
        store.read(chosen), [row.pitch for row in rows], [row.instrument for row in rows]
    )
    write_arrays(path, {"mean": vectors.astype(np.float16)}, rows=rows)
    return rows, vectors


def read_latents(folder: Path) -> tuple[list[Slice], np.ndarray]:
    """Read what ``write_latents`` wrote into a run folder: ``(rows, vectors)``."""
    words = {"kind": "file of latent vectors", "remake": "python -m move.train"}
    arrays, _, rows = read_arrays(folder / "latents.h5", ["mean"], Slice, **words)
    return rows, arrays["mean"]


def load_trained(folder: Path) -> TrainedMove:
    """The ``TrainedMove`` of a run folder of ``move.train``.

    Raises:
        UserError: No such folder, another system's, or damaged files.
    """
    return open_trained(folder, open_run(folder, "move"))


def open_trained(folder: Path, config: dict[str, Any]) -> TrainedMove:
    """As ``load_trained``, given the content of ``config.json``."""
    from move.model import Architecture, build_decoder, build_encoder

    with reading_config(folder):
        architecture = Architecture(**config["architecture"]).check()
        slices = Slices(**config["slices"]).check()
        names = {name: tuple(value) for name, value in config["conditions"].items()}
        conditions = NoteConditions(**names)
        if not conditions.instruments or conditions.length != architecture.condition:
            raise TypeError("its conditions do not fit its networks")
    networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
    networks = load_networks(folder, networks)
    return TrainedMove(**networks, slices=slices, conditions=conditions)
