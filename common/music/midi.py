"""Read a MIDI file as a list of notes in seconds.

    >>> sequence = read_notes("prelude.mid", playback_speed=0.5)
    >>> sequence.notes[0]
    Note(pitch=60, velocity=80, start=0.0, end=2.5)

Sources: General MIDI 1 for drums on channel 10, MIDI 1.0 for the sustain pedal (controller 64) and
for the controllers that end notes (120 and 123 to 127).
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from common.cli import Found, UserError, find_inputs
from common.music.midi_file import META, META_TEMPO, Unreadable, parse, tempo_of

LONGEST_HOURS = 24  # longer files count as corrupt
MIDI_SUFFIXES = frozenset({".mid", ".midi", ".smf", ".rmi", ".kar"})

_DRUM_CHANNEL = 9  # counted from 0: channel 10 of General MIDI
_NOTE_OFF, _NOTE_ON, _CONTROL, _PROGRAM, _BEND, _SYSTEM = 0x80, 0x90, 0xB0, 0xC0, 0xE0, 0xF0
_BANKS = 0, 32  # bank numbers choose an instrument, which is up to the caller here
_SUSTAIN, _SOSTENUTO, _RESET_CONTROLLERS = 64, 66, 121
_SOUND_OFF, _NOTES_OFF = 120, range(123, 128)  # mode changes (124 and up) release keys as well
_UNDERSTOOD = {*_BANKS, _SUSTAIN, _RESET_CONTROLLERS, _SOUND_OFF, *_NOTES_OFF}
_NOT_BENT = 0x2000


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

    def __lt__(self, other: Note) -> bool:
        return (self.start, self.pitch) < (other.start, other.pitch)


@dataclass(frozen=True)
class Sequence:
    """The notes of a MIDI file, and counts of events that were left out or repaired.

    Attributes:
        notes: Sorted by start, then by pitch; at least one.
        drums: Number of notes on channel 10, which are left out.
        unreleased: Number of notes without a note-off; they end with their track.
        empty: Number of notes of length 0, which are left out.
        out_of_range: Number of notes with a pitch outside 0 to 127 after transposition, left out.
        doubled: Number of notes that were struck twice at the same tick, played once.
        bends, sostenuto, controls: Number of pitch bends, presses of the sostenuto pedal, and other
            controllers (volume, pan, pressure, ...) outside channel 10, which are ignored.
        extra_tracks, missing_tracks: Number of tracks beyond those that the header announces, which
            are played, and of announced tracks that are missing.
    """

    notes: tuple[Note, ...]
    drums: int = 0
    unreleased: int = 0
    empty: int = 0
    out_of_range: int = 0
    doubled: int = 0
    bends: int = 0
    sostenuto: int = 0
    controls: int = 0
    extra_tracks: int = 0
    missing_tracks: int = 0

    @property
    def counts(self) -> Counter[str]:
        """Counter of everything except the notes."""
        return Counter({name: count for name, count in vars(self).items() if name != "notes"})

    @property
    def duration(self) -> float:
        """End of the last note in seconds; 0.0 without notes."""
        return max((note.end for note in self.notes), default=0.0)


def find_midi(folder: Path) -> Found:
    """Find the MIDI files below a folder, and its other files: ``common.cli.Found``."""
    return find_inputs(folder, _is_midi)


def _is_midi(path):
    """Whether a file is MIDI by its suffix or by its first bytes."""
    if path.suffix.lower() in MIDI_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            begin = file.read(12)
    except OSError:
        return False
    return begin[:4] == b"MThd" or (begin[:4] == b"RIFF" and begin[8:] == b"RMID")


def read_notes(
    path: Path, *, sustain: bool = True, transpose: int = 0, playback_speed: float = 1.0
) -> Sequence:
    """Read the notes of a Standard MIDI File of format 0, 1 or 2.

    Tempo changes in any track apply to all tracks. The sequences of a format 2 file are played one
    after the other, each with its own tempo. SMPTE time division is absolute and ignores tempo. A
    tempo of 0, which would stop time, is ignored.

    A note ends at its note-off, at a note-on of velocity 0, or when its pitch is struck again on
    the same track and channel; the end of a track releases its keys. Controllers 120 and 123 to 127
    release all keys of their channel, in all tracks. A pitch that is struck twice at the same tick,
    which happens where voices were merged, becomes one note with the greater velocity, which ends
    at the first note-off.

    The sustain pedal (down from value 64) holds released notes of its channel, in all tracks, until
    it is lifted (also by controller 121, reset), the pitch is struck again on that channel,
    controller 120 silences the channel, or the piece ends. Events of the same tick are ordered:
    pedal lifted, keys released, pedal pressed, keys struck. So a change of pedal on a chord
    (legato pedalling) separates the chords, and a pedal pressed together with a chord does not hold
    the previous one.

    Args:
        path: MIDI file.
        sustain: Whether the sustain pedal holds notes.
        transpose: Semitones added to every pitch.
        playback_speed: Factor on the tempo; finite and above 0.

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
    except Unreadable as error:
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

    notes.sort(key=lambda note: (note.start, note.pitch))
    sequence = Sequence(tuple(notes), **counts)
    if not notes:
        raise UserError(
            f"{path}: holds no playable note ({sequence.drums} drum notes,"
            f" {sequence.out_of_range} out of range, {sequence.empty} of no length);"
            " choose a file with pitched notes"
        )
    return sequence


