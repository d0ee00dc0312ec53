"""Combine sounds: notes at given times, one sound after another."""

from collections.abc import Sequence

import numpy as np

FADE_SECONDS = 0.03


def place(sounds: Sequence[tuple[float, float, np.ndarray]], sample_rate: int) -> np.ndarray:
    """Mix sounds at given times.

    Args:
        sounds: List of (start in seconds, duration in seconds, audio). A longer sound is cut off
            after the duration, with a short fade.
        sample_rate: Hz.

    Returns:
        (samples,) float32; may leave [-1, 1].
    """
    fade = round(FADE_SECONDS * sample_rate)
    cut = []
    for start, seconds, audio in sounds:
        length = min(audio.size, round(seconds * sample_rate))
        part = np.array(audio[:length], np.float32)
        ramp = min(fade, length)
        part[length - ramp :] *= np.linspace(1, 0, ramp, dtype=np.float32)
        cut.append((round(start * sample_rate), part))
    mixed = np.zeros(max((start + part.size for start, part in cut), default=0), np.float32)
    for start, part in cut:
        mixed[start : start + part.size] += part
    return mixed


def continue_with(audio: np.ndarray, addition: np.ndarray, overlap: int) -> np.ndarray:
    """Cross-fade from one sound to another.

    Args:
        audio, addition: (samples,) float32.
        overlap: Length of the cross-fade in samples, at most that of either sound.

    Returns:
        (audio.size + addition.size - overlap,) float32.
    """
    falling = np.cos(np.linspace(0, np.pi / 2, overlap, dtype=np.float32))
    joined = np.zeros(audio.size + addition.size - overlap, np.float32)
    joined[: audio.size] = audio
    begin = audio.size - overlap
    joined[begin : audio.size] *= falling
    joined[begin : audio.size] += falling[::-1] * addition[:overlap]
    joined[audio.size :] = addition[overlap:]
    return joined
