"""Perceived loudness (ITU-R BS.1770-4, EBU R 128), and normalisation to a loudness."""

import numpy as np

from common.files.audio import PEAK, peak

TARGET_LUFS = -23.0  # EBU R 128
_SHORTEST = 0.4  # seconds: the block over which loudness is measured


def loudness(audio: np.ndarray, sample_rate: int) -> float:
    """Integrated loudness in LUFS; minus infinity for silence.

    Args:
        audio: (samples,) or (channels, samples) float32, at most five channels. Audio shorter than
            a block of 0.4 s is measured as if silence followed.
        sample_rate: Hz.
    """
    import pyloudnorm

    channels = np.atleast_2d(audio).T
    missing = max(round(_SHORTEST * sample_rate) + 1 - len(channels), 0)
    padded = np.pad(channels.astype(np.float64), [(0, missing), (0, 0)])
    if not padded.any():
        return -np.inf
    return float(pyloudnorm.Meter(sample_rate).integrated_loudness(padded))


def at_loudness(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Bring audio to ``TARGET_LUFS``; it stays quieter if its peak would exceed ``PEAK``.

    Args:
        audio: (samples,) or (channels, samples) float32.
        sample_rate: Hz.

    Returns:
        A new array of the same shape, float32; silence, and sound too faint to be measured, is
        unchanged.
    """
    found = loudness(audio, sample_rate)
    if not np.isfinite(found):
        return np.array(audio, np.float32)
    gain = min(10 ** ((TARGET_LUFS - found) / 20), PEAK / peak(audio))
    return (np.asarray(audio) * np.float32(gain)).astype(np.float32)