@functools.lru_cache(maxsize=1)  # variations of the same file are parsed once
def _sounds_of(data, sustain):
    """Results of ``_sounds`` for the bytes of a file as a tuple; Counter of what was left out."""
    file = parse(data)
    tracks = [_parse_track(events) for events in file.tracks]
    parts = [[track] for track in tracks] if file.midi_format == 2 else [tracks]
    parts = [_release_all(together) for together in parts]
    counts = Counter()
    for track in (track for together in parts for track in together):
        counts.update(track.counts)
        counts["unreleased"] += sum(not key.is_released for key in track.keys)
    counts["extra_tracks"] = max(len(tracks) - file.announced, 0)
    counts["missing_tracks"] = max(file.announced - len(tracks), 0)
    return tuple(_sounds(parts, file.division, sustain)), counts


class _Key(NamedTuple):
    """A key that is pressed and released, in ticks."""

    channel: int
    pitch: int
    velocity: int
    down: int
    up: int
    is_released: bool  # or the track has ended


class _Pedal(NamedTuple):
    """Position of the sustain pedal from a tick on."""

    channel: int
    tick: int
    pressed: bool


class _Release(NamedTuple):
    """End of all notes of a channel; a silence also ends those that the pedal holds."""

    channel: int
    tick: int
    is_silence: bool


@dataclass
class _Down:
    """A key that is down."""

    velocity: int
    tick: int
    repeats: bool  # struck while the same pitch was sounding, which it ended


@dataclass
class _Track:
    """The relevant events of a track, in ticks."""

    keys: list[_Key] = field(default_factory=list)
    pedals: list[_Pedal] = field(default_factory=list)
    releases: list[_Release] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)  # microseconds per quarter note
    counts: Counter = field(default_factory=Counter)
    end: int = 0


def _parse_track(events):
    """Parse the events of a track; the end-of-track event may be missing."""
    track = _Track()
    down = {}  # (channel, pitch) -> _Down

    def release(channel, pitch, tick, is_released=True):
        key = down.pop((channel, pitch))
        if tick == key.tick:
            track.counts["empty"] += 1
        else:
            track.keys.append(_Key(channel, pitch, key.velocity, key.tick, tick, is_released))

    for tick, status, data in events:
        track.end = tick
        kind, channel = status & 0xF0, status & 0x0F
        if status == META:
            if data[0] == META_TEMPO:
                track.tempos.append((tick, tempo_of(data[1:])))
        elif kind == _CONTROL and data[0] in (_SUSTAIN, _RESET_CONTROLLERS):
            track.pedals.append(_Pedal(channel, tick, data[0] == _SUSTAIN and data[1] >= 64))
        elif kind == _CONTROL and (data[0] == _SOUND_OFF or data[0] in _NOTES_OFF):
            track.releases.append(_Release(channel, tick, data[0] == _SOUND_OFF))
        elif kind in (_NOTE_ON, _NOTE_OFF):
            # Some programs write data above 127: velocities are clipped, pitches are out of range.
            pitch, velocity = data[0], min(data[1], 127)
            struck = kind == _NOTE_ON and velocity > 0
            key = down.get((channel, pitch))
            if channel == _DRUM_CHANNEL:
                track.counts["drums"] += struck
            elif struck and key and key.tick == tick:
                key.velocity = max(key.velocity, velocity)
                track.counts["doubled"] += 1
            elif struck:
                if key:
                    release(channel, pitch, tick)
                down[channel, pitch] = _Down(velocity, tick, repeats=key is not None)
            elif key and key.repeats and key.tick == tick:
                # Some programs write a repeated note as on, off: the off belongs to the former
                # note.
                key.repeats = False
            elif key:
                release(channel, pitch, tick)
    for channel, pitch in list(down):
        release(channel, pitch, track.end, is_released=False)
    track.counts.update(_unplayed(events))
    return track


