"""Which files of a folder are recordings, and what is said about the others."""

import numpy as np
import pytest
import soundfile

from common.cli import UserError, report_others
from common.files.audio import (
    SILENT_PEAK,
    AudioFileError,
    AudioWriter,
    find_recordings,
    is_silent,
    load_sounding,
    read_header,
    write_audio,
)
from common.files.kinds import true_kind

RATE = 44100
M4A = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + bytes(500)


def written(path, **flags):
    soundfile.write(path, np.zeros(4410), 44100, **flags)
    return path


def names(paths):
    return sorted(path.name for path in paths)


def test_every_format_of_libsndfile_is_found_whatever_its_suffix(tmp_path):
    expected = []
    for name in soundfile.available_formats():
        if name in ("RAW", "SD2"):  # no header; a resource fork
            continue
        for suffix in (name.lower(), "sound"):
            path = tmp_path / f"{name}_{suffix}.{suffix}"
            subtype = next(
                kind
                for kind in ("PCM_16", *soundfile.available_subtypes(name))
                if soundfile.check_format(name, kind)
            )
            try:
                written(path, format=name, subtype=subtype)
            except soundfile.SoundFileError:  # at 44.1 kHz
                path.unlink()
                continue
            expected.append(path.name)
    assert len(expected) > 20
    found = find_recordings(tmp_path)
    assert names(found.files.values()) == sorted(expected)
    assert not found.others


@pytest.mark.parametrize(
    ("suffix", "flags"),
    [
        (".oga", {"format": "OGG"}),
        (".aifc", {"format": "AIFF", "subtype": "ULAW"}),
        (".wave", {"format": "WAV"}),
        (".WAV", {"format": "WAV"}),
        ("", {"format": "FLAC"}),
    ],
)
def test_unusual_suffixes(tmp_path, suffix, flags):
    path = written(tmp_path / f"a{suffix}", **flags)
    assert [*find_recordings(tmp_path).files.values()] == [path]


def test_recordings_that_cannot_be_read_are_told_from_other_files(tmp_path):
    written(tmp_path / "a.wav")
    for name in ("a.m4a", "b.m4a", "c.mp4"):
        (tmp_path / name).write_bytes(M4A)
    (tmp_path / "notes.txt").write_text("take 2 is better")
    (tmp_path / "cover.heic").write_bytes(M4A.replace(b"M4A ", b"heic"))
    (tmp_path / "broken.wav").write_bytes(b"broken")
    found = find_recordings(tmp_path)
    assert list(found.files) == ["a", "broken"]
    # a.wav is the converted a.m4a
    assert [path.name for path, _ in found.foreign] == ["b.m4a", "c.mp4"]
    assert all("ffmpeg -i" in remedy for _, remedy in found.foreign)
    assert names(found.others) == ["a.m4a", "cover.heic", "notes.txt"]


def test_what_is_said_of_other_files(tmp_path, capsys):
    report_others([], "audio")
    assert capsys.readouterr().err == ""
    report_others([tmp_path / f"{number:02d}.txt" for number in range(12)], "audio")
    said = capsys.readouterr().err
    assert said.startswith("12 files ignored, not audio: 00.txt, 01.txt")
    assert said.endswith("09.txt, 2 more\n")


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".m4a", ".ogg", ".flac", ".au", ".raw"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (M4A, "MPEG-4 .* ffmpeg -i "),
        (b"ID3\4\0\0\0\0\0\5hello" + M4A, "MPEG-4 .* ffmpeg -i "),
        (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(400), "AAC .* ffmpeg -i "),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(400), "Windows Media .* ffmpeg -i "),
        (b"OggS" + bytes(400), "cut off|not a readable audio file"),
        (b"<!DOCTYPE html><html>" + b" " * 400, "a web page; download the file itself"),
        (b"MThd\0\0\0\6" + bytes(400), "a MIDI file; play it with synthesize_audios.py"),
    ],
    ids=["m4a", "tagged", "aac", "wma", "ogg", "html", "midi"],
)
def test_a_format_is_told_by_its_content(tmp_path, suffix, content, words):
    path = tmp_path / f"my take{suffix}"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=words) as caught:
        read_header(path)
    assert "\n" not in str(caught.value)


def test_the_remedy_can_be_pasted_and_harms_no_file(tmp_path):
    for name, command in (
        ("a.mp3", "ffmpeg -i a.mp3 a.wav"),
        ("a.wav", "ffmpeg -i a.wav a_converted.wav"),
        ("my take.m4a", "ffmpeg -i 'my take.m4a' 'my take.wav'"),
    ):
        (tmp_path / name).write_bytes(M4A)
        assert true_kind(tmp_path / name).endswith(command)


@pytest.mark.parametrize(("rate", "channels"), [(96000, 1), (44100, 8)])
def test_what_a_format_cannot_hold_is_said_before_anything_is_computed(tmp_path, rate, channels):
    said = (
        rf"a\.mp3: MP3 cannot hold {channels} channels at {rate} Hz; write \.wav or \.flac instead"
    )
    with pytest.raises(AudioFileError, match=said):
        AudioWriter(tmp_path / "a.mp3", rate, channels)
    AudioWriter(tmp_path / "a.mp3", 48000, 2)


def test_what_is_no_recording_is_named_without_bytes(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_bytes(b"no audio")
    with pytest.raises(AudioFileError, match=r"empty\.wav: not a readable audio file, is empty"):
        read_header(tmp_path / "empty.wav")
    with pytest.raises(AudioFileError, match=r"text\.wav: not a readable audio file \(Format not"):
        read_header(tmp_path / "text.wav")
    with pytest.raises(AudioFileError, match="is a folder; name a file"):
        read_header(tmp_path)


def test_a_silent_recording_is_refused_by_name(tmp_path):
    audio = np.zeros(RATE, np.float32)
    audio[100] = 0.9 * SILENT_PEAK
    write_audio(tmp_path / "faint.wav", audio, RATE, subtype="FLOAT")
    audio[100] = 1.1 * SILENT_PEAK
    write_audio(tmp_path / "heard.wav", audio, RATE, subtype="FLOAT")
    assert np.array_equal(load_sounding(tmp_path / "heard.wav", RATE), audio)
    with pytest.raises(UserError, match=r"faint\.wav: is silent"):
        load_sounding(tmp_path / "faint.wav", RATE)
    assert is_silent(np.zeros(0, np.float32))
