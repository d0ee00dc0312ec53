"""What is filtered: noise, as published, or a harmonic tone at a pitch."""

from __future__ import annotations

import numpy as np

from vq_timbre.frames import BINS, HOP

_HIGHEST = 0.48  # of the sample rate: no harmonic lies above


class Noise:
    """Uniform white noise in [-1, 1], the same for each seed however it is cut.

    Args:
        seed: Integer.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def draw(self, hops: int) -> np.ndarray:
        """The next hops: (hops * HOP,) float32."""
        return (2 * self._rng.random(hops * HOP) - 1).astype(np.float32)


class Harmonics:
    """Harmonics of equal amplitude at a changing pitch, and noise where there is no pitch.

    Args:
        sample_rate: Hz.
        seed: Integer, of the noise.
    """

    def __init__(self, sample_rate: int, seed: int = 0) -> None:
        self._rate, self._noise = sample_rate, Noise(seed)
        self._phase, self._last = 0.0, 0.0

    def draw(self, hertz: np.ndarray) -> np.ndarray:
        """The next hops: (hops * HOP,) float32.

        Args:
            hertz: (hops,) pitch at the end of each hop, 0 for none; in between it moves in a
                straight line.
        """
        noise = self._noise.draw(len(hertz)).reshape(-1, HOP)
        before = np.concatenate([[self._last], hertz[:-1]])
        self._last = hertz[-1]
        begin = np.where(before > 0, before, hertz)
        end = np.where(hertz > 0, hertz, before)
        share = np.arange(1, HOP + 1) / HOP
        line = begin[:, np.newaxis] + np.multiply.outer(end - begin, share)
        phase = self._phase + np.cumsum(line) / self._rate
        self._phase = float(phase[-1] % 1)
        top = np.maximum(line, 1)
        count = np.floor(_HIGHEST * self._rate / top)
        half = np.pi * phase.reshape(line.shape)
        # closed form of the sum of cosines
        below = np.sin(half)
        safe = np.where(np.abs(below) < 1e-4, 1.0, below)
        sums = np.where(
            np.abs(below) < 1e-4, count, np.sin((2 * count + 1) * half) / safe / 2 - 0.5
        )
        tone = sums * np.sqrt(2 / 3 / count)  # as loud as the noise
        return np.where(line > 0, tone, noise).astype(np.float32).ravel()


def envelopes(shares: np.ndarray, hertz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Filters without the partials of their own pitch: what lies over them, as wide as a pitch.

    Args:
        shares: (frames, BINS), logarithms of the shares of the power.
        hertz: (frames,) pitch, 0 for none, which leaves a filter as it is.
        sample_rate: Hz.

    Returns:
        float32 of the shape of ``shares``, with sums of shares that are not 1.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    result = np.array(shares, np.float32)
    for index in np.flatnonzero(hertz > 0):
        period = min(hertz[index] * 2 * (BINS - 1) / sample_rate, BINS / 4)
        size = 2 * int(period / 2 + 1) + 1  # holds at least one partial
        tops = maximum_filter1d(result[index], size, mode="nearest")
        result[index] = uniform_filter1d(tops, size, mode="nearest")
    return result
