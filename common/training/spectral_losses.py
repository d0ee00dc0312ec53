"""Multi-scale spectral losses between audios, with gradients on every backend."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from common.networks.filtered_noise import hann

SIZES = (2048, 1024, 512, 256)  # samples of the transforms
FLOOR = 5e-3  # power below which the logarithm tells nothing
_BINS_PER_BAND = 8  # of the Mel scale, in the mean
_LOWEST = 50.0  # Hz


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
    audio = ops.pad(audio, ((0, 0), (size // 2, size // 2)), mode="reflect")
    return frame_powers(ops.extract_sequences(audio, size, size // 4) * hann(size))


@ops.custom_gradient
def frame_powers(frames: Any) -> Any:
    """Power of the Fourier transform of real frames.

    Its gradient is written down, as TensorFlow's own has many more steps. Where ``X`` is the
    transform and ``P = |X|^2``, ``dL/dx`` is the inverse transform of ``2 size X dL/dP``, halved
    for all bins but the first and the last: an inverse real transform counts these twice.

    Args:
        frames: (..., size), an even number of samples.

    Returns:
        (..., size / 2 + 1).
    """
    real, imaginary = ops.rfft(frames)
    size = frames.shape[-1]
    weights = np.full(size // 2 + 1, size, np.float32)
    weights[[0, -1]] *= 2

    def gradient(*args, upstream=None):
        scaled = (args[0] if upstream is None else upstream) * weights
        return ops.irfft((scaled * real, scaled * imaginary))

    return ops.square(real) + ops.square(imaginary), gradient


def multi_scale_distance(
    first: Any,
    second: Any,
    sizes: Sequence[int] = SIZES,
    *,
    linear: float = 1.0,
    log: float = 1.0,
    floor: float = FLOOR,
    mel_rate: float | None = None,
) -> Any:
    """Distance of two audios by their spectra alone, as mean over the transforms.

    For each transform, ``linear`` times the mean absolute difference of the magnitudes, plus
    ``log`` times that of ``log(floor + power)`` (Bitton et al. 2020, eq. 8). Low partials fill few
    of the bins; with ``mel_rate``, the same is added for the power in bands of the Mel scale.

    Args:
        first, second: (batch, samples), more than half of the largest size.
        sizes: Samples of the transforms, multiples of 4.
        linear, log: Weights.
        floor: Added to the power.
        mel_rate: Sample rate in Hz for the Mel scale; None leaves it out.

    Returns:
        (batch,).
    """
    total = 0.0
    for size in sizes:
        pairs = [[power_spectra(audio, size) for audio in (first, second)]]
        if mel_rate:
            bands = mel_bands(size, mel_rate)
            pairs.append([ops.matmul(power, bands) for power in pairs[0]])
        for powers in pairs:
            if linear:
                # the root of 0 has no gradient
                one, other = (ops.sqrt(power + 1e-10) for power in powers)
                total = total + linear * ops.mean(ops.abs(one - other), axis=(1, 2))
            if log:
                one, other = (floor + power for power in powers)
                total = total + log * ops.mean(ops.abs(ops.log(other / one)), axis=(1, 2))
    return total / len(sizes)


def mel_bands(size: int, sample_rate: float) -> np.ndarray:
    """Triangular bands of the Mel scale from 50 Hz on: (size / 2 + 1, size / 16) float32."""
    import librosa

    with warnings.catch_warnings():  # narrow bands between two bins are empty, and count nothing
        warnings.simplefilter("ignore")
        return librosa.filters.mel(
            sr=sample_rate, n_fft=size, n_mels=size // 2 // _BINS_PER_BAND, fmin=_LOWEST, norm=None
        ).T
