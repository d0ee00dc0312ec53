"""Pitch of each slice of a recording; slices overlap by half."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from common.cli import UserError
from move.ages import ages_since
from move.slices import Slices

TRACKERS = ("pyin", "swift-f0")
LOWEST, HIGHEST = 24, 107  # MIDI numbers that are searched for, C1 to B7
_WINDOW = 0.096  # seconds; with a longer one, quick notes are heard too low
_STEPS = 4  # of the tracker in a slice
_RISE_DB = 6.0  # from one slice to the next, where a note of the same pitch begins


class Heard(NamedTuple):
    """What is heard in each slice.

    Attributes:
        pitches: (slices,) MIDI numbers; a slice without pitch has that of the last one with pitch.
        voiced: (slices,) bool: whether a slice has a pitch of its own.
        ages: (slices,) number of half slices since its note began: where the pitch changes, or a
            pitch is heard again, or the level rises by 6 dB.
    """

    pitches: np.ndarray
    voiced: np.ndarray
    ages: np.ndarray


def heard_pitches(
    audio: np.ndarray, slices: Slices, tracker: str = TRACKERS[0], *, before: int | None = None
) -> Heard:
    """Track the pitch of a recording.

    Args:
        audio: (samples,) float32.
        slices: ``move.slices.Slices``.
        tracker: "pyin": probabilistic YIN (Mauch and Dixon 2014, librosa's); "swift-f0": SwiftF0
            (Nieradzik 2025), which is quicker, and hears 47 to 2,094 Hz.
        before: Age of the slice before the first one, whose note may go on.

    Returns:
        ``Heard``.

    Raises:
        UserError: The tracker is unknown, or SwiftF0 is asked for and not installed.
    """
    if tracker not in TRACKERS:
        raise UserError(f"tracker {tracker!r}: choose one of {', '.join(TRACKERS)}")
    parts = max(-(-audio.size // slices.samples), 1)
    padded = np.pad(audio, (0, parts * slices.samples - audio.size))
    follow = {"pyin": _by_yin, "swift-f0": _by_swift}[tracker]
    midi, places = follow(padded, slices)
    starts = np.arange(2 * parts - 1) * slices.samples / 2
    first, last = (np.searchsorted(places, at) for at in (starts, starts + slices.samples))
    inside = [midi[one:other] for one, other in zip(first, last, strict=True)]
    found = np.array([2 * np.isfinite(part).sum() >= max(part.size, 1) for part in inside])
    pitches = np.full(len(inside), 60)
    for number in np.flatnonzero(found):
        pitches[number] = np.rint(np.nanmedian(inside[number]))
    # hold the last pitch; before the first one, take that
    place = np.maximum.accumulate(np.where(found, np.arange(found.size), -1))
    pitches = pitches[np.where(place < 0, int(np.argmax(found)), place)]
    levels = np.array([np.square(padded[int(at) :][: slices.samples]).mean() for at in starts])
    rises = levels[1:] > levels[:-1] * 10 ** (_RISE_DB / 10)
    begun = rises | (np.diff(pitches) != 0) | (found[1:] & ~found[:-1])
    return Heard(pitches, found, ages_since(np.append(before is None, begun), before))


def _by_yin(audio, slices):
    """MIDI numbers, NaN where none is heard, and the sample that each is about."""
    import librosa

    step = slices.samples // _STEPS
    hertz, voiced, _ = librosa.pyin(
        audio,
        fmin=librosa.midi_to_hz(LOWEST),
        fmax=min(librosa.midi_to_hz(HIGHEST), slices.sample_rate / 4),
        sr=slices.sample_rate,
        frame_length=2 * round(_WINDOW / 2 * slices.sample_rate),
        hop_length=step,
    )
    midi = librosa.hz_to_midi(np.where(voiced, hertz, np.nan))
    return midi, step * np.arange(midi.size)


def _by_swift(audio, slices):
    from common.music.pitch import TRACK_SECONDS, pitch_track

    midi = pitch_track(audio, slices.sample_rate)
    if midi is None:
        raise UserError("swift-f0 is not installed: `make notes` does that, or track with pyin")
    return midi, TRACK_SECONDS * slices.sample_rate * np.arange(midi.size)
