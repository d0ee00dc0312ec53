"""MIDI file -> list of notes in seconds.

    >>> sequence = read_notes("prelude.mid", playback_speed=0.5)
    >>> sequence.notes[0]
    Note(pitch=60, velocity=80, start=0.0, end=2.5)

Sources: Standard MIDI Files 1.0 (MIDI Manufacturers Association, RP-001) for the bytes, General
MIDI 1 for drums on channel 10, MIDI 1.0 for the sustain pedal (controller 64).

Bytes are decoded here and not by mido: mido 1.3 drops the waiting time of every meta event that it
does not know, so that all later notes come early, and refuses files for a broken key signature
(mido issues 187 and 235), which no note depends on.
"""

import functools
import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError

MIDI_SUFFIXES = frozenset({".mid", ".midi"})
LONGEST_HOURS = 24  # a file that lasts longer is taken for corrupt

_DRUM_CHANNEL = 9  # counted from 0: channel 10 of General MIDI
_DEFAULT_TEMPO = 500_000  # microseconds per quarter note, 120 quarter notes per minute
_FRAME_RATES = {24: (24, 1), 25: (25, 1), 29: (30000, 1001), 30: (30, 1)}  # SMPTE, per second

_NOTE_OFF, _NOTE_ON, _CONTROL = 0x80, 0x90, 0xB0
_CHANNEL_DATA = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # bytes
_SYSEX, _SYSEX_MORE, _META = 0xF0, 0xF7, 0xFF
_META_END, _META_TEMPO = 0x2F, 0x51
_SUSTAIN, _RESET_CONTROLLERS = 64, 121


@dataclass(frozen=True)
class Note:
    """One sounding note; notes sort by start, then by pitch.

    Attributes:
        pitch: MIDI number, 0 to 127.
        velocity: 1 to 127.
        start, end: Seconds from the beginning of the piece, ``end > start``.
    """

    pitch: int
    velocity: int
    start: float
    end: float

    def __lt__(self, other):
        return (self.start, self.pitch) < (other.start, other.pitch)


@dataclass(frozen=True)
class Sequence:
    """The notes of a MIDI file and the number of those that were left out or mended.

    Attributes:
        notes: Sorted by start, then by pitch; at least one.
        drums: Notes of channel 10, left out.
        unreleased: Notes without a note-off, released at the end of their track.
        empty: Notes whose key goes up at the tick at which it went down, left out.
        out_of_range: Notes whose pitch leaves 0 to 127 after transposition, left out.
    """

    notes: tuple[Note, ...]
    drums: int
    unreleased: int
    empty: int
    out_of_range: int

    @property
    def duration(self):
        """End of the last note in seconds; 0.0 without notes."""
        return max((note.end for note in self.notes), default=0.0)


def read_notes(path, *, sustain=True, transpose=0, playback_speed=1.0):
    """Read the notes of a Standard MIDI File of format 0, 1 or 2.

    Tempo changes of any track act on all tracks. The sequences of a format 2 file follow one
    another, each with its own tempo. SMPTE time division is absolute and ignores tempo. A tempo of
    0, which would stop time, is ignored: the tempo before it goes on.

    A note ends at its note-off, at a note-on of velocity 0, or when its pitch is struck again on
    the same track and channel; the end of a track releases its keys. The sustain pedal (down from
    value 64) holds released notes of its channel, in whichever track they are, until it is lifted
    (controller 121, reset, lifts it too), the pitch is struck again on that channel, or the piece
    ends. Within one tick the order is: pedal lifted, keys released, pedal pressed, keys struck. So
    a change of pedal on a chord (legato pedalling) parts the chords, and a pedal pressed with a
    chord does not catch the one before.

    Args:
        path: MIDI file.
        sustain: Honour the sustain pedal.
        transpose: Semitones added to every pitch.
        playback_speed: Times are divided by it; finite and above 0.

    Returns:
        A ``Sequence``.

    Raises:
        UserError: The file is missing, unreadable, corrupt or cut off, holds no playable note, or
            would last longer than ``LONGEST_HOURS`` at its own speed.
        ValueError: ``playback_speed`` is out of range.
    """
    if not 0 < playback_speed < math.inf:
        raise ValueError(f"playback_speed must be finite and above 0, not {playback_speed}")
    try:
        sounds, counts = _sounds_of(Path(path).read_bytes(), sustain)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); check the path"
        ) from error
    except _Unreadable as error:
        raise UserError(
            f"{path}: not a readable MIDI file ({error}); export or download it again"
        ) from error

    counts, notes = Counter(counts), []
    hours = max((stop for *_, stop in sounds), default=0) / 3600
    if hours > LONGEST_HOURS:
        raise UserError(
            f"{path}: would last {hours:.0f} hours and is probably corrupt; export it again, at"
            f" most {LONGEST_HOURS} hours long"
        )
    for pitch, velocity, start, end in sounds:
        if pitch <= 127 and 0 <= pitch + transpose <= 127:
            times = start / playback_speed, end / playback_speed
            notes.append(Note(pitch + transpose, velocity, *times))
        else:
            counts["out_of_range"] += 1

    sequence = Sequence(
        notes=tuple(sorted(notes, key=lambda note: (note.start, note.pitch))),
        **{name: counts[name] for name in ("drums", "unreleased", "empty", "out_of_range")},
    )
    if not notes:
        raise UserError(
            f"{path}: holds no playable note ({sequence.drums} drum notes,"
            f" {sequence.out_of_range} out of range, {sequence.empty} of no length);"
            " choose a file with pitched notes"
        )
    return sequence


