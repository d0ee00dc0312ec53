"""How long ago the note of a slice began, as numbers that the networks are told.

The published networks know nothing of it: each slice stands for itself. But a piano's spectrum
changes while it dies away and a violin's does not, which a latent vector would have to tell, and
then it tells the instrument.
"""

from collections.abc import Sequence

import numpy as np

AGES = 5  # numbers of a condition: one each for 0, 125, 375, 875 and 1,875 ms or more


def age_vectors(ages: Sequence[int] | np.ndarray) -> np.ndarray:
    """Vectors (slices, AGES) float32 of ages; those between two of the times are mixtures.

    Args:
        ages: Number of half slices (62.5 ms) since the note began, of each slice.
    """
    place = np.minimum(np.log2(1 + np.asarray(ages) / 2), AGES - 1)
    away = np.abs(place[:, np.newaxis] - np.arange(AGES))
    return np.maximum(1 - away, 0).astype(np.float32)


def ages_since(begun: Sequence[bool] | np.ndarray, before: int | None = None) -> np.ndarray:
    """Ages (slices,) of slices in a row, given where notes begin.

    Args:
        begun: (slices,) whether a note begins with a slice.
        before: Age of the slice before the first one; default a note begins with the first one.
    """
    places = np.arange(len(begun))
    first = 0 if before is None else -before - 1
    last = np.maximum.accumulate(np.where(begun, places, first))
    return places - last
