"""MoVE: slices of an image, what is heard in them, their ages and levels, against closed forms."""

import numpy as np
import pytest
from conftest import make_note

from move.ages import AGES, age_vectors, ages_since
from move.pitches import heard_pitches
from move.slices import COLUMNS, Slices, as_loud, cut, join, join_notes

RATE = 16000


@pytest.mark.parametrize("rate", [22050, 16000])
def test_a_slice_is_as_published(rate):
    slices = Slices(rate).check()
    assert slices.transform.bins == 500
    assert slices.samples / rate == pytest.approx(0.125, rel=2e-3)
    note = 0.01 * make_note(60, (1.0, 0.5), 5.0, rate=rate)[: 40 * slices.samples]
    image, peak = slices.image(note)
    assert image.shape == (500, 640)
    assert (image.max(), image.min()) == (1, 0)
    assert len(cut(image, COLUMNS)) == 40
    louder, other = slices.image(10 * note)
    np.testing.assert_allclose(louder, image, atol=1e-3)
    assert other == pytest.approx(10 * peak, rel=1e-4)
    assert slices.image(np.zeros(9, np.float32))[1] == 0
    band = np.argmax(image[:, 320])
    assert slices.transform.frequencies[band] == pytest.approx(261.6, abs=4)


def test_slices_overlap_by_half_and_join_to_what_they_were_cut_from():
    image = np.random.default_rng(0).random((500, 4 * COLUMNS)).astype(np.float32)
    slices = cut(image)
    assert slices.shape == (7, 500, COLUMNS)
    for joined in (join(slices), join_notes(slices)):
        np.testing.assert_allclose(joined, image, atol=1e-6)


def test_partials_of_one_slice_only_fade_without_a_gap():
    slices = np.zeros((2, 500, COLUMNS), np.float32)
    slices[0, 100], slices[1, 200] = 1, 1
    joined = join_notes(slices)[:, COLUMNS // 2 : COLUMNS]
    amplitude = np.where(joined > 0, 10 ** (80 * (joined - 1) / 20), 0)
    np.testing.assert_allclose(amplitude[100] + amplitude[200], 1, atol=1e-5)
    assert not np.delete(joined, [100, 200], axis=0).any()


def test_notes_are_as_loud_as_they_were_and_keep_their_course():
    rng = np.random.default_rng(0)
    given = (0.3 + 0.6 * rng.random((6, 500, COLUMNS))).astype(np.float32)
    ages = [0, 1, 2, 0, 1, 0]
    course = np.float32([0, 0.05, 0.1, 0.02, 0, 0.3])[:, np.newaxis, np.newaxis]
    made = given - course
    found = as_loud(made, given, ages)
    gains = (found - made)[:, 0, 0]
    for note in ([0, 1, 2], [3, 4]):
        np.testing.assert_allclose(gains[note], gains[note[0]], atol=1e-6)
        power = [10 ** (80 * (one[note] - 1) / 10) for one in (found, given)]
        assert power[0].sum() == pytest.approx(power[1].sum(), rel=1e-3)
    assert gains[5] == pytest.approx(20 / 80, abs=1e-6)  # not the 24 dB that are missing
    silent = np.zeros_like(given)
    np.testing.assert_array_equal(as_loud(silent, given, ages), silent)
    np.testing.assert_array_equal(as_loud(given, silent, ages), given)


def test_ages_of_slices_have_closed_forms():
    begun = [False, False, True, False, False]
    assert ages_since(begun).tolist() == [0, 1, 0, 1, 2]
    assert ages_since(begun, before=3).tolist() == [4, 5, 0, 1, 2]
    vectors = age_vectors([0, 1, 2, 6, 14, 30, 999])
    np.testing.assert_array_equal(vectors[[0, 2, 3, 4, 5]], np.eye(AGES))
    np.testing.assert_array_equal(vectors[6], vectors[5])
    second = np.log2(1.5)
    np.testing.assert_allclose(vectors[1], [1 - second, second, 0, 0, 0], rtol=1e-6)


def test_quick_notes_are_not_taken_for_low_ones():
    pitches = (72, 64, 67, 76, 71, 65, 74, 69)
    audio = np.concatenate([make_note(pitch, (1, 0.5, 0.3), 0.15) for pitch in pitches])
    slices = Slices(RATE)
    heard = heard_pitches(audio, slices).pitches
    assert heard.min() >= 60
    middles = (np.arange(heard.size) + 1) * slices.samples / 2 / (0.15 * RATE)
    within = [number for number, at in enumerate(middles) if 0.4 < at % 1 < 0.6]
    expected = [pitches[int(middles[number])] for number in within]
    assert len(within) > 2
    assert np.mean(heard[within] == expected) > 0.7
