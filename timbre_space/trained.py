"""A trained space: its networks, and where the instruments lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from common.files.audio import safe_peak
from common.latent import Axes, principal_axes, read_vectors, write_vectors
from common.trained import SQUELCH_DB, load_networks, open_run, predict_in_parts, reading_config
from timbre_space.spectra import FLOOR_DB, Spectra
from timbre_space.store import Column, ColumnStore

if TYPE_CHECKING:
    import keras

_BATCH = 1024
_NEAREST = 10  # columns of an instrument that are compared with a sound
_FEW_LATENTS = 2500


class TrainedSpace:
    """Encoder and decoder at work, a ``common.latent.LatentModel``.

    Args:
        encoder, decoder: Keras models as ``timbre_space.model`` builds them.
        spectra: ``Spectra`` of the columns.
        scale: Dict with ``mean`` and ``deviation`` of the training levels in dB.
        instruments: Names of the instruments that it was trained on.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second: one for each column.
        sample_rate: Sample rate of the audio in Hz.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        spectra: Spectra,
        scale: dict[str, float],
        instruments: Sequence[str],
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.spectra = spectra
        self.scale = scale
        self.instruments = list(instruments)
        self.dims = decoder.input_shape[-1]
        self.sample_rate = spectra.sample_rate
        self.rate = spectra.sample_rate / spectra.hop
        for network in (encoder, decoder):
            network.compile(jit_compile=False)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Latent vectors (columns, dims) float32 of audio (samples,) at ``sample_rate``."""
        return self.encode_columns(self.spectra.columns(audio))

    def decode(self, z: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Audio (samples,) float32 of latent vectors (columns, dims), one for every 10 ms."""
        return safe_peak(self.spectra.audio(self.decode_columns(z), seed=seed))

    def encode_columns(self, levels: np.ndarray) -> np.ndarray:
        """Mean latent vectors (columns, dims) of levels (columns, bins) in dB."""
        given = ((levels - self.scale["mean"]) / self.scale["deviation"]).astype(np.float32)
        return predict_in_parts(self.encoder, given, _BATCH)[0]

    def decode_columns(self, latents: np.ndarray) -> np.ndarray:
        """Levels (columns, bins) float32 in dB of latent vectors (columns, dims).

        What is less than 4 dB above the floor counts as silence.
        """
        given = np.asarray(latents, np.float32)
        found = predict_in_parts(self.decoder, given, _BATCH)
        levels = np.minimum(found * self.scale["deviation"] + self.scale["mean"], 0)
        return np.where(levels < FLOOR_DB + SQUELCH_DB, FLOOR_DB, levels).astype(np.float32)


class Landmarks(NamedTuple):
    """Latent vectors of the training columns.

    Attributes:
        rows: List of ``Column``.
        vectors: (columns, dims).
    """

    rows: list[Column]
    vectors: np.ndarray

    @property
    def axes(self) -> Axes:
        """The first three principal ``Axes``."""
        return principal_axes(self.vectors, 3)

    def distances(self, latents: np.ndarray, instruments: Sequence[str]) -> np.ndarray:
        """Distances of a sound from instruments: (instruments,).

        The distance of a latent vector is the mean of those to the ten nearest columns of the
        instrument, which are mostly of a similar pitch; that of a sound is the mean over
        its vectors (any, dims).
        """
        names = np.array([row.instrument for row in self.rows])
        found = []
        for instrument in instruments:
            others = self.vectors[names == instrument]
            apart = np.linalg.norm(latents[:, np.newaxis] - others, axis=-1)
            found.append(np.sort(apart, axis=1)[:, :_NEAREST].mean())
        return np.array(found)

    def note(self, instrument: str, pitch: int) -> tuple[Column, np.ndarray]:
        """The loudest note of an instrument nearest to a pitch: its row and mean latent vector."""
        chosen = [row for row in self.rows if row.instrument == instrument]
        best = min(chosen, key=lambda row: (abs(row.pitch - pitch), row.pitch, -row.velocity))
        belongs = [row.source == best.source for row in self.rows]
        return best, self.vectors[belongs].mean(axis=0)


def write_latents(
    folder: Path, trained: TrainedSpace, store: ColumnStore, indices: Sequence[int]
) -> tuple[list[Column], np.ndarray]:
    """Write latent vectors of columns of a store into a run folder: ``(rows, vectors)``.

    Of more than 2500 columns, some at equal distances are taken.
    """
    chosen = indices[:: -(-len(indices) // _FEW_LATENTS)]
    rows = [store.rows[index] for index in chosen]
    vectors = trained.encode_columns(store.read(chosen)[..., 0])
    write_vectors(folder, rows, vectors)
    return rows, vectors


def read_latents(folder: Path) -> Landmarks:
    """Read what ``write_latents`` wrote into a run folder."""
    return Landmarks(*read_vectors(folder, Column, "timbre_space.train"))


def load_trained(folder: Path) -> TrainedSpace:
    """The ``TrainedSpace`` of a run folder of ``timbre_space.train``.

    Raises:
        UserError: No such folder, another system's, or damaged files.
    """
    return open_trained(folder, open_run(folder, "timbre_space"))


def open_trained(folder: Path, config: dict[str, Any]) -> TrainedSpace:
    """As ``load_trained``, given the content of ``config.json``."""
    from timbre_space.model import Architecture, build_decoder, build_encoder

    with reading_config(folder):
        given = config["architecture"]
        architecture = Architecture(**given | {"units": tuple(given["units"])}).check()
        spectra = Spectra(**config["spectra"]).check()
        scale = {name: float(config["scale"][name]) for name in ("mean", "deviation")}
        instruments = list(map(str, config["instruments"]))
        if architecture.bins != len(spectra.frequencies) or scale["deviation"] <= 0:
            raise ValueError("its columns do not fit its networks")
    networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
    networks = load_networks(folder, networks)
    return TrainedSpace(**networks, spectra=spectra, scale=scale, instruments=instruments)
