"""Phases of tracked partials, and the sound of a magnitude: identities, references, parts."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_data import low_passed
from test_phase import play

from common.audio.metrics import fine_spectral_distance
from common.audio.partials import (
    KEPT_DB,
    PartialTracker,
    nearest_peaks,
    partial_advances,
    peak_offsets,
)
from common.audio.phase import estimate_phase
from common.audio.resynthesis import METHODS, Mixed
from common.audio.resynthesis import resynthesize as resynthesize_by
from data import (
    BINS,
    FFT_SIZE,
    HOP,
    SAMPLE_RATE,
    forward_spectra,
    forward_transform,
    inverse_transform,
)

SHORT = HOP // 2  # hop of the mixed phase
TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE


def resynthesize(target, recording, method):
    return resynthesize_by(target, recording, METHODS[method]())


def sine(frequency, level=0.3, phase=0.0):
    return (level * np.cos(2 * np.pi * frequency * TIME + phase)).astype(np.float32)


@pytest.fixture(scope="module")
def chords():
    return play()


@pytest.fixture(scope="module")
def other():
    """The chords as another instrument plays them."""
    return np.tanh(4 * play(detune=1.004, decay=1)).astype(np.float32)


def analysed(target, recording):
    """Wanted magnitude, and magnitude and phase of the recording: (1, BINS, columns) each."""
    wanted, _ = forward_transform(target[np.newaxis], with_phase=False, hop=SHORT)
    return wanted, *forward_transform(recording[np.newaxis], hop=SHORT)


# Peaks


@given(st.lists(st.integers(0, 6), min_size=3, max_size=40))
def test_the_nearest_peak_is_found_as_by_looking_at_each(values):
    level = np.float32(values)
    nearest, peaks = nearest_peaks(level)
    bins = range(len(values))
    found = [
        bin
        for bin in bins[1:-1]
        if values[bin] > values[bin - 1] and values[bin] >= values[bin + 1]
    ]
    assert np.flatnonzero(peaks).tolist() == found
    expected = [min(found, key=lambda peak: (abs(peak - bin), peak), default=bin) for bin in bins]
    assert nearest.tolist() == expected


def test_the_top_of_a_parabola_is_found_exactly():
    bins = np.arange(9, dtype=np.float32)
    for top in (3.6, 4.0, 4.45):
        offsets = peak_offsets(2 - (bins - top) ** 2)
        assert offsets[4] == pytest.approx(top - 4, abs=1e-5)
    assert np.abs(peak_offsets(np.random.default_rng(0).normal(size=(5, 9)))).max() <= 0.5
    assert not peak_offsets(np.zeros(9, np.float32)).any()


# The tracker


def tracked_bin_by_bin(wanted, played, phase):
    """The phases of ``PartialTracker`` for one channel, as the paper tells them."""
    level = np.log(np.maximum(wanted.astype(float), 1e-9))
    found = phase.astype(float)
    for column in range(1, wanted.shape[1]):
        mean = (level[:, column] + level[:, column - 1]) / 2
        peaks = [
            bin
            for bin in range(1, BINS - 1)
            if mean[bin] > mean[bin - 1] and mean[bin] >= mean[bin + 1]
        ]
        for bin in range(BINS):
            near = min(peaks, key=lambda peak: (abs(peak - bin), peak))
            low, middle, high = mean[near - 1 : near + 2]
            frequency = near + (low - high) / 2 / (low - 2 * middle + high)
            turned = found[near, column - 1] + 2 * np.pi * SHORT / FFT_SIZE * frequency
            ratio = wanted[bin, column] / played[bin, column]
            if abs(20 * np.log10(ratio)) >= KEPT_DB:
                found[bin, column] = turned + np.pi * (bin - near)
    return found


def test_each_bin_runs_with_the_frequency_of_its_partial():
    bins = np.arange(BINS)
    tops = np.array([[60.2, 199.7], [80.0, 150.4]])  # of two channels
    level = -np.square(bins - tops[..., np.newaxis]).min(axis=1)
    nearest, places, cycles = partial_advances(np.stack([level, level]), SHORT)
    owner = np.abs(bins - np.round(tops)[..., np.newaxis]).argmin(axis=1)
    owned = np.take_along_axis(tops, owner, axis=1)
    for column in range(2):
        np.testing.assert_array_equal(nearest[column], np.round(owned))
        np.testing.assert_array_equal(places[column], np.round(owned) + np.array([[0], [BINS]]))
        np.testing.assert_allclose(cycles[column], owned * SHORT / FFT_SIZE, rtol=1e-5)


def test_it_tracks_as_the_paper_says(chords, other):
    rng = np.random.default_rng(0)
    hiss = [rng.normal(0, 1e-4, chords.size).astype(np.float32) for _ in range(2)]
    given = [one[..., 80:110] for one in analysed(other + hiss[0], chords + hiss[1])]
    found = PartialTracker(SHORT).push(*given)
    expected = np.exp(1j * tracked_bin_by_bin(*(one[0] for one in given)))
    error = np.abs(found[0] - expected)
    assert (error < 1e-2).mean() > 0.999  # peaks that are level to a rounding may differ
    wanted, played, phase = given
    kept = np.abs(20 * np.log10(wanted / played)) < KEPT_DB
    assert 0.1 < kept.mean() < 0.9
    np.testing.assert_allclose(found[kept], np.exp(1j * phase[kept]), atol=1e-6)
    np.testing.assert_allclose(np.abs(found), 1, atol=1e-5)


def test_a_partial_runs_on_at_its_own_frequency():
    frequency = 40.3 * SAMPLE_RATE / FFT_SIZE
    wanted, played, phase = analysed(sine(frequency), np.zeros_like(TIME, np.float32))
    found = PartialTracker(SHORT).push(wanted, played, phase)[0, 40]
    steps = np.angle(found[1:] / found[:-1])[4:-4]
    expected = np.angle(np.exp(2j * np.pi * 40.3 * SHORT / FFT_SIZE))
    # a parabola is not quite the shape of the window: 0.02 bins beside the frequency
    np.testing.assert_allclose(steps, expected, atol=0.02 * 2 * np.pi * SHORT / FFT_SIZE)


# The sound


@pytest.mark.parametrize("method", ["mixed", "input", "griffinlim", "fast-griffinlim"])
def test_the_true_magnitude_and_phase_give_the_sound_itself(method):
    audio = low_passed(60_001)
    found = resynthesize(audio, audio, method)
    assert (found.shape, found.dtype) == (audio.shape, np.float32)
    np.testing.assert_allclose(found, audio, atol=2e-5)


@pytest.mark.parametrize("frequency", [233.0, 1003.7, 7919.0])
def test_a_sine_gets_its_frequency_and_level_from_a_wrong_phase(frequency):
    recording = sine(frequency + 300, phase=1.0)
    found = resynthesize(sine(frequency), recording, "mixed")
    middle = found[SAMPLE_RATE // 2 : 3 * SAMPLE_RATE // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size)))  # bins of 1 Hz
    assert abs(np.argmax(spectrum) - frequency) < 1.5
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.02)
    # the phase of the recording alone does not
    beside = resynthesize(sine(frequency), recording, "input")[SAMPLE_RATE // 2 :]
    assert np.abs(fine_error(beside, frequency)) > 2 * np.abs(fine_error(middle, frequency))


def fine_error(audio, frequency):
    """Share of the energy that is not within 10 Hz of a frequency."""
    power = np.square(
        np.abs(np.fft.rfft(audio[:SAMPLE_RATE] * np.hanning(audio[:SAMPLE_RATE].size)))
    )
    near = slice(round(frequency - 10), round(frequency + 11))
    return 1 - power[near].sum() / power.sum()


def test_it_is_nearer_to_the_true_sound_than_the_other_methods(chords, other):
    lost = {
        name: fine_spectral_distance(other, resynthesize(other, chords, name))
        for name in ("input", "griffinlim", "mixed")
    }
    assert lost["mixed"] < 0.9 * lost["griffinlim"] < lost["input"]


def test_the_estimators_are_those_of_phase_by_phase(chords, other):
    magnitude, _ = forward_transform(other)
    phase = estimate_phase("griffinlim", magnitude, forward_transform(chords)[1])
    expected = inverse_transform(magnitude, phase, other.size)
    np.testing.assert_array_equal(resynthesize(other, chords, "griffinlim"), expected)


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, 340), max_size=6), seed=st.integers(0, 3))
def test_the_sound_does_not_depend_on_how_the_columns_are_cut_into_parts(cuts, seed):
    target, recording = (
        np.roll(audio, 3000 * seed) for audio in (play(detune=1.004, decay=1), play())
    )
    given = analysed(target, recording)
    columns = given[0].shape[-1]
    mixed = Mixed()
    edges = [0, *sorted(cuts), columns]
    parts = [
        mixed.push(*(one[..., start:stop] for one in given), last=stop == columns)
        for start, stop in pairwise(edges)
    ]
    found = np.concatenate(parts, axis=-1)
    assert found.shape == (1, (columns - 1) * SHORT)
    np.testing.assert_allclose(found, Mixed().push(*given, last=True), atol=1e-5)


def test_blocks_leave_no_trace(monkeypatch, chords, other):
    given = analysed(other, chords)
    in_blocks = Mixed().push(*given, last=True)
    monkeypatch.setattr("common.audio.resynthesis._BLOCK", 10_000)
    whole = Mixed().push(*given, last=True)
    assert np.abs(whole).max() > 0.5
    np.testing.assert_allclose(in_blocks, whole, atol=1e-5)


def test_two_channels_are_two_sounds_and_arguments_stay_as_they_are(chords, other):
    target, recording = np.stack([other, chords]), np.stack([chords, chords[::-1]])
    kept = target.copy(), recording.copy()
    found = resynthesize(target, recording, "mixed")
    for channel in (0, 1):
        alone = resynthesize(target[channel], recording[channel], "mixed")
        np.testing.assert_allclose(found[channel], alone, atol=1e-6)
    np.testing.assert_array_equal((target, recording), kept)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samples", [1, 255, 256, 513, 5000])
def test_silence_stays_silent_and_short_sounds_are_finite(method, samples):
    rng = np.random.default_rng(samples)
    noise, silence = rng.normal(0, 0.1, samples).astype(np.float32), np.zeros(samples, np.float32)
    assert not resynthesize(silence, noise, method).any()
    for recording in (noise[::-1], silence):
        found = resynthesize(noise, recording, method)
        assert found.shape == noise.shape
        assert np.isfinite(found).all()
        assert found.any()


def test_the_magnitude_is_kept_at_the_beginning_and_at_the_end(chords, other):
    wanted = np.abs(forward_spectra(other, SHORT))
    found = np.abs(forward_spectra(resynthesize(other, chords, "mixed"), SHORT))
    lost = np.linalg.norm(found - wanted, axis=0) / np.linalg.norm(wanted, axis=0).mean()
    assert lost[:8].max() < 3 * lost.mean()
    assert lost[-8:].max() < 3 * lost.mean()
