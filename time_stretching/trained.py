"""Use trained networks on sounds of any length."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.spectrograms import Scale
from common.cli import UserError
from common.trained import load_networks, open_run, shipped
from time_stretching.resize import positions

if TYPE_CHECKING:
    import keras

    from time_stretching.latent import Codes
    from time_stretching.model import Architecture


CORRECTOR = "corrector"  # folder, below that of the auto-encoder
_BLOCK = 2048  # columns per block, which limits the memory


class Stretcher:
    """Encoder, decoder and corrector for sounds of any length.

    Args:
        architecture: ``time_stretching.model.Architecture``.
        scale: ``Scale`` of the images.
        encoder, decoder: As ``time_stretching.model`` builds them.
        corrector: The same, or None.
    """

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

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Codes of an image: (code, columns) float32 from (BINS, columns)."""
        return self._apply(self.encoder, np.asarray(image, np.float32))

    def correct(self, codes: np.ndarray, rate: float) -> np.ndarray:
        """Resized codes (code, columns), corrected: same shape."""
        codes = np.asarray(codes, np.float32)
        if self.architecture.published:
            return self._apply(self.corrector, codes)
        return self._apply(self.corrector, codes, told(positions(0, codes.shape[-1], rate), rate))

    def decode(self, codes: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Image of columns of codes: (BINS, stop - start) float32 from (code, columns)."""
        stop = codes.shape[-1] if stop is None else stop
        first = max(start - self.context, 0)
        image = self._apply(self.decoder, codes[:, first : stop + self.context])
        return np.clip(image[:, start - first : stop - first], 0, 1)

    def magnitude(self, codes: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Magnitudes that codes stand for: (BINS, stop - start) float32."""
        return self.scale.magnitude(self.decode(codes, start, stop))

    def _apply(self, network, *inputs):
        """What a network makes of (features, columns); it takes and gives columns first."""
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

    The first number is log2 of the rate. The second is the distance from the input column before,
    from 0 to 1, because interpolated codes are smoother than those of a column.

    Args:
        places: (columns,), positions in the input, in columns.
        rate: Factor on the tempo.
    """
    return np.stack([np.full(len(places), np.log2(rate)), places % 1]).astype(np.float32)


def load_stretcher(folder: Path | str, *, with_corrector: bool = True) -> Stretcher:
    """The networks of a run folder.

    Args:
        folder: Path that ``time_stretching.train_autoencoder`` wrote.
        with_corrector: Also load what ``time_stretching.train_corrector`` wrote into it.

    Returns:
        ``Stretcher``.

    Raises:
        UserError: No such folder, another system's, no corrector, or damaged files.
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
    """The ``Stretcher`` of a folder, by default the shipped one, kept for the next call."""
    return load_stretcher(folder or shipped("time_stretching"))


def open_trained(folder: Path | str, config: dict[str, Any]) -> Stretcher:
    """The ``Stretcher`` of a run folder, with its corrector if it has one, or of a corrector's.

    Args:
        folder: Path.
        config: Content of its ``config.json``.
    """
    if config["system"] == f"time_stretching.{CORRECTOR}":  # it lies in that of its auto-encoder
        return load_stretcher(Path(folder).resolve().parent)
    return load_stretcher(folder, with_corrector=(Path(folder) / CORRECTOR).is_dir())
