"""Multi-scale spectral losses between audios, with gradients on every backend."""

from collections.abc import Sequence
from typing import Any

from keras import ops

SIZES = (2048, 1024, 512, 256)  # samples of the transforms
FLOOR = 5e-3  # power below which the logarithm tells nothing


def power_spectra(audio: Any, size: int) -> Any:
    """Power of a short-time Fourier transform, periodic Hann windows with 75 % overlap.

    Windows are centred, and the audio continues as its mirror image beyond its ends. The transform
    is not normalised.

    Args:
        audio: (batch, samples), more than half of ``size``.
        size: Samples of a window.

    Returns:
        (batch, frames, size / 2 + 1).
    """
    real, imaginary = ops.stft(audio, size, size // 4, size)
    return ops.square(real) + ops.square(imaginary)


def multi_scale_distance(
    first: Any,
    second: Any,
    sizes: Sequence[int] = SIZES,
    *,
    linear: float = 1.0,
    log: float = 1.0,
    floor: float = FLOOR,
) -> Any:
    """Distance of two audios by their spectra alone, as mean over the transforms.

    For each transform, ``linear`` times the mean absolute difference of the magnitudes, plus
    ``log`` times that of ``log(floor + power)`` (Bitton et al. 2020, eq. 8).

    Args:
        first, second: (batch, samples), more than half of the largest size.
        sizes: Samples of the transforms, multiples of 4.
        linear, log: Weights.
        floor: Added to the power.

    Returns:
        (batch,).
    """
    total = 0.0
    for size in sizes:
        powers = [power_spectra(audio, size) for audio in (first, second)]
        if linear:
            # the root of 0 has no gradient
            one, other = (ops.sqrt(power + 1e-10) for power in powers)
            total = total + linear * ops.mean(ops.abs(one - other), axis=(1, 2))
        if log:
            one, other = (ops.log(floor + power) for power in powers)
            total = total + log * ops.mean(ops.abs(one - other), axis=(1, 2))
    return total / len(sizes)
