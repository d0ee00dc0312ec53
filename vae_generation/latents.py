"""Latent vectors of a training set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from common.files.store import read_arrays, readable, write_arrays
from vae_generation.store import Example

if TYPE_CHECKING:
    from vae_generation.store import ImageStore
    from vae_generation.trained import TrainedVAE


ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, section 5.2
_BATCH = 256
_ARRAYS = "mean", "log_variance"


class Latents(NamedTuple):
    """Latent distributions of images.

    Attributes:
        mean, log_variance: (images, latent_dim) float32.
        examples: List of ``vae_generation.store.Example``.
    """

    mean: np.ndarray
    log_variance: np.ndarray
    examples: list[Example]

    def save(self, path: Path) -> None:
        """Write an HDF5 file, which is complete or absent."""
        arrays = {name: getattr(self, name).astype(np.float16) for name in _ARRAYS}
        write_arrays(path, arrays, rows=self.examples)

    @classmethod
    def load(cls, path: Path) -> Latents:
        """Read a file written by ``save``; ``UserError`` if it is missing or damaged."""
        words = {"kind": "file of latent vectors", "remake": "python -m vae_generation.train"}
        arrays, _, examples = read_arrays(path, _ARRAYS, Example, **words)
        with readable(path, **words):
            shapes = {array.shape for array in arrays.values()}
            if len(shapes) > 1 or arrays["mean"].ndim != 2 or len(arrays["mean"]) != len(examples):
                raise ValueError("damaged, its arrays differ in length")
        return cls(*arrays.values(), examples)

    def active_units(self) -> np.ndarray:
        """Units that are in use: (latent_dim,) bool.

        A unit is active when the variance of its mean over the images is above ACTIVE_VARIANCE
        (Burda, Grosse and Salakhutdinov 2016, section 5.2).
        """
        return self.mean.var(axis=0) > ACTIVE_VARIANCE

    def sample(self, number: int, rng: np.random.Generator, temperature: float = 1.0) -> np.ndarray:
        """Sample from the aggregated posterior, the mixture of all distributions.

        Args:
            number: Number of samples.
            rng: ``numpy.random.Generator``.
            temperature: Factor on the spread of each distribution.

        Returns:
            (number, latent_dim).
        """
        chosen = rng.integers(len(self.mean), size=number)
        spread = temperature * np.exp(self.log_variance[chosen] / 2)
        return self.mean[chosen] + spread * rng.standard_normal(spread.shape)


def encode_store(trained: TrainedVAE, store: ImageStore, indices: Sequence[int]) -> Latents:
    """Encode images of a store as ``Latents``."""
    parts = []
    for start in range(0, len(indices), _BATCH):
        chosen = indices[start : start + _BATCH]
        conditions = trained.condition_vectors([store.rows[index] for index in chosen])
        parts.append(trained.encode_images(store.read(chosen), conditions))
    mean, log_variance = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Latents(mean, log_variance, [store.rows[index] for index in indices])