def _unplayed(events):
    """Counter of the ``bends``, ``sostenuto`` and ``controls`` among the events of a track."""
    counts, bends, held = Counter(), defaultdict(lambda: _NOT_BENT), defaultdict(bool)
    for _, status, data in events:
        kind, channel = status & 0xF0, status & 0x0F
        if kind in (_NOTE_ON, _NOTE_OFF, _PROGRAM, _SYSTEM) or channel == _DRUM_CHANNEL:
            continue
        if kind == _BEND:
            bend = data[0] | data[1] << 7
            counts["bends"] += bend != bends[channel]
            bends[channel] = bend
        elif kind == _CONTROL and data[0] == _SOSTENUTO:
            counts["sostenuto"] += data[1] >= 64 and not held[channel]
            held[channel] = data[1] >= 64
        else:
            counts["controls"] += kind != _CONTROL or data[0] not in _UNDERSTOOD
    return counts


def _release_all(tracks):
    """Release the keys of tracks that sound together where a controller releases their channel."""
    ticks = defaultdict(list)
    for release in sorted(release for track in tracks for release in track.releases):
        ticks[release.channel].append(release.tick)

    def released(key):
        later = ticks[key.channel]
        next_one = bisect_right(later, key.down)
        if next_one < len(later) and later[next_one] <= key.up:
            return key._replace(up=later[next_one], is_released=True)
        return key

    if not ticks:
        return tracks
    return [replace(track, keys=[released(key) for key in track.keys]) for track in tracks]


def _clock(division, tempos):
    """Return a function that converts ticks to seconds.

    Args:
        division: ``common.music.midi_file.Division``.
        tempos: (tick, microseconds per quarter note) in the order of the file.
    """
    changes = [change for change in tempos if division.follows_tempo and change[1]]
    # Integers, divided only at the end, so no error adds up over thousands of tempo changes.
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
            pedals = [pedal for track in tracks for pedal in track.pedals]
            keys = _hold(keys, pedals, [cut for track in tracks for cut in track.releases], end)
        for key in keys:
            yield key.pitch, key.velocity, offset + seconds(key.down), offset + seconds(key.up)
        offset += seconds(end)


def _hold(keys, pedals, releases, end):
    """Delay the release of keys to where the sustain pedal releases their notes.

    Args:
        keys, pedals, releases: ``_Key``, ``_Pedal`` and ``_Release`` of tracks that sound together.
        end: Tick at which the last track ends.
    """
    spans = _pedal_spans(pedals, end)
    strikes, silences = defaultdict(list), defaultdict(list)
    for key in sorted(keys, key=lambda key: key.down):
        strikes[key.channel, key.pitch].append(key.down)
    for release in sorted(releases):
        if release.is_silence:
            silences[release.channel].append(release.tick)

    def let_go(key):
        presses, lifts = spans[key.channel]
        span = bisect_left(presses, key.up) - 1  # a press at the tick of the release is too late
        if span < 0 or lifts[span] <= key.up:
            return key.up
        ends = [lifts[span]]
        for ticks in (strikes[key.channel, key.pitch], silences[key.channel]):
            following = bisect_left(ticks, key.up)
            ends += ticks[following : following + 1]
        return min(ends)

    return [key._replace(up=let_go(key)) for key in keys]


def _pedal_spans(pedals, end):
    """For each channel, ``(presses, lifts)``: sorted ticks between which the pedal is down."""
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
