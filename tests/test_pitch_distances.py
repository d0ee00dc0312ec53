"""common/music/pitch_distances.py: closed forms."""

import numpy as np
import pytest

from common.music.pitch_distances import f0_error, fold, jaccard_distance, pitch_distance


def classes(*numbers):
    """One column for each pitch class: (columns, 12)."""
    return np.eye(12, dtype=np.float32)[list(numbers)]


def test_keys_an_octave_apart_fold_into_one_class():
    posteriors = np.zeros((2, 88), np.float32)
    posteriors[0, [0, 12]] = 0.2, 0.7  # A0 and A1
    posteriors[1, 60 - 21] = 0.9  # C4
    folded = fold(posteriors)
    assert folded.shape == (2, 12)
    assert folded[0].argmax() == 9
    assert folded[0, 9] == pytest.approx(0.7)
    assert folded[1].argmax() == 0


def test_warping_forgives_other_times_but_not_other_classes():
    melody = classes(0, 0, 4, 7)
    assert pitch_distance(melody, classes(0, 4, 4, 4, 7)) == 0
    # on the diagonal, one of four columns is off by a semitone
    assert pitch_distance(melody, classes(0, 0, 4, 8)) == pytest.approx(1 / 4)


def test_b_is_one_step_from_c_on_the_circle_only():
    low, high = classes(0, 0, 0), classes(11, 11, 11)
    assert pitch_distance(low, high) == 11
    assert pitch_distance(low, high, circular=True) == 1


def test_jaccard_distance_counts_classes_of_columns_that_sound():
    silence = np.zeros((1, 12))
    chord = classes(0) + classes(4)
    one = np.concatenate([chord, chord, silence])
    other = np.concatenate([chord, classes(0), silence, chord])  # longer
    assert jaccard_distance(one, one) == 0
    assert jaccard_distance(one, other) == pytest.approx(1 - (1 + 1 / 2) / 2)
    assert jaccard_distance(classes(0), classes(1)) == 1
    assert jaccard_distance(silence, silence) == 0


def test_f0_error_of_known_tracks():
    nothing = float("nan")
    reference = np.array([60.0, 60.0, 60.0, 60.0, nothing])
    estimate = np.array([60.0, 60.4, 72.0, nothing, 50.0])
    error, right = f0_error(reference, estimate)
    assert error == pytest.approx((0 + 0.4 + 12) / 3)
    assert right == 2 / 4
    assert f0_error(reference, reference) == (0, 1)
    assert np.isnan(f0_error(np.full(3, nothing), np.zeros(3))).all()
