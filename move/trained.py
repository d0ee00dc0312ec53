"""A trained model: its networks, and what its slices and conditions mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.latent import VECTORS, read_vectors, write_vectors
from common.networks.conditions import NoteConditions
from common.trained import SQUELCH_DB, load_networks, open_run, predict_in_parts, reading_config
from move.ages import AGES, age_vectors, ages_since
from move.slices import HOP, RANGE_DB, Slices, cut, join, join_notes
from move.store import Slice, SliceStore

if TYPE_CHECKING:
    import keras


ITERATIONS = 32  # of Griffin-Lim
_BATCH = 128
_FEW_LATENTS = 3000
_LEAST_DEVIATION = 0.01
_LATER = 8  # half slices, 0.5 s


class TrainedMove:
    """Encoder and decoder at work, a ``common.latent.LatentModel``.

    Args:
        encoder, decoder: Keras models as ``move.model`` builds them.
        slices: ``move.slices.Slices``.
        conditions: ``common.networks.conditions.NoteConditions``.
        levels: Dict from instrument to the mean level of its notes in dB; default all the same.
        spreads: Dict from instrument to mean and standard deviation (2, dims) of the latent vectors
            of its training; default none, and transfers leave latent vectors as they are.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second, one for each half of a slice.
        sample_rate: Sample rate of the audio in Hz.
        note_seconds: Length of what is evaluated of a note.
        instrument: Name of the instrument that ``decode`` plays unless told another.
        pitch: MIDI number that ``decode`` plays unless told others.
    """

    note_seconds = 3.0

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        slices: Slices,
        conditions: NoteConditions,
        levels: Mapping[str, float] | None = None,
        *,
        spreads: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.slices = slices
        self.conditions = conditions
        self.levels = levels or {}
        self.spreads = spreads or {}
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

        ages = None
        if pitches is None:
            pitches, _, ages = heard_pitches(audio, self.slices)
        image, _ = self.slices.image(audio)
        return self.encode_slices(cut(image), pitches, instrument, ages=ages)

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
            pitches: MIDI number of each slice; a note begins where it changes. Default ``pitch``,
                as of a note that began half a second ago.
            instrument: Name; default ``instrument``.
            iterations: Number of Griffin-Lim iterations.
        """
        from common.files.audio import safe_peak

        ages = None
        if pitches is None:
            pitches, ages = np.full(len(z), self.pitch), np.full(len(z), _LATER)
        slices = self.decode_slices(z, pitches, instrument or self.instrument, ages=ages)
        image = join(slices) if np.ptp(pitches) == 0 else join_notes(slices)
        return safe_peak(self.slices.audio(image, iterations))

    def encode_slices(
        self,
        images: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        instrument: str | Sequence[str] | None = None,
        *,
        ages: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Mean latent vectors of slices.

        Args:
            images: (slices, bins, COLUMNS) float32.
            pitches: MIDI number of each.
            instrument: One name, one for each, or None where it is unknown.
            ages: Number of half slices since the note of each began; by default slices follow each
                other, overlapping by half, and a note begins where the pitch changes.

        Returns:
            (slices, dims) float32.
        """
        vectors = self._vectors(instrument or self.instrument, pitches, ages)
        if instrument is None:
            vectors[:, self.conditions.parts["instrument"]] = 0
        return predict_in_parts(self.encoder, [images[..., np.newaxis], vectors], _BATCH)[0]

    def decode_slices(
        self,
        latents: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        instrument: str | Sequence[str],
        *,
        ages: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Slices (slices, bins, COLUMNS) float32 in [0, 1]; arguments as of ``encode_slices``.

        The decoder's sigmoid never reaches the 0 of silence, so what is less than 4 dB above the
        floor is set to 0.
        """
        latents = np.asarray(latents, np.float32)
        vectors = self._vectors(instrument, pitches, ages)
        images = predict_in_parts(self.decoder, [latents, vectors], _BATCH)[..., 0]
        return np.where(images < SQUELCH_DB / RANGE_DB, np.float32(0), images)

    def _vectors(self, instrument, pitches, ages):
        """Conditions of slices; see ``encode_slices``."""
        vectors = self.conditions.vectors(instrument, pitches)
        if vectors.shape[1] == self.decoder.inputs[1].shape[-1]:
            return vectors
        if ages is None:
            ages = ages_since(np.diff(pitches, prepend=-1) != 0)
        return np.concatenate([vectors, age_vectors(ages)], axis=1)

    def mean_power(self, latents: np.ndarray, pitch: int, instrument: str) -> np.ndarray:
        """Mean power (slices, bins) of slices that are decoded of latent vectors (slices, dims).

        They are told to be of a note that began half a second ago.
        """
        several = np.ones(len(latents), int)
        decoded = self.decode_slices(latents, pitch * several, instrument, ages=_LATER * several)
        images = self.slices.images(decoded.shape[2])
        return np.stack([np.square(images.magnitude(one)).mean(axis=1) for one in decoded])

    def transfer(
        self,
        images: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        target: str | Sequence[str],
        instrument: str | Sequence[str] | None = None,
        *,
        ages: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Slices of another instrument; arguments as of ``encode_slices``, and its name.

        What latent vectors still tell of a known instrument is taken away: they are moved and
        stretched to mean and deviation of those of the target.
        """
        latents = self.encode_slices(images, pitches, instrument, ages=ages)
        if instrument is not None and self.conditions.instruments == tuple(self.spreads):
            (mean, deviation), (mean_there, deviation_there) = (
                self._spread(names) for names in (instrument, target)
            )
            latents = (latents - mean) / deviation * deviation_there + mean_there
        return self.decode_slices(latents, pitches, target, ages=ages)

    def _spread(self, names):
        """Mean and deviation, (dims,) or (slices, dims), of one instrument or those of slices."""
        if isinstance(names, str):
            return self.spreads[names]
        return np.stack([self.spreads[name] for name in names], axis=1)

    def note_image(self, audio: np.ndarray) -> tuple[np.ndarray, float]:
        """``move.slices.Slices.image``; this and the others as of ``common.report.pairs``."""
        return self.slices.image(audio)

    def change_note(
        self, image: np.ndarray, pitch: int, target: str, source: str | None
    ) -> np.ndarray:
        """Image (bins, columns) of a note as another instrument plays it."""
        slices = cut(image)
        return join(self.transfer(slices, np.full(len(slices), pitch), target, source))

    def gain(self, target: str, source: str | None) -> float:
        """Factor by which a transfer changes the level: 1 where the source is not known."""
        levels = [self.levels.get(name) for name in (target, source)]
        return 1.0 if None in levels else 10 ** ((levels[0] - levels[1]) / 20)

    def changed_level(self, level: float, target: str, source: str | None) -> float:
        """What 1 stands for in the image of a note that is changed: a magnitude, as ``level``."""
        return level * self.gain(target, source)

    def note_sound(self, image: np.ndarray, level: float) -> np.ndarray:
        """Sound (samples,) of an image, as loud as if its loudest value were 1.

        Args:
            image: (bins, columns) in [0, 1].
            level: Magnitude (not dB) that 1 stands for; 1 is that of a sine of amplitude 1.
        """
        peak = level * 10 ** (RANGE_DB * (1 - float(image.max())) / 20)
        return self.slices.audio(image, ITERATIONS, peak)


def write_latents(
    folder: Path, trained: TrainedMove, store: SliceStore, indices: Sequence[int]
) -> tuple[list[Slice], np.ndarray]:
    """Write latent vectors of slices of a store into a run folder: ``(rows, vectors)``.

    Of more than 3000 slices, some at equal distances are taken.
    """
    chosen = indices[:: -(-len(indices) // _FEW_LATENTS)]
    rows = [store.rows[index] for index in chosen]
    vectors = trained.encode_slices(
        store.read(chosen),
        [row.pitch for row in rows],
        [row.instrument for row in rows],
        ages=[row.age for row in rows],
    )
    write_vectors(folder, rows, vectors)
    return rows, vectors


def read_latents(folder: Path) -> tuple[list[Slice], np.ndarray]:
    """Read what ``write_latents`` wrote into a run folder: ``(rows, vectors)``."""
    return read_vectors(folder, Slice, "move.train")


def read_spreads(folder: Path) -> dict[str, np.ndarray]:
    """``spreads`` of a ``TrainedMove`` by the latent vectors of a run folder; {} without these."""
    if not (folder / VECTORS).is_file():  # the training was not finished
        return {}
    rows, vectors = read_latents(folder)
    names, found = np.array([row.instrument for row in rows]), {}
    for name in sorted(set(names.tolist())):
        own = vectors[names == name]
        # the least of deviations keeps a dimension that tells nothing from telling much
        found[name] = np.stack([own.mean(axis=0), np.maximum(own.std(axis=0), _LEAST_DEVIATION)])
    return found


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
        more = architecture.condition - conditions.length
        if not conditions.instruments or more not in (0, AGES):
            raise TypeError("its conditions do not fit its networks")
        levels = {str(name): float(level) for name, level in config.get("levels", {}).items()}
        networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
    networks = load_networks(folder, networks)
    return TrainedMove(
        **networks,
        slices=slices,
        conditions=conditions,
        levels=levels,
        spreads=read_spreads(folder),
    )
