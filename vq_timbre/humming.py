"""Hummed tones, made of a glottal source and formants: a vocal imitation without a voice."""

from __future__ import annotations

import numpy as np

from common.music.pitch import frequency
from vq_timbre.excitation import Harmonics
from vq_timbre.frames import HOP, hops_of

# frequency and bandwidth in Hz of an open-mouthed hum, after the vowels of Peterson and Barney 1952
_FORMANTS = ((350, 80), (1000, 120), (2400, 200))
_TILT_HERTZ = 400.0  # of a low-pass filter of 12 dB per octave: the source
_NOTE_SECONDS = 0.4, 1.1
_STEPS = (-4, -3, -2, -1, 0, 1, 2, 3, 4, 5)  # semitones from note to note
_LOWEST, _HIGHEST = 50, 67  # MIDI numbers


def hum(seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A melody that is hummed: gliding pitch, vibrato, swelling notes.

    Args:
        seconds: Length.
        sample_rate: Hz.
        rng: Chooses the notes.

    Returns:
        (samples,) float32 with a peak of 0.25.
    """
    from scipy.signal import butter, iirpeak, lfilter, sosfilt

    hops = hops_of(int(seconds * sample_rate))
    time = np.arange(hops) * HOP / sample_rate
    pitch, level, start, note = np.zeros(hops), np.zeros(hops), 0.0, int(rng.integers(52, 64))
    while start < seconds:
        length = rng.uniform(*_NOTE_SECONDS)
        inside = (time >= start) & (time < start + length)
        pitch[inside] = note
        level[inside] = np.sin(np.pi * np.clip((time[inside] - start) / length, 0.02, 0.98)) ** 0.5
        note = int(np.clip(note + rng.choice(_STEPS), _LOWEST, _HIGHEST))
        start += length
    pitch = np.convolve(np.pad(pitch, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    pitch = pitch + 0.2 * np.sin(2 * np.pi * 5.5 * time)
    source = Harmonics(sample_rate).draw(frequency(pitch))
    source = sosfilt(butter(2, _TILT_HERTZ, fs=sample_rate, output="sos"), source)
    voiced = 0.1 * source
    for hertz, width in _FORMANTS:
        voiced = voiced + lfilter(*iirpeak(hertz, hertz / width, fs=sample_rate), source)
    voiced = voiced * np.interp(np.arange(voiced.size) / HOP, np.arange(hops), level)
    return (0.25 * voiced / np.abs(voiced).max()).astype(np.float32)