@functools.lru_cache(maxsize=1)  # a file that is played in several variations is parsed once
def _sounds_of(data, sustain):
    """What ``_sounds`` finds in the bytes of a file, as a tuple; Counter of ``_Track.counts``."""
    parts, division = _parse(data)
    counts = Counter()
    for track in (track for tracks in parts for track in tracks):
        counts.update(track.counts)
    return tuple(_sounds(parts, division, sustain)), counts


class _Unreadable(Exception):
    """Why bytes are no Standard MIDI File."""


_CUT_OFF = "it is cut off or its lengths are wrong"


class _Division(NamedTuple):
    """What a tick is worth, in whole units of which ``per_second`` make a second."""

    per_second: int
    per_tick: int  # until the first tempo change
    follows_tempo: bool


class _Bytes:
    """Bytes read from front to back."""

    def __init__(self, data):
        self.data = data
        self.position = 0

    def __bool__(self):
        return self.position < len(self.data)

    def take(self, count):
        part = self.data[self.position : self.position + count]
        if len(part) < count:
            raise _Unreadable(_CUT_OFF)
        self.position += count
        return part

    def byte(self):
        if self.position == len(self.data):
            raise _Unreadable(_CUT_OFF)
        self.position += 1
        return self.data[self.position - 1]

    def quantity(self):
        """A variable-length quantity: 7 bits a byte, at most 4 bytes by the standard."""
        value = 0
        for _ in range(4):
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise _Unreadable("a quantity has more than four bytes")


class _Key(NamedTuple):
    """A key that goes down and up again, at ticks."""

    channel: int
    pitch: int
    velocity: int
    down: int
    up: int


class _Pedal(NamedTuple):
    """A position of the sustain pedal from a tick on."""

    channel: int
    tick: int
    pressed: bool


@dataclass
class _Down:
    """A key that is down."""

    velocity: int
    tick: int
    repeats: bool  # it was struck while its pitch still sounded, and ended that note


@dataclass
class _Track:
    """What matters of a track chunk, in ticks."""

    keys: list[_Key] = field(default_factory=list)
    pedals: list[_Pedal] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)  # microseconds per quarter note
    counts: Counter = field(default_factory=Counter)
    end: int = 0


def _parse(data):
    """``(parts, division)``: lists of the tracks that sound together, and the ``_Division``."""
    source = _Bytes(data)
    if source.data[:4] != b"MThd":
        raise _Unreadable("it does not begin with MThd" if data else "it is empty")
    header = _Bytes(_chunk(source)[1])
    midi_format, count, division = (int.from_bytes(header.take(2), "big") for _ in range(3))
    if midi_format > 2:
        raise _Unreadable(f"its format is {midi_format}, not 0, 1 or 2")
    division = _parse_division(division)
    tracks = []
    while len(tracks) < count:
        name, body = _chunk(source)
        if name == b"MTrk":  # the standard asks readers to skip chunks that they do not know
            tracks.append(_parse_track(body))
    if not tracks:
        raise _Unreadable("it has no track")
    return [[track] for track in tracks] if midi_format == 2 else [tracks], division


def _chunk(source):
    """``(name, body)`` of the next chunk."""
    name = source.take(4)
    return name, source.take(int.from_bytes(source.take(4), "big"))


def _events(source):
    """Yield ``(tick, status, data)`` of a track; the data of a meta event begins with its type."""
    tick, running = 0, None
    while source:
        tick += source.quantity()
        status = source.byte()
        if status < 0x80:  # a data byte: the status of the channel message before goes on
            if running is None:
                raise _Unreadable("data without a status byte")
            status = running
            source.position -= 1
        if status == _META:
            yield tick, status, source.take(1) + source.take(source.quantity())
        elif status in (_SYSEX, _SYSEX_MORE):
            yield tick, status, source.take(source.quantity())
        elif status > _SYSEX:
            raise _Unreadable(f"status byte {status:#x} has no place in a file")
        else:
            # Kept over meta and system events, unlike the standard, since some programs write so.
            running = status
            yield tick, status, source.take(_CHANNEL_DATA[status & 0xF0])


