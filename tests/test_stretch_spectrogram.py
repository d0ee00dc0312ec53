"""Transforms, scales and resizing of time_stretching, compared with closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.audio.spectrograms import decibels
from time_stretching.resize import positions, resize
from time_stretching.spectrogram import BINS, PUBLISHED, SAMPLE_RATE, TRANSFORM, WIDE, transform_at


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_the_hop_lasts_as_long_at_any_rate():
    assert transform_at(SAMPLE_RATE) == TRANSFORM
    assert TRANSFORM.bins == BINS == 1025
    assert transform_at(44100).hop / 44100 == pytest.approx(512 / 16000, rel=1e-3)
    assert transform_at(100).hop >= 8


def test_the_published_scale_is_its_formula():
    magnitude = np.float32(10) ** noise(50).astype(np.float32) * 3
    expected = np.clip((20 * np.log10(magnitude) - 25 + 130) / 130, 0, 1)
    np.testing.assert_allclose(PUBLISHED.image(magnitude), expected, atol=1e-6)
    np.testing.assert_array_equal(PUBLISHED.image(np.float32([0, 1e6])), [0, 1])


def test_nothing_of_full_range_is_clipped_by_the_wide_scale():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    sine = np.sin(2 * np.pi * 1000 * time)
    loudest = np.abs(TRANSFORM.forward(sine)).max()
    assert decibels(loudest) == pytest.approx(54.2, abs=0.1)
    assert WIDE.image(loudest) < 1


@given(st.floats(0.25, 4), st.integers(2, 40))
def test_a_ramp_is_resized_exactly(rate, columns):
    ramp = np.stack([np.arange(columns), 5 - 2.0 * np.arange(columns)])
    places = positions(0, int((columns - 1) / rate) + 1, rate)
    expected = np.stack([places, 5 - 2 * places])
    np.testing.assert_allclose(resize(ramp, places), expected, atol=1e-4)


def test_resizing_takes_the_ends_beyond_them_and_leaves_rate_1_alone():
    values = noise(2, 3, 5)
    np.testing.assert_array_equal(resize(values, positions(0, 5, 1)), values)
    found = resize(values, np.array([-3.0, 4.0, 9.5]))
    np.testing.assert_array_equal(found, values[..., [0, 4, 4]])
    first = resize(values[..., :1], positions(0, 3, 0.5))
    np.testing.assert_array_equal(first, values[..., [0] * 3])


def test_parts_of_a_result_know_where_they_lie():
    np.testing.assert_array_equal(positions(3, 6, 0.5), positions(0, 6, 0.5)[3:])
