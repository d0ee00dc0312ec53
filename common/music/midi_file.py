"""Decode the bytes of a MIDI file into the events of its tracks.

Sources: Standard MIDI Files 1.0 (MIDI Manufacturers Association, RP-001), RP-029 for the RIFF
wrapper of .rmi files. Content has precedence over counts: all tracks are played, whatever number
the header announces, and a track with a wrong length ends at its end-of-track event.

mido is not used, because mido 1.3 drops the delta time of every meta event that it does not know,
so that all later notes are early, and refuses files with a broken key signature (mido issues 187
and 235), on which no note depends.
"""

from typing import NamedTuple

META, META_END, META_TEMPO = 0xFF, 0x2F, 0x51

_DEFAULT_TEMPO = 500_000  # microseconds per quarter note, 120 quarter notes per minute
_FRAME_RATES = {24: (24, 1), 25: (25, 1), 29: (30000, 1001), 30: (30, 1)}  # SMPTE, per second
_CHANNEL_DATA = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # bytes
_SYSEX, _SYSEX_MORE = 0xF0, 0xF7
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0}  # data bytes of messages that belong on a cable
_REAL_TIME = 0xF8  # first status of the real-time messages, which are a single byte
_CUT_OFF = "it is cut off or its lengths are wrong"
_HEAD = 8  # bytes of a chunk's header


class Unreadable(Exception):
    """Bytes that are not a Standard MIDI File; the message says why."""


class Division(NamedTuple):
    """Length of a tick, in integer units of which ``per_second`` are one second."""

    per_second: int
    per_tick: int  # until the first tempo change
    follows_tempo: bool


class MidiFile(NamedTuple):
    """Content of a MIDI file.

    Attributes:
        midi_format: 0, 1 or 2.
        division: ``Division``.
        tracks: List of lists of ``(tick, status, data)``; the data of a meta event begins with its
            type. An end-of-track event comes last, or is missing.
        announced: Number of tracks according to the header.
    """

    midi_format: int
    division: Division
    tracks: list
    announced: int


def parse(data: bytes) -> MidiFile:
    """Parse bytes as a ``MidiFile``.

    Raises:
        Unreadable: The bytes are not a Standard MIDI File of format 0, 1 or 2, or are damaged or
            cut off.
    """
    data = _unwrapped(data)
    if data[:4] != b"MThd":
        raise Unreadable("it does not begin with MThd" if data else "it is empty")
    source = _Bytes(data, 4)
    header = _Bytes(source.take(int.from_bytes(source.take(4), "big")))
    midi_format, announced, division = (int.from_bytes(header.take(2), "big") for _ in range(3))
    if midi_format > 2:
        raise Unreadable(f"its format is {midi_format}, not 0, 1 or 2")
    division = _parse_division(division)
    tracks = _tracks(data, source.position, announced)
    if not tracks:
        raise Unreadable(_CUT_OFF if announced else "it has no track")
    return MidiFile(midi_format, division, tracks, announced)


