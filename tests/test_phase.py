"""Phase estimators: how well the audio keeps the magnitude; parts equal the whole."""

import librosa
import numpy as np
import pytest

from common.audio.phase import (
    ESTIMATORS,
    RealTimeInversion,
    estimate_phase,
    griffin_lim_phase,
    phase_slopes,
)
from common.audio.spectrograms import STFT
from data import AMIN, FFT_SIZE, HOP, WINDOW, forward_transform, inverse_transform


def play(detune=1.0, decay=3.0):
    """Make two seconds of decaying chords below 11 kHz: (samples,)."""
    time = np.arange(2 * 44100) / 44100
    audio = np.zeros(len(time))
    for start, pitches in ((0.0, (220, 277, 330)), (0.7, (247, 311)), (1.3, (196, 294, 392))):
        since = time - start
        for pitch in pitches:
            for partial in range(1, 6):
                tone = np.sin(2 * np.pi * pitch * detune * partial * since)
                tone *= np.exp(-decay * partial * since)
                audio += np.where(since >= 0, tone, 0) / partial
    return (0.2 * audio / np.abs(audio).max()).astype(np.float32)


@pytest.fixture(scope="module")
def chords():
    """Chords in tune."""
    return play()


def convergence(magnitude, phase):
    """Spectral convergence of the sound's magnitude to the wanted one."""
    found, _ = forward_transform(inverse_transform(magnitude, phase), with_phase=False)
    return np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude)


def search(magnitude, **settings):
    """Find a phase by Griffin and Lim, started from zero."""
    return griffin_lim_phase(magnitude, np.zeros_like(magnitude), **settings)


def test_it_lowers_the_spectral_convergence_of_zero_phase(chords):
    magnitude, _ = forward_transform(chords)
    before = convergence(magnitude, np.zeros_like(magnitude))
    one, many = (
        convergence(magnitude, search(magnitude, iterations=count, momentum=0.99))
        for count in (1, 32)
    )
    assert before > 0.5
    assert one < 0.9 * before
    assert many < 0.3 * before
    assert many < one


