"""Apply trained networks to audio of any length."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.spectrograms import Scale
from common.cli import UserError
from common.trained import load_networks, open_run, shipped
from time_stretching.resize import positions
from time_stretching.spectrogram import SAMPLE_RATE

if TYPE_CHECKING:
    import keras

    from time_stretching.latent import Codes
    from time_stretching.model import Architecture


CORRECTOR = "corrector"  # name of its folder inside that of the auto-encoder
_BLOCK = 2048  # columns per block, which limits the memory


class Stretcher:
    """Encoder, decoder and corrector for audio of any length.

    Args:
        architecture: ``time_stretching.model.Architecture``.
        scale: ``Scale`` of the images.
        encoder, decoder: As built by ``time_stretching.model``.
        corrector: As built by the same, or None.

    Attributes:
        sample_rate: Sample rate of the audio in Hz.
    """

    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        architecture: Architecture,
        scale: Scale,
        encoder: keras.Model,
        decoder: keras.Model,
        corrector: keras.Model | None = None,
    ) -> None:
        self.architecture = architecture
        self.scale = scale
        self.encoder = encoder
        self.decoder = decoder
        self.corrector = corrector

    @property
    def context(self) -> int:
        """Largest number of columns on each side that influence a column."""
        return self.architecture.context

    @property
    def codes(self) -> Codes:
        """Encoder and decoder as a ``common.latent.LatentModel``."""
        from time_stretching.latent import Codes

        return Codes(self)

    def try_out(self, audio: np.ndarray) -> None:
        """Let all networks work on audio (samples,) float32 at ``sample_rate``."""
        codes = self.codes.encode(audio)
        self.codes.decode(self.correct(codes.T, 1.25).T if self.corrector else codes)

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Encode an image (BINS, columns): (code, columns) float32."""
        return self._apply(self.encoder, np.asarray(image, np.float32))

    def correct(self, codes: np.ndarray, rate: float) -> np.ndarray:
        """Correct resized codes (code, columns): same shape."""
        codes = np.asarray(codes, np.float32)
        if self.architecture.published:
            return self._apply(self.corrector, codes)
        return self._apply(self.corrector, codes, told(positions(0, codes.shape[-1], rate), rate))

    def decode(self, codes: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Decode columns of codes (code, columns) to an image: (BINS, stop - start) float32."""
        stop = codes.shape[-1] if stop is None else stop
        first = max(start - self.context, 0)
        image = self._apply(self.decoder, codes[:, first : stop + self.context])
        return np.clip(image[:, start - first : stop - first], 0, 1)

    def magnitude(self, codes: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Decode columns of codes to magnitudes: (BINS, stop - start) float32."""
        return self.scale.magnitude(self.decode(codes, start, stop))

    def _apply(self, network, *inputs):
        """Apply a network, whose arrays have columns first, to (features, columns)."""
        parts = []
        for start in range(0, inputs[0].shape[-1], _BLOCK):
            stop = start + _BLOCK
            first = max(start - self.context, 0)
            given = [one.T[np.newaxis, first : stop + self.context] for one in inputs]
            found = network(given if len(given) > 1 else given[0], training=False)
            parts.append(np.asarray(found)[0, start - first : stop - first])
        return np.concatenate(parts).T


def told(places: np.ndarray, rate: float) -> np.ndarray:
    """Second input of the corrector: (2, columns) float32.

    The first number is log2 of the rate. The second is the distance from the previous input column,
    from 0 to 1, because codes that are interpolated between columns are smoother.

    Args:
        places: (columns,) positions in the input, in columns.
        rate: Factor on the tempo.
    """
    return np.stack([np.full(len(places), np.log2(rate)), places % 1]).astype(np.float32)


def load_stretcher(folder: Path | str, *, with_corrector: bool = True) -> Stretcher:
    """Load the networks of a run folder.

    Args:
        folder: Run folder of ``time_stretching.train_autoencoder``.
        with_corrector: Also load the corrector that ``time_stretching.train_corrector`` wrote.

    Returns:
        ``Stretcher``.

    Raises:
        UserError: Missing folder, run of another system, missing corrector, or damaged files.
    """
    from time_stretching.model import Architecture, build_corrector, build_decoder, build_encoder

    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: no model there; train one with python -m time_stretching.train_autoencoder "
            "and train_corrector, or choose --method vocoder, which needs none"
        )
    config = open_run(folder, "time_stretching")
    corrector = None
    try:
        architecture = Architecture.of(config["architecture"])
        scale = Scale(**config["scale"])
        networks = {"encoder": build_encoder(architecture), "decoder": build_decoder(architecture)}
        if with_corrector:
            corrector = build_corrector(architecture)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / 'config.json'}: damaged ({error!r})") from error
    networks = load_networks(folder, networks)
    if with_corrector:
        if not (folder / CORRECTOR).is_dir():
            raise UserError(
                f"{folder / CORRECTOR}: no such folder; python -m time_stretching.train_corrector "
                "writes it"
            )
        corrector = load_networks(folder / CORRECTOR, {"corrector": corrector})["corrector"]
    return Stretcher(architecture, scale, **networks, corrector=corrector)


@functools.lru_cache(maxsize=2)
def open_once(folder: Path | str | None = None) -> Stretcher:
    """Load the ``Stretcher`` of a folder, by default the shipped one, once for all calls."""
    return load_stretcher(folder or shipped("time_stretching"))


def open_trained(folder: Path | str, config: dict[str, Any]) -> Stretcher:
    """Open the ``Stretcher`` of a run folder or of its corrector's folder.

    Args:
        folder: Path.
        config: Content of its ``config.json``.
    """
    if config["system"] == f"time_stretching.{CORRECTOR}":  # it lies in that of its auto-encoder
        return load_stretcher(Path(folder).resolve().parent)
    return load_stretcher(folder, with_corrector=(Path(folder) / CORRECTOR).is_dir())
