"""Drum hits in seven classes, and the keys of General MIDI that play them."""

import numpy as np

from common.music.samples import prepare_sample

BANK = 128  # of the drum kits in SoundFonts
HIT_SECONDS = 2.0
_COMPARED, _SAME = 8000, 0.99  # samples; least correlation of the same sound
CLASSES = {  # class -> keys of General MIDI
    "clap": (39,),
    "cowbell": (56,),
    "crash_or_ride": (49, 51, 53, 55, 57, 59),
    "hat": (42, 44, 46),
    "kick": (35, 36),
    "snare": (38, 40),
    "tom": (41, 43, 45, 47, 48, 50),
}
# program of a kit -> keys at which it has other instruments (General MIDI 2): a brush's slap;
# castanets and timpani
_OTHERS = {40: (39,), 48: (39, *range(41, 54))}


def keys_of_kit(program: int) -> dict[str, tuple[int, ...]]:
    """Keys of each class that a drum kit has, by its program of ``BANK``."""
    others = _OTHERS.get(program, ())
    return {name: tuple(key for key in keys if key not in others) for name, keys in CLASSES.items()}


def trimmed(hit: np.ndarray, rate: int) -> np.ndarray:
    """A hit without the silence around it, at most ``HIT_SECONDS`` long, at its own level.

    Args:
        hit: float32 (samples,).
        rate: Hz.
    """
    sample = prepare_sample(hit, rate, rate, HIT_SECONDS, release=0.2, trim_end=True)
    return hit[:0] if sample is None else sample.audio


def is_same_hit(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two hits are the same sound but for their levels and a shift in time.

    Kits of a SoundFont share most of their samples. The normalised cross-correlation of the first
    samples is above 0.99 for them, and below 0.9 for sounds that can be told apart.

    Args:
        one, other: float32 (samples,), at one rate.
    """
    count = min(len(one), len(other), _COMPARED)
    one, other = one[:count].astype(np.float64), other[:count].astype(np.float64)
    power = np.sqrt((one @ one) * (other @ other))
    if power == 0:
        return count > 0
    spectrum = np.fft.rfft(one, 2 * count) * np.conj(np.fft.rfft(other, 2 * count))
    return bool(np.abs(np.fft.irfft(spectrum)).max() > _SAME * power)
