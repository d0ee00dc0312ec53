"""Spectrogram images: scales compared with closed forms, and conversion to sound."""

import librosa
import numpy as np
import pytest
from conftest import make_note
from hypothesis import given
from hypothesis import strategies as st

from common.audio.fades import cross_fade
from common.cli import UserError
from vae_generation.sound import continue_with, place
from vae_generation.spectrogram import DEFAULT_FFT, KINDS, Spectrogram

RATE = 16000


def small(kind, **settings):
    fft_size = DEFAULT_FFT[kind]
    given = {"fft_size": fft_size, "hop": fft_size // 4, "frames": 32} | settings
    return Spectrogram(kind, **given).check()


def sine(spectrogram, frequency, amplitude):
    time = np.arange(spectrogram.samples) / spectrogram.sample_rate
    return np.float32(amplitude * np.sin(2 * np.pi * frequency * time))


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.01])
def test_a_sine_has_its_level_in_dB(amplitude):
    spectrogram = small("log")
    frequency = 32 * RATE / spectrogram.fft_size  # frequency of bin 32
    image, clipped = spectrogram.image(sine(spectrogram, frequency, amplitude))
    assert spectrogram.decibels(image)[32, 16] == pytest.approx(20 * np.log10(amplitude), abs=0.01)
    assert clipped < 1e-3  # only rounding errors


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_has_its_size_and_range(kind):
    spectrogram = small(kind)
    image, _ = spectrogram.image(make_note(60))
    assert image.shape == (256, 32)
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1
    assert spectrogram.seconds == 31 * spectrogram.hop / RATE


@pytest.mark.parametrize("kind", ["log", "linear"])
def test_the_amplitude_of_an_image_is_that_of_the_spectrum(kind):
    spectrogram = small(kind, bins=257)
    audio = make_note(60)[: spectrogram.samples]
    image, _ = spectrogram.image(audio)
    expected = np.abs(librosa.stft(audio, n_fft=spectrogram.fft_size, hop_length=spectrogram.hop))
    found = spectrogram.images.magnitude(image)
    floor = 10 ** (spectrogram.floor_db / 20) * spectrogram.fft_size / 4
    loud = expected > 2 * floor
    assert loud.any()
    np.testing.assert_allclose(found[loud], expected[loud], rtol=1e-3)
    assert found.shape == expected.shape


@pytest.mark.parametrize("exact", [False, True])
def test_mel_bands_are_inverted_without_negative_power(exact):
    spectrogram = small("mel")
    image, _ = spectrogram.image(make_note(60))
    found = spectrogram.images.magnitude(image, exact=exact)
    assert found.min() >= 0
    again = 10 * np.log10(
        np.maximum(
            librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=256, norm=None) @ (found / 512) ** 2,
            1e-20,
        )
    )
    # divided by 512 = fft_size / 4, so that a sine of full range has the amplitude 1
    loud = image > 0.5
    wanted = spectrogram.decibels(image)[loud]
    assert np.median(np.abs(again[loud] - wanted)) < (0.5 if exact else 1.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pitch", [45, 60, 81])
def test_a_note_keeps_its_pitch_on_the_way_there_and_back(kind, pitch):
    spectrogram = small(kind, frames=64)
    image, _ = spectrogram.image(make_note(pitch, (1.0, 0.5, 0.3)))
    audio = spectrogram.audio(image)
    assert audio.shape == (spectrogram.samples,)
    heard = librosa.yin(audio, fmin=60, fmax=2000, sr=RATE)
    middle = np.median(heard[len(heard) // 4 : -len(heard) // 4])
    assert abs(librosa.hz_to_midi(middle) - pitch) < 0.5


def test_the_same_seed_gives_the_same_sound():
    spectrogram = small("mel")
    image, _ = spectrogram.image(make_note(60))
    np.testing.assert_array_equal(
        spectrogram.audio(image, seed=3), spectrogram.audio(image, seed=3)
    )
    assert not np.array_equal(spectrogram.audio(image, seed=3), spectrogram.audio(image, seed=4))


def test_silence_stays_silent():
    spectrogram = small("mel")
    image, _ = spectrogram.image(np.zeros(10, np.float32))
    assert not image.any()
    assert not spectrogram.audio(image).any()


def test_the_loudest_image_is_turned_down():
    spectrogram = small("log")
    audio = spectrogram.audio(np.ones((256, 32), np.float32))
    assert 0.9 < np.abs(audio).max() <= 0.999


def test_too_loud_is_counted():
    spectrogram = small("log", ceiling_db=-40.0)
    _, clipped = spectrogram.image(sine(spectrogram, 1000, 1.0))
    assert 0.001 < clipped < 0.1


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"kind": "cqt"}, "--spectrogram"),
        ({"kind": "log", "fft_size": 256, "hop": 64}, "--fft_size"),
        ({"floor_db": 0.0}, "--floor_db"),
        ({"hop": 2048}, "--hop"),
        ({"fft_size": 512, "hop": 128}, "--bins"),
    ],
)
def test_settings_that_make_no_spectrogram_are_refused(settings, word):
    with pytest.raises(UserError, match=word):
        Spectrogram(**settings).check()


def test_cross_faded_copies_are_what_they_were():
    image = np.random.default_rng(0).random((5, 8)).astype(np.float32)
    long = np.concatenate([image] * 3, axis=1)
    windows = np.stack([long[:, start : start + 8] for start in range(0, 17, 4)])
    np.testing.assert_allclose(cross_fade(windows, 4), long, rtol=1e-6)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(2, 9))
def test_a_cross_fade_stays_within_its_images(count, hop, frames):
    images = np.random.default_rng(count).random((count, 3, frames)).astype(np.float32)
    joined = cross_fade(images, min(hop, frames))
    assert joined.shape == (3, (count - 1) * min(hop, frames) + frames)
    assert images.min() - 1e-6 <= joined.min() <= joined.max() <= images.max() + 1e-6


def test_notes_are_placed_and_cut():
    one = np.ones(2000, np.float32)
    mixed = place([(0.0, 1.0, one), (0.5, 0.5, 2 * one)], 1000)
    assert mixed.size == 1000
    np.testing.assert_array_equal(mixed[:500], 1)
    np.testing.assert_array_equal(mixed[500:970], 3)
    assert mixed[-1] == 0
    np.testing.assert_array_equal(one, 1)  # the argument is not modified


def test_an_audio_goes_over_into_another_at_equal_power():
    joined = continue_with(np.ones(100, np.float32), np.zeros(50, np.float32), 20)
    assert joined.size == 130
    np.testing.assert_array_equal(joined[:80], 1)
    other = continue_with(np.zeros(100, np.float32), np.ones(50, np.float32), 20)
    np.testing.assert_allclose(joined[80:100] ** 2 + other[80:100] ** 2, 1, rtol=1e-5)
    np.testing.assert_array_equal(other[100:], 1)
    assert continue_with(np.ones(3, np.float32), np.ones(4, np.float32), 0).size == 7
