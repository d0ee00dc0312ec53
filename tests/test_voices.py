"""Voices in unison: ``common.audio.voices``."""

import numpy as np
import pytest

from common.audio.voices import ALONE, Unison, Voices, checked_voices
from common.cli import UserError
from data import BINS, FFT_SIZE, HOP, SAMPLE_RATE, forward_transform

HOPS = [HOP, HOP // 2]


def sine(frequency, seconds=4.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def magnitude_of(audio, hop):
    return forward_transform(np.atleast_2d(audio).astype(np.float32), with_phase=False, hop=hop)[0]


@pytest.mark.parametrize("hop", HOPS)
def test_two_voices_beat_like_two_oscillators(hop):
    frequency, voices = 500.0, Voices(2, 12, 0.5)
    detuned = frequency * 2 ** (12 / 1200)
    true = magnitude_of(sine(frequency) + 0.5 * sine(detuned), hop)[0]
    made = Unison(voices, hop).push(magnitude_of(sine(frequency), hop))[0]
    row = round(frequency * FFT_SIZE / SAMPLE_RATE)
    inner = slice(8, -8)  # columns without the edges of the recording
    true, made = (one[row, inner] / one[row, inner].mean() for one in (true, made))
    beat = np.abs(np.fft.rfft(made - 1))
    rate = np.argmax(beat) / (made.size * hop / SAMPLE_RATE)
    assert rate == pytest.approx(detuned - frequency, abs=0.5)
    assert made.max() / made.min() == pytest.approx(3, rel=0.05)  # (1 + 0.5) / (1 - 0.5)
    assert np.corrcoef(true, made)[0, 1] > 0.8  # both begin in phase


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_mean_power_stays(count):
    magnitude = magnitude_of(sine(2000.0, 20), HOP)
    made = Unison(Voices(count, 20, 0.7), HOP).push(magnitude)
    inner = slice(8, -8)
    powers = [np.square(one[..., inner]).sum() for one in (magnitude, made)]
    assert powers[1] == pytest.approx(powers[0], rel=0.05)


def test_partials_of_one_note_beat_at_their_own_rates():
    magnitude = magnitude_of(sine(500.0, 4) + sine(4000.0, 4), HOP)
    factors = Unison(Voices(2, 10, 1.0), HOP).push(magnitude) / np.maximum(magnitude, 1e-9)
    for frequency in (500.0, 4000.0):
        row = factors[0, round(frequency * FFT_SIZE / SAMPLE_RATE), 8:-8]
        cycles = np.argmax(np.abs(np.fft.rfft(row - row.mean())))
        expected = frequency * (2 ** (10 / 1200) - 1)
        assert cycles / (row.size * HOP / SAMPLE_RATE) == pytest.approx(expected, abs=0.3)


def test_voices_begin_a_note_together():
    audio = np.concatenate([sine(1000.0, 0.61), np.zeros(SAMPLE_RATE // 5), sine(1000.0, 0.5)])
    magnitude = magnitude_of(audio, HOP // 2)
    made = Unison(Voices(2, 20, 1.0), HOP // 2).push(magnitude)
    factors = (made / np.maximum(magnitude, 1e-9))[0]
    row = factors[round(1000.0 * FFT_SIZE / SAMPLE_RATE)]
    begin = round(0.81 * SAMPLE_RATE / (HOP // 2))
    assert row[begin + 2] > 0.95 * row.max()
    assert row[begin - 50] != pytest.approx(row[begin + 2], rel=0.05)


@pytest.mark.parametrize("hop", HOPS)
def test_parts_and_channels_give_what_the_whole_gives(hop):
    given = np.random.default_rng(3).random((2, BINS, 150)).astype(np.float32)
    before = given.copy()
    whole = Unison(Voices(4, 25, 0.3), hop).push(given)
    unison = Unison(Voices(4, 25, 0.3), hop)
    parts = [unison.push(part) for part in np.split(given, [0, 1, 3, 70, 149], axis=-1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=-1), whole, rtol=1e-5)
    np.testing.assert_allclose(Unison(Voices(4, 25, 0.3), hop).push(given[1:]), whole[1:])
    np.testing.assert_array_equal(given, before)
    assert whole.dtype == np.float32 and whole.shape == given.shape


def test_one_voice_and_silence_change_nothing():
    given = np.random.default_rng(4).random((1, BINS, 9)).astype(np.float32)
    np.testing.assert_array_equal(Unison(ALONE, HOP).push(given), given)
    silent = np.zeros((1, BINS, 9), np.float32)
    np.testing.assert_array_equal(Unison(Voices(5, 20, 1.0), HOP).push(silent), silent)


def test_detunings_differ_and_reach_the_largest():
    detunings = Voices(6, 25, 0.3).detunings
    assert detunings.shape == (5,)
    assert np.abs(detunings).max() == detunings[0] == 25
    steps = np.diff(np.sort([0, *detunings]))
    assert steps.min() > 1 and np.ptp(steps) > 1  # all apart, unevenly
    assert ALONE.detunings.size == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "voices: count 0: give a whole number from 1 to 16"),
        ({"count": 2.5}, "count 2.5: give a whole number from 1 to 16"),
        ({"count": True}, "count True: "),
        ({"cents": 0}, "cents 0: give a number from 1 to 100"),
        ({"cents": float("nan")}, "cents nan: "),
        ({"level": 2}, "level 2: give a number from 0 to 1"),
        ({"level": "loud"}, "level 'loud': "),
    ],
)
def test_impossible_voices_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        checked_voices(ALONE._replace(**wrong))
    assert checked_voices(ALONE) is ALONE
    with pytest.raises(UserError, match="voices 2: give"):
        checked_voices(2)
