"""Piano performances, and etudes by rule that cover all pitches, dynamics and densities.

    >>> piece = etude(seeded("etude_003_alberti", 0), "alberti")

Positions are in quarter notes from the start, pitches are MIDI numbers. All randomness comes from
the ``random.Random`` that is passed in.
"""

from __future__ import annotations

import bisect
import hashlib
import math
import random
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from common.files.atomic import replace_when_done

LOWEST, HIGHEST = 24, 100
SOFTEST, LOUDEST = 20, 120
TICKS = 960  # ticks per quarter note in MIDI files
_SHORTEST = 0.04  # s; a real hammer makes no shorter note
_RELEASE = 0.02  # s; time that a key needs to come up before it can be struck again
_FASTEST = 13  # strokes per second; about the limit of a hand
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)
_PROGRESSIONS = (
    (1, 4, 5, 1), (1, 6, 4, 5), (1, 5, 6, 4), (6, 2, 5, 1), (1, 3, 4, 5), (4, 5, 3, 6),
    (1, 7, 1, 5), (2, 5, 1, 4), (1, 2, 5, 6), (4, 1, 2, 5),
)  # fmt: skip


# (start, duration, pitch, accent) of strokes, in quarters and velocity steps
Strokes = Iterator[tuple[float, float, int, int]]


class Note(NamedTuple):
    """One stroke of a key."""

    start: float  # quarters
    end: float  # quarters
    pitch: int
    velocity: int


class Performance(NamedTuple):
    """Notes, tempi and pedal of a performance."""

    notes: list[Note]
    tempi: list[tuple[float, float]]  # (quarter, quarters per minute), the first one at quarter 0
    pedals: list[tuple[float, float]]  # (down, up) in quarters


class Bar(NamedTuple):
    """Position and harmony of a bar, which a texture fills with notes."""

    start: float  # quarters
    beats: int  # quarters
    number: int
    chord: tuple[int, ...]  # pitch classes, the root first
    scale: tuple[int, ...]  # pitch classes


class Style(NamedTuple):
    """Properties that are constant within a phrase."""

    division: int  # strokes per quarter
    low: int  # register
    high: int
    length: float  # of a note relative to a stroke: below 1 detached, above 1 overlapping
    shape: str  # of the melodic line: up, down, wave or leap
    deck: tuple[int, ...]  # the whole keyboard, shuffled once per etude


def seeded(name: str, seed: int) -> random.Random:
    """Random stream of a file; depends only on its name and the seed, on every machine."""
    return random.Random(hashlib.sha256(f"{seed}/{name}".encode()).digest())


def tempo_at(tempi: list[tuple[float, float]], quarter: float) -> float:
    """Tempo at a position, in quarters per minute."""
    return tempi[max(bisect.bisect_right(tempi, (quarter, math.inf)) - 1, 0)][1]


def seconds_at(tempi: list[tuple[float, float]], quarter: float) -> float:
    """Time in seconds of a position in quarters."""
    seconds = 0.0
    ends = [start for start, _ in tempi[1:]] + [math.inf]
    for (start, tempo), end in zip(tempi, ends, strict=True):
        if start < quarter:
            seconds += (min(quarter, end) - start) * 60 / tempo
    return seconds


def end_seconds(performance: Performance) -> float:
    """Length of a performance in seconds."""
    ends = [note.end for note in performance.notes] + [up for _, up in performance.pedals]
    return seconds_at(performance.tempi, max(ends))


def playable(performance: Performance) -> Performance:
    """Make a performance playable: no key is struck while it is down."""
    tempi, strokes = performance.tempi, {}
    for note in sorted(performance.notes):
        strokes.setdefault(note.pitch, []).append(note)
    notes = []
    for row in strokes.values():
        following = [*row[1:], None]
        for note, after in zip(row, following, strict=True):
            second = tempo_at(tempi, note.start) / 60  # quarters
            end = max(note.end, note.start + _SHORTEST * second)
            if after is not None:
                end = min(end, after.start - _RELEASE * second)
            # two strokes too close together (hands meet on a key): the later one is kept
            if end > note.start + 0.99 * _SHORTEST * second:
                notes.append(note._replace(end=end))
    return performance._replace(notes=sorted(notes))