def test_it_is_as_good_as_librosa_from_the_same_start(chords):
    magnitude, _ = forward_transform(chords)
    ours = convergence(magnitude, search(magnitude, iterations=32, momentum=0.99))
    whole = np.pad(magnitude, [(0, FFT_SIZE // 2 + 1 - len(magnitude)), (0, 0)])
    settings = {"n_fft": FFT_SIZE, "hop_length": HOP, "window": WINDOW}
    audio = librosa.griffinlim(whole, n_iter=32, momentum=0.99, init=None, **settings)
    found = np.abs(librosa.stft(audio, **settings))[: len(magnitude)]
    theirs = np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude)
    assert ours < 1.2 * theirs


def test_the_true_phase_stays_what_it_is(chords):
    magnitude, phase = forward_transform(chords)
    found = griffin_lim_phase(magnitude, phase, iterations=8)
    loud = magnitude > 100 * AMIN
    assert loud.mean() > 0.03
    assert np.abs(np.angle(np.exp(1j * (found - phase))))[loud].max() < 0.01
    assert convergence(magnitude, found) < 1e-4


def test_no_iteration_returns_the_start(chords):
    magnitude, phase = forward_transform(chords)
    np.testing.assert_array_equal(griffin_lim_phase(magnitude, phase, iterations=0), phase)
    np.testing.assert_array_equal(search(magnitude, iterations=0), np.zeros_like(magnitude))


def test_it_is_deterministic_takes_channels_and_leaves_its_arguments_alone(chords):
    magnitude, _ = forward_transform(np.stack([chords, chords[::-1]]))
    start = np.full_like(magnitude, 0.1)
    kept = magnitude.copy(), start.copy()
    first, second = (griffin_lim_phase(magnitude, start, iterations=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(magnitude, kept[0])
    np.testing.assert_array_equal(start, kept[1])
    assert first.dtype == np.float32
    alone = griffin_lim_phase(magnitude[1], start[1], iterations=4)
    np.testing.assert_array_equal(first[1], alone)


@pytest.mark.parametrize("method", ESTIMATORS)
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_very_short_and_silent_images_give_finite_phases(method, columns):
    start = np.full((256, columns), 0.5, np.float32)
    for magnitude in (np.zeros_like(start), np.ones_like(start)):
        assert np.isfinite(estimate_phase(method, magnitude, start)).all()


@pytest.fixture(scope="module")
def other_instrument(chords):
    """Magnitude of the chords as another instrument plays them, and the phase of the chords."""
    magnitude, _ = forward_transform(np.tanh(4 * play(detune=1.004, decay=1)))
    return magnitude, forward_transform(chords)[1]


@pytest.mark.parametrize("method", ESTIMATORS)
def test_every_estimator_keeps_known_columns_shape_and_arguments(method, other_instrument):
    magnitude, phase = other_instrument
    pair = np.stack([magnitude, magnitude[:, ::-1]]), np.stack([phase, phase[:, ::-1]])
    kept = [array.copy() for array in pair]
    found = estimate_phase(method, *pair, known=3)
    assert (found.shape, found.dtype) == (phase[np.newaxis].repeat(2, axis=0).shape, np.float32)
    assert np.abs(found).max() <= np.float32(np.pi)
    np.testing.assert_array_equal(np.stack([found[0, :, :3], found[1, :, :3]]), pair[1][..., :3])
    for array, before in zip(pair, kept, strict=True):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(found[0], estimate_phase(method, magnitude, phase, known=3))


def test_estimators_keep_more_of_the_magnitude_than_what_they_start_from(other_instrument):
    magnitude, phase = other_instrument
    lost = {
        method: convergence(magnitude, estimate_phase(method, magnitude, phase))
        for method in ESTIMATORS
    }
    # four iterations; a long run keeps more
    assert lost["griffinlim"] < 0.6 * lost["input"]
    assert lost["fast-griffinlim"] < lost["griffinlim"]
    assert lost["fast-griffinlim"] < lost["fast-griffinlim-zero"]
    zero = convergence(magnitude, np.zeros_like(phase))
    assert lost["pghi"] < 0.5 * zero


def test_the_phase_of_the_input_is_itself(other_instrument):
    np.testing.assert_array_equal(estimate_phase("input", *other_instrument), other_instrument[1])


def test_griffin_lim_from_zero_does_not_look_at_the_input(other_instrument):
    magnitude, phase = other_instrument
    found = estimate_phase("fast-griffinlim-zero", magnitude, phase)
    np.testing.assert_array_equal(found, estimate_phase("fast-griffinlim-zero", magnitude, -phase))


@pytest.mark.parametrize("method", ["griffinlim", "fast-griffinlim-zero"])
def test_a_known_column_joins_two_parts_without_a_break(method, other_instrument):
    magnitude, phase = other_instrument
    middle = 80
    first = estimate_phase(method, magnitude[:, : middle + 32], phase[:, : middle + 32])
    start = np.concatenate([first[:, :middle], phase[:, middle:]], axis=1)
    second = estimate_phase(method, magnitude[:, middle - 1 :], start[:, middle - 1 :], known=1)
    joined = np.concatenate([first[:, :middle], second[:, 1:]], axis=1)
    whole = estimate_phase(method, magnitude, phase)
    assert convergence(magnitude, joined) < 1.25 * convergence(magnitude, whole)


def test_slopes_of_a_steady_tone_and_of_a_click():
    # a Gaussian spectrum around bin 40.3, and a Gaussian in time around column 5.25
    gamma = 0.25645 * FFT_SIZE**2
    width = FFT_SIZE**2 / gamma
    bins, columns = np.arange(256)[:, np.newaxis], np.arange(11)[np.newaxis]
    in_time, _ = phase_slopes(-np.pi * (bins - 40.3) ** 2 / width + 0 * columns)
    advance = 2 * np.pi * 40.3 / FFT_SIZE * HOP
    np.testing.assert_allclose(in_time[30:50], advance, rtol=1e-6)
    # HOP samples later in the window mean -2 pi HOP / FFT_SIZE per bin; its middle means -pi
    _, in_frequency = phase_slopes(-np.pi * ((columns - 5.25) * HOP) ** 2 / gamma + 0 * bins)
    late = (5.25 - columns[0, 1:-1]) * HOP
    expected = -2 * np.pi * (FFT_SIZE / 2 + late) / FFT_SIZE
    np.testing.assert_allclose(in_frequency[7, 1:-1], expected, rtol=1e-6)


def test_heap_integration_follows_a_steady_tone(chords):
    time = np.arange(44100) / 44100
    tone = np.float32(0.3 * np.cos(2 * np.pi * 1003.7 * time + 0.4))
    magnitude, phase = forward_transform(tone)
    found = estimate_phase("pghi", magnitude, phase, known=20)
    row = round(1003.7 * FFT_SIZE / 44100)
    error = np.angle(np.exp(1j * (found - phase)))[row, 20:-2]
    # a Hann window is not quite Gaussian: 0.015 bins beside the frequency
    np.testing.assert_allclose(np.diff(error), 0, atol=0.05)
    assert convergence(magnitude, found) < 0.05


def test_inversion_in_real_time():
    """In parts or as a whole the same, as long as the columns, and close to their magnitude."""
    size, hop = 512, 128
    transform = STFT(size, hop, centred=False)
    times = np.arange(100 * hop) / 16000
    audio = np.float32(
        sum(np.sin(2 * np.pi * hertz * times) for hertz in (310, 620, 1400)) * times / 4
    )

    def magnitude_of(sound):
        return np.abs(transform.forward(np.pad(sound, (size - hop, 0))))

    magnitude = magnitude_of(audio)
    whole = RealTimeInversion(size, hop)
    made = whole.push(magnitude)
    assert made.size == audio.size - whole.delay
    made = np.concatenate([made, whole.finish()])
    assert made.size == audio.size
    parts = RealTimeInversion(size, hop)
    pieces = [parts.push(magnitude[:, start : start + 7]) for start in range(0, 100, 7)]
    np.testing.assert_array_equal(np.concatenate([*pieces, parts.finish()]), made)

    def error(sound):
        return np.linalg.norm(magnitude_of(sound) - magnitude) / np.linalg.norm(magnitude)

    assert error(made) < 0.1
    blind = RealTimeInversion(size, hop, ahead=0, iterations=1)
    assert error(np.concatenate([blind.push(magnitude), blind.finish()])) > error(made)
