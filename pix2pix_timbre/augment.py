"""Augment training pairs by effects of instruments, rooms and recordings.

Effects that belong to the recording are the same for origin and target (``--augment``). Effects on
the origin alone (``--augment_origin``) stand for other instruments of its kind in other rooms: the
target stays what the network has to find.

    >>> augment = Augmentation(("eq", "reverb"))
    >>> images = augment(images, np.random.default_rng(seed))  # (sides, BINS, columns) in [0, 1]
"""

from collections.abc import Iterable

import numpy as np

from data import BINS, HOP, SAMPLE_RATE, amplitude_to_db, db_to_amplitude

KINDS = ("gain", "tilt", "eq", "reverb")
ORIGIN_KINDS = (*KINDS, "noise")  # noise of a recording is nothing to imitate
GAIN_DB = 6.0  # either way
TILT_DB = 12.0  # either way, from the lowest to the highest bin
EQ_DB = 4.0  # either way
EQ_ORDER = 4  # number of half waves over the eight octaves of the bins
RT60_SECONDS = (0.2, 1.5)  # decay by 60 dB: from a dry room to a small hall
RT60_LOSS = 0.6  # largest reduction of the decay time at the highest bin, by absorption
NOISE_DB = (-90.0, -50.0)  # amplitude of the noise floor relative to full scale
WET_DB = (-30.0, -10.0)  # energy of the tail of an impulse relative to the impulse


class Augmentation:
    """One random draw of effects for all sides of a training pair.

    The effects are applied to linear magnitude, in the order tilt, eq, reverb, gain, noise.

    Args:
        kinds: Effects from ``ORIGIN_KINDS``; each is drawn anew for every call.

    Raises:
        ValueError: A kind that is not one of ``ORIGIN_KINDS``.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = frozenset(kinds)
        unknown = sorted(self.kinds.difference(ORIGIN_KINDS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: unknown; use {', '.join(ORIGIN_KINDS)}")

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply random effects to images.

        Nothing is clipped: if the loudest value would exceed 1, all sides are lowered together.

        Args:
            images: (sides, BINS, columns) in [0, 1], the scale of ``data.amplitude_to_db``.
            rng: ``numpy.random.Generator``.

        Returns:
            A new array of the same shape, float32 in [0, 1].
        """
        if not self.kinds:
            return np.array(images, np.float32)
        amplitude = db_to_amplitude(images)
        if "tilt" in self.kinds:
            amplitude *= _factor(draw_tilt(rng))[:, np.newaxis]
        if "eq" in self.kinds:
            amplitude *= _factor(draw_curve(rng))[:, np.newaxis]
        if "reverb" in self.kinds:
            seconds, wet = draw_reverb(rng)
            amplitude = reverberate(amplitude, seconds, wet)
        gain = _factor(rng.uniform(-GAIN_DB, GAIN_DB)) if "gain" in self.kinds else 1
        peak = amplitude.max(initial=0)
        amplitude *= np.float32(1 / peak if peak * gain > 1 else gain)
        if "noise" in self.kinds:
            amplitude = add_noise(amplitude, 10 ** (rng.uniform(*NOISE_DB) / 20), rng)
        augmented = amplitude_to_db(amplitude)
        return np.minimum(augmented, 1, out=augmented)  # rounding may go one step beyond


def _factor(decibels):
    """Factor on the amplitude, float32."""
    return np.float32(10.0) ** np.float32(decibels / 20)


def draw_tilt(rng: np.random.Generator) -> np.ndarray:
    """Draw a straight slope over the octaves: (BINS,) dB, a brighter or a darker sound.

    Its mean over the octaves is zero, and its ends are at most ``TILT_DB`` apart.
    """
    octaves = np.log2(np.maximum(np.arange(BINS), 1))
    return rng.uniform(-TILT_DB, TILT_DB) * (octaves / octaves[-1] - 0.5)


def draw_curve(rng: np.random.Generator) -> np.ndarray:
    """A smooth random equaliser curve: (BINS,) dB, within ``EQ_DB`` either way.

    It is a sum of cosines on a logarithmic frequency axis, each with a mean of zero.
    """
    octaves = np.log2(np.maximum(np.arange(BINS), 1))
    phase = np.pi * octaves / octaves[-1]
    curve = rng.uniform(-1, 1, EQ_ORDER) @ np.cos(np.outer(np.arange(1, EQ_ORDER + 1), phase))
    return curve * (rng.uniform(0, EQ_DB) / np.abs(curve).max())


def draw_reverb(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw a random room: arguments ``(seconds, wet)`` of ``reverberate``.

    The decay gets shorter towards high frequencies.
    """
    longest = np.exp(rng.uniform(*np.log(RT60_SECONDS)))
    loss = rng.uniform(0, RT60_LOSS) * np.linspace(0, 1, BINS)
    return longest * (1 - loss), 10 ** (rng.uniform(*WET_DB) / 10)


def add_noise(amplitude: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Add stationary white noise to linear magnitude, as powers: phases are independent.

    The magnitude of Gaussian noise is Rayleigh-distributed.

    Args:
        amplitude: (..., bins, columns).
        level: Root mean square of the noise's magnitude.
        rng: ``numpy.random.Generator``.

    Returns:
        A new array of the same shape, float32, not above 1 where the given one is not.
    """
    power = np.square(level) * rng.standard_exponential(amplitude.shape, np.float32)
    power += np.square(amplitude)
    return np.minimum(np.sqrt(power), np.maximum(amplitude, 1))


def reverberate(amplitude: np.ndarray, seconds: np.ndarray, wet: float) -> np.ndarray:
    """Add statistical late reverberation to linear magnitude; the direct sound is unchanged.

    The response of a room is exponentially decaying noise (Polack 1988), so the expected power of
    the tail is the power of the sound, convolved along time with a decaying exponential. The tail
    begins one column after its sound. Sound before the first column is unknown and has no tail.

    Args:
        amplitude: (..., bins, columns).
        seconds: (bins,), time in which the tail loses 60 dB.
        wet: Energy of the tail of an impulse relative to that of the impulse.

    Returns:
        A new array of the same shape, float32.
    """
    decay = np.float32(10 ** (-6 * HOP / SAMPLE_RATE / np.asarray(seconds)))
    # columns first, so that the recursion works on contiguous memory
    power = np.square(np.moveaxis(amplitude, -1, 0), order="C", dtype=np.float32)
    tail = np.zeros_like(power)
    np.multiply(power[:-1], np.float32(wet) * (1 - decay), out=tail[1:])
    for column in range(1, len(tail)):
        tail[column] += decay * tail[column - 1]
    power += tail
    np.sqrt(power, out=power)
    return np.ascontiguousarray(np.moveaxis(power, 0, -1))
