"""pix2pix_timbre/noise_control.py: noise of a known strength, and an image of a wanted flux."""

import numpy as np
import pytest

from pix2pix_timbre.noise_control import add_noise, flux, noise_level, with_noise
from pix2pix_timbre.windows import convert_image


def half(frames):
    return 0.5 * frames


@pytest.fixture
def image():
    """A steady image that is louder in low bins: (256, 700)."""
    rows = np.linspace(0.9, 0.1, 256, dtype=np.float32)[:, np.newaxis]
    return np.tile(rows, 700)


def test_noise_is_proportional_to_the_level_and_leaves_silence_silent(image):
    frame = image[np.newaxis, :, :256, np.newaxis]
    before = frame.copy()
    noise = add_noise(frame, 0.1) - frame
    np.testing.assert_array_equal(frame, before)
    deviation = noise[0, :, :, 0].std(axis=1)
    np.testing.assert_allclose(deviation / image[:, 0], 0.1, rtol=0.25)
    assert abs(noise.mean()) < 1e-3
    np.testing.assert_array_equal(add_noise(0 * frame, 0.1), 0 * frame)
    np.testing.assert_array_equal(add_noise(frame, 0.0), frame)
    loud = add_noise(frame, 10.0)
    assert (loud.min(), loud.max()) == (0, 1)


def test_flux_of_a_ramp_is_its_slope():
    assert flux(np.arange(10.0)[np.newaxis] * 0.02) == pytest.approx(0.02)


@pytest.mark.parametrize("wanted", [0.003, 0.01, 0.05])
def test_the_noisy_image_has_the_wanted_flux(image, wanted):
    level = noise_level(half, image, wanted)
    found = flux(convert_image(with_noise(half, level), image))
    assert found == pytest.approx(wanted, rel=1e-3)
    assert level > 0


def test_an_image_that_moves_enough_gets_no_noise_and_noise_has_an_end(image):
    rng = np.random.default_rng(0)
    lively = rng.random((256, 300)).astype(np.float32)
    assert noise_level(half, lively, 0.5 * flux(half(lively))) == 0
    assert np.isfinite(noise_level(half, image, 2.0))  # more than any image can have
