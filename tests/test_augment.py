"""Augmentation: each effect in closed form on linear magnitude, and one draw for both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data import BINS, HOP, SAMPLE_RATE, amplitude_to_db, db_to_amplitude
from pix2pix_timbre.augment import (
    EQ_DB,
    GAIN_DB,
    KINDS,
    NOISE_DB,
    RT60_LOSS,
    RT60_SECONDS,
    TILT_DB,
    WET_DB,
    Augmentation,
    add_noise,
    draw_curve,
    draw_reverb,
    draw_tilt,
    reverberate,
)

SEEDS = st.integers(0, 2**32 - 1)
SUBSETS = st.sets(st.sampled_from(KINDS))
PERIOD = HOP / SAMPLE_RATE  # seconds from column to column


def pair(seed=0, columns=20, top=0.8):
    """Make two sides, partly silent: (2, BINS, columns) float32 in [0, top]."""
    images = top * np.random.default_rng(seed).random((2, BINS, columns), np.float32)
    images[..., ::5] = 0
    return images


def augmented(kinds, images, seed=0):
    return Augmentation(kinds)(images, np.random.default_rng(seed))


def decibels(after, before):
    """Increase of each value in dB; NaN where it is almost silent."""
    ratio = db_to_amplitude(after) / np.where(before > 0.2, db_to_amplitude(before), np.nan)
    return 20 * np.log10(ratio)


# All kinds


@given(
    arrays(np.float32, (2, BINS, 3), elements=st.floats(0, 1, width=32), fill=st.just(1.0)),
    SUBSETS,
    SEEDS,
)
def test_images_stay_in_range_and_the_given_ones_as_they_were(images, kinds, seed):
    before = images.copy()
    after = augmented(kinds, images, seed)
    np.testing.assert_array_equal(images, before)
    assert not np.shares_memory(after, images)
    assert (after.shape, after.dtype) == (images.shape, np.float32)
    assert after.flags.c_contiguous
    assert after.min() >= 0
    assert after.max() <= 1


@given(SUBSETS, SEEDS)
def test_the_state_of_the_generator_decides(kinds, seed):
    images = pair()
    first = augmented(kinds, images, seed)
    np.testing.assert_array_equal(augmented(list(kinds), images, seed), first)
    if kinds:
        rng = np.random.default_rng(seed)
        augment = Augmentation(kinds)
        assert not np.array_equal(augment(images, rng), augment(images, rng))  # drawn for each


@given(SUBSETS, SEEDS)
def test_both_sides_get_the_same_draw(kinds, seed):
    images = pair()
    images[1] = images[0]
    first, second = augmented(kinds, images, seed)
    np.testing.assert_array_equal(first, second)


@given(SUBSETS, SEEDS)
def test_silence_stays_silence(kinds, seed):
    assert not augmented(kinds, np.zeros((2, BINS, 9), np.float32), seed).any()
    images = pair()
    if "reverb" not in kinds:
        assert not augmented(kinds, images, seed)[images == 0].any()


def test_no_kind_changes_nothing():
    np.testing.assert_array_equal(augmented((), pair()), pair())


def test_the_store_s_float16_is_taken():
    half = pair().astype(np.float16)
    np.testing.assert_array_equal(augmented(KINDS, half), augmented(KINDS, np.float32(half)))


@pytest.mark.parametrize("kinds", [["delay"], ["gain", "Eq"], "eq"])
def test_an_unknown_kind_is_named(kinds):
    with pytest.raises(ValueError, match=r"unknown; use gain, tilt, eq, reverb, noise"):
        Augmentation(kinds)


def test_too_loud_sides_are_lowered_together():
    images = pair(top=0.5)
    images[0, 3, 3] = 0.99
    peaks = []
    for seed in range(20):
        after = augmented(["gain", "eq"], images, seed)
        rng = np.random.default_rng(seed)
        curve, gain = draw_curve(rng), rng.uniform(-GAIN_DB, GAIN_DB)
        change = decibels(after, images) - curve[:, np.newaxis]
        room = -20 * np.log10(db_to_amplitude(0.99)) - curve[3]
        expected = np.where(np.isnan(change), np.nan, min(gain, room))
        np.testing.assert_allclose(change, expected, atol=1e-3)
        peaks.append(after.max())
    assert max(peaks) == pytest.approx(1, abs=1e-6)
    assert min(peaks) < 0.99


# Gain


@given(SEEDS)
def test_a_gain_is_one_factor_on_the_magnitude(seed):
    images = pair(seed)
    change = decibels(augmented(["gain"], images, seed), images)
    drawn = np.random.default_rng(seed).uniform(-GAIN_DB, GAIN_DB)
    heard = change[~np.isnan(change)]
    np.testing.assert_allclose(heard, drawn, atol=1e-4)


def test_a_gain_that_would_clip_ends_at_full_level():
    images = pair(top=0.5)
    images[1, 7, 7] = 0.99
    room = -20 * np.log10(db_to_amplitude(0.99))
    gains = [decibels(augmented(["gain"], images, seed), images)[1, 7, 7] for seed in range(40)]
    assert max(gains) == pytest.approx(room, abs=1e-4)
    assert np.isclose(gains, room, atol=1e-4).sum() > 10
    assert min(gains) < -4


# Equaliser


@given(SEEDS)
def test_the_equaliser_is_constant_over_time_and_alike_on_both_sides(seed):
    images = pair(seed, top=0.5)
    change = decibels(augmented(["eq"], images, seed), images)
    curve = draw_curve(np.random.default_rng(seed))
    difference = change - curve[:, np.newaxis]
    assert np.nanmax(np.abs(difference)) < 1e-4


@given(SEEDS)
def test_the_curve_is_gentle(seed):
    curve = draw_curve(np.random.default_rng(seed))
    assert curve.shape == (BINS,)
    assert np.abs(curve).max() <= EQ_DB
    octaves = np.log2(np.arange(1, BINS))
    assert np.trapezoid(curve[1:], octaves) / octaves[-1] == pytest.approx(0, abs=0.2)
    assert np.abs(np.diff(curve[1:]) / np.diff(octaves)).max() < 2 * np.pi * EQ_DB / 4  # per octave


def test_curves_differ():
    curves = [draw_curve(np.random.default_rng(seed)) for seed in range(50)]
    levels = np.abs(curves).max(1)
    assert levels.min() < 0.5
    assert levels.max() > EQ_DB - 0.5
    assert np.abs(np.mean(curves, 0)).max() < 0.8


# Tilt


@given(SEEDS)
def test_a_tilt_is_a_straight_line_over_the_octaves(seed):
    slope = draw_tilt(np.random.default_rng(seed))
    octaves = np.log2(np.arange(1, BINS))
    fitted = np.polynomial.Polynomial.fit(octaves, slope[1:], 1)
    np.testing.assert_allclose(slope[1:], fitted(octaves), atol=1e-9)
    assert abs(slope[-1] - slope[1]) <= TILT_DB
    assert slope[1] == pytest.approx(-slope[-1])
    images = pair(seed, top=0.5)
    change = decibels(augmented(["tilt"], images, seed), images)
    assert np.nanmax(np.abs(change - slope[:, np.newaxis])) < 1e-4


# Noise


def test_noise_has_the_given_power_in_every_bin_and_adds_to_that_of_the_sound():
    sound = np.full((1, BINS, 20_000), 0.02, np.float32)
    heard = add_noise(sound, 0.01, np.random.default_rng(0))
    power = np.square(heard, dtype=float).mean(-1)
    np.testing.assert_allclose(power, 0.02**2 + 0.01**2, rtol=0.03)
    assert heard.min() >= 0.02 * (1 - 1e-6)


def test_noise_in_silence_stays_between_its_levels():
    levels = []
    for seed in range(30):
        after = db_to_amplitude(augmented(["noise"], np.zeros((1, BINS, 50), np.float32), seed))
        levels.append(10 * np.log10(np.square(after, dtype=float).mean()))
    assert NOISE_DB[0] - 1 < min(levels) < NOISE_DB[0] + 15
    assert NOISE_DB[1] - 15 < max(levels) < NOISE_DB[1] + 1


def test_noise_does_not_leave_the_range():
    assert augmented(["gain", "noise"], np.ones((1, BINS, 9), np.float32)).max() <= 1


# Reverberation


def impulse(columns=400, at=5):
    amplitude = np.zeros((2, BINS, columns), np.float32)
    amplitude[..., at] = [[0.5], [0.01]]
    return amplitude


@given(st.floats(0.1, 3), st.floats(1e-3, 1))
def test_an_impulse_decays_by_60_db_in_the_given_time(rt60, wet):
    seconds = rt60 * np.linspace(1, 0.5, BINS)
    heard = reverberate(impulse(), seconds, wet) / impulse()[..., 5:6]
    np.testing.assert_array_equal(heard[..., :5], 0)
    np.testing.assert_allclose(heard[..., 5], 1, rtol=1e-6)
    time = np.arange(394) * PERIOD  # since the tail began
    decay = 10 ** (-60 / 10 * PERIOD / seconds[:, np.newaxis])
    level = 10 * np.log10(wet * (1 - decay)) - 60 * time / seconds[:, np.newaxis]
    loud = level > -150
    tails = heard[..., 6:]
    np.testing.assert_allclose(20 * np.log10(tails[:, loud]) - level[loud], 0, atol=0.01)


def test_the_tail_has_the_given_energy():
    heard = reverberate(impulse(), np.full(BINS, 0.5), 0.05)
    energy = np.square(heard[..., 6:], dtype=float).sum(-1)
    np.testing.assert_allclose(energy, 0.05 * np.square(impulse()[..., 5], dtype=float), rtol=1e-3)


def test_the_power_of_a_tail_is_linear_in_that_of_the_sound():
    seconds = np.full(BINS, 0.4)
    first, second = (db_to_amplitude(pair(seed)) for seed in (1, 2))
    together = reverberate(np.sqrt(first**2 + second**2), seconds, 0.1)
    apart = [reverberate(part, seconds, 0.1) for part in (first, second)]
    np.testing.assert_allclose(together**2, apart[0] ** 2 + apart[1] ** 2, rtol=1e-4, atol=1e-12)


def test_reverberation_adds_and_takes_nothing_away():
    images = pair(top=0.5)
    before = db_to_amplitude(images)
    rooms = draw_reverb(np.random.default_rng(3))
    after = augmented(["reverb"], images, 3)
    np.testing.assert_allclose(after, amplitude_to_db(reverberate(before, *rooms)), atol=1e-6)
    assert (after >= images - 1e-6).all()
    assert (after[..., 5] > 0).all()  # the reverberation sounds after the first column
    assert not after[..., 0].any()  # and not before it


def test_no_column_is_no_error():
    assert augmented(KINDS, np.zeros((2, BINS, 0), np.float32)).shape == (2, BINS, 0)


@given(SEEDS)
def test_rooms_are_within_their_limits(seed):
    seconds, wet = draw_reverb(np.random.default_rng(seed))
    assert seconds.shape == (BINS,)
    assert RT60_SECONDS[0] <= seconds[0] <= RT60_SECONDS[1]
    assert (np.diff(seconds) <= 0).all()
    assert seconds[-1] >= (1 - RT60_LOSS) * seconds[0] - 1e-9
    assert WET_DB[0] <= 10 * np.log10(wet) <= WET_DB[1]