def write_midi(path: Path, performance: Performance, text: str) -> None:
    """Write a performance as a MIDI file of one track, channel 0, program 0 (piano)."""
    import mido

    # at equal ticks: tempo, key and pedal releases, pedal and key strokes
    events = [(0, 0, mido.MetaMessage("text", text=text))]
    events.append((0, 0, mido.Message("program_change", program=0)))
    for start, tempo in performance.tempi:
        message = mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))
        events.append((round(start * TICKS), 0, message))
    for note in performance.notes:
        start, end = round(note.start * TICKS), round(note.end * TICKS)
        off = mido.Message("note_off", note=note.pitch, velocity=64)
        on = mido.Message("note_on", note=note.pitch, velocity=note.velocity)
        events += [(max(end, start + 1), 1, off), (start, 4, on)]
    for down, up in performance.pedals:
        for at, order, value in ((down, 3, 127), (up, 2, 0)):
            message = mido.Message("control_change", control=64, value=value)
            events.append((round(at * TICKS), order, message))
    events.sort(key=lambda event: event[:2])
    track, now = mido.MidiTrack(), 0
    for at, _, message in events:
        track.append(message.copy(time=at - now))
        now = at
    with replace_when_done(path) as temporary:
        mido.MidiFile(type=0, ticks_per_beat=TICKS, tracks=[track]).save(temporary)


def ladder(classes: Collection[int], low: int, high: int) -> list[int]:
    """Pitches from low to high whose pitch class is in ``classes``, ascending."""
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]


def rung(rng: random.Random, count: int, index: int, shape: str) -> int:
    """Position of stroke ``index`` on a ladder of ``count`` pitches."""
    if shape == "leap":
        return rng.randrange(count)
    if shape == "wave":
        index %= max(2 * count - 2, 1)
        return min(index, 2 * count - 2 - index)
    return index % count if shape == "up" else count - 1 - index % count


# Textures: each yields the strokes of one bar.


def strokes(bar: Bar, style: Style) -> Iterator[tuple[int, float, float, int]]:
    """Even strokes of a bar: (index, start, duration, accent)."""
    for index in range(bar.beats * style.division):
        accent = 8 if index == 0 else 4 if index % style.division == 0 else 0
        yield index, bar.start + index / style.division, style.length / style.division, accent


