"""Styles: Gram matrices of features, kept as factors, blended, and saved."""

from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.atomic import replace_when_done
from common.files.hdf5 import UNREADABLE, open_hdf5, plain_attributes
from random_cnn_style.spectrogram import TRANSFORMS

MOST_FILTERS, MOST_KERNEL = 2**15, 100  # frames

_VERSION = 2
_PARTS = "factor", "loudest"


class Network(NamedTuple):
    """Which random network: what its weights follow from.

    Attributes:
        filters: Channels of the output.
        kernel: Frames.
        seed: Of the draw.
        transform: Of ``spectrogram.TRANSFORMS``: what its channels are.
    """

    filters: int
    kernel: int
    seed: int
    transform: str = "stft"


class Style(NamedTuple):
    """A Gram matrix G = A'A, as its factor A.

    Attributes:
        network: ``Network`` that the features come from.
        factor: A, (rows, filters) float32, so that G = A'A.
        loudest: (bins,) float32, the greatest logarithmic magnitude of each frequency.
    """

    network: Network
    factor: np.ndarray
    loudest: np.ndarray

    @property
    def gram(self):
        """The Gram matrix: (filters, filters)."""
        return self.factor.T @ self.factor

    def save(self, path):
        """Write to an HDF5 file; it appears whole or not at all."""
        import h5py

        with replace_when_done(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs["random_cnn_style"] = _VERSION
            file.attrs.update(self.network._asdict())
            for name in _PARTS:
                file[name] = getattr(self, name)


def style_of(parts, network, loudest):
    """The style of features that come in parts.

    Args:
        parts: Iterable of (frames, filters) arrays, at least one.
        network: ``Network``.
        loudest: As in ``Style``.

    Returns:
        ``Style``. No more rows are kept than there are filters: beyond, the triangle of a QR
        decomposition stands for all rows, with the same Gram matrix.
    """
    rows, count = np.zeros((0, network.filters), np.float32), 0
    for part in parts:
        rows = np.concatenate([rows, part])
        count += len(part)
        if len(rows) > network.filters:
            rows = np.linalg.qr(rows, mode="r")
    return Style(network, (rows / np.sqrt(count)).astype(np.float32), loudest)


def blend(styles, weights):
    """The weighted mean of Gram matrices; each frequency may be as loud as in any of the styles.

    Args:
        styles: List of ``Style`` of one network.
        weights: Numbers above 0, as many; scaled to a sum of 1.

    Raises:
        UserError: Styles of different networks.
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


def load_style(path):
    """The style of a file that ``Style.save`` wrote.

    Raises:
        UserError: No such file, or none of this kind.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with open_hdf5(path) as file:
            attributes = plain_attributes(file)
            version = attributes["random_cnn_style"]
            network = Network(
                *(int(attributes[name]) for name in ("filters", "kernel", "seed")),
                str(attributes["transform"]),
            )
            known = network.filters <= MOST_FILTERS and 1 <= network.kernel <= MOST_KERNEL
            known = known and network.seed >= 0
            shapes = tuple(file[name].shape for name in _PARTS)
            rows, bins = shapes[0][0], TRANSFORMS[network.transform].bins
            fits = shapes == ((rows, network.filters), (bins,)) and 1 <= rows <= network.filters
            parts = [file[name][()].astype(np.float32) for name in _PARTS] if known and fits else []
    except UNREADABLE as error:
        raise UserError(f"{path}: no style of this program ({error})") from error
    if version != _VERSION or not parts or not all(np.isfinite(part).all() for part in parts):
        raise UserError(f"{path}: a damaged style; save it again")
    return Style(network, *parts)
