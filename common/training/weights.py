"""Weight files: HDF5 files of stock layers that other Keras code can load."""

from __future__ import annotations

import re
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import UserError
from common.files.hdf5 import UNREADABLE, create_hdf5, open_hdf5

if TYPE_CHECKING:
    import h5py
    import keras


def save_h5(model: keras.Model, path: Path | str) -> None:
    """Save a built model as a classic HDF5 file, which is complete or absent.

    Keras 3 reads it with ``load_model`` and ``load_weights``, Keras 2 with ``load_weights``.
    """
    # model.save() does not accept an open file, and warns about the legacy format at each save
    from keras.src.legacy.saving.legacy_h5_format import save_model_to_hdf5

    with create_hdf5(path) as file:
        save_model_to_hdf5(model, file, include_optimizer=False)


def save_state(model: keras.Model, path: Path | str) -> None:
    """Save what ``model.save_weights`` saves, including optimisers; complete or absent.

    ``model.load_weights`` reads it, if its name ends in .weights.h5.
    """
    from keras.src.saving import saving_lib

    class OpenFile(saving_lib.H5IOStore):
        """Stands in for the path in ``model.save_weights``, which does not accept an open file."""

        def _get_h5_file(self, *_):
            return file

    with create_hdf5(path) as file:
        saving_lib._save_state(model, OpenFile("", mode="w"), None, "", set())


def stand_alone(model: keras.Model) -> keras.Model:
    """Copy a network without the settings of a training and its machine.

    The copy computes in float32 on one device, and so does every model loaded from its file.
    """
    import keras

    text = re.sub('"(mixed_)?b?float16"', '"float32"', model.to_json())
    text = text.replace('"synchronized": true', '"synchronized": false')
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # nested blocks use the policy of the process
    try:
        copy = keras.models.model_from_json(text)
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(model.get_weights())
    return copy


def halve_precision(path: Path | str, output: Path | str) -> None:
    """Copy an HDF5 weights file with its arrays stored as float16.

    The file has half the size, and loads like the original.

    Args:
        path: File written by ``save_h5``.
        output: File to write.
    """

    def halved(name, array):
        return array.astype(np.float16) if np.issubdtype(array.dtype, np.floating) else array

    with open_hdf5(path) as source, create_hdf5(output) as target:
        _copy_arrays(source, target, halved)


def blend_weights(first: Path | str, second: Path | str, share: float, output: Path | str) -> None:
    """Average the weights of two networks of one shape: ``(1 - share) first + share second``.

    Where the second was trained on from the first, the networks between them are useful, too
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    Args:
        first, second: Files written by ``save_h5`` or ``halve_precision``.
        share: From 0, the first network, to 1, the second.
        output: File to write, in float32.

    Raises:
        UserError: A file is damaged, or the networks differ in more than the values of weights.
    """
    differ = UserError(f"{second}: not the same network as {first}; only weights can be blended")

    def blended(name, array):
        other = added[name][()] if name in added else None
        if getattr(other, "shape", None) != array.shape:
            raise differ
        if not np.issubdtype(array.dtype, np.floating):
            return array
        return (1 - share) * array.astype(np.float32) + share * other.astype(np.float32)

    try:
        with open_hdf5(first) as source, open_hdf5(second) as added:
            if _array_names(source) != _array_names(added):
                raise differ
            with create_hdf5(output) as target:
                _copy_arrays(source, target, blended)
    except UNREADABLE as error:
        raise UserError(f"{first}, {second}: one of them cannot be read ({error})") from error


def _copy_arrays(source, target, change):
    """Copy groups and attributes of an open HDF5 file; each array as ``change(name, array)``."""
    import h5py

    target.attrs.update(source.attrs)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy_arrays(item, target.create_group(name), change)
        else:
            target.create_dataset(name, data=change(item.name, item[()]))


def _array_names(file):
    import h5py

    names = []
    file.visititems(
        lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
    )
    return names


def is_classic(file: h5py.File) -> bool:
    """Whether an open HDF5 file of weights has the layout of Keras 2, not that of Keras 3."""
    return "model_weights" in file or "layer_names" in file.attrs


def load_into(model: keras.Model, path: Path | str) -> None:
    """Load a weights file into a built model; ``UserError`` if it does not fit or is damaged.

    Args:
        model: Keras model.
        path: HDF5 file of any name, in the layout of Keras 2 or 3.
    """
    if zipfile.is_zipfile(path):
        raise UserError(
            f"{path}: an archive of Keras; write its weights as HDF5 with "
            "keras.saving.load_model(...).save_weights('generator.weights.h5')"
        )
    try:
        with open_hdf5(path) as file:
            name = "network.h5" if is_classic(file) else "network.weights.h5"
    except UNREADABLE as error:
        raise UserError(f"{path}: no readable weights ({error}); take another copy") from error
    try:
        with tempfile.TemporaryDirectory() as folder:  # Keras recognises the layout by the name
            link = Path(folder) / name
            link.symlink_to(Path(path).resolve())
            with warnings.catch_warnings():  # of each layer that does not fit, before the error
                warnings.filterwarnings("ignore", "Skipping nested container")
                model.load_weights(link)
    except UNREADABLE as error:
        reason = str(error).partition(".")[0]
        raise UserError(
            f"{path}: weights of another architecture ({reason}); take those of this model"
        ) from error
    if not all(np.isfinite(array).all() for array in model.get_weights()):
        raise UserError(f"{path}: holds NaN or infinite weights; the training diverged")
