"""Recordings of single sounds, made ready for a library: start, offset, level, length, rate."""

from typing import NamedTuple

import numpy as np

from common.files.audio import PEAK, fit_length, peak, resample

BEGIN = 10 ** (-50 / 20)  # a sound begins where it first exceeds this share of its peak
END = 10 ** (-60 / 20)  # and ends where it last exceeds this one
LEAD_SECONDS = 0.005  # kept before the beginning
FADE_SECONDS = 0.01  # at the end of a sound that is shorter than asked for
SILENCE = 10 ** (-80 / 20)  # a peak below is silence


class Sample(NamedTuple):
    """A sound that is ready, and what was done to it.

    Attributes:
        audio: float32 (samples,) at the new rate.
        changes: Dict of what was done: ``leading_silence`` and ``seconds`` (length after it) in
            seconds, ``offset`` (that was subtracted), ``gain`` (linear), ``cut`` (whether the
            end was faded out early).
    """

    audio: np.ndarray
    changes: dict


def prepare_sample(
    audio: np.ndarray,
    rate: int,
    to_rate: int,
    seconds: float,
    *,
    release: float = 0.0,
    level: float | None = None,
    pad: bool = False,
    trim_end: bool = False,
) -> Sample | None:
    """Make a recording ready; None if it is silent.

    An offset is subtracted, leading silence removed, and what is longer than asked for faded out.

    Args:
        audio: float32 (samples,).
        rate: Hz.
        to_rate: Hz, of the result.
        seconds: Largest length.
        release: Length of the fade of a sound that is cut, in seconds.
        level: Peak of the result in dB of full scale; None keeps the level, unless it is beyond
            full scale.
        pad: Fill shorter sounds with silence.
        trim_end: Remove the silence at the end.

    Returns:
        ``Sample``, or None.
    """
    offset = offset_of(audio, rate)
    audio = audio - np.float32(offset)
    loudest = peak(audio)
    if loudest < SILENCE:
        return None
    begin = int(np.argmax(np.abs(audio) > BEGIN * loudest))
    begin = max(0, begin - int(LEAD_SECONDS * rate))
    if trim_end:
        audio = audio[: np.flatnonzero(np.abs(audio) > END * loudest)[-1] + 1]
    whole = len(audio) - begin
    length = round(seconds * to_rate)
    # some more than needed, for the filter of the resampling
    audio = resample(audio[begin : begin + int((seconds + 0.1) * rate)], rate, to_rate)
    cut = len(audio) > length
    audio = audio[:length].copy()
    fade = min(len(audio), max(1, int((release if cut else FADE_SECONDS) * to_rate)))
    audio[len(audio) - fade :] *= _fade(fade)
    wanted = min(peak(audio), PEAK) if level is None else 10 ** (level / 20)
    gain = np.float32(wanted / max(peak(audio), SILENCE))
    changes = {
        "leading_silence": round(begin / rate, 4),
        "offset": round(offset, 6),
        "gain": round(float(gain), 4),
        "seconds": round(whole / rate, 4),
        "cut": cut,
    }
    audio = audio * gain
    return Sample(fit_length(audio, length) if pad else audio, changes)


def offset_of(audio: np.ndarray, rate: int) -> float:
    """Constant offset of a recording.

    The median of the means of blocks of 50 ms: the mean of a drum hit, which has few periods, is
    not zero, and subtracting it would make the silence after it an offset.

    Args:
        audio: float32 (samples,).
        rate: Hz.
    """
    size = max(1, rate // 20)
    whole = len(audio) // size * size
    blocks = audio[:whole].reshape(-1, size) if whole else audio[None]
    return float(np.median(blocks.mean(axis=1, dtype=np.float64))) if audio.size else 0.0


def _fade(samples):
    """Half a squared cosine, from 1 to 0: (samples,) float32."""
    return (np.cos(np.linspace(0, np.pi / 2, samples)) ** 2).astype(np.float32)
