"""The random network: one convolution over time, with frequencies as channels, and its adjoint.

Nothing of it is trained. The convolution is a sum of matrix products, one for each place of the
kernel: the same arithmetic at the speed of the machine's matrix product. So spectrograms are here
(columns, bins); ``random_cnn_style.transfer`` turns them.
"""

import numpy as np
from keras import ops

FILTERS = 4096
KERNEL = 11  # columns


def random_weights(bins, filters=FILTERS, kernel=KERNEL, seed=0):
    """Weights of the network, as published: normal, of He's deviation over both fans, times root 2.

    Args:
        bins: Channels of the input.
        filters: Channels of the output.
        kernel: Columns.
        seed: Of the draw.

    Returns:
        (kernel, bins, filters) float32.
    """
    deviation = np.sqrt(2) * np.sqrt(2 / ((bins + filters) * kernel))
    draw = np.random.default_rng(seed).standard_normal((kernel, bins, filters), np.float32)
    draw *= np.float32(deviation)
    return draw


def features(magnitude, weights):
    """Activations of the network, after its ReLU.

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


def adjoint(slope, weights):
    """Slope of the input by that of what enters the ReLU: the transposed convolution.

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
