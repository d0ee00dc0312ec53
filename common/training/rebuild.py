"""Networks with other layer sizes than those that a builder gives them."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from common.cli import UserError
from common.training.fast import parts_of

if TYPE_CHECKING:
    from pathlib import Path

    import keras

# Settings of layers that decide their size, among those of ``get_config``.
SIZES = ("filters", "units", "output_dim", "groups", "target_shape", "batch_shape")
# Recorded sizes may be at most so many times the builder's: what one widening can reach.
_AT_MOST = 2


def rebuild(network: keras.Model, settings: dict[str, dict] | None = None) -> keras.Model:
    """Build a network of the same layers with other sizes, and new weights.

    Args:
        network: Built functional or Sequential Keras model, which may contain others.
        settings: Dict from the path of a layer, such as "block/conv", to a dict of its ``SIZES``
            that are different.

    Returns:
        Keras model of the same class.
    """
    config = copy.deepcopy(network.get_config())
    _change(config, settings or {}, "")
    return type(network).from_config(config)


def thaw(network: keras.Model) -> keras.Model:
    """Make all layers of a network trainable if none is, as of one that was opened to be used."""
    if not network.trainable_variables:
        for part in parts_of(network):
            part.trainable = True
    return network


def merged(settings: dict[str, dict], more: dict[str, dict]) -> dict[str, dict]:
    """Settings as in ``rebuild``, of which ``more`` replaces single sizes."""
    return {path: settings.get(path, {}) | more.get(path, {}) for path in settings | more}


def _change(config, settings, prefix):
    """Change the configuration of a network in place."""
    for part in config["layers"]:
        inner = part["config"]
        path = f"{prefix}{inner['name']}"
        # a layer builds itself where it is called; what is recorded is its shape of before
        part.pop("build_config", None)
        inner.update(settings.get(path, {}))
        if "layers" in inner:
            _change(inner, settings, f"{path}/")
            if inner.pop("build_input_shape", None):  # a Sequential: its input is what it is given
                inner["layers"] = [
                    layer for layer in inner["layers"] if layer["class_name"] != "InputLayer"
                ]
    if "build_input_shape" in config and not prefix:
        config["build_input_shape"] = None  # the InputLayer tells


def trimmed(network: keras.Model, settings: dict[str, dict], where: Path | str) -> keras.Model:
    """Build a network with the smaller or wider layers that a ``config.json`` records.

    Args:
        network: As a builder of the kit gives it.
        settings: As in ``rebuild``, read from the file.
        where: Name of the file, for messages.

    Returns:
        Keras model with new weights.

    Raises:
        UserError: The settings name an unknown layer, sizes are not between 1 and twice those of
            before, or do not fit together.
    """
    try:
        known = dict(_layers(network.get_config(), ""))
        for path, sizes in settings.items():
            for name, size in sizes.items():
                if name not in SIZES or not _fits(size, known[path][name]):
                    raise ValueError(f"{path}: {name} {size!r}")
        return rebuild(network, settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{where}: no sizes of {network.name} ({reason})") from error


def layer_paths(network: keras.Model) -> list[str]:
    """Paths of all layers of a network and the networks in it, in a fixed order."""
    return [path for path, _ in _layers(network.get_config(), "")]


def _layers(config, prefix):
    for part in config["layers"]:
        path = f"{prefix}{part['config']['name']}"
        yield path, part["config"]
        if "layers" in part["config"]:
            yield from _layers(part["config"], f"{path}/")


def _fits(size, old):
    """Whether a size, or a shape, is one that a layer of the size ``old`` may get."""
    if isinstance(size, list | tuple):
        pairs = zip(size, old, strict=True)
        return all(new == before or _fits(new, before) for new, before in pairs)
    before = math.inf if old == -1 else old
    return isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= _AT_MOST * before
