"""Filtered noise, spectral losses and balanced gradients, against NumPy, SciPy and closed forms."""

import keras
import librosa
import numpy as np
import pytest
import scipy.signal
from keras import ops

from common.networks import filtered_noise as noises
from common.training.balance import GradientBalance, balanced, gradient_norms
from common.training.spectral_losses import (
    frame_powers,
    mel_bands,
    multi_scale_distance,
    power_spectra,
)

SIZE = 64


def uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def array(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_frames_of_an_audio_make_it_again(frames):
    audio = uniform(2, noises.audio_length(frames, SIZE))
    assert noises.frame_count(audio.shape[1], SIZE) == frames
    cut = noises.cut_frames(audio, SIZE)
    np.testing.assert_array_equal(cut[1, -1], audio[1, -SIZE:])
    np.testing.assert_allclose(array(noises.overlap_add(cut)), audio, atol=1e-5)


def test_the_least_number_of_frames_covers_an_audio():
    for samples in range(1, 300, 7):
        frames = noises.frame_count(samples, SIZE)
        assert noises.audio_length(frames, SIZE) >= samples
        assert frames == 1 or noises.audio_length(frames - 1, SIZE) < samples


def test_only_outer_halves_of_the_windows_at_the_ends_are_open():
    windows = array(noises.synthesis_windows(3, SIZE))
    hann = scipy.signal.get_window("hann", SIZE)
    np.testing.assert_allclose(windows[1], hann, atol=1e-6)
    np.testing.assert_allclose(windows[0], np.r_[np.ones(32), hann[32:]], atol=1e-6)
    np.testing.assert_allclose(windows[2], np.r_[hann[:32], np.ones(32)], atol=1e-6)
    np.testing.assert_allclose(
        array(noises.synthesis_windows(2, SIZE, first=False, last=False)), [hann] * 2, atol=1e-6
    )


def test_a_part_of_an_audio_is_made_like_the_whole():
    coefficients, noise = 1 + uniform(1, 12, SIZE // 2 + 1), uniform(1, 15 * 16, seed=1)
    whole = array(noises.filter_noise(coefficients, noise))
    part = array(
        noises.filter_noise(
            coefficients[:, 4:11], noise[:, 4 * 16 : 14 * 16], first=False, last=False
        )
    )
    np.testing.assert_allclose(part[:, 48:-48], whole[:, 7 * 16 : 11 * 16], atol=1e-5)


def test_division_by_the_count_halves_what_is_inside():
    audio = np.ones((1, noises.audio_length(9, SIZE)), np.float32)
    cut = noises.cut_frames(audio, SIZE)
    made = array(noises.overlap_add(cut, as_published=True))[0]
    np.testing.assert_allclose(made[:16], 1, atol=1e-6)  # no window over the first quarter
    np.testing.assert_allclose(made[3 * 16 : -3 * 16], 0.5, atol=1e-6)
    np.testing.assert_allclose(made[-16:], 1, atol=1e-6)


def test_a_filter_of_ones_gives_the_noise_back_and_a_gain_scales_it():
    noise = array(noises.draw_noise(2, noises.audio_length(5, SIZE), seed=3))
    np.testing.assert_array_equal(noise, noises.draw_noise(2, noise.shape[1], seed=3))
    assert np.abs(noise).max() <= 1 and noise.std() == pytest.approx(3**-0.5, abs=0.05)
    ones = np.ones((2, 5, SIZE // 2 + 1), np.float32)
    for smooth in (True, False):
        made = noises.filter_noise(3 * ones, noise, smooth=smooth)
        np.testing.assert_allclose(array(made), 3 * noise, atol=1e-4)


def test_frames_are_filtered_by_circular_convolution():
    frame, response = uniform(SIZE).astype(float), np.zeros(SIZE)
    response[[0, 1, 5, -1, -5]] = 0.5, 0.3, -0.1, 0.3, -0.1  # of zero phase
    expected = sum(response[lag] * np.roll(frame, lag) for lag in range(SIZE))
    coefficients = np.fft.rfft(response).real[None, None].astype(np.float32)
    made = noises.filter_frames(frame[None, None].astype(np.float32), coefficients)
    np.testing.assert_allclose(array(made)[0, 0], expected, atol=1e-5)


def test_smoothing_is_a_hann_window_over_the_impulse_response():
    coefficients = uniform(2, 3, SIZE // 2 + 1)
    window = np.fft.fftshift(scipy.signal.get_window("hann", SIZE))  # centred at time 0
    expected = np.fft.rfft(np.fft.irfft(coefficients) * window).real
    np.testing.assert_allclose(array(noises.smooth_filters(coefficients)), expected, atol=1e-6)


def test_the_scaled_sigmoid_stays_between_0_and_2():
    values = array(noises.scaled_sigmoid(np.array([-50.0, 0, 50], np.float32)))
    np.testing.assert_allclose(values, [1e-7, 2 * 0.5 ** np.log(10), 2], rtol=1e-4)


@pytest.mark.parametrize("size", [64, 256])
def test_spectra_are_those_of_librosa(size):
    audio = uniform(2, 1000)
    expected = np.abs(librosa.stft(audio, n_fft=size, hop_length=size // 4, pad_mode="reflect"))
    np.testing.assert_allclose(
        array(power_spectra(audio, size)), expected.swapaxes(1, 2) ** 2, rtol=1e-3, atol=1e-3
    )


def test_the_gradient_of_the_power_is_that_of_its_definition():
    frames, weights, known = uniform(3, 16), uniform(3, 9, seed=1), uniform(3, 16, seed=2)
    variable = keras.Variable(frames)

    def losses(weights, known):  # the second term makes the norm depend on each sign of the first
        return [ops.sum(weights * frame_powers(variable)) + ops.sum(known * variable)]

    matrix = np.exp(-2j * np.pi * np.outer(np.arange(9), np.arange(16)) / 16)
    spectra = frames @ matrix.T
    np.testing.assert_allclose(array(frame_powers(frames)), np.abs(spectra) ** 2, rtol=1e-4)
    gradient = 2 * np.real((weights * spectra.conj()) @ matrix)
    norms = gradient_norms(losses, [variable])(weights, known)
    np.testing.assert_allclose(norms, [np.linalg.norm(gradient + known)], rtol=1e-4)


def test_distances_have_closed_forms():
    audio, sizes = uniform(2, 1024), (256, 64)
    assert not array(multi_scale_distance(audio, audio, sizes)).any()
    magnitudes = [
        np.abs(librosa.stft(audio, n_fft=size, hop_length=size // 4, pad_mode="reflect"))
        for size in sizes
    ]
    doubled = array(multi_scale_distance(audio, 2 * audio, sizes, log=0))
    means = np.mean([part.mean(axis=(1, 2)) for part in magnitudes], axis=0)
    np.testing.assert_allclose(doubled, means, rtol=1e-3)  # |2x| - |x| = |x|
    louder = array(multi_scale_distance(audio, 2 * audio, sizes, linear=0, floor=1e-9))
    np.testing.assert_allclose(louder, np.log(4), rtol=1e-3)
    both = multi_scale_distance(audio, 2 * audio, sizes, linear=3, log=2, floor=1e-9)
    np.testing.assert_allclose(array(both), 3 * doubled + 2 * louder, rtol=1e-3)


def test_bands_of_the_mel_scale_are_compared_as_well():
    audio = uniform(1, 1024)
    bands = mel_bands(256, 16000)
    assert bands.shape == (129, 16)
    power = array(power_spectra(audio, 256))
    expected = np.sqrt(power).mean() + np.sqrt(power @ bands).mean()
    found = multi_scale_distance(audio, 2 * audio, (256,), log=0, mel_rate=16000)
    assert array(found)[0] == pytest.approx(expected, rel=1e-3)
    tone = np.zeros(129)
    tone[16] = 1  # 1 kHz is at the same place in the middle of a band that sums to 1 with others
    assert (tone @ bands).sum() == pytest.approx(1, abs=0.01)


def test_gradients_are_balanced_on_a_quadratic():
    point = keras.Variable(np.array([3.0, 4.0], np.float32))

    def losses(first, second):
        square = ops.sum(ops.square(point))
        return first * square / 2, second * square / 2

    np.testing.assert_allclose(gradient_norms(losses, [point])(6.0, 2.0), [30, 10], rtol=1e-5)
    weight = keras.Variable(0.0)
    batches = [(np.float32(6), np.float32(2)), (np.float32(12), np.float32(2))]
    settings = {"begin": 1, "end": 3, "every": 1, "ratio": 0.5, "momentum": 0.5}
    callback = GradientBalance(weight, losses, [point], batches, **settings)
    callback.on_train_batch_begin(1)
    assert float(weight) == 0
    callback.on_train_batch_begin(0)
    assert float(weight) == pytest.approx(0.5 * 6 / 2)
    callback.on_train_batch_begin(1)
    assert float(weight) == pytest.approx((1.5 * 3) ** 0.5)
    callback.on_train_batch_begin(0)  # after the last measurement, the weight stays
    assert float(weight) == pytest.approx((1.5 * 3) ** 0.5)
    assert balanced(2.0, 0.0, 0.5) == 2  # a gradient of 0 measures nothing


def test_losses_and_noise_have_gradients_even_for_silence():
    bins = keras.Variable(np.zeros((1, 6, SIZE // 2 + 1), np.float32))
    noise = uniform(1, noises.audio_length(6, SIZE))

    def losses(audio):
        made = noises.filter_noise(noises.scaled_sigmoid(bins), noise)
        silent = noises.filter_noise(0 * bins, noise)
        return [ops.sum(multi_scale_distance(audio, one, (32,))) for one in (made, silent)]

    norms = gradient_norms(losses, [bins])(noise)
    assert np.isfinite(norms).all() and norms[0] > 0
