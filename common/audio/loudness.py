"""Loudness as it is heard (ITU-R BS.1770-4, EBU R 128), and sounds brought to one loudness."""

import numpy as np

from common.files.audio import PEAK, peak

TARGET_LUFS = -23.0  # EBU R 128
_SHORTEST = 0.4  # seconds: the block over which loudness is measured


def loudness(audio, sample_rate):
    """Integrated loudness in LUFS; minus infinity of silence.

    Args:
        audio: (samples,) or (channels, samples) float32, at most five channels. One that is shorter
            than a block of 0.4 s is measured as if silence followed.
        sample_rate: Hz.
    """
    import pyloudnorm

    channels = np.atleast_2d(audio).T
    missing = max(round(_SHORTEST * sample_rate) + 1 - len(channels), 0)
    padded = np.pad(channels.astype(np.float64), [(0, missing), (0, 0)])
    if not padded.any():
        return -np.inf
    return float(pyloudnorm.Meter(sample_rate).integrated_loudness(padded))


def at_loudness(audio, sample_rate, lufs=TARGET_LUFS):
    """An audio, amplified or turned down to a loudness; a peak beyond full range comes first.

    Args:
        audio: (samples,) or (channels, samples) float32.
        sample_rate: Hz.
        lufs: Loudness to reach. Where the peak would exceed ``PEAK``, the sound stays quieter.

    Returns:
        A new array of the same shape, float32; silence, and what is too faint to be measured, as it
        is.
    """
    found = loudness(audio, sample_rate)
    if not np.isfinite(found):
        return np.array(audio, np.float32)
    gain = min(10 ** ((lufs - found) / 20), PEAK / peak(audio))
    return (np.asarray(audio) * np.float32(gain)).astype(np.float32)
