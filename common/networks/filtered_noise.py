"""Sound of filtered noise: each frame of a noise is multiplied by a filter, and frames overlap.

Frames have an even number of samples that is a multiple of 4, and begin a quarter of it apart (75 %
overlap). A filter is given by its magnitude at the bins of a real Fourier transform of a frame,
(size / 2 + 1,); its phase is zero. All functions are made of ``keras.ops`` and have gradients.
"""

import math
from typing import Any

import keras
from keras import ops

OVERLAP = 4  # frames over each sample


def audio_length(frames: int, size: int) -> int:
    """Number of samples of an audio of overlapping frames."""
    return (frames + OVERLAP - 1) * (size // OVERLAP)


def frame_count(samples: int, size: int) -> int:
    """Least number of frames that cover an audio."""
    return max(math.ceil(samples / (size // OVERLAP)) - OVERLAP + 1, 1)


def cut_frames(audio: Any, size: int) -> Any:
    """Overlapping frames of an audio.

    Args:
        audio: (batch, samples), where samples is ``audio_length`` of some number of frames.
        size: Samples of a frame.

    Returns:
        (batch, frames, size).
    """
    hop = size // OVERLAP
    hops = ops.reshape(audio, (-1, ops.shape(audio)[1] // hop, hop))
    frames = ops.shape(hops)[1] - OVERLAP + 1
    return ops.concatenate([hops[:, part : part + frames] for part in range(OVERLAP)], axis=-1)


def hann(size: int) -> Any:
    """Periodic Hann window (size,) float32; a quarter of it apart, windows add up to 2."""
    angles = ops.arange(size, dtype="float32") * (2 * math.pi / size)
    return 0.5 - 0.5 * ops.cos(angles)


def synthesis_windows(frames: Any, size: int, *, first: bool = True, last: bool = True) -> Any:
    """Hann windows of all frames of an audio, open at its ends so that attacks are kept.

    Args:
        frames: Number of frames.
        size: Samples of a frame.
        first, last: Whether the first frame begins the audio, and the last one ends it: the outer
            half of its window is then 1.

    Returns:
        (frames, size) float32.
    """
    number, sample = ops.arange(frames)[:, None], ops.arange(size)[None]
    outer = (number < (1 if first else 0)) & (sample < size // 2)
    outer |= (number >= frames - (1 if last else 0)) & (sample >= size // 2)
    return ops.where(outer, 1.0, hann(size))


def add_frames(frames: Any) -> Any:
    """Sum of overlapping frames (batch, frames, size): (batch, samples)."""
    hop = frames.shape[-1] // OVERLAP
    hops = 0
    for part in range(OVERLAP):
        quarter = frames[..., part * hop : (part + 1) * hop]
        hops = hops + ops.pad(quarter, ((0, 0), (part, OVERLAP - 1 - part), (0, 0)))
    return ops.reshape(hops, (-1, ops.shape(hops)[1] * hop))


def overlap_add(
    frames: Any, *, first: bool = True, last: bool = True, as_published: bool = False
) -> Any:
    """Audio of overlapping frames, which are windowed and divided by the sum of the windows.

    Frames of one audio, as ``cut_frames`` gives them, make this audio again.

    Args:
        frames: (batch, frames, size).
        first, last: As in ``synthesis_windows``. Without ``first``, only samples from
            3 / 4 ``size`` on are those of a longer audio, and likewise at the end.
        as_published: Divide by the number of frames over each sample instead, like the code of
            "Neural granular sound synthesis" (Bitton et al. 2020): half the level, except for the
            first and the last quarter of a frame.

    Returns:
        (batch, samples).
    """
    count, size = ops.shape(frames)[1], frames.shape[-1]
    windows = synthesis_windows(count, size, first=first, last=last)[None]
    weights = add_frames(ops.ones_like(windows) if as_published else windows)
    # a sample under no window at an end that is not open is 0
    return add_frames(frames * windows) / ops.maximum(weights, keras.config.epsilon())


def smooth_filters(coefficients: Any) -> Any:
    """Filters whose impulse responses are shorter: multiplied by a Hann window around time 0.

    In the spectrum, that is an average of each bin with its neighbours, of weights 1/4, 1/2, 1/4.

    Args:
        coefficients: (batch, frames, bins).

    Returns:
        Of the same shape.
    """
    below = ops.concatenate([coefficients[..., 1:2], coefficients[..., :-1]], axis=-1)
    above = ops.concatenate([coefficients[..., 1:], coefficients[..., -2:-1]], axis=-1)
    return coefficients / 2 + (below + above) / 4


def filter_frames(frames: Any, coefficients: Any) -> Any:
    """Filter frames by multiplication of their spectra, which is a circular convolution.

    Args:
        frames: (batch, frames, size).
        coefficients: (batch, frames, size / 2 + 1), the magnitude of each filter.

    Returns:
        (batch, frames, size).
    """
    real, imaginary = ops.rfft(frames)
    return ops.irfft((real * coefficients, imaginary * coefficients))


def draw_noise(batch: Any, samples: Any, seed: int | keras.random.SeedGenerator) -> Any:
    """Uniform white noise in [-1, 1]: (batch, samples) float32.

    Args:
        batch, samples: Shape.
        seed: An integer gives the same noise each time, a generator another one.
    """
    return keras.random.uniform((batch, samples), -1, 1, seed=seed)


def filter_noise(
    coefficients: Any,
    noise: Any,
    *,
    smooth: bool = True,
    first: bool = True,
    last: bool = True,
    as_published: bool = False,
) -> Any:
    """Audio of a noise that is filtered frame by frame. Filters of ones give the noise back.

    Args:
        coefficients: (batch, frames, bins), the magnitude of each frame's filter.
        noise: (batch, samples), ``audio_length`` of the frames (see ``draw_noise``).
        smooth: Window the impulse responses (``smooth_filters``).
        first, last, as_published: As in ``overlap_add``.

    Returns:
        (batch, samples).
    """
    size = 2 * (coefficients.shape[-1] - 1)
    filters = smooth_filters(coefficients) if smooth else coefficients
    frames = filter_frames(cut_frames(noise, size), filters)
    return overlap_add(frames, first=first, last=last, as_published=as_published)


def scaled_sigmoid(values: Any) -> Any:
    """Magnitudes in (0, 2) of any numbers: ``2 * sigmoid(x) ** ln(10) + 1e-7``.

    Towards low magnitudes it is exponential (Engel et al. 2020, eq. 5, has a base of 10 as well).
    """
    return 2 * ops.sigmoid(values) ** math.log(10) + 1e-7
