"""Pitch of a single note, measured by two trackers.

SwiftF0 (Nieradzik 2025, https://arxiv.org/abs/2508.18440), a small network, is quick. Where its
result contradicts a note's name, is weak, or may lie beyond its range, probabilistic YIN (Mauch and
Dixon 2014, ``librosa.pyin``) is asked as well; where SwiftF0 is not installed, it is asked alone.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from common.files.audio import resample

QUARTER_TONE = 0.5  # semitones
SWIFT_RANGE = 46.875, 2093.75  # Hz, the range of SwiftF0
LOWEST, HIGHEST = 20.0, 5000.0  # Hz, the range of the other tracker here

TRACK_SECONDS = 0.016  # between the columns of ``pitch_track``
_SECONDS = 2.0  # length of the part that is measured
_SWIFT_RATE, _YIN_RATE = 16000, 32000
_SURE = 0.5  # confidence of SwiftF0 from which a column has a pitch
_VOICED = 0.2  # least share of the columns that must have a pitch
_PROBABLE = 0.1  # least probability of a column with a pitch, by probabilistic YIN
_QUIET = 10 ** (-35 / 20)  # below the note's peak; there it has ended
_AROUND = 6  # factor on an expected frequency, either way, within which is searched


class Pitch(NamedTuple):
    """A pitch that was measured.

    Attributes:
        pitch: MIDI number, not rounded.
        tracker: "swift-f0" or "pyin".
        voiced: Share of the columns with a pitch, 0 to 1.
    """

    pitch: float
    tracker: str
    voiced: float


class Check(NamedTuple):
    """Result of comparing a note with its name.

    Attributes:
        measured: ``Pitch``, or None where none can be heard.
        deviation: Semitones from the name to the measured pitch; None if not measured.
    """

    measured: Pitch | None
    deviation: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether the pitch is within a quarter tone of the name's; None if not measured."""
        return None if self.deviation is None else abs(self.deviation) <= QUARTER_TONE


def frequency(pitch: float | np.ndarray) -> float | np.ndarray:
    """Frequency in Hz of a MIDI number, which may be fractional, or of an array of them."""
    return 440 * 2 ** ((pitch - 69) / 12)


def midi_number(hertz: float) -> float:
    """Fractional MIDI number of a frequency in Hz."""
    return 69 + 12 * math.log2(hertz / 440)


def has_swift() -> bool:
    """Whether SwiftF0 is installed."""
    return _swift() is not None


def pitch_track(audio: np.ndarray, rate: int) -> np.ndarray | None:
    """Pitch of a single voice every ``TRACK_SECONDS`` by SwiftF0; None where it is not installed.

    Args:
        audio: float32 (samples,).
        rate: Hz.

    Returns:
        (columns,) fractional MIDI numbers, NaN where no pitch is sure.
    """
    if _swift() is None:
        return None
    found = _swift().detect(resample(audio, rate, _SWIFT_RATE), _SWIFT_RATE)
    sure = (found.confidence >= _SURE) & (found.pitch_hz > 0)
    return 69 + 12 * np.log2(np.where(sure, found.pitch_hz, np.nan) / 440)


def measure_pitch(audio: np.ndarray, rate: int) -> Pitch | None:
    """Measure the pitch of a single note that nothing is known about.

    Args:
        audio: float32 (samples,).
        rate: Hz.

    Returns:
        ``Pitch``; None for a sound without pitch.
    """
    part = sounding_part(audio, rate)
    first = _by_swift(part, rate)
    if first is None:
        return _by_yin(part, rate, LOWEST, HIGHEST)
    # SwiftF0 is wrong by octaves at times, and can say nothing of what is beyond its range
    second = _by_yin(part, rate, *_around(frequency(first.pitch)))
    return first if second is None or _near(first, second.pitch) else second


def check_pitch(audio: np.ndarray, rate: int, named: int) -> Check:
    """Compare the pitch of a note with that of its name.

    A tracker that agrees with the name is believed; SwiftF0 is asked first.

    Args:
        audio: float32 (samples,).
        rate: Hz.
        named: MIDI number.

    Returns:
        ``Check``.
    """
    part = sounding_part(audio, rate)
    expected = frequency(named)
    first = None
    if SWIFT_RANGE[0] <= expected <= SWIFT_RANGE[1]:
        first = _by_swift(part, rate)
        if first is not None and _near(first, named):
            return Check(first, first.pitch - named)
    second = None
    if LOWEST <= expected <= HIGHEST:
        second = _by_yin(part, rate, *_around(expected))
    measured = second if second is not None else first
    return Check(measured, None if measured is None else measured.pitch - named)


def sounding_part(audio: np.ndarray, rate: int) -> np.ndarray:
    """The part of a note to measure: at most two seconds, without what is almost silent."""
    window = max(1, rate // 100)
    count = len(audio) // window
    if count == 0:
        return audio
    levels = np.abs(audio[: count * window]).reshape(count, window).max(axis=1)
    loud = np.flatnonzero(levels > _QUIET * levels.max())
    if loud.size == 0:
        return audio[:0]
    start = loud[0] * window
    return audio[start : min((loud[-1] + 1) * window, start + int(_SECONDS * rate))]


def _around(hertz):
    return max(LOWEST, hertz / _AROUND), min(HIGHEST, hertz * _AROUND)


def _near(measured, pitch):
    return abs(measured.pitch - pitch) <= QUARTER_TONE


@functools.cache
def _swift():
    try:
        from swift_f0 import SwiftF0
    except ImportError:
        return None
    return SwiftF0(threads=1, spin=False)  # the notes are shared among processes


def _by_swift(audio, rate):
    """``Pitch`` by SwiftF0; None if it hears none, or is not installed."""
    if _swift() is None or len(audio) == 0:
        return None
    found = _swift().detect(resample(audio, rate, _SWIFT_RATE), _SWIFT_RATE)
    return _typical(found.pitch_hz, found.confidence >= _SURE, "swift-f0")


def _by_yin(audio, rate, low, high):
    """``Pitch`` by probabilistic YIN between two frequencies; None if it hears none."""
    import librosa

    if len(audio) < rate / LOWEST or not audio.any():
        return None
    high = min(high, rate / 4)
    audio = resample(audio, rate, _YIN_RATE)
    columns = 8192  # five periods of the lowest frequency
    if len(audio) < columns:
        audio = np.pad(audio, (0, columns - len(audio)))
    # its own decision calls noise voiced, with a probability of 0.01
    hertz, _, probability = librosa.pyin(
        audio,
        fmin=low,
        fmax=high,
        sr=_YIN_RATE,
        frame_length=columns,
        hop_length=columns // 4,
        fill_na=None,
    )
    return _typical(hertz, probability >= _PROBABLE, "pyin")


def _typical(hertz, voiced, tracker):
    """Median of the voiced columns as a ``Pitch``; None if they are too few."""
    share = float(np.mean(voiced))
    if share < _VOICED:
        return None
    return Pitch(midi_number(float(np.median(hertz[voiced]))), tracker, share)
