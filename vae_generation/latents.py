"""Latent vectors of a training set."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.atomic import replace_when_done
from common.files.hdf5 import UNREADABLE, open_hdf5
from vae_generation.store import Example

ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, section 5.2
_BATCH = 256


class Latents(NamedTuple):
    """Latent distributions of images.

    Attributes:
        mean, log_variance: (images, latent_dim) float32.
        examples: List of ``vae_generation.store.Example``.
    """

    mean: np.ndarray
    log_variance: np.ndarray
    examples: list

    def save(self, path):
        """Write an HDF5 file; it appears whole or not at all."""
        import h5py

        with replace_when_done(path) as temporary, h5py.File(temporary, "w") as file:
            file.create_dataset("mean", data=self.mean.astype(np.float16))
            file.create_dataset("log_variance", data=self.log_variance.astype(np.float16))
            for name, kind in Example.__annotations__.items():
                values = [getattr(one, name) for one in self.examples]
                dtype = h5py.string_dtype() if kind is str else None
                file.create_dataset(name, data=values, dtype=dtype)

    @classmethod
    def load(cls, path):
        """Read a file of ``save``; ``UserError`` when it is missing or damaged."""
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file; the training writes it after its last epoch")
        try:
            with open_hdf5(path) as file:
                columns = [
                    file[name].asstr()[()].tolist() if kind is str else file[name][()].tolist()
                    for name, kind in Example.__annotations__.items()
                ]
                examples = [Example(*row) for row in zip(*columns, strict=True)]
                arrays = [file[name][()].astype(np.float32) for name in ("mean", "log_variance")]
        except UNREADABLE as error:
            raise UserError(f"{path}: not readable as latent vectors ({error})") from error
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1 or arrays[0].ndim != 2 or len(arrays[0]) != len(examples):
            raise UserError(f"{path}: damaged, its arrays differ in length; train again")
        if not all(np.isfinite(array).all() for array in arrays):
            raise UserError(f"{path}: damaged, holds NaN or infinite numbers; train again")
        return cls(*arrays, examples)

    def active_units(self):
        """Which units are used: (latent_dim,) bool.

        A unit is active when the variance of its mean over the images is above ACTIVE_VARIANCE
        (Burda, Grosse and Salakhutdinov 2016, section 5.2).
        """
        return self.mean.var(axis=0) > ACTIVE_VARIANCE

    def sample(self, number, rng, temperature=1.0):
        """Draws from the aggregated posterior, the mixture of all distributions.

        Args:
            number: Of draws.
            rng: ``numpy.random.Generator``.
            temperature: Factor of the spread of each distribution.

        Returns:
            (number, latent_dim).
        """
        chosen = rng.integers(len(self.mean), size=number)
        spread = temperature * np.exp(self.log_variance[chosen] / 2)
        return self.mean[chosen] + spread * rng.standard_normal(spread.shape)


def encode_store(trained, store, indices):
    """``Latents`` of some images of a store."""
    parts = []
    for start in range(0, len(indices), _BATCH):
        chosen = indices[start : start + _BATCH]
        conditions = trained.condition_vectors([store.rows[index] for index in chosen])
        parts.append(trained.encode_images(store.read(chosen), conditions))
    mean, log_variance = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Latents(mean, log_variance, [store.rows[index] for index in indices])
