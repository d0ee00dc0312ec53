"""Styles: Gram matrices of features, kept as factors, blended, and saved."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.store import read_arrays, readable, write_arrays
from random_cnn_style.spectrogram import TRANSFORMS

MOST_FILTERS, MOST_KERNEL = 2**15, 100  # largest allowed; the kernel in columns

_VERSION = 2
_PARTS = "factor", "loudest"


class Network(NamedTuple):
    """Settings that determine the weights of a random network.

    Attributes:
        filters: Number of output channels.
        kernel: Length in columns.
        seed: Random seed.
        transform: Name in ``spectrogram.TRANSFORMS``.
    """

    filters: int
    kernel: int
    seed: int
    transform: str = "stft"


class Style(NamedTuple):
    """A Gram matrix G = A'A, stored as its factor A.

    Attributes:
        network: ``Network`` that the features come from.
        factor: A, (rows, filters) float32, so that G = A'A.
        loudest: (bins,) float32, largest logarithmic magnitude of each frequency.
    """

    network: Network
    factor: np.ndarray
    loudest: np.ndarray

    @property
    def gram(self) -> np.ndarray:
        """The Gram matrix: (filters, filters)."""
        return self.factor.T @ self.factor

    def save(self, path: Path) -> None:
        """Write an HDF5 file, which is complete or absent."""
        settings = {"random_cnn_style": _VERSION, **self.network._asdict()}
        write_arrays(path, {name: getattr(self, name) for name in _PARTS}, settings=settings)


def style_of(parts: Iterable, network: Network, loudest: np.ndarray) -> Style:
    """Compute the style of features that are given in parts.

    Args:
        parts: Iterable of (columns, filters) arrays, at least one.
        network: ``Network``.
        loudest: As in ``Style``.

    Returns:
        ``Style``. If there are more rows than filters, they are replaced by the triangle of a QR
        decomposition, which has the same Gram matrix.
    """
    rows, count = np.zeros((0, network.filters), np.float32), 0
    for part in parts:
        rows = np.concatenate([rows, part])
        count += len(part)
        if len(rows) > network.filters:
            rows = np.linalg.qr(rows, mode="r")
    return Style(network, (rows / np.sqrt(count)).astype(np.float32), loudest)


def blend(styles: Sequence[Style], weights: Sequence[float]) -> Style:
    """Blend styles: weighted mean of the Gram matrices, maximum of ``loudest``.

    Args:
        styles: List of ``Style`` of one network.
        weights: Number above 0 for each style; scaled to a sum of 1.

    Raises:
        UserError: The styles belong to different networks.
    """
    networks = {style.network for style in styles}
    if len(networks) > 1:
        raise UserError(
            "--style: these are styles of different networks; make them with the same --filters, "
            "--kernel, --seed and --spectrogram"
        )
    shares = np.sqrt(np.asarray(weights) / np.sum(weights))
    parts = [share * style.factor for share, style in zip(shares, styles, strict=True)]
    rows = np.concatenate(parts).astype(np.float32)
    if len(rows) > rows.shape[1]:
        rows = np.linalg.qr(rows, mode="r")
    return Style(styles[0].network, rows, np.max([style.loudest for style in styles], axis=0))


def load_style(path: Path) -> Style:
    """Read a file that ``Style.save`` wrote.

    Raises:
        UserError: The file is missing, or is not a style.
    """
    words = {"kind": "style", "remake": "python -m random_cnn_style.mix --save_style"}
    parts, settings, _ = read_arrays(path, _PARTS, **words)
    with readable(path, **words):
        network = Network(
            **{name: kind(settings[name]) for name, kind in Network.__annotations__.items()}
        )
        known = settings["random_cnn_style"] == _VERSION and network.seed >= 0
        known = known and network.filters <= MOST_FILTERS and 1 <= network.kernel <= MOST_KERNEL
        rows, bins = len(parts["factor"]), TRANSFORMS[network.transform].bins
        shapes = [part.shape for part in parts.values()]
        fits = shapes == [(rows, network.filters), (bins,)] and 1 <= rows <= network.filters
        if not (known and fits):
            raise ValueError("damaged")
    return Style(network, **parts)
