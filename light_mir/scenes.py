"""Sounds with exact truth: single notes, chord progressions, drum loops and phrases of notes.

The progressions and loops are pieces by rule, played by the notes and hits of folders. All
randomness comes from the ``numpy.random.Generator`` that is passed in.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import AUDIO_SUFFIXES, peak, resample
from common.files.split import is_held_out
from common.music.dataset import INDEX, read_index
from common.music.midi import Note
from common.music.names import PITCH_CLASSES
from common.music.notes import MAX_SUBSTITUTION, NoteLibrary
from common.music.synthesis import mix
from data import load_audio
from light_mir.tasks import CHORDS, INSTRUMENTS, LOWEST_PITCH, Task

RATE = 16000
CLASSES = ("kick", "snare", "hat")  # folders of the hits that ``tasks.DRUMS`` are
OTHERS = ("tom", "clap", "cowbell", "crash_or_ride")  # begin as well, for the onsets
_SPELLINGS = {"saxophone": "alto_saxophone"}
_SHARE = 0.2  # of the notes that is held out for validation
_NONE = CHORDS.index("N")
_MAJOR_KEY = ((0, 0), (2, 1), (4, 1), (5, 0), (7, 0), (9, 1))  # steps, and whether minor
_HIGHEST_PITCH = 95
_AUDIBLE = 10 ** (-40 / 20)
_NOTE_SECONDS = 1.5
_LEVELS = (0.35, 1.0)  # of a hit


class Scene(NamedTuple):
    """A sound and its truth.

    Attributes:
        audio: (samples,) float32 at RATE.
        source: What it was made from, by which data are split.
        truth: (start, end, value) in seconds, in order: labels or pitches over time; or
            (seconds, seconds, label) of events.
    """

    audio: np.ndarray
    source: str
    truth: list[tuple[float, float, float]]


class Sources(NamedTuple):
    """Where sounds come from.

    Attributes:
        notes: Folders of notes.
        drums: Folders of hits, sorted into classes.
        validation_kits: Names of the kits for validation only.
        held_out: Take the hits that the index of their folder marks as held out, and no others.
    """

    notes: tuple[Path, ...] = ()
    drums: tuple[Path, ...] = ()
    validation_kits: tuple[str, ...] = ()
    held_out: bool = False


class Sounds:
    """The sounds of a side.

    Args:
        sources: ``Sources``.
        side: "training", "validation", or "test" for all sounds.
    """

    def __init__(self, sources: Sources, side: str) -> None:
        self._sources, self._side = sources, side
        self.voices = {}  # name -> list of (Voice, pitch -> velocities)
        for folder in sources.notes:
            library = NoteLibrary(folder)
            for instrument in library.instruments:
                name = instrument.removesuffix("_acoustic")
                for preset in library.presets(instrument):
                    files = library.files(instrument, preset)
                    files = {pitch: sorted(layers) for pitch, layers in sorted(files.items())}
                    voice = library.voice(instrument, preset)
                    self.voices.setdefault(_SPELLINGS.get(name, name), []).append((voice, files))

    @functools.cached_property
    def hits(self) -> dict[str, list[tuple[str, np.ndarray]]]:
        """Dict from class to a list of (kit, samples) of the side."""
        found = {name: [] for name in (*CLASSES, *OTHERS)}
        for folder in self._sources.drums:
            entries = read_index(folder).files if (folder / INDEX).is_file() else {}
            for name, hits in found.items():
                for path in sorted((folder / name).glob("*")):
                    if path.suffix.lower() not in AUDIO_SUFFIXES:
                        continue
                    entry = entries.get(f"{name}/{path.name}", {})
                    kit = entry.get("kit") or re.sub(r"(_\d+)?_\d+_\d+$", "", path.stem)
                    is_validation = kit in self._sources.validation_kits
                    right = self._side == "test" or is_validation == (self._side == "validation")
                    if right and bool(entry.get("held_out")) == self._sources.held_out:
                        audio, _ = load_audio(path, sample_rate=RATE)
                        hits.append((kit, audio / max(peak(audio), 1e-4)))
        if not all(found[name] for name in CLASSES):
            folders = ", ".join(map(str, self._sources.drums)) or "--drums_path"
            raise UserError(
                f"{folders}: no kick, snare and hat for the {self._side} side; name other folders, "
                "or divide their kits by --validation_kits"
            )
        return found

    def hit(self, name: str, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        """A hit of a class: (kit, samples); except for tests, at another pitch and decay."""
        kit, audio = self.hits[name][rng.integers(len(self.hits[name]))]
        if self._side == "test":
            return kit, audio
        places = np.arange(0, len(audio) - 1, 2 ** (rng.uniform(-5, 5) / 12))
        varied = np.interp(places, np.arange(len(audio)), audio)
        varied *= np.exp(-np.arange(len(varied)) / RATE * rng.choice([0.0, rng.uniform(0, 15)]))
        return kit, varied.astype(np.float32)

    def notes(self, names: Sequence[str]) -> list[tuple[str, int]]:
        """Pairs (instrument, pitch) of the side, of instruments of these names."""
        return [
            (name, pitch)
            for name in names
            for pitch in sorted({p for _, files in self.voices.get(name, ()) for p in files})
            if self._side == "test"
            or is_held_out(f"{name}-{pitch}", _SHARE) == (self._side == "validation")
        ]

    def playable(self) -> list[str]:
        """Names of the instruments that can play any pitch between their lowest and highest one."""
        names = [
            name
            for name, found in sorted(self.voices.items())
            if len(found[0][1]) >= 6 and np.diff(list(found[0][1])).max() <= 2 * MAX_SUBSTITUTION
        ]
        if not names:
            raise UserError("--notes_path: no instrument with notes enough; name another folder")
        return names

    def note(self, name: str, pitch: int, rng: np.random.Generator) -> np.ndarray:
        """A note (samples,) float32 at RATE, of a preset and a velocity that are drawn."""
        known = [(voice, files) for voice, files in self.voices[name] if pitch in files]
        voice, files = known[rng.integers(len(known))]
        audio, _ = voice.note(pitch, int(rng.choice(files[pitch])))
        return resample(audio, voice.sample_rate, RATE)


def make_scene(task: Task, sounds: Sounds, rng: np.random.Generator) -> Scene:
    """A scene for a task.

    Args:
        task: ``light_mir.tasks.Task``.
        sounds: ``Sounds``.
        rng: Random generator.

    Raises:
        UserError: The folders lack what the task needs.
    """
    if task.name == "instruments":
        return _single_note(sounds, INSTRUMENTS, rng, pitched=False)
    if task.name == "pitch":
        return _single_note(sounds, sorted(sounds.voices), rng, pitched=True)
    if task.name == "chords":
        return progression(sounds, rng)
    if task.name == "onsets" and (sounds.voices and rng.random() < 0.5):
        return _phrase(sounds, rng)
    return drum_loop(sounds, rng, any_hit=task.name == "onsets")


def _single_note(sounds, names, rng, *, pitched):
    known = sounds.notes(names)
    known = [one for one in known if not pitched or LOWEST_PITCH <= one[1] <= _HIGHEST_PITCH]
    if not known:
        raise UserError("--notes_path: no notes of the instruments of the task; name a folder")
    # each instrument, or each pitch, is equally likely
    groups = sorted({one[pitched] for one in known})
    group = groups[rng.integers(len(groups))]
    chosen = [one for one in known if one[pitched] == group]
    name, pitch = chosen[rng.integers(len(chosen))]
    cents = rng.uniform(-50, 50)
    audio = sounds.note(name, pitch, rng)
    audio = resample(audio, RATE * 2 ** (cents / 1200), RATE)  # so it sounds higher by the cents
    value = pitch + cents / 100 if pitched else names.index(name)
    begin, end = audible(audio)
    length = round(_NOTE_SECONDS * RATE)
    if rng.random() < 0.5 and end - begin > length:  # else with its attack
        begin = int(rng.integers(begin, end - length))
    seconds = (min(end, begin + length) - begin) / RATE
    return Scene(audio[begin : begin + length], f"{name}-{pitch}", [(0.0, seconds, value)])


def audible(audio: np.ndarray) -> tuple[int, int]:
    """First and last sample of what is within 40 dB of the loudest 20 ms of a sound (samples,)."""
    size = RATE // 50
    parts = np.pad(audio, (0, -len(audio) % size)).reshape(-1, size)
    level = np.sqrt(np.square(parts).mean(axis=1))
    loud = np.flatnonzero(level >= _AUDIBLE * level.max())
    return int(loud[0]) * size, min(int(loud[-1] + 1) * size, len(audio))


def progression(sounds: Sounds, rng: np.random.Generator, chords: int = 8) -> Scene:
    """Chords of one key, in changing textures of one to three instruments.

    A tenth of the segments has no chord: silence, a single note, or a cluster.
    """
    names = sounds.playable()
    played_by = [
        sounds.voices[names[rng.integers(len(names))]][0] for _ in range(rng.integers(1, 4))
    ]
    voices = [voice for voice, _ in played_by]
    reach = [(min(files), max(files)) for _, files in played_by]
    key, is_minor = rng.integers(12), rng.random() < 0.5
    parts, truth, start = [[] for _ in voices], [], 0.0
    for _ in range(chords):
        seconds = rng.uniform(0.8, 2.4)
        if rng.random() < 0.1:
            label, tones = _NONE, _no_chord(rng)
        else:
            if rng.random() < 0.8:
                step, minor = _MAJOR_KEY[rng.integers(6)]
                root = (key + step + 3 * is_minor) % 12
            else:
                root, minor = rng.integers(12), rng.integers(2)
            label = int(root + 12 * minor)
            tones = [int(root), int(root + 4 - minor), int(root + 7)]
        for start_note, end, pitch, velocity in _texture(tones, label == _NONE, seconds, rng):
            part = rng.integers(len(voices))
            low, high = reach[part]
            shift = 12 * math.ceil(max(low - pitch, 0) / 12) - 12 * math.ceil(
                max(pitch - high, 0) / 12
            )
            note = Note(pitch + shift, velocity, start + start_note, start + end)
            parts[part].append(note)
        truth.append((start, start + seconds, label))
        start += seconds
    audio = np.zeros(round(start * RATE), np.float32)
    for notes, voice in zip(parts, voices, strict=True):
        if notes:
            played = resample(mix(sorted(notes), voice, 1.0)[0], voice.sample_rate, RATE)
            played = played[: len(audio)]
            audio[: len(played)] += played
    return Scene(audio, "", truth)


def _no_chord(rng):
    kind = rng.integers(3)
    if kind == 0:
        return []
    first = int(rng.integers(12))
    return [first] if kind == 1 else [first, first + 1, first + 2, first + 6]


def _texture(tones, is_single, seconds, rng):
    """Notes (start, end, pitch, velocity) of a chord."""
    if not tones:
        return
    velocity = int(rng.integers(40, 110))
    low, high = int(rng.integers(3, 5)), int(rng.integers(4, 6))
    if is_single:
        yield from ((0.0, seconds, 12 * high + tone, velocity) for tone in tones)
        return
    bass = tones[0] if rng.random() < 0.7 else tones[rng.integers(3)]
    yield 0.0, seconds, 12 * low + bass % 12, velocity
    order = list(rng.permutation(3))
    upper = [12 * (high + (place > 1 and rng.random() < 0.5)) + tones[i] % 12
             for place, i in enumerate(order)]  # fmt: skip
    if rng.random() < 0.3:
        upper.append(upper[0] + 12)
    pulse = rng.choice([seconds, seconds / 2, seconds / 4, seconds / 8])
    broken = rng.random() < 0.4
    for number in range(round(seconds / pulse)):
        begin = number * pulse
        if broken and pulse < seconds:
            first = upper[number % len(upper)]
            yield begin, min(begin + 3 * pulse, seconds), first, velocity
        else:
            yield from ((begin, begin + pulse, pitch, velocity) for pitch in upper)
    if rng.random() < 0.4:  # a melody: mostly notes of the chord
        begin = 0.0
        while begin < seconds - 0.15:
            length = rng.choice([0.2, 0.3, 0.6])
            tone = tones[rng.integers(3)] + (rng.choice([-2, -1, 1, 2]) * (rng.random() < 0.25))
            end = min(begin + length, seconds)
            yield begin, end, 12 * (high + 1) + int(tone) % 12, min(velocity + 10, 120)
            begin += length


def drum_loop(sounds: Sounds, rng: np.random.Generator, *, any_hit: bool = False) -> Scene:
    """Two bars of a beat, one hit for each class, as Esling et al. 2020 made theirs.

    Args:
        sounds: ``Sounds``.
        rng: Random generator.
        any_hit: All classes of hits take part, and all events have the label 0.
    """
    sixteenth = 15 / rng.uniform(70, 170)
    swing = rng.choice([0.0, 0.0, 0.25]) * sixteenth
    names = CLASSES
    if any_hit:
        names = (*CLASSES, *(name for name in OTHERS if sounds.hits[name] and rng.random() < 0.4))
    events = []
    steps = np.arange(32)
    for label, name in enumerate(names):
        chance = rng.uniform(0.05, 0.25, 16)
        if label == 0:
            chance[[0, 8]] = 0.9, rng.choice([0.3, 0.8])
            chance[[4, 12]] = rng.choice([0.1, 0.9])
        elif label == 1:
            chance *= 0.5
            chance[[4, 12]] = 0.9
        elif label == 2:
            chance[:: rng.choice([1, 2, 4])] = rng.uniform(0.5, 1.0)
        struck = steps[rng.random(32) < np.tile(chance, 2)]
        seconds = struck * sixteenth + swing * (struck % 2) + rng.normal(0, 0.006, len(struck))
        events += [(max(float(second), 0.0), label, name) for second in seconds]
    kinds = {name: sounds.hit(name, rng) for name in names}
    balance = {name: 10 ** (rng.uniform(-12, 0) / 20) for name in names}
    played = [(second, kinds[name][1] * balance[name]) for second, _, name in sorted(events)]
    audio = play_hits(played, 32 * sixteenth, rng)
    truth = [(second, second, 0 if any_hit else label) for second, label, _ in sorted(events)]
    return Scene(audio, "+".join(sorted({kit for kit, _ in kinds.values()})), _distinct(truth))


def play_hits(
    hits: Sequence[tuple[float, np.ndarray]], seconds: float, rng: np.random.Generator
) -> np.ndarray:
    """Hits (seconds, samples) at levels that are drawn: (samples,) float32 of this length."""
    audio = np.zeros(round(seconds * RATE), np.float32)
    for second, hit in hits:
        start = round(second * RATE)
        part = hit[: max(len(audio) - start, 0)]
        audio[start : start + len(part)] += part * np.float32(rng.uniform(*_LEVELS))
    return audio


def _phrase(sounds, rng):
    """Single notes and chords of one instrument, as onsets."""
    names = sounds.playable()
    name = names[rng.integers(len(names))]
    voice, files = sounds.voices[name][rng.integers(len(sounds.voices[name]))]
    pitches, notes, truth, begin = sorted(files), [], [], rng.uniform(0.05, 0.3)
    pulse = rng.uniform(0.12, 0.5)
    while begin < 4.5:
        length = pulse * rng.choice([1, 1, 1, 2, 3])
        for pitch in rng.choice(pitches, rng.choice([1, 1, 2, 3]), replace=False):
            velocity = int(rng.choice(files[int(pitch)]))
            notes.append(Note(int(pitch), velocity, begin, begin + 0.9 * length))
        truth.append((begin, begin, 0))
        begin += length
    audio = resample(mix(sorted(notes), voice, 1.0)[0], voice.sample_rate, RATE)
    return Scene(audio[: 5 * RATE], "", truth)


def _distinct(events):
    """Events of a label that are further apart than 30 ms: others are heard as one."""
    kept, last = [], {}
    for second, end, label in events:
        if second - last.get(label, -1.0) > 0.03:
            kept.append((second, end, label))
            last[label] = second
    return kept


def roughened(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sound as if recorded elsewhere: another balance, sometimes reverberation, noise, level.

    Args:
        audio: (samples,) float32.
        rng: Random generator.
    """
    import scipy.signal

    size = len(audio)
    if rng.random() < 0.4:
        length = round(rng.uniform(0.1, 0.8) * RATE)
        tail = rng.standard_normal(length) * np.exp(-np.arange(length) * 6.9 / length)
        tail *= 10 ** (rng.uniform(-30, -8) / 20) / np.sqrt(np.square(tail).sum())
        audio = audio + scipy.signal.oaconvolve(audio, tail)[:size]
    spectrum = np.fft.rfft(audio)
    octaves = np.log2(np.maximum(np.linspace(0, RATE / 2, len(spectrum)), 30))
    knots = np.linspace(np.log2(30), np.log2(RATE / 2), 7)
    spectrum *= 10 ** (np.interp(octaves, knots, rng.normal(0, 4, 7)) / 20)
    audio = np.fft.irfft(spectrum, size)
    noise = np.fft.rfft(rng.standard_normal(size)) * 2 ** (-octaves * rng.uniform(0, 0.5))
    noise = np.fft.irfft(noise, size)
    level = np.sqrt(np.square(audio).mean() / max(np.square(noise).mean(), 1e-12))
    audio = audio + noise * level * 10 ** (-rng.uniform(15, 60) / 20)
    return (audio * rng.uniform(0.1, 0.9) / max(peak(audio), 1e-4)).astype(np.float32)


def chord_name(label: int) -> str:
    """Chord as musicians write it: "C", "F#m", or "-" for none."""
    if label == _NONE:
        return "-"
    return PITCH_CLASSES[label % 12] + ("m" if label >= 12 else "")
