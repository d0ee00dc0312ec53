"""Weights on disk: stock-layer HDF5 files that other Keras code loads."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from data import replace_when_done
from pix2pix_timbre.model import GENERATOR_DEPTH, build_generator

# What h5py and Keras raise on files that are damaged or hold something else.
_UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError)


def save_h5(model, path):
    """Save a built model as a classic HDF5 file; it appears whole or not at all.

    Keras 3 reads it with ``load_model`` and ``load_weights``, Keras 2 with ``load_weights``.
    """
    from absl import logging

    with replace_when_done(path) as temporary:
        verbosity = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)  # Keras calls the format legacy at each save
        try:
            model.save(temporary, include_optimizer=False)
        finally:
            logging.set_verbosity(verbosity)


def stand_alone(model):
    """A copy of a network without what belongs to a training and its machine.

    It computes in float32 and on one device, and so does everyone who loads its file.
    """
    import keras

    text = re.sub('"(mixed_)?b?float16"', '"float32"', model.to_json())
    text = text.replace('"synchronized": true', '"synchronized": false')
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # nested blocks take that of the process
    try:
        copy = keras.models.model_from_json(text)
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(model.get_weights())
    return copy


def halve_precision(path, output):
    """Copy an HDF5 weights file with its arrays stored as float16.

    Half the size; loads like the original.

    Args:
        path: File written by ``save_h5``.
        output: File to write.
    """
    import h5py

    def copy(source, target):
        target.attrs.update(source.attrs)
        for name, item in source.items():
            if isinstance(item, h5py.Group):
                copy(item, target.create_group(name))
            else:
                array = item[()]
                is_float = np.issubdtype(array.dtype, np.floating)
                target.create_dataset(name, data=array.astype(np.float16) if is_float else array)

    with (
        replace_when_done(output) as temporary,
        h5py.File(path, "r") as source,
        h5py.File(temporary, "w") as target,
    ):
        copy(source, target)


# What generators are for, by their input and output channels.
_WAYS = {
    (1, 1): "predict.py",
    (2, 1): "predict_multitarget.py",
    (2, 2): "predict.py --phase network",
}


class Shape(NamedTuple):
    """What tells one generator from another, as ``pix2pix_timbre.model.build_generator`` has it."""

    width: int
    channels: int
    outputs: int


def generator_shape(path):
    """``Shape`` of the generator whose weights a file holds.

    Args:
        path: HDF5 file, a whole model or weights alone, of Keras 2 or 3.

    Raises:
        UserError: Missing, damaged, or no generator of this architecture.
    """
    import h5py

    if not Path(path).is_file():
        raise UserError(f"{path}: no such file of weights")
    try:
        with h5py.File(path, "r") as file:
            layers = file.get("model_weights", file)  # absent where the weights were saved alone
            kernels = [
                layers[name][layers[name].attrs["weight_names"][0]].shape
                for name in layers.attrs["layer_names"]
                if len(layers[name].attrs["weight_names"])
            ]
    except _UNREADABLE as error:
        raise UserError(f"{path}: not a readable .h5 file of weights ({error})") from error
    if len(kernels) != 2 * GENERATOR_DEPTH or len(kernels[0]) != 4:
        raise UserError(f"{path}: holds no Pix2Pix generator; expected generator.h5 of a training")
    return Shape(kernels[0][3], kernels[0][2], kernels[-1][2])


def load_into(model, path):
    """Load a weights file into a built model; ``UserError`` when it does not fit or is damaged."""
    try:
        model.load_weights(path)
    except _UNREADABLE as error:
        reason = str(error).partition(".")[0]
        raise UserError(f"{path}: weights of another architecture ({reason})") from error
    if not all(np.isfinite(array).all() for array in model.get_weights()):
        raise UserError(f"{path}: holds NaN or infinite weights; the training diverged")


def load_generator(path, channels=1, outputs=1):
    """Build the generator that fits a weights file, and load it.

    Args:
        path: HDF5 file of ``train.py``, or of the published code.
        channels: Input channels that the caller will give.
        outputs: Output channels that it expects.

    Returns:
        Keras model in inference mode.

    Raises:
        UserError: As ``generator_shape``; another number of channels; another architecture.
    """
    shape = generator_shape(path)
    if shape[1:] != (channels, outputs):
        way = _WAYS.get(shape[1:])
        if way is None:
            raise UserError(
                f"{path}: weights of another architecture ({shape.channels} input channels, "
                f"{shape.outputs} output channels)"
            )
        raise UserError(f"{path}: the model takes {shape.channels} input channels; use {way}")
    generator = build_generator(shape.width, channels, outputs=outputs)
    load_into(generator, path)
    generator.trainable = False
    return generator