def _unwrapped(data):
    """Extract the MIDI file from a RIFF file of type RMID; return other bytes unchanged."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + _HEAD <= len(data):
        length = int.from_bytes(data[position + 4 : position + _HEAD], "little")
        begin = position + _HEAD
        if data[position : position + 4] == b"data":
            is_counted = data[begin : begin + 4] == b"MThd" and length > _HEAD
            return data[begin : begin + length] if is_counted else data[begin:]
        position = begin + length + length % 2
    raise Unreadable(_CUT_OFF)


class _Bytes:
    """Bytes read from front to back."""

    def __init__(self, data, position=0):
        self.data = data
        self.position = position

    def take(self, count):
        part = self.data[self.position : self.position + count]
        if len(part) < count:
            raise Unreadable(_CUT_OFF)
        self.position += count
        return part

    def byte(self):
        if self.position >= len(self.data):
            raise Unreadable(_CUT_OFF)
        self.position += 1
        return self.data[self.position - 1]

    def quantity(self):
        """Read a variable-length quantity: 7 bits per byte, at most 4 bytes by the standard."""
        value = 0
        for _ in range(4):
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise Unreadable("a quantity has more than four bytes")


def _tracks(data, position, announced):
    """Read the events of all track chunks from a position on."""
    tracks = []
    while position < len(data):
        name, end = data[position : position + 4], _chunk_end(data, position)
        if name == b"MTrk":
            events, position = _track(data, position + _HEAD, end)
            tracks.append(events)
        elif _is_name(name) and end <= len(data):
            position = end  # the standard asks readers to skip chunks that they do not know
        else:
            position = data.find(b"MTrk", position + 1)
            if position < 0:
                if len(tracks) < announced:
                    raise Unreadable(_CUT_OFF)
                break
    if tracks and len(tracks) < announced and not _is_ended(tracks[-1]):
        raise Unreadable(_CUT_OFF)
    return tracks


def _chunk_end(data, position):
    return position + _HEAD + int.from_bytes(data[position + 4 : position + _HEAD], "big")


def _is_name(name):
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def _is_ended(events):
    return bool(events) and events[-1][1] == META and events[-1][2][0] == META_END


def _track(data, begin, end):
    """Read a track: ``(events, position)``, where the position is that of the next chunk.

    Args:
        data: Bytes of the whole file.
        begin, end: Positions of the track's body, according to the length in its chunk.
    """
    source, events = _Bytes(data, begin), []
    counted = None  # number of events within the given length, once events beyond it are read
    if begin > len(data):
        raise Unreadable(_CUT_OFF)
    try:
        for event in _events(source):
            if counted is None and source.begin >= end:
                if _is_boundary(data, end):
                    if source.begin > end:
                        raise Unreadable(_CUT_OFF)
                    return events, end
                counted = len(events) if source.begin == end else -1
            events.append(event)
            if event[1] == META and event[2][0] == META_END:
                return events, _after(data, source.position, end)
    except Unreadable:
        if counted is None and source.begin == end:
            counted = len(events)
        if counted is None or counted < 0:
            raise
    return events[:counted], end  # the rest does not belong to the track


def _is_boundary(data, position):
    """Whether the file ends at a position, or a chunk begins there."""
    name = data[position : position + 4]
    whole = _chunk_end(data, position) <= len(data)
    return position == len(data) or name == b"MTrk" or (_is_name(name) and whole)


def _after(data, position, end):
    """Position of the next chunk, after a track whose last event ends at ``position``.

    The chunk ends at ``end`` by its length, which is wrong if another track follows the last event
    directly, or if it does not lead to a chunk.
    """
    if data[position : position + 4] == b"MTrk":
        return position
    if position <= end <= len(data) and _is_boundary(data, end):
        return end
    following = data.find(b"MTrk", position)
    return following if following >= 0 else max(position, min(end, len(data)))


def _events(source):
    """Yield ``(tick, status, data)``; ``source.begin`` is where the event begins."""
    tick, running = 0, None
    while True:
        source.begin = source.position
        tick += source.quantity()
        status = source.byte()
        if status < 0x80:  # a data byte: running status of the last channel message
            if running is None:
                raise Unreadable("data without a status byte")
            status = running
            source.position -= 1
        if status == META:
            yield tick, status, source.take(1) + source.take(source.quantity())
        elif status in (_SYSEX, _SYSEX_MORE):
            yield tick, status, source.take(source.quantity())
        elif status >= _REAL_TIME:
            pass  # recorded from a cable; its delta time counts
        elif status in _SYSTEM_DATA:
            source.take(_SYSTEM_DATA[status])
        elif status > _SYSEX:
            raise Unreadable(f"status byte {status:#x} has no place in a file")
        else:
            # Running status survives meta and system events: against the standard, but some
            # programs do it.
            running = status
            yield tick, status, _channel_data(source, _CHANNEL_DATA[status & 0xF0])


def _channel_data(source, count):
    """Data bytes of a channel message, without the real-time messages recorded in their midst."""
    data = bytearray()
    while len(data) < count:
        byte = source.byte()
        if not _REAL_TIME <= byte < META:
            data.append(byte)
    return bytes(data)


def tempo_of(data: bytes) -> int:
    """Microseconds per quarter note, from the data of a tempo event without its type."""
    if len(data) < 3:
        raise Unreadable("a tempo has fewer than three bytes")
    return int.from_bytes(data[:3], "big")


def _parse_division(division):
    """Parse the last two bytes of the header."""
    if division < 0x8000:  # ticks per quarter note, whose length is in microseconds
        parsed = Division(division * 1_000_000, _DEFAULT_TEMPO, follows_tempo=True)
    else:  # SMPTE: minus the frames per second in the first byte, ticks per frame in the second
        frames = 256 - (division >> 8)
        if frames not in _FRAME_RATES:
            raise Unreadable(f"its time division of {frames} frames per second is unknown")
        rate, per_tick = _FRAME_RATES[frames]
        parsed = Division(rate * (division & 0xFF), per_tick, follows_tempo=False)
    if not parsed.per_second:
        raise Unreadable("its time division is 0")
    return parsed
