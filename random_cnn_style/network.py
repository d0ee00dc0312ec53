"""The random network: one convolution over time, with frequencies as channels, and its adjoint.

It is not trained. The convolution is a sum of matrix products, one for each position of the kernel,
which is as fast as the machine's matrix product. Therefore spectrograms are (columns, bins) here;
``random_cnn_style.transfer`` transposes them.
"""

from typing import Any

import numpy as np
from keras import ops

FILTERS = 4096
KERNEL = 11  # columns


def random_weights(
    bins: int, filters: int = FILTERS, kernel: int = KERNEL, seed: int = 0
) -> np.ndarray:
    """Draw weights as published: normal, with He's deviation over both fans, times root 2.

    Args:
        bins: Number of input channels.
        filters: Number of output channels.
        kernel: Length in columns.
        seed: Random seed.

    Returns:
        (kernel, bins, filters) float32.
    """
    deviation = np.sqrt(2) * np.sqrt(2 / ((bins + filters) * kernel))
    draw = np.random.default_rng(seed).standard_normal((kernel, bins, filters), np.float32)
    draw *= np.float32(deviation)
    return draw


def features(magnitude: Any, weights: Any) -> Any:
    """Compute the activations of the network, after its ReLU.

    Args:
        magnitude: (columns, bins).
        weights: (kernel, bins, filters).

    Returns:
        (columns - kernel + 1, filters).
    """
    kernel = weights.shape[0]
    count = magnitude.shape[0] - kernel + 1
    parts = [ops.matmul(magnitude[at : at + count], weights[at]) for at in range(kernel)]
    return ops.relu(sum(parts[1:], parts[0]))


def adjoint(slope: Any, weights: Any) -> Any:
    """Gradient of the input, given that before the ReLU: the transposed convolution.

    Args:
        slope: (columns - kernel + 1, filters).
        weights: (kernel, bins, filters).

    Returns:
        (columns, bins).
    """
    kernel = weights.shape[0]
    parts = [
        ops.pad(ops.matmul(slope, ops.transpose(weights[at])), ((at, kernel - 1 - at), (0, 0)))
        for at in range(kernel)
    ]
    return sum(parts[1:], parts[0])
