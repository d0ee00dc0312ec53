"""Styles: Gram matrices of features, kept as factors, blended, and saved."""

from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.hdf5 import UNREADABLE, open_hdf5, plain_attributes
from data import replace_when_done

MOST_FILTERS, MOST_KERNEL = 2**15, 100  # frames

_VERSION = 1


class Network(NamedTuple):
    """Which random network: what its weights follow from.

    Attributes:
        filters: Channels of the output.
        kernel: Frames.
        seed: Of the draw.
    """

    filters: int
    kernel: int
    seed: int


class Style(NamedTuple):
    """A Gram matrix G = A'A, as its factor A.

    Attributes:
        network: ``Network`` that the features come from.
        factor: A, (rows, filters) float32, so that G = A'A.
    """

    network: Network
    factor: np.ndarray

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
            file["factor"] = self.factor


def style_of(parts, network):
    """The style of features that come in parts.

    Args:
        parts: Iterable of (frames, filters) arrays, at least one.
        network: ``Network``.

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
    return Style(network, (rows / np.sqrt(count)).astype(np.float32))


def blend(styles, weights):
    """The weighted mean of Gram matrices.

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
            "--kernel and --seed"
        )
    shares = np.sqrt(np.asarray(weights) / np.sum(weights))
    parts = [share * style.factor for share, style in zip(shares, styles, strict=True)]
    rows = np.concatenate(parts).astype(np.float32)
    if len(rows) > rows.shape[1]:
        rows = np.linalg.qr(rows, mode="r")
    return Style(styles[0].network, rows)


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
            network = Network(*(int(attributes[name]) for name in Network._fields))
            dataset = file["factor"]
            known = network.filters <= MOST_FILTERS and 1 <= network.kernel <= MOST_KERNEL
            known = known and network.seed >= 0
            shape = dataset.shape
            fits = known and len(shape) == 2 and shape[1] == network.filters >= shape[0] >= 1
            factor = dataset[()].astype(np.float32) if fits else None
    except UNREADABLE as error:
        raise UserError(f"{path}: no style of this program ({error})") from error
    if version != _VERSION or factor is None or not np.isfinite(factor).all():
        raise UserError(f"{path}: a damaged style; save it again")
    return Style(network, factor)
