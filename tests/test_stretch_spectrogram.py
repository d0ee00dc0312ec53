"""The codec, the scales and resizing of time_stretching, against closed forms."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from time_stretching.resize import positions, resize
from time_stretching.spectrogram import (
    BINS,
    PUBLISHED,
    SAMPLE_RATE,
    WIDE,
    Scale,
    Synthesis,
    Transform,
    decibels,
)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_the_transform_is_that_of_librosa():
    audio = noise(2048 * 5)
    expected = librosa.stft(audio, n_fft=2048, hop_length=512, pad_mode="constant").T
    found = Transform().forward(audio)
    assert found.shape == (Transform().columns(audio.size), BINS) == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-3)


@given(st.integers(1, 5000), st.sampled_from([8, 64, 512]), st.integers(1, 2))
def test_audio_survives_the_transform(samples, hop, channels):
    transform, audio = Transform(hop), noise(channels, samples)
    spectra = transform.forward(audio)
    assert spectra.shape == (channels, transform.columns(samples), 2 * hop + 1)
    np.testing.assert_allclose(transform.inverse(spectra, samples), audio, atol=1e-5)


@given(st.integers(-9, 30), st.integers(1, 12))
def test_any_range_of_columns_is_cut_from_the_whole_with_zeros_around(start, count):
    transform, audio = Transform(16), noise(2, 300)
    columns = transform.columns(300)
    whole = np.zeros((2, 60, 33), np.complex64)
    whole[:, 10 : 10 + columns] = transform.forward(audio)
    edges = [transform.forward(audio, *span) for span in ((-10, 0), (columns, 40))]
    whole[:, :10], whole[:, 10 + columns : 50] = edges
    found = transform.forward(audio, start, start + count)
    np.testing.assert_allclose(found, whole[:, 10 + start : 10 + start + count], atol=1e-5)


def test_a_signal_is_put_together_in_parts():
    transform, audio = Transform(64), noise(3, 1000)
    spectra = transform.forward(audio)
    synthesis = Synthesis(transform, (3,), 1000)
    for start in range(0, spectra.shape[1], 5):
        synthesis.add(start, spectra[:, start : start + 5])
    np.testing.assert_allclose(synthesis.audio(), audio, atol=1e-5)


def test_the_hop_lasts_as_long_at_any_rate():
    assert Transform.at(SAMPLE_RATE) == Transform()
    assert Transform.at(44100).hop / 44100 == pytest.approx(512 / 16000, rel=1e-3)
    assert Transform.at(100).hop >= 8


def test_the_published_scale_is_its_formula():
    magnitude = np.float32(10) ** noise(50).astype(np.float32) * 3
    expected = np.clip((20 * np.log10(magnitude) - 25 + 130) / 130, 0, 1)
    np.testing.assert_allclose(PUBLISHED.image(magnitude), expected, atol=1e-6)
    np.testing.assert_array_equal(PUBLISHED.image(np.float32([0, 1e6])), [0, 1])


def test_nothing_of_full_range_is_clipped_by_the_wide_scale():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    sine = np.sin(2 * np.pi * 1000 * time)
    loudest = np.abs(Transform().forward(sine)).max()
    assert decibels(loudest) == pytest.approx(54.2, abs=0.1)
    assert WIDE.image(loudest) < 1


@given(st.floats(0.001, 1), st.floats(-110, -20), st.floats(0, 60))
def test_scales_are_invertible_and_change_into_each_other(value, floor, ceiling):
    scale = Scale(floor, ceiling)
    assert scale.image(scale.magnitude(value)) == pytest.approx(value, abs=1e-4)
    moved = scale.to(PUBLISHED, np.float32([value]))
    np.testing.assert_allclose(moved, PUBLISHED.image(scale.magnitude([value])), atol=1e-4)


@given(st.floats(0.25, 4), st.integers(2, 40))
def test_a_ramp_is_resized_exactly(rate, columns):
    ramp = np.stack([np.arange(columns), 5 - 2.0 * np.arange(columns)], axis=-1)
    places = positions(0, int((columns - 1) / rate) + 1, rate)
    expected = np.stack([places, 5 - 2 * places], axis=-1)
    np.testing.assert_allclose(resize(ramp, places), expected, atol=1e-4)


def test_resizing_takes_the_ends_beyond_them_and_leaves_rate_1_alone():
    values = noise(2, 5, 3)
    np.testing.assert_array_equal(resize(values, positions(0, 5, 1)), values)
    found = resize(values, np.array([-3.0, 4.0, 9.5]))
    np.testing.assert_array_equal(found, values[:, [0, 4, 4]])
    np.testing.assert_array_equal(resize(values[:, :1], positions(0, 3, 0.5)), values[:, [0] * 3])


def test_parts_of_a_result_know_where_they_lie():
    np.testing.assert_array_equal(positions(3, 6, 0.5), positions(0, 6, 0.5)[3:])
