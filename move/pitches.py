"""Pitch of each slice of a recording; slices overlap by half."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from move.slices import Slices

LOWEST, HIGHEST = 24, 107  # MIDI numbers that are searched for, C1 to B7
_WINDOW = 4096  # samples
_STEPS = 4  # of the tracker in a slice


class Heard(NamedTuple):
    """What is heard in each slice.

    Attributes:
        pitches: (slices,) MIDI numbers; a slice without pitch has that of the last one with pitch.
        voiced: (slices,) bool: whether a slice has a pitch of its own.
    """

    pitches: np.ndarray
    voiced: np.ndarray


def heard_pitches(audio: np.ndarray, slices: Slices) -> Heard:
    """Track the pitch of a recording by probabilistic YIN (Mauch and Dixon 2014, librosa's pyin).

    Args:
        audio: (samples,) float32.
        slices: ``move.slices.Slices``.

    Returns:
        ``Heard``.
    """
    import librosa

    whole = slices.samples * max(-(-audio.size // slices.samples), 1)
    step = slices.samples // _STEPS
    hertz, voiced, _ = librosa.pyin(
        np.pad(audio, (0, whole - audio.size)),
        fmin=librosa.midi_to_hz(LOWEST),
        fmax=min(librosa.midi_to_hz(HIGHEST), slices.sample_rate / 4),
        sr=slices.sample_rate,
        frame_length=_WINDOW,
        hop_length=step,
    )
    midi = librosa.hz_to_midi(np.where(voiced, hertz, np.nan))[: whole // step]
    midi = np.lib.stride_tricks.sliding_window_view(midi, _STEPS)[:: _STEPS // 2]
    found = np.isfinite(midi).sum(axis=1) >= _STEPS // 2
    count = len(midi)
    pitches = np.full(count, 60)
    pitches[found] = np.rint(np.nanmedian(midi[found], axis=1)).astype(int)
    # hold the last pitch; before the first one, take that
    place = np.maximum.accumulate(np.where(found, np.arange(count), -1))
    first = int(np.argmax(found))
    return Heard(pitches[np.where(place < 0, first, place)], found)
