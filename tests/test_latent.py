"""Paths through a latent space."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.latent import decoding_speed, plane_points, principal_axes, shift, smooth, spread

PATH = np.random.default_rng(0).normal(0, (3, 1, 0.5, 0.1), (50, 4))


def test_axes_are_those_of_the_covariance():
    axes = principal_axes(PATH, 2)
    variances, directions = np.linalg.eigh(np.cov(PATH.T, bias=True))
    np.testing.assert_allclose(axes.deviations, np.sqrt(variances[::-1][:2]))
    np.testing.assert_allclose(
        np.abs(axes.directions @ directions[:, ::-1][:, :2]), np.eye(2), atol=1e-9
    )
    assert axes.coordinates(PATH).shape == (50, 2)
    np.testing.assert_allclose(
        principal_axes(PATH, 4).vectors(principal_axes(PATH, 4).coordinates(PATH)), PATH
    )


@pytest.mark.parametrize(
    ("dims", "name"), [(1, "latent 1"), (2, "latent 1"), (4, "principal component 1")]
)
def test_a_plane_has_two_coordinates(dims, name):
    points, names = plane_points(PATH[:, :dims])
    assert points.shape == (50, 2)
    assert names[0] == name


def test_a_path_is_moved_along_a_direction():
    moved = shift(PATH, np.array([1, 0, 0, 0]), np.arange(50))
    np.testing.assert_allclose((moved - PATH)[:, 0], np.arange(50))
    np.testing.assert_allclose(shift(PATH, np.ones(4), 2) - PATH, 2)


@given(st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_a_path_is_spread_about_its_mean(factor):
    found = spread(PATH, factor)
    np.testing.assert_allclose(found.mean(axis=0), PATH.mean(axis=0))
    np.testing.assert_allclose(found.std(axis=0), factor * PATH.std(axis=0), atol=1e-12)


def test_a_path_is_averaged_over_the_steps_around():
    np.testing.assert_allclose(smooth(PATH, 1), PATH)
    np.testing.assert_allclose(smooth(PATH, 3)[5], PATH[4:7].mean(axis=0))
    np.testing.assert_allclose(smooth(PATH, 3)[0], PATH[:2].mean(axis=0))
    assert smooth(PATH.astype(np.float32), 4).dtype == np.float32


def test_the_speed_of_a_model_is_that_of_its_second_decoding():
    class Slow:
        sample_rate = 100
        calls = 0

        def decode(self, z):
            Slow.calls += 1
            begin = time.process_time()
            while time.process_time() - begin < 0.2 / Slow.calls:
                pass
            return np.zeros(50 * len(z))

    assert 15 < decoding_speed(Slow(), PATH[:4]) <= 20  # two seconds of audio in 0.1 s