def arpeggios(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    tones = ladder(bar.chord, style.low, min(style.high + 12, HIGHEST))
    for index, start, duration, accent in strokes(bar, style):
        yield start, duration, tones[rung(rng, len(tones), index, style.shape)], accent


def broken_chords(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    tones = ladder(bar.chord, style.low, style.high)
    group = rng.choice(((0, 2, 1), (0, 1, 2, 1), (2, 0, 1, 0), (0, 2, 1, 3), (3, 1, 2, 0)))
    base = rng.randrange(max(len(tones) - 4, 1))
    for index, start, duration, accent in strokes(bar, style):
        place = base + group[index % len(group)] + index // len(group) % 2
        yield start, duration, tones[min(place, len(tones) - 1)], accent
        if index % (2 * style.division) == 0:  # the other hand
            yield start, 2.0, ladder(bar.chord[:1], LOWEST, LOWEST + 24)[index % 2], 2


def melody(rng: random.Random, bar: Bar, low: int, high: int) -> Strokes:
    """Melody: chord tones on the beats, steps between them, sometimes a chromatic neighbour."""
    scale, tones = ladder(bar.scale, low, high), ladder(bar.chord, low, high)
    at, pitch = 0.0, rng.choice(tones)
    while at < bar.beats:
        duration = min(rng.choice((0.5, 0.5, 1.0, 1.0, 1.5, 2.0)), bar.beats - at)
        if at % 1 == 0:
            pitch = min(tones, key=lambda tone: (abs(tone - pitch - rng.choice((-2, 2))), tone))
        else:
            nearest = min(range(len(scale)), key=lambda place: abs(scale[place] - pitch))
            pitch = scale[min(max(nearest + rng.choice((-1, 1)), 0), len(scale) - 1)]
            pitch += rng.random() < 0.1
        yield bar.start + at, duration * rng.uniform(0.8, 1.05), pitch, 12
        at += duration


def alberti(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    base = min(ladder(bar.chord[:1], 36, 60), key=lambda pitch: abs(pitch - style.low))
    chord = [base + (tone - bar.chord[0]) % 12 for tone in bar.chord[:3]]
    for index, start, duration, accent in strokes(bar, style):
        yield start, duration, chord[(0, 2, 1, 2)[index % 4]], accent - 8
    yield from melody(rng, bar, base + 16, min(base + 36, HIGHEST))


def block_chords(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    tones = ladder(bar.chord, style.low - 12, min(style.high + 12, HIGHEST))
    step = rng.choice((0.5, 1, 1, 2, bar.beats))
    for index in range(int(bar.beats / step)):
        size = rng.randint(2, 6)
        first = rng.randrange(max(len(tones) - size, 1))
        apart = rng.choice((1, 1, 2)) if first + 2 * size <= len(tones) else 1
        for pitch in tones[first::apart][:size]:
            yield bar.start + index * step, step * min(style.length, 1.0), pitch, 4 * (index == 0)


def scales(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    steps = ladder(bar.scale, style.low, style.high)
    for index, start, duration, accent in strokes(bar, style):
        place = index + bar.number * bar.beats * style.division
        yield start, duration, steps[rung(rng, len(steps), place, style.shape)], accent


def scales_in_two_hands(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    shift = rng.choice((12, 24, 15, 16))  # octaves, double octave, tenths
    mirror = rng.random() < 0.3
    for start, duration, pitch, accent in scales(rng, bar, style):
        yield start, duration, pitch, accent
        other = style.low + style.high - pitch if mirror else pitch
        yield start, duration, other - shift, accent


def repeated_notes(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    tones = ladder(bar.chord, style.low, style.high)
    keys = rng.sample(tones, min(rng.choice((1, 1, 2, 3)), len(tones)))
    for index, start, duration, accent in strokes(bar, style):
        if index and index % (2 * style.division) == 0:
            keys = [rng.choice(tones)]
        for pitch in keys:
            yield start, min(duration, 0.8 / style.division), pitch, accent


def trills(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    below = rng.choice(ladder(bar.scale, style.low + 6, style.high))
    above = next(pitch for pitch in range(below + 1, below + 4) if pitch % 12 in bar.scale)
    for index, start, duration, accent in strokes(bar, style):
        yield start, min(duration, 1 / style.division), (below, above)[index % 2], accent
    for pitch in ladder(bar.chord, below - 30, below - 12)[: rng.randint(1, 3)]:
        yield bar.start, bar.beats * rng.uniform(0.5, 1.0), pitch, 0


def held_notes(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    if bar.number % 2 == 0 or rng.random() < 0.3:
        tones = ladder(bar.chord, style.low - 12, min(style.high + 12, HIGHEST))
        for pitch in rng.sample(tones, min(rng.randint(1, 5), len(tones))):
            start = rng.choice((0, 0, 1))
            yield bar.start + start, rng.uniform(1.0, 2.0) * bar.beats - start, pitch, 0


def isolated_notes(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    for beat in range(bar.beats):
        pitch = style.deck[(bar.number * bar.beats + beat) % len(style.deck)]
        # any dynamic on any key; the rest of the beat is silence
        yield bar.start + beat, rng.choice((0.1, 0.3, 0.6, 0.85)), pitch, rng.randint(-50, 50)


def sparse_notes(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        start = rng.randrange(2 * bar.beats) / 2
        pitch = rng.choice(ladder(bar.chord + bar.scale[:1], LOWEST + 6, HIGHEST - 6))
        yield bar.start + start, rng.choice((0.5, 1, 2, 4, 6)), pitch, rng.randint(-10, 10)


def dense_textures(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    high = style._replace(low=min(style.low + 18, 72), high=min(style.high + 24, HIGHEST))
    right = rng.choice((arpeggios, scales, repeated_notes, broken_chords))
    yield from right(rng, bar, high)
    low = style._replace(low=max(style.low - 18, LOWEST), high=max(style.low, LOWEST + 18))
    for start, duration, pitch, accent in rng.choice((arpeggios, scales))(rng, bar, low):
        yield start, duration, pitch, accent - 4
        if style.shape == "up":  # octaves in the left hand
            yield start, duration, pitch - 12, accent - 4


def chromatic_runs(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    yield from scales(rng, bar._replace(scale=tuple(range(12))), style)
    tones = ladder(bar.chord, max(style.low - 24, LOWEST), style.low)
    for pitch in rng.sample(tones, min(2, len(tones))):
        yield bar.start, bar.beats * 0.9, pitch, 2


def two_voices(rng: random.Random, bar: Bar, style: Style) -> Strokes:
    yield from melody(rng, bar, style.high - 6, min(style.high + 14, HIGHEST))
    for start, duration, pitch, accent in melody(rng, bar, style.low - 10, style.low + 10):
        yield start, duration, pitch, accent - 14


# name: (texture, slowest tempo, fastest tempo)
TEXTURES = {
    "arpeggios": (arpeggios, 50, 150),
    "broken_chords": (broken_chords, 60, 160),
    "alberti": (alberti, 70, 160),
    "block_chords": (block_chords, 45, 150),
    "scales": (scales, 60, 170),
    "scales_two_hands": (scales_in_two_hands, 60, 160),
    "repeated_notes": (repeated_notes, 60, 160),
    "trills": (trills, 50, 120),
    "held_notes": (held_notes, 45, 110),
    "isolated_notes": (isolated_notes, 80, 120),
    "sparse": (sparse_notes, 45, 80),
    "dense": (dense_textures, 110, 170),
    "chromatic_runs": (chromatic_runs, 60, 150),
    "two_voices": (two_voices, 50, 130),
}


def etude(rng: random.Random, kind: str) -> Performance:
    """A piece of 60 to 90 s in one texture, with changing keys, registers and dynamics.

    Args:
        rng: ``random.Random``.
        kind: A key of ``TEXTURES``.
    """
    texture, slowest, fastest = TEXTURES[kind]
    tempo = rng.uniform(slowest, fastest)
    beats = rng.choice((3, 4, 4))
    bars = int(rng.uniform(65, 88) * tempo / 60 / beats)
    deck = list(range(LOWEST, HIGHEST + 1))
    rng.shuffle(deck)
    pedal_rate = rng.choice((0.0, 0.0, 0.7, 1.0))  # half of the etudes are dry
    notes, pedals = [], []
    for first in range(0, bars, 4):
        style, levels = _style(rng, tempo, tuple(deck)), _levels(rng)
        pedalled = rng.random() < pedal_rate
        for bar in _phrase(rng, first, min(4, bars - first), beats):
            for stroke in texture(rng, bar, style):
                share = (stroke[0] / beats - first) / 4
                level = levels[0] + (levels[1] - levels[0]) * min(share, 1.0)
                notes.append(_note(rng, stroke, level, tempo))
            if pedalled:
                pedals += pedal_bar(rng, bar.start, bar.start + beats, tempo)
    return Performance(notes, [(0.0, tempo)], pedals)


def pedal_bar(
    rng: random.Random, start: float, end: float, tempo: float, halves: bool | None = None
) -> list[tuple[float, float]]:
    """Pedal of a bar: down shortly after its first stroke, up at the next bar, as pianists do.

    Returns:
        List of (down, up) in quarters: one, two for half bars, none if the bar is too short.
    """
    halves = rng.random() < 0.3 if halves is None else halves
    middle = (start + end) / 2
    spans = [(start, middle), (middle, end)] if halves else [(start, end)]
    second = tempo / 60  # quarters
    return [
        (low + rng.uniform(0.03, 0.12) * second, high - 0.01 * second)
        for low, high in spans
        if high - low > 0.25 * second  # a foot is not faster; upbeats may be that short
    ]


def _style(rng, tempo, deck):
    possible = [division for division in (1, 2, 3, 4, 6, 8) if division * tempo / 60 <= _FASTEST]
    low = rng.randint(LOWEST + 4, 72)
    return Style(
        # fast ones more often: slow strokes have their own textures
        division=rng.choice(possible[-3:]),
        low=low,
        high=min(low + rng.randint(14, 36), HIGHEST),
        length=rng.choice((0.35, 0.7, 0.95, 1.0, 1.1, 3.0)),
        shape=rng.choice(("up", "down", "wave", "wave", "leap")),
        deck=deck,
    )


def _levels(rng):
    """Velocities at the start and end of a phrase: constant, crescendo or decrescendo."""
    first = rng.uniform(SOFTEST + 5, LOUDEST - 10)
    return first, rng.choice((first, rng.uniform(SOFTEST + 5, LOUDEST - 10)))


def _phrase(rng, first, bars, beats):
    """Bars of a phrase with their harmony: diatonic, sometimes an altered chord."""
    tonic, mode = rng.randrange(12), rng.choice((_MAJOR, _MAJOR, _MINOR))
    scale = tuple((tonic + step) % 12 for step in mode)
    progression = rng.choice(_PROGRESSIONS)
    for place in range(bars):
        size = rng.choice((3, 3, 3, 4))
        chord = [scale[(progression[place] - 1 + 2 * third) % 7] for third in range(size)]
        chance = rng.random()
        if chance < 0.12:  # a dominant seventh on that root
            chord = [(chord[0] + step) % 12 for step in (0, 4, 7, 10)]
        elif chance < 0.18:  # a diminished seventh
            chord = [(chord[0] + step) % 12 for step in (0, 3, 6, 9)]
        number = first + place
        yield Bar(number * beats, beats, number, tuple(chord), scale)


def _note(rng, stroke, level, tempo):
    start, duration, pitch, accent = stroke
    while pitch < LOWEST:
        pitch += 12
    while pitch > HIGHEST:
        pitch -= 12
    start = max(start + rng.gauss(0, 0.005) * tempo / 60, 0.0)
    velocity = min(max(round(level + accent + rng.gauss(0, 4)), SOFTEST), LOUDEST)
    return Note(start, start + duration, pitch, velocity)
