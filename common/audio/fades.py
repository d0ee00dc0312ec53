"""Join the windows of a long image."""

import numpy as np


def cross_fade(images: np.ndarray, hop: int) -> np.ndarray:
    """Join images at equal distances, with cross-fades.

    Args:
        images: (images, bins, columns).
        hop: Distance in columns, at most the width of an image.

    Returns:
        (bins, (images - 1) * hop + columns). Where images overlap, the result is their weighted
        mean; weights fall linearly towards the ends of each image, over the overlap.
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
