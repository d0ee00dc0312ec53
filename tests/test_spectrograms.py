"""Transforms, scales and images compared with librosa, closed forms and their inverses."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.audio.nsgt import NSGT
from common.audio.phase import griffin_lim
from common.audio.spectrograms import CQT, STFT, Images, Mel, Scale, Synthesis, decibels

RATE = 16000
CONSTANT_Q = CQT(22050, 512, 32.703, bins=192, bins_per_octave=24)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def sine(frequency, samples, rate=RATE):
    return np.sin(2 * np.pi * frequency * np.arange(samples) / rate)


@pytest.mark.parametrize(("size", "hop"), [(2048, 512), (512, 100), (511, 128)])
def test_the_stft_is_that_of_librosa(size, hop):
    audio = noise(2, 12 * hop).astype(np.float64)
    expected = librosa.stft(audio, n_fft=size, hop_length=hop)
    transform = STFT(size, hop)
    found = transform.forward(audio)
    assert found.shape == (2, transform.bins, transform.columns(12 * hop))
    whole = slice(expected.shape[-1])  # for odd lengths librosa omits the last column
    np.testing.assert_allclose(found[..., whole], expected, atol=1e-9)
    single = transform.forward(audio.astype(np.float32))
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, found, atol=1e-3)


@pytest.mark.parametrize(("size", "hop"), [(2048, 512), (512, 100), (512, 256)])
def test_the_inverse_is_that_of_librosa_also_where_no_audio_has_such_spectra(size, hop):
    transform = STFT(size, hop)
    spectra = noise(transform.bins, 30) + 1j * noise(transform.bins, 30, seed=1)
    spectra = spectra.astype(np.complex64)
    for samples in (None, 25 * hop, 29 * hop + hop // 2):
        expected = librosa.istft(spectra, n_fft=size, hop_length=hop, length=samples)
        found = transform.inverse(spectra, samples)
        assert found.shape == expected.shape
        # librosa's last samples know of columns beyond their end, too
        same = slice(found.size - size // 2 if samples == 25 * hop else None)
        np.testing.assert_allclose(found[same], expected[same], atol=1e-5)


def test_the_smooth_inverse_of_mel_bands_fits_them_and_leaves_no_gaps():
    mel = Mel(16000, 2048, 192)
    flat = mel.smooth_inverse(mel.forward(np.full((1025, 2), 0.25, np.float32)))
    np.testing.assert_allclose(flat[1:-1], 0.25, rtol=1e-4)
    tone = sum(sine(220 * number, 16000, 16000) / number for number in range(1, 20))
    power = np.abs(STFT(2048, 512).forward(tone + 1e-3 * noise(16000))) ** 2
    bands = mel.forward(power)
    found = mel.smooth_inverse(bands)
    assert (found[1:-1] > 0).all()
    decibels = 10 * np.log10(mel.forward(found) / bands)
    assert np.abs(decibels).mean() < 3
    gaps = mel.inverse(bands)
    assert (gaps == 0).mean() > 0.2
    assert not mel.smooth_inverse(np.zeros((192, 1), np.float32)).max() > 1e-15


def test_the_stft_that_is_not_centred_is_that_of_librosa_and_can_be_inverted():
    transform = STFT(256, 64, centred=False)
    audio = noise(256 + 20 * 64 + 9)
    spectra = transform.forward(audio)
    expected = librosa.stft(audio, n_fft=256, hop_length=64, center=False)
    assert spectra.shape[-1] == transform.columns(audio.size) == 21
    np.testing.assert_allclose(spectra, expected, atol=1e-3)
    again = transform.inverse(spectra)
    assert again.size == transform.samples(21) == audio.size - 9
    # the first and the last samples are hardly in any window
    np.testing.assert_allclose(again[32:-32], audio[32 : again.size - 32], atol=1e-4)


@given(
    st.integers(1, 5000),
    st.sampled_from([(32, 8), (256, 64), (2048, 512), (200, 60), (33, 11), (64, 32)]),
    st.integers(1, 2),
)
def test_audio_survives_the_stft(samples, settings, channels):
    transform, audio = STFT(*settings), noise(channels, samples)
    spectra = transform.forward(audio)
    assert spectra.shape == (channels, transform.bins, transform.columns(samples))
    np.testing.assert_allclose(transform.inverse(spectra, samples), audio, atol=1e-5)


@given(st.integers(-9, 30), st.integers(1, 12))
def test_any_range_of_columns_is_cut_from_the_whole_with_zeros_around(start, count):
    transform, audio = STFT(64, 16), noise(2, 300)
    columns = transform.columns(300)
    whole = np.zeros((2, 33, 60), np.complex64)
    whole[..., 10 : 10 + columns] = transform.forward(audio)
    edges = [transform.forward(audio, *span) for span in ((-10, 0), (columns, 40))]
    whole[..., :10], whole[..., 10 + columns : 50] = edges
    found = transform.forward(audio, start, start + count)
    np.testing.assert_allclose(found, whole[..., 10 + start : 10 + start + count], atol=1e-5)


def test_a_signal_is_put_together_in_parts():
    transform, audio = STFT(256, 64), noise(3, 1000)
    spectra = transform.forward(audio)
    synthesis = Synthesis(transform, (3,), 1000)
    for start in range(0, spectra.shape[-1], 5):
        synthesis.add(start, spectra[..., start : start + 5])
    np.testing.assert_allclose(synthesis.audio(), audio, atol=1e-5)


def test_the_constant_q_transform_is_that_of_librosa():
    audio = noise(2**15 + 100)
    settings = {"sr": 22050, "hop_length": 512, "fmin": 32.703, "bins_per_octave": 24}
    expected = librosa.cqt(audio, n_bins=192, **settings)
    found = CONSTANT_Q.forward(audio)
    assert found.shape == (192, CONSTANT_Q.columns(audio.size)) == expected.shape
    np.testing.assert_array_equal(found, expected)
    back = librosa.icqt(expected, length=audio.size, **settings)
    np.testing.assert_allclose(CONSTANT_Q.inverse(found, audio.size), back, atol=1e-6)
    again = CONSTANT_Q.forward(CONSTANT_Q.inverse(found))
    assert again.shape == found.shape


@pytest.mark.parametrize("number", [17, 200, 480])
def test_a_sine_has_the_level_of_full_scale_in_any_bin_of_the_stft(number):
    transform = STFT(1024, 256)
    audio = 0.1 * sine(number * RATE / 1024, RATE)
    image = np.abs(transform.forward(audio)) / transform.full_scale
    np.testing.assert_allclose(image[number, 5:-5], 0.1, rtol=1e-6)


@pytest.mark.parametrize("number", [24, 90, 150])
def test_a_sine_has_the_level_of_full_scale_in_any_bin_of_the_constant_q_transform(number):
    frequency = 32.703 * 2 ** (number / 24)
    audio = 0.1 * sine(frequency, 2**16, 22050)
    image = np.abs(CONSTANT_Q.forward(audio)) / CONSTANT_Q.full_scale
    np.testing.assert_allclose(image[number, 40:-40], 0.1, rtol=0.02)


def test_mel_bands_are_those_of_librosa_and_keep_the_level_of_a_sine():
    mel, transform = Mel(RATE, 2048, 256), STFT(2048, 512)
    basis = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=256, norm=None)
    np.testing.assert_array_equal(mel.basis, basis)
    power = np.abs(transform.forward(noise(RATE))) ** 2
    expected = librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=256, norm=None)
    np.testing.assert_allclose(mel.forward(power), expected, rtol=1e-4)
    # wide bands hold the whole of a partial: three bins, whose power is 1.5 times that of one
    levels = []
    for number in range(600, 1000, 25):
        bins = np.abs(transform.forward(sine(number * RATE / 2048, RATE))) / transform.full_scale
        levels.append(10 * np.log10(mel.forward(bins**2)[:, 10:-10].sum(axis=0).mean()))
    np.testing.assert_allclose(levels, 10 * np.log10(1.5), atol=0.1)


@pytest.mark.parametrize("exact", [False, True])
def test_power_in_bins_gives_that_in_bands(exact):
    mel = Mel(RATE, 1024, 64)
    power = noise(513, 4) ** 2
    found = mel.inverse(mel.forward(power), exact=exact)
    assert found.min() >= 0
    error = np.abs(mel.forward(found) - mel.forward(power)).mean()
    assert error < (1e-3 if exact else 0.1) * mel.forward(power).mean()


def convergence(transform, magnitude, spectra):
    found = np.abs(transform.forward(transform.inverse(spectra)))
    return np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_griffin_lim_is_that_of_librosa(momentum):
    transform = STFT(1024, 256)
    time = np.arange(2 * RATE) / RATE
    audio = sum(np.sin(2 * np.pi * f * time * (1 + 0.05 * time)) / f for f in (220, 331, 498))
    magnitude = np.abs(transform.forward(audio)).astype(np.float32)
    settings = {"n_iter": 30, "hop_length": 256, "momentum": momentum, "init": None}
    theirs = librosa.griffinlim(magnitude, **settings)
    start = magnitude.astype(np.complex64)
    ours = griffin_lim(magnitude, transform, start, 30, momentum)
    np.testing.assert_allclose(np.abs(ours), magnitude, atol=1e-5 * magnitude.max())
    reached = convergence(transform, magnitude, ours)
    expected = convergence(transform, magnitude, transform.forward(theirs))
    assert reached < 0.3 * convergence(transform, magnitude, start)
    assert reached == pytest.approx(expected, rel=0.25)
    # only three projections, because rounding errors grow
    few = librosa.griffinlim(magnitude, **settings | {"n_iter": 3})
    ours = griffin_lim(magnitude, transform, start, 3, momentum)
    np.testing.assert_allclose(transform.inverse(ours), few, atol=0.01 * np.abs(few).max())


def test_griffin_lim_finds_a_signal_and_keeps_what_is_known():
    transform = STFT(256, 64)
    audio = np.random.default_rng(0).normal(size=(1, 4000)).astype(np.float32)
    truth = transform.forward(audio)[..., 2:-2]
    magnitude = np.abs(truth)
    start = magnitude.astype(np.complex64)
    start[..., :3] = truth[..., :3]
    kept = start.copy()

    def lost(spectra):
        achieved = np.abs(transform.forward(transform.inverse(spectra)))
        return np.linalg.norm((achieved - magnitude)[..., 3:-3]) / np.linalg.norm(magnitude)

    found = griffin_lim(magnitude, transform, start, 30, 0.9, known=3)
    np.testing.assert_array_equal(found[..., :3], truth[..., :3])
    np.testing.assert_allclose(np.abs(found), magnitude, rtol=1e-4)
    assert lost(found) < 0.5 * lost(start)
    np.testing.assert_array_equal(griffin_lim(magnitude, transform, start, 0), start)
    np.testing.assert_array_equal(start, kept)


@given(st.floats(0.001, 1), st.floats(-110, -20), st.floats(0, 60))
def test_scales_are_invertible_and_change_into_each_other(value, floor, ceiling):
    scale, other = Scale(floor, ceiling), Scale(-105.0, 25.0)
    assert scale.image(scale.magnitude(value)) == pytest.approx(value, abs=1e-4)
    assert scale.place(scale.level(value)) == pytest.approx(value)
    moved = scale.to(other, np.float32([value]))
    np.testing.assert_allclose(moved, other.image(scale.magnitude([value])), atol=1e-4)


def test_a_scale_ends_at_its_floor_and_its_ceiling():
    scale = Scale(-60.0, 0.0)
    np.testing.assert_allclose(
        scale.image(np.float32([0, 1e-3, 10**-1.5, 1, 7])), [0, 0, 0.5, 1, 1], atol=1e-6
    )
    assert decibels(0.1) == pytest.approx(-20)
    assert decibels(0) == pytest.approx(-200)


@pytest.mark.parametrize(
    ("transform", "mel", "rate"),
    [
        (STFT(1024, 256), None, RATE),
        (STFT(1024, 256), Mel(RATE, 1024, 96), RATE),
        (CONSTANT_Q, None, 22050),
        (NSGT(22050, 172, "mel", 30.0, 10000.0, 500), None, 22050),
    ],
    ids=["stft", "mel", "cqt", "nsgt"],
)
def test_images_of_any_transform_give_the_sound_back(transform, mel, rate):
    images = Images(transform, Scale(-80.0, 0.0), 90, mel)
    audio = np.float32(0.3 * sine(440, images.samples, rate))
    image = images.image(audio)
    assert image.shape == (mel.bands if mel else transform.bins, 90)
    assert 0 <= image.min() < image.max() <= 1
    assert images.magnitude(image).shape == (transform.bins, 90)
    few = {"iterations": 8} if transform is CONSTANT_Q else {}  # it is slow
    first, second = (images.audio(image, np.random.default_rng(seed), **few) for seed in (0, 0))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (images.samples,)
    middle = slice(first.size // 4, -first.size // 4)
    spectrum = np.abs(np.fft.rfft(first[middle] * np.hanning(first[middle].size)))
    assert np.argmax(spectrum) * rate / first[middle].size == pytest.approx(440, abs=4)
    level = np.sqrt(np.mean(first[middle] ** 2) / np.mean(audio[middle] ** 2))
    assert level == pytest.approx(1, abs=0.15)
    assert not images.audio(np.zeros_like(image), np.random.default_rng(0), **few).any()


def test_the_end_of_a_short_sound_is_silence_in_its_image():
    images = Images(STFT(512, 128), Scale(-80.0, 0.0), 20, bins=100)
    image = images.image(noise(500))
    assert image.shape == (100, 20)
    assert image[:, :4].any()
    assert not image[:, 6:].any()
