"""A single line of music, played by a program of a SoundFont with slurs, vibrato and swells.

Phrases of an orchestra's soloist, made of single notes of ``common.music.soundfont``:

- a note that follows the last one without a rest may be slurred: its attack is cut off, both are
  cross-faded, and the pitch glides from one to the other;
- long notes may get a vibrato that grows (``common.music.techniques.vibrato``);
- a swell over half a dozen notes makes them louder towards its middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from common.music.midi import Note
from common.music.soundfont import HELD_SECONDS, NOTE_SECONDS, SYNTH_RATE, Player
from common.music.techniques import at_speed, vibrato

_TOGETHER = 0.05  # seconds within which notes begin at once, and shorter rests are none
_SHORTEST = 0.09  # seconds of a note
_VELOCITIES = range(20, 128, 12)  # that are rendered
_SLURRED, _VIBRATO = 0.6, 0.5  # shares of the notes that can be played so
_ATTACK, _CROSSFADE, _GLIDE, _RELEASE = 0.08, 0.05, 0.06, 0.12  # seconds
_LONG = 0.5  # seconds of a note that may get a vibrato
_SWELL_NOTES, _SWELL_DB = (4, 9), 9.0


class Tone(NamedTuple):
    """A note of a line.

    Attributes:
        start, end: Seconds.
        pitch, velocity: MIDI numbers.
        slurred: Whether it goes on from the note before.
        vibrato: Whether it is played with vibrato.
        swell: Change of level in dB at its start and at its end.
    """

    start: float
    end: float
    pitch: int
    velocity: int
    slurred: bool = False
    vibrato: bool = False
    swell: tuple = (0.0, 0.0)


def outer_line(notes: Iterable[Note], low: int, high: int, *, top: bool = True) -> list[Tone]:
    """The highest or the lowest notes of a piece as a line, one at a time.

    Args:
        notes: Notes of ``common.music.midi``.
        low, high: Range of the instrument; the line is moved into it by octaves, each note on its
            own where the whole line does not fit.
        top: False takes the lowest notes.

    Returns:
        List of ``Tone``, sorted by start.
    """
    line = []
    for note in sorted(notes, key=lambda note: note.start):
        tone = Tone(note.start, note.end, note.pitch, note.velocity)
        if line and note.start < line[-1].end - _TOGETHER:
            # what lies on the other side of a held note belongs to another voice
            if (note.pitch > line[-1].pitch) != top or note.pitch == line[-1].pitch:
                continue
            if note.start - line[-1].start < _TOGETHER:
                line.pop()
        if line:
            line[-1] = line[-1]._replace(end=min(line[-1].end, note.start))
        line.append(tone)
    if not line:
        return []
    middle = int(np.median([tone.pitch for tone in line]))
    moved = 12 * round(((low + high) / 2 - middle) / 12)
    placed = [tone._replace(pitch=_within(tone.pitch + moved, low, high)) for tone in line]
    return [tone for tone in placed if tone.end - tone.start >= _SHORTEST]


def _within(pitch, low, high):
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch


def phrased(line: Sequence[Tone], rng: np.random.Generator) -> list[Tone]:
    """Choose slurs, vibrato and swells for a line; notes become at most as long as a sample."""
    tones, swell = [], []
    for tone in line:
        if not swell:
            count = int(rng.integers(*_SWELL_NOTES))
            shape = _SWELL_DB * rng.random() * (np.sin(np.linspace(0, np.pi, count + 1)) - 0.5)
            swell = [tuple(pair) for pair in np.lib.stride_tricks.sliding_window_view(shape, 2)]
        near = bool(tones) and tone.start - tones[-1].end < _TOGETHER
        slurred = near and tones[-1].pitch != tone.pitch and rng.random() < _SLURRED
        if slurred:
            tones[-1] = tones[-1]._replace(end=tone.start)
        end = min(tone.end, tone.start + HELD_SECONDS - 2 * _ATTACK)
        shakes = end - tone.start > _LONG and rng.random() < _VIBRATO
        tones.append(
            tone._replace(end=end, slurred=slurred, vibrato=bool(shakes), swell=swell.pop(0))
        )
    return tones


class LinePlayer:
    """Plays lines with the selected program of a player; rendered notes are kept.

    Args:
        player: ``common.music.soundfont.Player`` with a selected program.
    """

    def __init__(self, player: Player) -> None:
        self._player, self._notes = player, {}

    def play(self, tones: Sequence[Tone]) -> np.ndarray:
        """Audio of a line: float32 (samples,) at ``SYNTH_RATE``.

        Args:
            tones: ``Tone`` objects, sorted, none longer than a rendered note is held.
        """
        length = int((tones[-1].end + _RELEASE + NOTE_SECONDS) * SYNTH_RATE)
        audio = np.zeros(length, np.float32)
        for before, tone, after in zip([None, *tones[:-1]], tones, [*tones[1:], None], strict=True):
            from_pitch = before.pitch if tone.slurred else None
            sound = self._sound(tone, from_pitch, bool(after and after.slurred))
            start = round(tone.start * SYNTH_RATE)
            audio[start : start + sound.size] += sound
        return audio[: int((tones[-1].end + 2 * _RELEASE) * SYNTH_RATE)]

    def _sound(self, tone, from_pitch, goes_on):
        note = self._note(tone.pitch, tone.velocity)
        if from_pitch is not None:
            note = note[round(_ATTACK * SYNTH_RATE) :]
        samples = round((tone.end - tone.start) * SYNTH_RATE)
        seconds = np.arange(note.size) / SYNTH_RATE
        bend = vibrato(note.size) if tone.vibrato else np.zeros(note.size)
        if from_pitch is not None:
            bend += (from_pitch - tone.pitch) * np.clip(1 - seconds / _GLIDE, 0, 1) ** 2
        if bend.any():
            note = at_speed(note, 2 ** (bend / 12))
        fade = round((_CROSSFADE if goes_on else _RELEASE) * SYNTH_RATE)
        note = note[: samples + fade].copy()
        fade = min(fade, note.size)
        # cross-fades keep the power, as both notes differ
        note[note.size - fade :] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
        if from_pitch is not None:
            rise = min(round(_CROSSFADE * SYNTH_RATE), note.size)
            note[:rise] *= np.sin(np.linspace(0, np.pi / 2, rise, dtype=np.float32))
        decibels = np.interp(np.arange(note.size), [0, samples], tone.swell)
        return (note * 10 ** (decibels / 20)).astype(np.float32)

    def _note(self, pitch, velocity):
        velocity = min(_VELOCITIES, key=lambda known: abs(known - velocity))
        if (pitch, velocity) not in self._notes:
            self._notes[pitch, velocity] = self._player.render(pitch, velocity)
        return self._notes[pitch, velocity]
