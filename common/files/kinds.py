"""Recognise the kind of a file that libsndfile cannot read, by its first bytes.

Sources: ISO/IEC 14496-12 for ``ftyp`` boxes, 13818-7 for ADTS frames, RFC 8794 for Matroska, the
formats' own specifications for the others.
"""

import shlex
from pathlib import Path

# brands of images in an ftyp box
_IMAGES = b"heic", b"heix", b"heim", b"mif1", b"msf1", b"avif", b"avis"
_RECORDINGS = (  # offset, bytes, name
    (4, b"ftyp", "MPEG-4 (.m4a, .mp4)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (.wma)"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska (.mka, .webm)"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"TTA1", "True Audio"),
    (0, b"#!AMR", "AMR"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (0, b".RMF", "RealMedia"),
    (0, b"FLV\1", "Flash video"),
    (8, b"AVI LIST", "AVI video"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"\xff\xf0", "AAC"),
    (0, b"\xff\xf8", "AAC"),
    (0, b"ADIF", "AAC"),
    (0, b"\x0b\x77", "Dolby Digital"),
)
_OTHERS = (
    (0, b"MThd", "a MIDI file; play it with synthesize_audios.py"),
    (8, b"RMID", "a MIDI file; play it with synthesize_audios.py"),
    (0, b"version https://git-lfs", "a pointer of Git LFS; get the file with git lfs pull"),
    (0, b"<!DOCTYPE", "a web page; download the file itself"),
    (0, b"<!doctype", "a web page; download the file itself"),
    (0, b"<html", "a web page; download the file itself"),
    (0, b"PK\x03\x04", "an archive; unpack it, or save the model of Keras in it as .h5"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it"),
    (0, b"Rar!", "a rar archive; unpack it"),
)


def foreign_recording(path: Path | str) -> str | None:
    """Format of a recording that libsndfile cannot read; None for any other file."""
    begin = _begin(path)
    is_image = begin[4:8] == b"ftyp" and begin[8:12] in _IMAGES
    return None if is_image else _find(_RECORDINGS, begin)


def true_kind(path: Path | str) -> str | None:
    """Kind of a file that is not readable audio, with the remedy; None if unknown."""
    name = foreign_recording(path)
    if name is None:
        return _find(_OTHERS, _begin(path))
    path = Path(path)
    converted = f"{path.stem}{'_converted' if path.suffix == '.wav' else ''}.wav"
    command = shlex.join(["ffmpeg", "-i", path.name, converted])
    return f"{name} by its content, a format that is not read here; convert it: {command}"


def _begin(path):
    """First bytes of a file, after an ID3 tag; empty if the file cannot be read."""
    try:
        with Path(path).open("rb") as file:
            begin = file.read(32)
            if begin[:3] == b"ID3" and len(begin) >= 10:
                sizes = zip(begin[6:10], (21, 14, 7, 0), strict=True)
                file.seek(10 + sum((byte & 0x7F) << shift for byte, shift in sizes))
                begin = file.read(32)
    except OSError:
        return b""
    return begin


def _find(kinds, begin):
    return next((name for at, magic, name in kinds if begin[at:].startswith(magic)), None)
