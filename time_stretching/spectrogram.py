"""Spectrograms of time stretching: windows of four hops, scales as published.

As in NoaCahan/TimeStretching: 2048 samples and a hop of 512 at 16 kHz, 1025 bins. Spectra are
not normalised: a sine of full range has magnitude 512 (54 dB) there.
"""

from common.audio.spectrograms import STFT, Scale

SAMPLE_RATE = 16000  # Hz, of the networks
OVERLAP = 4  # hops in a window
HOP = 512  # samples, at that rate
TRANSFORM = STFT(OVERLAP * HOP, HOP)
BINS = TRANSFORM.bins
_FEWEST = 8  # samples of a hop

PUBLISHED = Scale(-105.0, 25.0)  # clip((20 log10|X| - 25 + 130) / 130, 0, 1)
WIDE = Scale(-105.0, 55.0)  # of stores: nothing of a signal in [-1, 1] is clipped


def transform_at(sample_rate: int) -> STFT:
    """The transform whose hop and window last as long as TRANSFORM's at another rate, in Hz."""
    hop = max(round(HOP * sample_rate / SAMPLE_RATE), _FEWEST)
    return STFT(OVERLAP * hop, hop)
