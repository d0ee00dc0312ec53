"""Mutual information of numbers of many units with a few numbers of their examples.

Each number is replaced by its rank among the examples, in bins of equal size (Fraser and Swinney
1986), and what independent numbers would show by chance is subtracted (Miller 1955). Compared with
the hashing estimator EDGE (Noshad et al. 2019), this needs no choice of a radius, and it is finite
for what a network computes from its input without noise.
"""

from __future__ import annotations

import numpy as np

COMPONENTS = 8  # principal components that stand for an example
DIMENSIONS = 1000  # of an example that are looked at
_LEAST = 5  # examples in a cell of the joint histogram, on average


def mutual_information(numbers: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Estimate the mutual information of each number with each other one.

    Args:
        numbers: (examples, n).
        others: (examples, m).

    Returns:
        (n, m) float64 in nats, at least 0 and at most the logarithm of the number of bins.
    """
    examples = len(numbers)
    bins = max(2, int(np.sqrt(examples / _LEAST)))
    first, second = (_one_hot(array, bins) for array in (numbers, others))
    joint = np.einsum("enb,emc->nmbc", first, second, optimize=True) / examples
    expected = first.mean(axis=0)[:, np.newaxis, :, np.newaxis] * second.mean(axis=0)[:, np.newaxis]
    found = joint > 0
    terms = joint * np.log(np.where(found, joint, 1) / np.where(expected > 0, expected, 1))
    cells = [found.sum(axis=(2, 3)), found.any(axis=3).sum(axis=2), found.any(axis=2).sum(axis=2)]
    chance = (cells[0] - cells[1] - cells[2] + 1) / (2 * examples)
    return np.maximum(terms.sum(axis=(2, 3)) - chance, 0)


def _one_hot(array, bins):
    """Bins by rank: (examples, n, bins) float32; equal numbers share a bin."""
    array = np.asarray(array)
    ranks = np.empty(array.shape)
    for column in range(array.shape[1]):
        ordered = np.sort(array[:, column])
        ranks[:, column] = np.searchsorted(ordered, array[:, column], "left")
    placed = (ranks * bins / len(array)).astype(int)
    return (placed[..., np.newaxis] == np.arange(bins)).astype(np.float32)


def principal_components(
    examples: np.ndarray, rng: np.random.Generator, count: int = COMPONENTS
) -> np.ndarray:
    """The numbers that tell most about examples.

    Args:
        examples: (examples, ...).
        rng: ``numpy.random.Generator``, which chooses DIMENSIONS among more.
        count: Largest number of components.

    Returns:
        (examples, components) float64, without components that do not vary.
    """
    flat = np.reshape(examples, (len(examples), -1))
    if flat.shape[1] > DIMENSIONS:
        flat = flat[:, rng.choice(flat.shape[1], DIMENSIONS, replace=False)]
    flat = flat.astype(np.float64) - flat.mean(axis=0, dtype=np.float64)
    left, strength, _ = np.linalg.svd(flat, full_matrices=False)
    found = strength > 1e-6 * max(strength.max(initial=0), 1e-12)
    return (left * strength)[:, found][:, :count]


def first_component(responses: np.ndarray) -> np.ndarray:
    """The number that tells most about each unit's responses.

    Args:
        responses: (examples, units, positions).

    Returns:
        (examples, units) float64.
    """
    centred = np.moveaxis(responses, 1, 0).astype(np.float64)  # (units, examples, positions)
    centred -= centred.mean(axis=1, keepdims=True)
    _, directions = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred)
    return np.einsum("uep,up->eu", centred, directions[..., -1])
