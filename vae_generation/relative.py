"""Load weights of musikalkemist/generating-sound-with-neural-networks, which uses Keras 2.

Its ``Autoencoder`` and ``VAE`` save ``weights.h5``, and their parameters as a pickle, which is not
read here. Give the parameters as a dict or JSON file, with the names of its constructor.

    from vae_generation.relative import load_relative

    encoder, decoder = load_relative("weights.h5", {
        "input_shape": [256, 64, 1], "conv_filters": [512, 256, 128, 64, 32],
        "conv_kernels": [3, 3, 3, 3, 3], "conv_strides": [2, 2, 2, 2, [2, 1]],
        "latent_space_dim": 128})
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import UserError
from common.files.hdf5 import UNREADABLE, open_hdf5
from vae_generation.model import Architecture, build_decoder, build_encoder, build_plain_encoder

if TYPE_CHECKING:
    import keras


def relative_architecture(parameters: dict[str, Any] | Path | str) -> Architecture:
    """Convert the parameters of the other code's constructor to an ``Architecture``.

    Args:
        parameters: Dict, or path of a JSON file with one.

    Raises:
        UserError: Missing or damaged parameters.
    """
    path = "parameters"
    if not isinstance(parameters, dict):
        path = parameters
        try:
            parameters = json.loads(Path(parameters).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such file") from None
        except ValueError as error:
            raise UserError(f"{path}: not readable as JSON ({error})") from error
    try:
        bins, columns, channels = parameters["input_shape"]
        strides = [
            (stride, stride) if isinstance(stride, int) else tuple(stride)
            for stride in parameters["conv_strides"]
        ]
        found = Architecture(
            bins,
            columns,
            tuple(parameters["conv_filters"]),
            tuple(parameters["conv_kernels"]),
            tuple(strides),
            parameters["latent_space_dim"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: input_shape, conv_filters, conv_kernels, conv_strides and "
            f"latent_space_dim are needed ({error!r})"
        ) from error
    if channels != 1:
        raise UserError(f"{path}: images of {channels} channels; only one is known here")
    return found.check()


def load_relative(
    weights: Path | str, parameters: dict[str, Any] | Path | str
) -> tuple[keras.Model, keras.Model]:
    """Load encoder and decoder with the weights of the other code's model.

    Args:
        weights: The other code's ``weights.h5``.
        parameters: As in ``relative_architecture``.

    Returns:
        ``(encoder, decoder)``: Keras models. The encoder of an ``Autoencoder`` returns latent
        vectors, that of a ``VAE`` mean and log variance.

    Raises:
        UserError: Files are missing or damaged, or the weights do not fit the parameters.
    """
    architecture = relative_architecture(parameters)
    arrays = _read(weights)
    variational = any(name.startswith("mu/") for name in arrays)
    encoder = (build_encoder if variational else build_plain_encoder)(architecture)
    decoder = build_decoder(architecture)
    for model in (encoder, decoder):
        for layer in model.layers:
            for variable in layer.weights:
                name = f"{layer.name}/{variable.name}"
                found = arrays.pop(name, None)
                if found is None or found.shape != tuple(variable.shape):
                    held = "none" if found is None else found.shape
                    raise UserError(
                        f"{weights}: {name} is {held}, not {tuple(variable.shape)}; are these its "
                        "parameters?"
                    )
                variable.assign(found)
    if arrays:
        raise UserError(f"{weights}: {next(iter(arrays))} has no place; are these its parameters?")
    return encoder, decoder


def _read(path):
    """Read the arrays of a Keras 2 weights file: dict from ``<layer>/<variable>``."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file of weights")
    arrays = {}
    try:
        with open_hdf5(path) as file:
            layers = file.get("model_weights", file)
            for model in layers.attrs["layer_names"]:
                group = layers[model]
                for name in group.attrs["weight_names"]:
                    text = name.decode() if isinstance(name, bytes) else name
                    short = "/".join(text.removesuffix(":0").split("/")[-2:])
                    arrays[short] = np.asarray(group[text])
    except UNREADABLE as error:
        raise UserError(f"{path}: not a readable .h5 file of weights ({error})") from error
    return arrays
