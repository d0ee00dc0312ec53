"""The codec: closed forms, librosa as an independent implementation, inverses, files."""

import re
import subprocess
import sys

import librosa
import numpy as np
import pytest
import soundfile
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import data
from common.files.audio import AudioFileError, AudioWriter, read_header, resample, safe_peak
from data import (
    AMIN,
    BINS,
    FFT_SIZE,
    FRAME_COLUMNS,
    HOP,
    SAMPLE_RATE,
    amplitude_to_db,
    column_count,
    db_to_amplitude,
    forward_transform,
    inverse_transform,
    join_magnitude_slices,
    load_audio,
    slice_magnitude,
    write_audio,
)

STFT = {
    "n_fft": FFT_SIZE,
    "hop_length": HOP,
    "window": np.hanning(FFT_SIZE),
    "center": True,
    "pad_mode": "constant",
}


def noise(*shape, seed=0, level=0.1):
    return np.float32(np.random.default_rng(seed).normal(0, level, shape).clip(-1, 1))


def low_passed(samples, cutoff=10000, seed=0):
    """Make noise below ``cutoff`` Hz that fades in and out."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, samples))
    spectrum[int(cutoff * samples / SAMPLE_RATE) :] = 0
    audio = np.fft.irfft(spectrum, samples) * np.hanning(samples)
    return np.float32(0.9 * audio / np.abs(audio).max())


def snr(true, estimate):
    true, error = np.float64(true), np.float64(estimate) - np.float64(true)
    return 10 * np.log10((true**2).sum() / (error**2).sum())


def padded(audio):
    return np.pad(audio, (0, -len(audio) % HOP))


def frozen(array):
    array.setflags(write=False)
    return array


# The transform


def test_the_constants_are_the_published_ones():
    assert (SAMPLE_RATE, FFT_SIZE, HOP, BINS, FRAME_COLUMNS) == (44100, 1024, 512, 256, 256)
    assert AMIN == 1 / 2**16
    np.testing.assert_array_equal(data.WINDOW, np.hanning(1024).astype(np.float32))


@pytest.mark.parametrize("number", [8, 100, 255])
@pytest.mark.parametrize("phase", [0.0, 1.2])
def test_a_sine_of_amplitude_1_in_the_middle_of_a_bin_has_magnitude_1(number, phase):
    time = np.arange(20 * HOP)
    magnitude, angle = forward_transform(
        np.cos(2 * np.pi * number * time / FFT_SIZE + phase).astype(np.float32)
    )
    inside = slice(1, -1)
    np.testing.assert_allclose(magnitude[number, inside], 1, atol=1e-5)
    # column k begins at sample (k - 1) * HOP, half a period of an odd bin further each time
    expected = phase + np.pi * number * (np.arange(magnitude.shape[1]) - 1)
    error = np.angle(np.exp(1j * (angle[number] - expected)))[inside]
    np.testing.assert_allclose(error, 0, atol=1e-4)


def test_an_impulse_has_the_magnitude_of_the_window_in_all_bins():
    audio = np.zeros(4 * HOP, np.float32)
    audio[2 * HOP + 100] = 1
    magnitude, _ = forward_transform(audio)
    window = np.hanning(FFT_SIZE)
    expected = np.zeros(5)
    expected[2], expected[3] = window[HOP + 100], window[100]
    np.testing.assert_allclose(
        magnitude, np.tile(expected * 2 / window.sum(), (BINS, 1)), atol=1e-8
    )


@pytest.mark.filterwarnings("ignore:n_fft=1024 is too large")
@pytest.mark.parametrize("samples", [1, 511, 512, 513, 1024, 5000, 44100])
def test_the_transform_is_that_of_librosa(samples):
    audio = noise(samples)
    magnitude, phase = forward_transform(audio)
    spectra = librosa.stft(np.float64(padded(audio)), **STFT)[:BINS] * 2 / np.hanning(1024).sum()
    assert magnitude.shape == phase.shape == spectra.shape == (BINS, column_count(samples))
    np.testing.assert_allclose(magnitude * np.exp(1j * phase), spectra, atol=1e-7)


@pytest.mark.parametrize("samples", [512, 5120, 44032])
def test_the_inverse_is_that_of_librosa_also_for_spectra_of_no_signal(samples):
    rng = np.random.default_rng(1)
    shape = (BINS, column_count(samples))
    magnitude = np.float32(rng.random(shape) / 100)
    phase = np.float32(rng.uniform(-np.pi, np.pi, shape))
    spectra = np.zeros((FFT_SIZE // 2 + 1, shape[1]), np.complex128)
    spectra[:BINS] = magnitude * np.exp(1j * phase) * np.hanning(1024).sum() / 2
    expected = librosa.istft(
        spectra, n_fft=FFT_SIZE, hop_length=HOP, window=STFT["window"], length=samples
    )
    np.testing.assert_allclose(inverse_transform(magnitude, phase, samples), expected, atol=2e-6)


@pytest.mark.parametrize("samples", [3000, 44100, 200001])
def test_audio_survives_frames_and_back_with_its_own_phase(samples):
    audio = low_passed(samples)
    magnitude, phase = forward_transform(audio)
    frames = slice_magnitude(amplitude_to_db(magnitude))
    restored = db_to_amplitude(join_magnitude_slices(frames, magnitude.shape[1]))
    back = inverse_transform(restored, phase, samples)
    assert back.shape == audio.shape
    assert back.dtype == np.float32
    assert snr(audio, back) > 60


def test_what_lies_above_the_kept_bins_is_lost():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    audio = np.sin(2 * np.pi * 15000 * time) * np.hanning(SAMPLE_RATE)
    magnitude, phase = forward_transform(audio)
    assert np.abs(inverse_transform(magnitude, phase)).max() < 1e-4


@pytest.mark.parametrize("samples", [0, 1, 1024])
def test_silence_stays_silence(samples):
    magnitude, phase = forward_transform(np.zeros(samples, np.float32))
    assert magnitude.shape == (BINS, column_count(samples))
    assert not magnitude.any()
    np.testing.assert_array_equal(inverse_transform(magnitude, phase, samples), np.zeros(samples))


@pytest.mark.parametrize("shape", [(3000,), (2, 3000), (2, 3, 3000)])
def test_batches_and_channels_are_transformed_one_by_one(shape):
    audio = noise(*shape)
    magnitude, phase = forward_transform(audio)
    back = inverse_transform(magnitude, phase, 3000)
    assert magnitude.shape == (*shape[:-1], BINS, 7)
    assert back.shape == shape
    for index in np.ndindex(*shape[:-1]):
        alone, its_phase = forward_transform(audio[index])
        np.testing.assert_array_equal(magnitude[index], alone)
        np.testing.assert_array_equal(phase[index], its_phase)
        np.testing.assert_array_equal(back[index], inverse_transform(alone, its_phase, 3000))


@pytest.mark.parametrize("samples", [7 * HOP, 30 * HOP + 1, 64 * HOP - 1])
def test_long_signals_are_transformed_in_blocks_without_a_trace(monkeypatch, samples):
    audio = noise(2, samples)
    magnitude, phase = forward_transform(audio)
    back = inverse_transform(magnitude, phase, samples)
    for columns in (1, 7, 8):
        monkeypatch.setattr(data, "_COLUMNS_AT_ONCE", columns)
        in_blocks, its_phase = forward_transform(audio)
        np.testing.assert_allclose(in_blocks, magnitude, atol=1e-8)
        difference = in_blocks * np.exp(1j * its_phase) - magnitude * np.exp(1j * phase)
        assert np.abs(difference).max() < 1e-7
        np.testing.assert_allclose(inverse_transform(magnitude, phase, samples), back, atol=1e-6)


def test_the_phase_can_be_left_out():
    audio = noise(5000)
    magnitude, nothing = forward_transform(audio, with_phase=False)
    assert nothing is None
    np.testing.assert_array_equal(magnitude, forward_transform(audio)[0])


def test_the_length_of_the_inverse_is_whole_hops_unless_given():
    magnitude, phase = forward_transform(noise(1000))
    whole = inverse_transform(magnitude, phase)
    assert whole.shape == (2 * HOP,)
    for length in (0, 1, 600, 1000, 1024):
        np.testing.assert_array_equal(inverse_transform(magnitude, phase, length), whole[:length])


def test_the_inverse_refuses_what_does_not_fit():
    magnitude, phase = forward_transform(noise(1000))
    with pytest.raises(ValueError, match="cannot fill 1025 samples"):
        inverse_transform(magnitude, phase, 1025)
    with pytest.raises(ValueError, match=r"not both \(..., 256, columns\)"):
        inverse_transform(magnitude, phase[:, :1])
    with pytest.raises(ValueError, match=r"not both \(..., 256, columns\)"):
        inverse_transform(magnitude[:255], phase[:255])


# The logarithmic scale


def test_db_is_0_at_silence_and_1_at_magnitude_1():
    for length in (1, 3, 8, 17, 1000):  # vector instructions and their remainders
        np.testing.assert_array_equal(amplitude_to_db(np.ones(length)), 1)
        np.testing.assert_array_equal(amplitude_to_db(np.zeros(length)), 0)
        np.testing.assert_array_equal(db_to_amplitude(np.zeros(length)), 0)
        np.testing.assert_allclose(db_to_amplitude(np.ones(length)), 1, rtol=1e-6)


def test_db_takes_plain_numbers():
    assert amplitude_to_db(1) == 1
    assert amplitude_to_db(0) == 0
    assert amplitude_to_db(1).dtype == db_to_amplitude(0.5).dtype == np.float32
    assert float(db_to_amplitude(amplitude_to_db(0.25))) == pytest.approx(0.25, rel=1e-5)


def test_db_follows_the_published_formula():
    magnitude = np.geomspace(1e-9, 2, 1000)
    amin = 1 / 2**16
    published = 20 * np.log1p(magnitude / amin) / (20 * np.log1p(1 / amin))
    np.testing.assert_allclose(amplitude_to_db(magnitude), published, rtol=1e-6)


def images(low, high):
    shapes = hnp.array_shapes(max_dims=3, max_side=6)
    return hnp.arrays(np.float32, shapes, elements=st.floats(low, high, width=32))


@given(images(0, 2))
def test_db_to_amplitude_inverts_amplitude_to_db(magnitude):
    back = db_to_amplitude(amplitude_to_db(magnitude))
    # half a unit in the last place of the logarithm, 11, is 5e-7 of the magnitude
    np.testing.assert_allclose(back, magnitude, rtol=4e-6, atol=1e-11)
    assert back.shape == magnitude.shape
    assert back.dtype == np.float32


@given(images(0, 1.0625))
def test_amplitude_to_db_inverts_db_to_amplitude(mag_db):
    np.testing.assert_allclose(
        amplitude_to_db(db_to_amplitude(mag_db)), mag_db, rtol=1e-6, atol=1e-12
    )


# Frames


def column_numbers(columns):
    """Make an image whose columns all differ."""
    return np.float32(np.arange(BINS)[:, np.newaxis] * 10000 + np.arange(1, columns + 1))


@pytest.mark.parametrize("columns", [0, 1, 255, 256, 257, 512, 700])
def test_joining_is_the_exact_inverse_of_slicing(columns):
    image = column_numbers(columns)
    frames = slice_magnitude(image)
    count = -(-columns // FRAME_COLUMNS)
    assert frames.shape == (count, BINS, FRAME_COLUMNS, 1)
    np.testing.assert_array_equal(join_magnitude_slices(frames, columns), image)
    whole = join_magnitude_slices(frames)
    assert whole.shape == (BINS, count * FRAME_COLUMNS)
    np.testing.assert_array_equal(whole[:, :columns], image)
    assert not whole[:, columns:].any()


@settings(max_examples=25)
@given(st.integers(0, 1100), st.sampled_from([np.float16, np.float32]))
def test_slicing_keeps_every_length_and_type(columns, dtype):
    image = (column_numbers(columns) % 1999).astype(dtype)
    joined = join_magnitude_slices(slice_magnitude(image), columns)
    assert joined.dtype == dtype
    np.testing.assert_array_equal(joined, image)


def test_frame_k_holds_the_columns_from_256_k_on():
    frames = slice_magnitude(column_numbers(600))
    np.testing.assert_array_equal(frames[1, :, :, 0], column_numbers(600)[:, 256:512])


@pytest.mark.parametrize("shape", [(255, 10), (10, 256), (256,), (1, 256, 10)])
def test_slicing_refuses_what_is_no_image(shape):
    with pytest.raises(ValueError, match=re.escape(f"expected (256, columns), got {shape}")):
        slice_magnitude(np.zeros(shape))


def test_joining_refuses_what_are_no_frames():
    with pytest.raises(ValueError, match="expected"):
        join_magnitude_slices(np.zeros((2, 256, 256)))
    with pytest.raises(ValueError, match="2 frames hold 512 columns, not 513"):
        join_magnitude_slices(np.zeros((2, 256, 256, 1)), 513)


# Types and arguments


def test_everything_is_float32_whatever_comes_in():
    audio = noise(3000)
    for dtype in (np.float16, np.float32, np.float64):
        magnitude, phase = forward_transform(audio.astype(dtype))
        assert magnitude.dtype == phase.dtype == np.float32
        magnitude, phase = magnitude.astype(dtype), phase.astype(dtype)
        assert amplitude_to_db(magnitude).dtype == np.float32
        assert db_to_amplitude(magnitude).dtype == np.float32
        assert inverse_transform(magnitude, phase).dtype == np.float32
    assert amplitude_to_db([0, 1]).dtype == np.float32
    magnitude, _ = forward_transform([0] * 600)
    assert magnitude.dtype == np.float32


def test_arguments_are_not_modified(tmp_path):
    audio = frozen(noise(3000))
    magnitude, phase = map(frozen, forward_transform(audio))
    frames = frozen(slice_magnitude(magnitude))
    arguments = {"audio": audio, "magnitude": magnitude, "phase": phase, "frames": frames}
    before = {name: array.copy() for name, array in arguments.items()}
    for writeable in (False, True):
        if writeable:
            arguments = {name: array.copy() for name, array in arguments.items()}
        audio, magnitude, phase, frames = arguments.values()
        results = [
            inverse_transform(magnitude, phase),
            amplitude_to_db(magnitude),
            db_to_amplitude(magnitude),
            slice_magnitude(magnitude),
            resample(audio, 16000, 44100),
            *forward_transform(audio),
        ]
        write_audio(tmp_path / "a.wav", audio)
        for result in results:
            assert not any(np.shares_memory(result, array) for array in arguments.values())
        join_magnitude_slices(frames, 3)
        for name, array in arguments.items():
            np.testing.assert_array_equal(array, before[name])


# Files


@pytest.mark.parametrize(
    ("suffix", "subtype", "step"),
    [
        (".wav", None, 2**-15),
        (".WAV", "PCM_24", 2**-23),
        (".wav", "FLOAT", 0),
        (".flac", None, 2**-15),
        (".aif", None, 2**-15),
        (".aiff", None, 2**-15),
        (".w64", None, 2**-15),
        (".au", None, 2**-15),
        (".caf", None, 2**-15),
    ],
)
@pytest.mark.parametrize("shape", [(5000,), (1,), (2, 5000)])
def test_what_is_written_is_read_again(tmp_path, suffix, subtype, step, shape):
    audio = noise(*shape)
    path = tmp_path / "new" / f"a{suffix}"
    write_audio(path, audio, 22050, subtype)
    back, rate = load_audio(path, sample_rate=None, mono=len(shape) == 1)
    assert rate == 22050
    assert back.dtype == np.float32
    assert back.shape == shape
    # libsndfile writes 1.0 as 32767 and reads that as 32767 / 32768
    np.testing.assert_allclose(back, audio, rtol=2 * step, atol=step)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_of_no_samples_is_read_as_such(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros((2, 0)))
    assert load_audio(tmp_path / "a.wav", sample_rate=16000)[0].shape == (0,)
    assert load_audio(tmp_path / "a.wav", mono=False)[0].shape == (2, 0)


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".opus"])
def test_lossy_formats_keep_length_and_sound(tmp_path, suffix):
    tone = np.float32(0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000))
    write_audio(tmp_path / f"a{suffix}", tone, 48000)
    back, _ = load_audio(tmp_path / f"a{suffix}", sample_rate=None)
    assert back.shape == tone.shape
    assert snr(tone[5000:40000], back[5000:40000]) > 20


def test_samples_of_full_scale_are_written_without_wrapping_round(tmp_path):
    audio = np.float32([1, -1, 0.5])
    write_audio(tmp_path / "a.wav", audio)
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav")[0], audio, atol=2**-14)


def test_channels_are_averaged_unless_asked_for(tmp_path):
    audio = np.stack([np.full(100, 0.5, np.float32), np.full(100, -0.25, np.float32)])
    write_audio(tmp_path / "a.wav", audio, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav")[0], np.full(100, 0.125))
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav", mono=False)[0], audio)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000, 96000])
def test_a_tone_stays_itself_when_the_rate_changes(rate):
    def tone(at):
        return np.float32(0.5 * np.sin(2 * np.pi * 1000 * np.arange(at) / at))

    resampled = resample(np.stack([tone(rate), -tone(rate)]), rate, SAMPLE_RATE)
    assert resampled.shape == (2, SAMPLE_RATE)
    assert resampled.dtype == np.float32
    inside = slice(2000, -2000)
    assert snr(tone(SAMPLE_RATE)[inside], resampled[0, inside]) > 80
    np.testing.assert_allclose(resampled[1], -resampled[0], atol=1e-6)


def test_loading_resamples(tmp_path):
    write_audio(tmp_path / "a.wav", noise(8000), 8000)
    assert load_audio(tmp_path / "a.wav")[0].shape == (44100,)
    audio, rate = load_audio(tmp_path / "a.wav", sample_rate=16000)
    assert (audio.shape, rate) == ((16000,), 16000)
    assert resample(np.zeros((2, 0), np.float32), 8000, 44100).shape == (2, 0)


def test_a_missing_file_is_named(tmp_path):
    for path, said in (
        (tmp_path / "a.wav", "no such file"),
        (tmp_path, "is a folder; name a file"),
    ):
        with pytest.raises(FileNotFoundError, match=f"^{re.escape(str(path))}: {said}$"):
            load_audio(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\0" * 1000, b"no audio at all" * 100])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".raw"])
def test_what_is_no_audio_is_named(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    for read in (load_audio, read_header):
        with pytest.raises(AudioFileError, match=f"^{re.escape(str(path))}: not a readable audio"):
            read(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".au", ".caf"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    write_audio(path, noise(20000))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AudioFileError, match=r"a\.\w+: (cut off|not a readable audio file)"):
        load_audio(path)


@pytest.mark.parametrize("declared", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF - 36])
def test_a_wav_written_into_a_pipe_declares_no_length_and_is_whole(tmp_path, declared):
    path = tmp_path / "a.wav"
    write_audio(path, noise(1000))
    content = bytearray(path.read_bytes())
    content[40:44] = declared.to_bytes(4, "little")
    path.write_bytes(content)
    assert load_audio(path)[0].shape == (1000,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, bad):
    audio = noise(2, 1000)
    audio[1, 500] = bad
    soundfile.write(tmp_path / "a.wav", audio.T, 44100, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"a\.wav: holds NaN or infinite samples"):
        load_audio(tmp_path / "a.wav")


# Writing, whole or not at all


@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_while_writing_leaves_the_folder_as_it_was(tmp_path, existing):
    path = tmp_path / "a.wav"
    if existing:
        write_audio(path, noise(100))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(KeyError), AudioWriter(path, 44100, 1) as writer:
        writer.write(noise(1000))
        raise KeyError
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_parts_are_joined_and_the_file_appears_at_the_end(tmp_path):
    audio = noise(2, 200000)
    path = tmp_path / "a.wav"
    with AudioWriter(path, 44100, 2, "FLOAT") as writer:
        for start in range(0, 200000, 70000):
            writer.write(audio[:, start : start + 70000])
        assert not path.exists()
    np.testing.assert_array_equal(load_audio(path, mono=False)[0], audio)


@pytest.mark.parametrize("bad", [1.001, -2, np.nan, np.inf])
def test_samples_that_would_be_clipped_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match=r"a\.wav: samples reach"):
        write_audio(tmp_path / "a.wav", [0, bad])
    assert not list(tmp_path.iterdir())


def test_float_files_hold_what_lies_beyond_full_scale_but_no_nan(tmp_path):
    write_audio(tmp_path / "a.wav", [0, 3.5], subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav")[0], [0, 3.5])
    with pytest.raises(ValueError, match="samples reach"):
        write_audio(tmp_path / "b.wav", [np.nan], subtype="FLOAT")


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("a.xyz", {}, "unknown audio format; use .wav, .flac, .ogg"),
        ("a", {}, "unknown audio format"),
        ("a.flac", {"subtype": "FLOAT"}, "FLAC has no sample format FLOAT"),
        ("a.raw", {}, "RAW has no sample format None"),
        ("a.flac", {"sample_rate": 10**6}, "FLAC cannot hold 1 channels at 1000000 Hz"),
    ],
)
def test_what_a_format_cannot_hold_is_said(tmp_path, name, flags, message):
    with pytest.raises(AudioFileError, match=f"{name}: {message}"):
        write_audio(tmp_path / name, noise(10), **flags)
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_raises_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    for path in (tmp_path / "file" / "a.wav", tmp_path / "folder.wav"):
        with pytest.raises(OSError, match=re.escape(str(tmp_path))):
            write_audio(path, noise(10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.wav"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_full_disk_is_an_error_and_leaves_nothing(small_disk, suffix):
    kept = small_disk / f"kept{suffix}"
    write_audio(kept, noise(2000))
    path = small_disk / f"a{suffix}"
    with pytest.raises(OSError, match=rf"a\{suffix}: cannot be written; is the disk full\?"):
        write_audio(path, noise(2**19, level=0.3))
    assert not list(small_disk.glob("*a.*"))
    assert load_audio(kept)[0].shape == (2000,)


def test_a_disk_without_a_single_byte_left_is_told_from_a_bad_format(small_disk):
    if not small_disk.is_mount():
        pytest.skip("only a full disk can be that full")
    fill = small_disk / "fill"
    with pytest.raises(OSError, match="No space left"), fill.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for suffix in (".wav", ".flac"):
        with pytest.raises(OSError, match="cannot be written; is the disk full") as caught:
            write_audio(small_disk / f"a{suffix}", noise(100))
        assert not isinstance(caught.value, AudioFileError)
    assert [path.name for path in small_disk.iterdir()] == ["fill"]


# Imports


@pytest.mark.parametrize("module", ["data", "synthesize_audios", "compute_features"])
def test_no_neural_network_library_is_imported(module):
    heavy = "tensorflow", "keras", "torch", "jax", "librosa"
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_safe_peak_leaves_what_fits():
    quiet = np.float32([0.5, -0.9])
    np.testing.assert_array_equal(safe_peak(quiet), quiet)
    assert np.abs(safe_peak(np.float32([2.0, -4.0]))).max() == pytest.approx(0.999)
    assert safe_peak(np.zeros(0, np.float32)).size == 0
