"""Check whether an audio file is complete, where libsndfile does not notice.

libsndfile plays the rest of an MP3 or Ogg file that was cut off, only the first of several MP3
files in one, and nothing of a WAV file whose header was never completed. This module walks through
the containers without decoding.

Sources: ISO/IEC 11172-3 and 13818-3 for the frames of MPEG audio, the Xing header of LAME for their
number, RFC 3533 for Ogg pages, Microsoft and IBM's multimedia specification 1.0 for RIFF.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import soundfile


_SLACK = 512  # bytes at the end of a file that are ignored, such as tags
# bytes; at least what programs give as length when they write into a pipe
UNKNOWN_LENGTH = 0x7FFFFF00
_NO_LENGTH = 2**63 - 1  # samples; libsndfile's answer for a FLAC file that was written into a pipe
_NO_LENGTH_TOLD = "does not say how long it is, so that parts would be lost; convert it to .wav"
_PAGE = 27 + 255 + 255 * 255  # size of the longest Ogg page in bytes

# Chunks and tags that may follow the audio, even with a wrong length
_CHUNKS = (
    b"LIST id3  ID3  bext iXML _PMX fact cue  smpl inst JUNK junk PAD  FLLR PEAK DISP acid afsp "
    b"cart regn umid minf elm1 axml chna levl strc plst labl note MD5  SAUR Trkn COMT MARK INST "
    b"APPL NAME AUTH ANNO (c)  MIDI AESD SAXL FVER CHAN "
)
_CHUNKS = tuple(_CHUNKS[place : place + 4] for place in range(0, len(_CHUNKS), 5))
_TAGS = b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"<?xml", b"<x:xmpmeta"

# MPEG audio: kbit/s by (version 1, layer), then by index; None where the length is not said
_BITRATES = {
    (True, 1): (None, *range(32, 449, 32)),
    (True, 2): (None, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (None, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (None, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (None, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_BITRATES[False, 3] = _BITRATES[False, 2]
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # version


class Damaged(Exception):
    """A damaged file; the message says what is wrong, and the remedy."""


class _Frame(NamedTuple):
    """A frame of MPEG audio.

    Attributes:
        length: In bytes; None if only decoding can tell.
        samples: Per channel.
        side: Bytes before a Xing header.
        kind: Properties that all frames of a file share.
    """

    length: int | None
    samples: int
    side: int
    kind: tuple[int, int, int]


def whole_frames(path: Path | str, header: soundfile._SoundFileInfo) -> int:
    """Number of samples per channel that a decoder has to give if nothing is lost.

    Args:
        path: Audio file.
        header: Result of ``soundfile.info``.

    Raises:
        Damaged: The file is cut off, or libsndfile would not read all of it.
    """
    if header.format == "RAW":
        raise Damaged("no audio file by its content")
    if header.frames == _NO_LENGTH:
        raise Damaged(_NO_LENGTH_TOLD)
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        if content[:4] == b"RIFF":
            _check_chunks(content, "little", b"data")
        elif content[:4] == b"FORM":
            _check_chunks(content, "big", b"SSND")
        elif content[:4] == b"OggS":
            _check_last_page(content)
        elif header.format == "MP3":
            return _whole_mpeg(content, header.frames)
    return header.frames


def _check_chunks(content, order, wanted):
    """Refuse a RIFF or AIFF file with more audio than its header counts.

    Chunks (with or without their padding byte) and tags may follow the audio.
    """
    end, length, start, counted = 12, 0, None, 0
    while (place := _next_chunk(content, end, length, order)) is not None:
        if start is not None and content[place : place + 4] in _CHUNKS:
            return
        length = int.from_bytes(content[place + 4 : place + 8], order)
        end = place + 8 + length
        if start is None and content[place : place + 4] == wanted:
            start, counted = place + 8, length
            if length >= UNKNOWN_LENGTH:
                return
    rest = content[end:]
    is_tag = rest.startswith(_TAGS) or rest[length % 2 :].startswith(_TAGS)
    if start is not None and len(rest) > _SLACK and not is_tag and rest.strip(b"\0"):
        raise Damaged(
            f"its header counts {counted} of up to {len(content) - start} bytes of audio, as of a "
            "recording that was not finished; repair it, or open it as raw audio and save it"
        )


def _next_chunk(content, end, length, order):
    """Position of the chunk after one of this end and length; None if there is none."""
    places = (end + length % 2, end)  # many programs forget to pad to an even length
    for place in places:
        if content[place : place + 4] in _CHUNKS:
            return place
    for place in places:
        name = content[place : place + 4]
        whole = place + 8 + int.from_bytes(content[place + 4 : place + 8], order)
        if len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name) and whole <= len(content):
            return place
    return None


def _check_last_page(content):
    """Refuse an Ogg file that ends within a page."""
    page = content.rfind(b"OggS", max(len(content) - _PAGE - _SLACK, 0))
    begin = page + 27  # start of the page's segment table
    if page >= 0 and begin <= len(content):
        table = content[begin : begin + content[begin - 1]]
        if begin + content[begin - 1] + sum(table) <= len(content):
            return
    raise Damaged("cut off; copy it again")


def _whole_mpeg(content, frames):
    """``whole_frames`` for MPEG audio."""
    position = _first_frame(content)
    first = _mpeg_frame(content, position)
    if first is None:
        raise Damaged("no MPEG audio by its content")
    count, samples, declared, size, begin = 0, 0, None, 0, position
    while position + 4 <= len(content):
        frame = _mpeg_frame(content, position, like=first)
        if frame is None:
            tag = _tag_length(content, position)
            if tag is None:
                if _find_frame(content, position, len(content), like=first) is not None:
                    raise Damaged(f"damaged at byte {position}; copy it again, or repair it")
                break
            position += tag
            continue
        if frame.length is None:
            return 0  # only decoding can tell
        if position + frame.length > len(content):
            raise Damaged("cut off; copy it again")
        if not count:
            declared, size = _declared(content[position : position + frame.length], frame.side)
        if count or declared is None:
            samples += frame.samples
        count += 1
        position += frame.length
    found = count - (declared is not None)
    # some programs include the frame with the count itself; the number of bytes shows it
    if (
        declared
        and found < declared
        and (position - begin < size if size else found < declared - 1)
    ):
        raise Damaged(f"cut off, holds {found} of {declared} frames; copy it again")
    if declared and found > declared + 1:
        raise Damaged(
            f"holds {found} frames, of which its header counts {declared}: several recordings in "
            "one file? Convert it to .wav"
        )
    if not declared and frames < samples - 2 * 1152:
        raise Damaged(_NO_LENGTH_TOLD)
    if not declared:
        return samples - 2 * 1152
    return frames - max(declared - found, 0) * first.samples


def _first_frame(content):
    position = 0
    while (tag := _tag_length(content, position)) is not None:
        position += tag
    found = _find_frame(content, position, position + 2**16)
    return len(content) if found is None else found


def _find_frame(content, start, stop, like=None):
    """Position of the first frame that another one follows directly; None if there is none."""
    position = content.find(b"\xff", start, stop)
    while position >= 0:
        frame = _mpeg_frame(content, position, like)
        if frame is not None and (
            frame.length is None or _mpeg_frame(content, position + frame.length, frame) is not None
        ):
            return position
        position = content.find(b"\xff", position + 1, stop)
    return None


def _mpeg_frame(content, position, like=None):
    """Parse the ``_Frame`` at a position; None if there is none of that kind."""
    if position + 4 > len(content):
        return None
    (header,) = struct.unpack_from(">L", content, position)
    version, layer, rate = header >> 19 & 3, 4 - (header >> 17 & 3), header >> 10 & 3
    index, padding, mono = header >> 12 & 15, header >> 9 & 1, header >> 6 & 3 == 3
    if header >> 21 != 0x7FF or version == 1 or layer == 4 or rate == 3 or index == 15:
        return None
    first = version == 3
    kilobits, hertz = _BITRATES[first, layer][index], _RATES[version][rate]
    samples = 384 if layer == 1 else 1152 if first or layer == 2 else 576
    side = (17 if mono else 32) if first else (9 if mono else 17)
    kind = version, layer, hertz
    if like is not None and kind != like.kind:
        return None
    if kilobits is None:
        return _Frame(None, samples, 4 + side, kind)
    slot = 4 if layer == 1 else 1
    length = (samples * 125 * kilobits // slot // hertz + padding) * slot
    return _Frame(length, samples, 4 + side, kind)


def _declared(frame, side):
    """Read the length of the file from a first frame without audio: ``(frames, bytes)``.

    ``frames`` is the number of frames after it, 0 if not given, None if the frame has audio;
    ``bytes`` is the size of all frames, 0 if not given.
    """
    if frame[side : side + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(frame[side + 4 : side + 8], "big")
        numbers = [
            int.from_bytes(frame[place : place + 4], "big")
            for place in range(side + 8, side + 16, 4)
        ]
        frames = numbers.pop(0) if flags & 1 else 0
        return frames, numbers[0] if flags & 2 else 0
    return (0 if frame[36:40] == b"VBRI" else None), 0


def _tag_length(content, position):
    """Length in bytes of the tag at a position; None if there is none."""
    begin = content[position : position + 32]
    if begin[:3] == b"ID3" and len(begin) > 10 and max(begin[6:10]) < 0x80:
        length = sum(byte << shift for byte, shift in zip(begin[6:10], (21, 14, 7, 0), strict=True))
        return length + (20 if begin[5] & 0x10 else 10)
    if begin[:3] == b"TAG" and len(content) - position == 128:
        return 128
    if begin[:8] == b"APETAGEX":
        return 32 + int.from_bytes(begin[12:16], "little")
    return None
