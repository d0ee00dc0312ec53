"""The losses against their closed forms and against Keras's own."""

import keras
import numpy as np
import pytest

from pix2pix_timbre.losses import (
    LAMBDA,
    column_difference_error,
    cross_entropy,
    discriminator_loss,
    generator_loss,
    mean_absolute_error,
)

LOGITS = np.random.default_rng(0).normal(0, 5, (3, 16, 16, 1)).astype(np.float32)


def test_undecided_logits_cost_log_2():
    zeros = np.zeros((2, 16, 16, 1), np.float32)
    for real in (True, False):
        assert float(cross_entropy(zeros, real)) == pytest.approx(np.log(2), rel=1e-5)
    assert float(discriminator_loss(zeros, zeros)) == pytest.approx(2 * np.log(2), rel=1e-5)
    assert float(generator_loss(zeros, 0.25)) == pytest.approx(np.log(2) + 25, rel=1e-5)


def test_changes_from_column_to_column_are_compared():
    ramp = np.broadcast_to(np.float32([0, 0.1, 0.3, 0.6])[:, np.newaxis], (2, 3, 4, 1))
    assert float(column_difference_error(ramp, ramp - 0.5)) == pytest.approx(0, abs=1e-7)
    late = np.roll(ramp, 1, axis=2)  # changes of -0.6, 0.1 and 0.2 in place of 0.1, 0.2 and 0.3
    assert float(column_difference_error(ramp, late)) == pytest.approx(0.3, rel=1e-5)


@pytest.mark.parametrize("real", [True, False])
def test_cross_entropy_equals_that_of_keras(real):
    reference = keras.losses.BinaryCrossentropy(from_logits=True)
    labels = np.full_like(LOGITS, real)
    expected = float(reference(labels, LOGITS))
    assert float(cross_entropy(LOGITS, real)) == pytest.approx(expected, rel=1e-6)


def test_confident_logits_stay_finite_and_cost_their_distance():
    for value in (100.0, 1000.0):
        logits = np.full((1, 16, 16, 1), value, np.float32)
        assert float(cross_entropy(logits, real=True)) == pytest.approx(0, abs=1e-30)
        assert float(cross_entropy(logits, real=False)) == pytest.approx(value)
        assert float(discriminator_loss(-logits, logits)) == pytest.approx(2 * value)


def test_the_discriminator_wants_real_pairs_positive_and_generated_ones_negative():
    reference = keras.losses.BinaryCrossentropy(from_logits=True)
    other = LOGITS[::-1] + 1
    ones, zeros = np.ones_like(LOGITS), np.zeros_like(LOGITS)
    expected = float(reference(ones, LOGITS)) + float(reference(zeros, other))
    assert float(discriminator_loss(LOGITS, other)) == pytest.approx(expected, rel=1e-6)


def test_the_generator_wants_its_pairs_taken_for_real_and_pays_100_times_l1():
    reference = keras.losses.BinaryCrossentropy(from_logits=True)
    expected = float(reference(np.ones_like(LOGITS), LOGITS)) + 100 * 0.03
    assert LAMBDA == 100
    assert float(generator_loss(LOGITS, 0.03)) == pytest.approx(expected, rel=1e-6)
    assert float(generator_loss(LOGITS, 0.03, 300)) == pytest.approx(expected + 6, rel=1e-6)


def test_l1_is_the_mean_of_absolute_differences():
    rng = np.random.default_rng(1)
    target, prediction = rng.uniform(-1, 1, (2, 3, 256, 256, 1)).astype(np.float32)
    expected = np.abs(target.astype(float) - prediction).mean()
    assert float(mean_absolute_error(target, prediction)) == pytest.approx(expected, rel=1e-6)
    assert float(mean_absolute_error(target, target)) == 0
