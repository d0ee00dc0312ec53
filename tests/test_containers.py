"""Unusual or incomplete audio files are read to the last sample, or refused in one line."""

import contextlib
import struct

import numpy as np
import pytest
import soundfile

from common.files.audio import AudioFileError, read_blocks
from common.files.containers import Damaged, whole_frames
from data import load_audio, write_audio

RATE = 44100


def tone(samples, channels=1):
    time = np.arange(samples) / RATE
    return np.float32([0.5 * np.sin(2 * np.pi * 220 * (k + 1) * time) for k in range(channels)])


def written(path, samples=RATE, **flags):
    """Write an audio file of noise with a suffix; return its bytes."""
    write_audio(path, tone(samples), RATE, **flags)
    return path.read_bytes()


def assert_refused(path, message):
    with pytest.raises(AudioFileError, match=message) as caught:
        load_audio(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text


# Rates, channels, sample formats


@pytest.mark.parametrize("rate", [4000, 8000, 192000, 768000])
def test_rates_from_4_to_768_khz_are_read(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(rate // 10), rate)
    assert load_audio(tmp_path / "a.wav")[0].shape == (4410,)


@pytest.mark.parametrize("rate", [1, 3999, 768001, 2**31 - 1])
def test_absurd_rates_are_refused_before_anything_is_resampled(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(10**5), rate)
    assert_refused(tmp_path / "a.wav", f"claims {rate} Hz, not within 4000 to 768000")


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_six_channels_in_any_depth_are_averaged(tmp_path, subtype):
    audio = tone(1000, channels=6)
    write_audio(tmp_path / "a.wav", audio, RATE, subtype)
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav")[0], audio.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav", mono=False)[0], audio, atol=1e-6)


def test_samples_so_large_that_sums_overflow_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.float32([0, 1e38, 1e38]), RATE, "FLOAT")
    assert_refused(tmp_path / "a.wav", "some beyond 2147483648")


@pytest.mark.parametrize("peak", [128, 2047, 32767, 8388607, 2**31 - 1])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_integers_that_were_stored_as_they_are_are_refused(tmp_path, peak, subtype):
    soundfile.write(tmp_path / "a.wav", tone(RATE)[0] * 2 * peak, RATE, subtype)
    assert_refused(tmp_path / "a.wav", "floating-point samples up to .* full scale is 1; divide")


@pytest.mark.parametrize("peak", [1, 1.2, 4, 15.9])
def test_peaks_above_full_scale_are_read(tmp_path, peak):
    soundfile.write(tmp_path / "a.wav", tone(RATE)[0] * 2 * np.float32(peak), RATE, "FLOAT")
    assert np.abs(load_audio(tmp_path / "a.wav")[0]).max() == pytest.approx(peak, rel=1e-3)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"no audio at all" * 100, "no audio file by its content")],
)
def test_what_libsndfile_would_play_as_raw_noise_is_refused(tmp_path, content, said):
    (tmp_path / "a.au").write_bytes(content)
    assert_refused(tmp_path / "a.au", said)


# Blocks


