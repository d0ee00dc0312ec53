"""What the networks of a model are given while it works on a sound."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from common.latent import LatentModel

if TYPE_CHECKING:
    import keras

_SHORTEST = 16  # steps of a sequence, where its length is open


@contextlib.contextmanager
def watched(networks: dict[str, keras.Model]) -> Iterator[dict[str, list[list[np.ndarray]]]]:
    """Context manager that records the inputs of networks; TensorFlow compiles nothing meanwhile.

    Args:
        networks: Dict from a name to a Keras model.

    Yields:
        Dict from the name to the inputs of each call: lists of arrays (batch, ...).
    """
    import tensorflow as tf

    seen = {name: [] for name in networks}

    def watch(network, calls):
        original = network.call

        def watching(inputs, *args, **kwargs):
            given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            if not any(tf.is_symbolic_tensor(array) for array in given):
                calls.append([np.array(array, np.float32) for array in given])
            return original(inputs, *args, **kwargs)

        network.call = watching

    for name, network in networks.items():
        watch(network, seen[name])
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield seen
    finally:
        tf.config.run_functions_eagerly(eagerly)
        for network in networks.values():
            del network.call


def play_through(model: Any, audio: np.ndarray, rate: int) -> None:
    """Let a model work on a sound: convert it, or encode and decode it.

    What does neither, or has networks that this does not reach, has a method ``try_out``.

    Args:
        model: As opened by ``common.trained.open_model``.
        audio: (samples,) float32.
        rate: Its sample rate in Hz.
    """
    from common.files.audio import resample

    if hasattr(model, "try_out"):
        model.try_out(resample(audio, rate, model.sample_rate))
    elif isinstance(model, LatentModel):
        model.decode(model.encode(resample(audio, rate, model.sample_rate)))
    elif hasattr(model, "convert"):
        model.convert(audio, rate, phase="input", style=audio if model.styled else None)


def example_inputs(
    networks: dict[str, keras.Model],
    model: Any,
    audio: np.ndarray,
    rate: int,
    count: int,
) -> tuple[dict[str, list[np.ndarray]], set[str]]:
    """Examples of the inputs of a model's networks.

    Args:
        networks: Dict from a name to a network of the model.
        model: As opened by ``common.trained.open_model``.
        audio: (samples,) float32: what the model works on.
        rate: Its sample rate in Hz.
        count: Largest number of examples, evenly out of all.

    Returns:
        Dict from the name to the inputs (examples, ...); names of the networks that the sound did
        not reach, whose inputs are drawn from a normal distribution.
    """
    with watched(networks) as seen:
        play_through(model, audio, rate)
    found, drawn = {}, set()
    for name, network in networks.items():
        if seen[name]:
            same = [call for call in seen[name] if _shapes(call) == _shapes(seen[name][0])]
            arrays = [np.concatenate(parts) for parts in zip(*same, strict=True)]
            kept = np.linspace(0, len(arrays[0]) - 1, min(count, len(arrays[0]))).astype(int)
            found[name] = [
                array[kept].astype(one.dtype)
                for array, one in zip(arrays, network.inputs, strict=True)
            ]
        else:
            drawn.add(name)
            rng = np.random.default_rng(0)
            found[name] = [_drawn(network, one, count, rng) for one in network.inputs]
    return found, drawn


def _drawn(network, one, count, rng):
    """Random values for an input: numbers of codes, or a normal distribution."""
    shape = count, *(size or _SHORTEST for size in one.shape[1:])
    if "int" in one.dtype:
        known = [layer.input_dim for layer in network.layers if hasattr(layer, "input_dim")]
        return rng.integers(0, min(known, default=1), shape).astype(one.dtype)
    return rng.standard_normal(shape).astype(one.dtype)


def _shapes(call):
    return [array.shape[1:] for array in call]
