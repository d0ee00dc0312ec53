"""The arithmetic floor: operations of a network over the machine's peak, both of this run."""

import statistics
import time

import numpy as np


def convolution_flops(model):
    """Floating-point operations of the (transposed) convolutions of one frame through a model.

    Two per multiplication and addition; the rest of these networks is below 1 %.
    """
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            area = np.prod(layer.input.shape[1:3])  # each input pixel meets the whole kernel
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
    """Float32 operations per second of a large matrix product by the backend in use, the best."""
    from keras import ops

    matrix = ops.convert_to_tensor(
        np.random.default_rng(0).standard_normal((size, size), np.float32)
    )
    best = min(timed(lambda: np.asarray(ops.matmul(matrix, matrix)[0, 0])) for _ in range(repeats))
    return 2 * size**3 / best


def timed(function):
    """Seconds that a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def against_floor(function, flops, rounds):
    """Time a function against its arithmetic floor, each round measuring both in turn.

    Prints the ratios; the median is the figure to quote, since machines are noisy.

    Returns:
        Median seconds of a call.
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