def _parse_track(body):
    """The ``_Track`` of the body of a track chunk; a missing end-of-track event is no fault."""
    track = _Track()
    down = {}  # (channel, pitch) -> _Down

    def release(channel, pitch, tick):
        key = down.pop((channel, pitch))
        if tick == key.tick:
            track.counts["empty"] += 1
        else:
            track.keys.append(_Key(channel, pitch, key.velocity, key.tick, tick))

    for tick, status, data in _events(_Bytes(body)):
        track.end = tick
        kind, channel = status & 0xF0, status & 0x0F
        if status == _META:
            if data[0] == _META_END:
                break
            if data[0] == _META_TEMPO:
                track.tempos.append((tick, _tempo(data[1:])))
        elif kind == _CONTROL and data[0] in (_SUSTAIN, _RESET_CONTROLLERS):
            track.pedals.append(_Pedal(channel, tick, data[0] == _SUSTAIN and data[1] >= 64))
        elif kind in (_NOTE_ON, _NOTE_OFF):
            # Some programs write data above 127: a velocity is cut, a pitch will be out of range.
            pitch, velocity = data[0], min(data[1], 127)
            struck = kind == _NOTE_ON and velocity > 0
            key = down.get((channel, pitch))
            if channel == _DRUM_CHANNEL:
                track.counts["drums"] += struck
            elif struck:
                if key:
                    release(channel, pitch, tick)
                repeats = key is not None and key.tick < tick
                down[channel, pitch] = _Down(velocity, tick, repeats)
            elif key and key.repeats and key.tick == tick:
                # Some programs write a repeated note as on, off: the off is the former note's.
                key.repeats = False
            elif key:
                release(channel, pitch, tick)
    track.counts["unreleased"] += len(down)
    for channel, pitch in list(down):
        release(channel, pitch, track.end)
    return track


def _tempo(data):
    if len(data) < 3:
        raise _Unreadable("a tempo has fewer than three bytes")
    return int.from_bytes(data[:3], "big")


def _parse_division(division):
    """``_Division`` of the last two bytes of the header."""
    if division < 0x8000:  # ticks per quarter note, whose length is in microseconds
        parsed = _Division(division * 1_000_000, _DEFAULT_TEMPO, follows_tempo=True)
    else:  # SMPTE: minus the frames per second in the first byte, ticks per frame in the second
        frames = 256 - (division >> 8)
        if frames not in _FRAME_RATES:
            raise _Unreadable(f"its time division of {frames} frames per second is unknown")
        rate, per_tick = _FRAME_RATES[frames]
        parsed = _Division(rate * (division & 0xFF), per_tick, follows_tempo=False)
    if not parsed.per_second:
        raise _Unreadable("its time division is 0")
    return parsed


def _clock(division, tempos):
    """A function from ticks to seconds.

    Args:
        division: ``_Division``.
        tempos: (tick, microseconds per quarter note) in the order of the file.
    """
    changes = [change for change in tempos if division.follows_tempo and change[1]]
    # Integers, divided only at the end: no error adds up over thousands of tempo changes.
    starts, elapsed, rates = [0], [0], [division.per_tick]
    for tick, tempo in sorted(changes, key=lambda change: change[0]):
        elapsed.append(elapsed[-1] + (tick - starts[-1]) * rates[-1])
        starts.append(tick)
        rates.append(tempo)

    def seconds(tick):
        last = bisect_right(starts, tick) - 1
        return (elapsed[last] + (tick - starts[last]) * rates[last]) / division.per_second

    return seconds


def _sounds(parts, division, sustain):
    """Yield (pitch, velocity, start, end) of each note, in seconds at the speed of the file."""
    offset = 0.0
    for tracks in parts:
        end = max(track.end for track in tracks)
        seconds = _clock(division, [tempo for track in tracks for tempo in track.tempos])
        keys = [key for track in tracks for key in track.keys]
        if sustain:
            keys = _hold(keys, [pedal for track in tracks for pedal in track.pedals], end)
        for key in keys:
            yield key.pitch, key.velocity, offset + seconds(key.down), offset + seconds(key.up)
        offset += seconds(end)


def _hold(keys, pedals, end):
    """Keys whose release is put off to where the sustain pedal lets go of the note.

    Args:
        keys, pedals: ``_Key`` and ``_Pedal`` of tracks that sound together.
        end: Tick at which the last track ends.
    """
    spans = _pedal_spans(pedals, end)
    strikes = defaultdict(list)
    for key in sorted(keys, key=lambda key: key.down):
        strikes[key.channel, key.pitch].append(key.down)

    def let_go(key):
        presses, lifts = spans[key.channel]
        span = bisect_left(presses, key.up) - 1  # a press at the tick of the release is too late
        if span < 0 or lifts[span] <= key.up:
            return key.up
        again = strikes[key.channel, key.pitch]
        strike = bisect_left(again, key.up)
        return min(lifts[span], again[strike]) if strike < len(again) else lifts[span]

    return [key._replace(up=let_go(key)) for key in keys]


def _pedal_spans(pedals, end):
    """By channel, ``(presses, lifts)``: ticks between which the pedal is down, in order of time."""
    spans = defaultdict(lambda: ([], []))
    for pedal in sorted(pedals, key=lambda pedal: pedal.tick):
        presses, lifts = spans[pedal.channel]
        is_down = len(presses) > len(lifts)
        if pedal.pressed and not is_down:
            presses.append(pedal.tick)
        elif is_down and not pedal.pressed:
            lifts.append(pedal.tick)
    for presses, lifts in spans.values():
        lifts.extend([end] * (len(presses) - len(lifts)))
    return spans