@pytest.mark.parametrize("samples", [0, 1, 2 * RATE - 1, 2 * RATE, 2 * RATE + 1])
def test_blocks_are_the_whole_file_and_the_last_is_shorter(tmp_path, samples):
    write_audio(tmp_path / "a.wav", tone(samples), RATE)
    blocks = list(read_blocks(tmp_path / "a.wav", seconds=1))
    assert [last for _, last in blocks] == [False] * (samples // RATE) + [True]
    assert all(block.shape[-1] == RATE for block, _ in blocks[:-1])
    joined = np.concatenate([block for block, _ in blocks], axis=-1)
    np.testing.assert_allclose(joined, tone(samples), atol=2**-15)


# Lengths that are wrong


@pytest.mark.parametrize(
    ("suffix", "name", "order"), [(".wav", b"data", "<"), (".aiff", b"SSND", ">")]
)
@pytest.mark.parametrize("counted", [8, 1000, 50000])
def test_a_header_that_counts_too_little_would_lose_audio(tmp_path, suffix, name, order, counted):
    path = tmp_path / f"a{suffix}"
    content = bytearray(written(path))
    place = content.index(name) + 4
    content[place : place + 4] = struct.pack(f"{order}L", counted)
    path.write_bytes(content)
    assert_refused(path, f"its header counts {counted} of up to .* not finished; repair it")


def test_a_recorder_that_died_leaves_a_length_of_0(tmp_path):
    path = tmp_path / "a.wav"
    content = bytearray(written(path))
    place = content.index(b"data") + 4
    content[4:8] = content[place : place + 4] = bytes(4)
    path.write_bytes(content)
    assert_refused(path, "its header counts 0 of up to 88200 bytes of audio")


def test_a_wav_that_counts_too_much_is_cut_off(tmp_path):
    path = tmp_path / "a.wav"
    content = bytearray(written(path))
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<L", 100000)
    path.write_bytes(content)
    assert_refused(path, "cut off, holds 88200 of 100000 bytes of audio; copy it again")


@pytest.mark.parametrize(
    "after",
    [
        b"LIST" + struct.pack("<L", 2000) + b"INFO" + bytes(1996),
        b"TAG" + b"title".ljust(125, b"\0"),
        bytes(5000),
    ],
    ids=["chunk", "tag", "zeros"],
)
def test_what_may_follow_the_audio_does_no_harm(tmp_path, after):
    path = tmp_path / "a.wav"
    path.write_bytes(written(path) + after)
    assert load_audio(path)[0].shape == (RATE,)


def riff(samples, bits, *after, order="<", padded=True):
    """Make a RIFF or AIFF file of noise with chunks (name, content) after its audio."""

    def chunk(name, content):
        pad = bytes(len(content) % 2 if padded else 0)
        return name + struct.pack(f"{order}L", len(content)) + content + pad

    audio = np.random.default_rng(0).integers(1, 255, samples * bits // 8, dtype=np.uint8).tobytes()
    if order == "<":
        rate = struct.pack("<HHLLHH", 1, 1, RATE, RATE * bits // 8, bits // 8, bits)
        body = b"WAVE" + chunk(b"fmt ", rate) + chunk(b"data", audio)
    else:
        rate = b"\x40\x0e\xac\x44" + bytes(6)  # 44100 as an 80-bit number
        body = b"AIFF" + chunk(b"COMM", struct.pack(">hLh", 1, samples, bits) + rate)
        body += chunk(b"SSND", bytes(8) + audio)
    body += b"".join(chunk(*pair) for pair in after)
    return {"<": b"RIFF", ">": b"FORM"}[order] + struct.pack(f"{order}L", len(body)) + body


ID3 = b"ID3\x03\0\0\0\0\x4d\x44" + bytes(range(1, 251)) * 40


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize(
    "after",
    [
        [(b"id3 ", ID3)],
        [(b"LIST", b"INFOINAM\x05\0\0\0title"), (b"id3 ", ID3 + b"!")],
        [(b"cue ", b"\1" * 2001), (b"smpl", b"\2" * 2001), (b"LIST", b"adtl" + b"\3" * 2001)],
        [(b"bext", b"\1" * 603), (b"Xyz1", b"\2" * 999)],
    ],
    ids=["id3", "info", "odd", "unknown"],
)
def test_chunks_with_and_without_padding_follow_the_audio(tmp_path, order, padded, after):
    path = tmp_path / ("a.wav" if order == "<" else "a.aiff")
    for bits in (8, 16, 24):
        path.write_bytes(riff(4411, bits, *after, order=order, padded=padded))
        assert load_audio(path)[0].shape == (4411,)


@pytest.mark.parametrize("length", [0, 17, 10**6, 2**32 - 1])
@pytest.mark.parametrize("name", [b"id3 ", b"LIST", b"bext"])
def test_a_wrong_length_of_a_known_chunk_after_the_audio(tmp_path, name, length):
    path = tmp_path / "a.wav"
    content = riff(4411, 24, padded=False) + name + struct.pack("<L", length) + ID3
    path.write_bytes(content)
    assert load_audio(path)[0].shape == (4411,)


@pytest.mark.parametrize("tag", [ID3, b"APETAGEX" + b"\1" * 999, b"<?xml " + b"x" * 999])
def test_tags_without_a_chunk_after_the_audio(tmp_path, tag):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(4411, 24, padded=False) + tag)
    assert load_audio(path)[0].shape == (4411,)


@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("lost", [1, 2, 3, 700])
def test_a_wav_of_odd_length_that_was_cut_off_is_refused(tmp_path, bits, lost):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(4411, bits, padded=False)[:-lost])
    assert_refused(path, "cut off, holds")


def test_a_flac_that_claims_more_than_it_can_hold_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    content = bytearray(written(path))
    content[21] |= 0x0F  # the number of samples has 36 bits, after rate, channels and depth
    path.write_bytes(content)
    assert_refused(path, "claims 64424553540 samples, more than it can hold")


def test_a_flac_written_into_a_pipe_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    content = bytearray(written(path))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert_refused(path, "does not say how long it is, .* convert it to .wav")


# Ogg


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_an_ogg_file_that_was_cut_off_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_audio(path, tone(48000), 48000)
    whole = path.read_bytes()
    assert load_audio(path, sample_rate=None)[0].shape == (48000,)
    last = whole.rindex(b"OggS")
    for size in {*range(60, len(whole), 997), *range(last + 4, last + 60), len(whole) - 1}:
        path.write_bytes(whole[:size])
        assert_refused(path, "cut off|not a readable audio file|damaged")


def test_an_ogg_file_that_lost_a_page_is_refused(tmp_path):
    path = tmp_path / "a.ogg"
    whole = written(path, 20 * RATE)
    pages = [place for place in range(len(whole)) if whole.startswith(b"OggS", place)]
    path.write_bytes(whole[: pages[-3]] + whole[pages[-2] :])
    assert_refused(path, r"damaged, only \d+ of 882000 samples can be read; copy it again")


# MPEG audio: in the files written here, the first frame holds the number of the others


def mpeg_frames(content):
    """Positions of the frames of an MP3 file with frames of constant length."""
    head = content[:2]
    return [place for place in range(len(content)) if content.startswith(head, place)]


@pytest.fixture
def mp3(tmp_path):
    """Path of an MP3 file of one second, and its bytes."""
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(RATE)[0], RATE, bitrate_mode="CONSTANT", compression_level=0.9)
    return path, path.read_bytes()


