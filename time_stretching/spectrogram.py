"""Spectrograms of time stretching.

As in NoaCahan/TimeStretching, windows have 2048 samples (four hops) at 16 kHz, so there are 1025
bins. Spectra are not normalised: a full-scale sine has magnitude 512 (54 dB).
"""

from common.audio.spectrograms import STFT, Scale

SAMPLE_RATE = 16000  # Hz; rate at which the networks work
OVERLAP = 4  # hops per window
HOP = 512  # samples at that rate
TRANSFORM = STFT(OVERLAP * HOP, HOP)
BINS = TRANSFORM.bins
_FEWEST = 8  # smallest hop in samples

PUBLISHED = Scale(-105.0, 25.0)  # clip((20 log10|X| - 25 + 130) / 130, 0, 1)
WIDE = Scale(-105.0, 55.0)  # for stores: no signal in [-1, 1] is clipped


def transform_at(sample_rate: int) -> STFT:
    """Return the transform for another rate in Hz with hop and window as long as TRANSFORM's."""
    hop = max(round(HOP * sample_rate / SAMPLE_RATE), _FEWEST)
    return STFT(OVERLAP * hop, hop)
