"""Windows of a long image, joined again."""

import numpy as np


def cross_fade(images, hop):
    """Join images that follow one another at a distance, faded into each other.

    Args:
        images: (images, bins, frames).
        hop: Columns from one to the next, at most as many as they have.

    Returns:
        (bins, (images - 1) * hop + frames): where several overlap, their weighted mean; what each
        weighs falls linearly towards its ends, over as much as the next one covers.
    """
    count, bins, frames = images.shape
    ends = np.minimum(np.arange(1, frames + 1), np.arange(frames, 0, -1))
    ramp = np.minimum(ends, max(frames - hop, 1)).astype(np.float32)
    joined = np.zeros((bins, (count - 1) * hop + frames), np.float32)
    weight = np.zeros(joined.shape[1], np.float32)
    for number, image in enumerate(images):
        part = slice(number * hop, number * hop + frames)
        joined[:, part] += image * ramp
        weight[part] += ramp
    return joined / weight