def test_an_mp3_is_read_to_its_last_sample_whatever_tags_it_has(mp3):
    path, content = mp3
    newer = b"ID3\x04\0\0" + bytes([0, 0, 1, 72]) + bytes(200)
    older = b"TAG" + bytes(125)
    ape = b"APETAGEX" + struct.pack("<LLLL", 2000, 32, 0, 0) + bytes(8)
    for odd in (
        content,
        newer + content,
        content + older,
        content + ape + older,
        bytes(99) + content,
    ):
        path.write_bytes(odd)
        audio = load_audio(path)[0]
        assert audio.shape == (RATE,)
        assert np.abs(audio[5000:40000] - tone(RATE)[0, 5000:40000]).max() < 0.05


def test_an_mp3_that_was_cut_off_is_refused_wherever(mp3):
    path, content = mp3
    for size in {*range(len(content) // 10, len(content), 97), len(content) - 1}:
        path.write_bytes(content[:size])
        assert_refused(path, "cut off|not a readable audio file")


def miscounted(content, frames=0, with_size=True):
    """Make an MP3 file whose header counts too many frames, without bytes unless ``with_size``."""
    place = max(content.find(b"Xing"), content.find(b"Info")) + 4
    flags, count, size = struct.unpack_from(">LLL", content, place)
    numbers = (flags, count + frames, size) if with_size else (1, count + frames)
    header = struct.pack(f">{len(numbers)}L", *numbers)
    return content[:place] + header + content[place + len(header) :]


@pytest.mark.parametrize("with_size", [True, False])
def test_an_mp3_whose_header_counts_its_own_frame_is_whole(mp3, with_size):
    path, content = mp3
    path.write_bytes(miscounted(content, 1, with_size))
    audio = load_audio(path)[0]
    assert abs(audio.size - RATE) <= 2 * 1152
    assert audio[5000:40000].std() == pytest.approx(tone(RATE)[0].std(), rel=0.1)


def test_an_mp3_of_as_many_bytes_as_it_counts_is_whole(mp3):
    path, content = mp3
    path.write_bytes(miscounted(content, frames=7))
    assert abs(load_audio(path)[0].size - RATE) <= 1152


def test_an_mp3_that_lost_its_last_frame_is_refused(mp3):
    path, content = mp3
    path.write_bytes(content[: mpeg_frames(content)[-1]])
    assert_refused(path, "cut off, holds")
    path.write_bytes(miscounted(content, with_size=False)[: mpeg_frames(content)[-2]])
    assert_refused(path, "cut off, holds")


def test_an_mp3_of_several_recordings_would_lose_all_but_the_first(mp3):
    path, content = mp3
    path.write_bytes(content + content)
    assert_refused(path, r"holds \d+ frames, of which its header counts \d+: several recordings")


def test_an_mp3_without_a_length_is_read_whole_or_refused(mp3):
    path, content = mp3
    path.write_bytes(content[mpeg_frames(content)[1] :])
    header = soundfile.info(path)
    assert load_audio(path)[0].size >= RATE
    assert whole_frames(path, header) <= load_audio(path)[0].size
    short = type("Header", (), {"format": "MP3", "frames": RATE // 2})
    with pytest.raises(Damaged, match="does not say how long it is"):
        whole_frames(path, short)


def test_an_mp3_with_a_hole_is_refused(mp3):
    path, content = mp3
    middle = mpeg_frames(content)[10]
    path.write_bytes(content[:middle] + b"\x55" * 777 + content[middle:])
    assert_refused(path, f"damaged at byte {middle}; copy it again, or repair it")


def test_the_decoder_of_mp3_says_nothing_itself(mp3, capfd):
    path, content = mp3
    rng = np.random.default_rng(0)
    said = {soundfile.read: "", load_audio: ""}
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(len(content), size=20)] = rng.integers(256, size=20)
        path.write_bytes(damaged.tobytes())
        for read in said:
            with contextlib.suppress(soundfile.SoundFileError, AudioFileError):
                read(path)
            said[read] += capfd.readouterr().err
    assert "mpg123" in said[soundfile.read]
    assert said[load_audio] == ""
