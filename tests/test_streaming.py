"""common/audio/streaming.py: reading in blocks equals reading at once."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import data
from common.audio.streaming import make_resampler, parts_of, read_resampled, resample_blocks
from common.files import audio as audio_files
from common.files.audio import AudioFileError, resample
from data import HOP, load_audio
from pix2pix_timbre.features import magnitude_image, phase_image, read_image


def noise(samples, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, samples)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".opus"])
def test_blocks_are_the_file_in_pieces(tmp_path, suffix):
    path, rate = tmp_path / f"a{suffix}", 48000
    with soundfile.SoundFile(
        path,
        "w",
        rate,
        2,
        format="OGG" if suffix == ".opus" else None,
        subtype="OPUS" if suffix == ".opus" else None,
    ) as file:
        file.write(noise(7 * rate + 11, 2).T)
    whole, _ = soundfile.read(path, dtype="float32")
    for seconds in (1, 2, 600):
        blocks, ends = zip(*audio_files.read_blocks(path, seconds), strict=True)
        np.testing.assert_array_equal(np.concatenate(blocks, axis=-1).T, whole)
        assert ends == (False,) * (len(blocks) - 1) + (True,)
        assert len({block.shape[-1] for block in blocks[:-1]}) <= 1


def test_a_header_that_tells_too_few_samples_hides_none(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    data.write_audio(path, noise(100_000))
    expected, _ = load_audio(path)
    header = SimpleNamespace(samplerate=data.SAMPLE_RATE, frames=5, subtype="PCM_16")
    monkeypatch.setattr(audio_files, "_checked_header", lambda path: (header, 5))
    blocks = [block[0] for block, _ in audio_files.read_blocks(path, 10)]
    assert len(blocks) == 2
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_blocks_are_resampled_as_the_whole_is(tmp_path, rate):
    path = tmp_path / "a.wav"
    data.write_audio(path, noise(7 * rate + 5, 2), rate)
    whole, _ = load_audio(path, mono=False)
    made, count = zip(*read_resampled(path, make_resampler(rate, data.SAMPLE_RATE, 2)), strict=True)
    assert sum(count) == 7 * rate + 5
    np.testing.assert_allclose(np.concatenate(made, axis=-1), whole, atol=1e-6)
    (mono, _), *_ = read_resampled(path, make_resampler(rate, data.SAMPLE_RATE, 1), mono=True)
    np.testing.assert_allclose(mono[0], whole.mean(axis=0)[: mono.shape[1]], atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("samples", [0, 1, 22399, 22400, 22401, 300007])
def test_an_audio_is_resampled_in_blocks_as_the_whole_is(samples, rate):
    audio = noise(samples)[0]
    before = audio.copy()
    blocks = list(resample_blocks(audio, rate, 44100))
    expected = resample(audio, rate, 44100)
    np.testing.assert_array_equal(np.concatenate([np.empty(0, np.float32), *blocks]), expected)
    np.testing.assert_array_equal(audio, before)
    assert all(block.size < 2**17 for block in blocks)


@given(
    st.lists(st.integers(0, 4 * HOP), min_size=1, max_size=8),
    st.integers(1, 5),
    st.integers(0, 9),
    st.sampled_from([HOP, HOP // 2, HOP // 4]),
)
@settings(deadline=None)
def test_parts_have_the_columns_of_the_whole(sizes, columns, seed, hop):
    audio = noise(sum(sizes), 2, seed)
    blocks = np.split(audio, np.cumsum(sizes)[:-1], axis=-1)
    parts = list(parts_of(blocks, columns, hop))
    assert [last for *_, last in parts] == [False] * (len(parts) - 1) + [True]
    found = [data.forward_transform(part, columns=which, hop=hop) for part, which, _ in parts]
    assert all(magnitude.shape[-1] == columns for magnitude, _ in found[:-1])
    expected = data.forward_transform(audio, hop=hop)
    for joined, whole in zip(zip(*found, strict=True), expected, strict=True):
        np.testing.assert_array_equal(np.concatenate(joined, axis=-1), whole)


def test_nothing_comes_of_nothing():
    assert list(parts_of([], 4)) == []


@pytest.mark.parametrize(("rate", "channels"), [(44100, 1), (44100, 2), (22050, 1)])
@pytest.mark.parametrize("image", [magnitude_image, phase_image])
def test_the_image_of_a_file_is_that_of_its_audio(tmp_path, rate, channels, image):
    path = tmp_path / "a.wav"
    data.write_audio(path, noise(7 * rate + 5, channels), rate)
    found, expected = read_image(path, image), image(load_audio(path)[0])
    assert found.dtype == np.float16 and found.shape == expected.shape
    if rate == data.SAMPLE_RATE:
        np.testing.assert_array_equal(found, expected)
    else:
        turned = np.abs(found.astype(np.float32) - expected)
        assert np.percentile(np.minimum(turned, 1 - turned), 99) < 2e-3


def test_the_image_of_an_empty_file_is_refused(tmp_path):
    data.write_audio(tmp_path / "a.wav", noise(0))
    with pytest.raises(AudioFileError, match=r"a\.wav: holds no samples"):
        read_image(tmp_path / "a.wav")
