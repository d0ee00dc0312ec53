"""Principal components of the spectra of a store, from which our auto-encoder is initialised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.latent import Axes
from time_stretching.spectrogram import WIDE

if TYPE_CHECKING:
    from common.audio.spectrograms import Scale
    from time_stretching.store import Recording, Store


_COLUMNS = 100_000  # largest number of columns that are used


def find_components(
    store: Store, recordings: Sequence[Recording], scale: Scale, count: int
) -> Axes:
    """Compute principal components of the columns of recordings, or of an even selection of them.

    Args:
        store: Open ``time_stretching.store.Store``.
        recordings: The recordings to use.
        scale: ``Scale`` of the images.
        count: Number of components.

    Returns:
        ``common.latent.Axes``, float32; a direction without variance has the deviation 1.
    """
    from scipy.linalg import eigh

    step = -(-sum(one.columns for one in recordings) // _COLUMNS)
    total = outer = seen = 0
    for recording in recordings:
        image = WIDE.to(scale, store.columns(recording)[:, ::step])
        total = total + image.sum(axis=-1, dtype=np.float64)
        # float32 within a recording, since this takes most of the time
        outer = outer + image @ image.T
        seen += image.shape[-1]
    mean = total / seen
    variances, directions = eigh(
        outer / seen - np.outer(mean, mean), subset_by_index=[len(mean) - count, len(mean) - 1]
    )
    variances, directions = variances[::-1], directions.T[::-1]
    # the sign is arbitrary: make the largest component positive on every machine
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    deviations = np.sqrt(np.where(variances > 1e-9, variances, 1))
    return Axes(*(one.astype(np.float32) for one in (mean, directions, deviations)))
