"""Windows of a long image, joined again."""

import numpy as np


def cross_fade(images, hop):
    """Join images that follow one another at a distance, faded into each other.

    Args:
        images: (images, bins, columns).
        hop: Columns from one to the next, at most as many as they have.

    Returns:
        (bins, (images - 1) * hop + columns): where several overlap, their weighted mean; what each
        weighs falls linearly towards its ends, over as much as the next one covers.
    """
    count, bins, columns = images.shape
    ends = np.minimum(np.arange(1, columns + 1), np.arange(columns, 0, -1))
    ramp = np.minimum(ends, max(columns - hop, 1)).astype(np.float32)
    joined = np.zeros((bins, (count - 1) * hop + columns), np.float32)
    weight = np.zeros(joined.shape[1], np.float32)
    for number, image in enumerate(images):
        part = slice(number * hop, number * hop + columns)
        joined[:, part] += image * ramp
        weight[part] += ramp
    return joined / weight
