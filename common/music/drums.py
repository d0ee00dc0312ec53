"""Drum hits in seven classes, and the keys of General MIDI that play them."""

import numpy as np

from common.music.samples import prepare_sample

BANK = 128  # of the drum kits in SoundFonts
HIT_SECONDS = 2.0
CLASSES = {  # class -> keys of General MIDI
    "clap": (39,),
    "cowbell": (56,),
    "crash_or_ride": (49, 51, 53, 55, 57, 59),
    "hat": (42, 44, 46),
    "kick": (35, 36),
    "snare": (38, 40),
    "tom": (41, 43, 45, 47, 48, 50),
}


def trimmed(hit: np.ndarray, rate: int) -> np.ndarray:
    """A hit without the silence around it, at most ``HIT_SECONDS`` long, at its own level.

    Args:
        hit: float32 (samples,).
        rate: Hz.
    """
    sample = prepare_sample(hit, rate, rate, HIT_SECONDS, release=0.2, trim_end=True)
    return hit[:0] if sample is None else sample.audio
