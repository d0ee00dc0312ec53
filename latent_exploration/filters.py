"""The filter of the feedback."""

from __future__ import annotations

import numpy as np

from common.cli import UserError


def band_pass(audio: np.ndarray, hertz: float, quality: float, sample_rate: int) -> np.ndarray:
    """Filter audio (samples,) by a resonator of second order: (samples,).

    Its gain is 1 at ``hertz`` and -3 dB at the edges of a band of ``hertz / quality`` (Orfanidis,
    "Introduction to Signal Processing", section 11.3).

    Raises:
        UserError: The centre is not between 0 and half the sample rate.
    """
    from scipy.signal import iirpeak, lfilter

    if not 0 < hertz < sample_rate / 2:
        raise UserError(f"{hertz:g} Hz: give a centre between 0 and {sample_rate / 2:g} Hz")
    return lfilter(*iirpeak(hertz, quality, fs=sample_rate), audio)
