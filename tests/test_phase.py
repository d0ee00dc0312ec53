"""Griffin-Lim: how well the audio keeps the magnitude."""

import librosa
import numpy as np
import pytest

from common.phase import griffin_lim
from data import AMIN, FFT_SIZE, HOP, WINDOW, forward_transform, inverse_transform


@pytest.fixture(scope="module")
def chords():
    """Two seconds of decaying chords, without content above 11 kHz: (samples,)."""
    time = np.arange(2 * 44100) / 44100
    audio = np.zeros(len(time))
    for start, pitches in ((0.0, (220, 277, 330)), (0.7, (247, 311)), (1.3, (196, 294, 392))):
        since = time - start
        for pitch in pitches:
            for partial in range(1, 6):
                tone = np.sin(2 * np.pi * pitch * partial * since) * np.exp(-3 * partial * since)
                audio += np.where(since >= 0, tone, 0) / partial
    return (0.2 * audio / np.abs(audio).max()).astype(np.float32)


def convergence(magnitude, phase):
    """Spectral convergence: the share of the magnitude that does not survive as sound."""
    found, _ = forward_transform(inverse_transform(magnitude, phase), with_phase=False)
    return np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude)


def test_it_lowers_the_spectral_convergence_of_zero_phase(chords):
    magnitude, _ = forward_transform(chords)
    before = convergence(magnitude, np.zeros_like(magnitude))
    one, many = (convergence(magnitude, griffin_lim(magnitude, count)) for count in (1, 32))
    assert before > 0.5
    assert one < 0.9 * before
    assert many < 0.3 * before
    assert many < one


def test_it_is_as_good_as_librosa_from_the_same_start(chords):
    magnitude, _ = forward_transform(chords)
    ours = convergence(magnitude, griffin_lim(magnitude, 32, 0.99))
    whole = np.pad(magnitude, [(0, FFT_SIZE // 2 + 1 - len(magnitude)), (0, 0)])
    settings = {"n_fft": FFT_SIZE, "hop_length": HOP, "window": WINDOW}
    audio = librosa.griffinlim(whole, n_iter=32, momentum=0.99, init=None, **settings)
    found = np.abs(librosa.stft(audio, **settings))[: len(magnitude)]
    theirs = np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude)
    assert ours < 1.2 * theirs


def test_the_true_phase_stays_what_it_is(chords):
    magnitude, phase = forward_transform(chords)
    found = griffin_lim(magnitude, 8, initial=phase)
    loud = magnitude > 100 * AMIN
    assert loud.mean() > 0.03
    assert np.abs(np.angle(np.exp(1j * (found - phase))))[loud].max() < 0.01
    assert convergence(magnitude, found) < 1e-4


def test_no_iteration_returns_the_start(chords):
    magnitude, phase = forward_transform(chords)
    np.testing.assert_array_equal(griffin_lim(magnitude, 0, initial=phase), phase)
    np.testing.assert_array_equal(griffin_lim(magnitude, 0), np.zeros_like(magnitude))


def test_it_is_deterministic_takes_channels_and_leaves_its_arguments_alone(chords):
    magnitude, _ = forward_transform(np.stack([chords, chords[::-1]]))
    start = np.full_like(magnitude, 0.1)
    kept = magnitude.copy(), start.copy()
    first, second = (griffin_lim(magnitude, 4, initial=start) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(magnitude, kept[0])
    np.testing.assert_array_equal(start, kept[1])
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first[1], griffin_lim(magnitude[1], 4, initial=start[1]))


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_very_short_and_silent_images_give_finite_phases(columns):
    assert np.isfinite(griffin_lim(np.zeros((256, columns), np.float32))).all()
    assert np.isfinite(griffin_lim(np.ones((256, columns), np.float32))).all()
