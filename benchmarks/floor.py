"""Arithmetic floor of a computation: its operations divided by the machine's peak speed."""

import statistics
import time

import numpy as np


def convolution_flops(model):
    """Count the floating-point operations of a model's (transposed) convolutions for one frame.

    A multiplication with its addition counts as two. All other layers of these networks together
    need less than 1 % of that.
    """
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            area = np.prod(layer.input.shape[1:3])  # each input pixel meets all weights
        elif isinstance(layer, keras.layers.Conv2D):
            area = np.prod(layer.output.shape[1:3])
        elif hasattr(layer, "layers"):
            total += convolution_flops(layer)
            continue
        else:
            continue
        total += 2 * int(area) * int(np.prod(layer.kernel.shape))
    return total


def machine_peak(size=3072, repeats=5):
    """Measure the machine's peak: operations per second of a large float32 matrix product."""
    from keras import ops

    matrix = ops.convert_to_tensor(
        np.random.default_rng(0).standard_normal((size, size), np.float32)
    )
    best = min(timed(lambda: np.asarray(ops.matmul(matrix, matrix)[0, 0])) for _ in range(repeats))
    return 2 * size**3 / best


def timed(function):
    """Time a call, in seconds."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def against_floor(function, flops, rounds):
    """Time a function and the machine's peak in turn, and print their ratios.

    The median is the figure to quote, because single rounds are noisy.

    Returns:
        Median time of a call in seconds.
    """
    seconds, ratios = [], []
    for _ in range(rounds):
        floor = flops / machine_peak()
        seconds.append(timed(function))
        ratios.append(seconds[-1] / floor)
    print(
        f"time over floor: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to "
        f"{max(ratios):.2f} in {rounds} rounds"
    )
    return statistics.median(seconds)
