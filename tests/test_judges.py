"""common/report/judges.py against closed forms and synthetic instruments."""

import numpy as np
import pytest
from conftest import make_note
from scipy.linalg import sqrtm

from common.report.judges import (
    FEATURES,
    Judge,
    frechet_distance,
    mel_levels,
    patch_distance,
    patches,
)
from common.report.note_judges import envelopes, heard_right, right, right_of_others

PARTIALS = {"flute": (1.0, 0.1), "reed": (1.0, 0.8, 0.9, 0.7, 0.8, 0.6), "bell": (0.2, 0, 0, 1.0)}


def melody(partials, seed, seconds=4, tremolo=0.0):
    """Make random notes of half a second: (samples,) float32."""
    rng = np.random.default_rng(seed)
    time = np.arange(22050) / 44100
    notes = []
    for pitch in rng.integers(50, 80, size=2 * seconds):
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        waves = sum(
            level * np.sin(2 * np.pi * frequency * number * time)
            for number, level in enumerate(partials, 1)
        )
        notes.append((1 + tremolo * np.sin(2 * np.pi * 8 * time)) * waves * np.exp(-3 * time))
    return np.float32(0.1) * np.concatenate(notes).astype(np.float32)


def features_of(kind, seeds, **sound):
    return {
        name: np.concatenate(
            [FEATURES[kind](mel_levels(melody(partials, seed, **sound))) for seed in seeds]
        )
        for name, partials in PARTIALS.items()
    }


@pytest.mark.parametrize("kind", FEATURES)
def test_a_judge_tells_instruments_apart_on_melodies_that_it_has_not_heard(kind):
    judge = Judge(features_of(kind, range(3)))
    for name, rows in features_of(kind, range(10, 12)).items():
        heard = judge.heard_as(rows)
        assert set(heard) == set(PARTIALS)
        assert sum(heard.values()) == pytest.approx(1)
        assert heard[name] > 0.8


def test_the_texture_judge_hears_a_tremolo():
    kind = FEATURES["texture"]
    sounds = {"plain": 0.0, "tremolo": 0.6}

    def rows(seeds, depth):
        audios = (melody(PARTIALS["reed"], seed, tremolo=depth) for seed in seeds)
        return np.concatenate([kind(mel_levels(audio)) for audio in audios])

    judge = Judge({name: rows(range(4), depth) for name, depth in sounds.items()})
    assert judge.heard_as(rows([10, 11], 0.6))["tremolo"] > 0.8
    assert judge.heard_as(rows([10, 11], 0.0))["plain"] > 0.8


def test_a_judge_needs_two_instruments():
    with pytest.raises(ValueError, match="two instruments"):
        Judge({"one": np.ones((3, 4)), "silent": np.ones((0, 4))})


def test_levels_are_relative_to_the_loudest_one_and_leave_out_silence():
    audio = melody(PARTIALS["reed"], 0, seconds=5)  # two and a half excerpts
    levels = mel_levels(audio)
    assert levels.shape[:2] == (2, 64)
    np.testing.assert_allclose(levels.max(axis=(1, 2)), 0)
    assert levels.min() == pytest.approx(-60)
    np.testing.assert_allclose(mel_levels(audio / 10), levels, atol=1e-3)
    silence = np.zeros(2 * 44100, np.float32)
    np.testing.assert_array_equal(mel_levels(np.concatenate([silence, audio])), levels)
    assert mel_levels(silence).shape[0] == 0
    assert mel_levels(audio[:100]).shape[0] == 0


def test_patches_of_a_constant_level_have_only_a_mean():
    found = patches(np.full((2, 64, 40), -30.0, np.float32))
    assert found.shape == (2, 2, 64)  # two whole patches per excerpt
    # an orthonormal transform puts the sum over the root of the number of values first
    np.testing.assert_allclose(found[..., 0], -30 * np.sqrt(64 * 16), rtol=1e-5)
    np.testing.assert_allclose(found[..., 1:], 0, atol=1e-3)


def test_frechet_distance_of_gaussians_with_equal_axes_is_that_of_means_and_deviations():
    one, other = np.array([1.0, 2.0, 0.5]), np.array([3.0, 2.0, 0.1])
    mean = np.array([0.0, 1.0, -2.0])
    found = frechet_distance(mean, np.diag(one**2), np.zeros(3), np.diag(other**2))
    assert found == pytest.approx(np.sum(mean**2) + np.sum((one - other) ** 2))
    assert frechet_distance(mean, np.diag(one), mean, np.diag(one)) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_any_gaussians_is_that_of_the_matrix_root():
    rng = np.random.default_rng(0)
    one, other = (np.cov(rng.normal(size=(5, 20))) for _ in range(2))
    expected = np.trace(one + other - 2 * sqrtm(one @ other).real)
    zero = np.zeros(5)
    assert frechet_distance(zero, one, zero, other) == pytest.approx(expected)
    assert frechet_distance(zero, other, zero, one) == pytest.approx(expected)


def test_patch_distance_counts_shifts_and_spreads_in_deviations_of_the_references():
    rows = np.random.default_rng(0).normal(5, [1, 10, 100], size=(4000, 3))
    assert patch_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert patch_distance(rows, rows + rows.std(axis=0)) == pytest.approx(1)
    wider = rows.mean(axis=0) + 3 * (rows - rows.mean(axis=0))
    assert patch_distance(rows, wider) == pytest.approx(4, rel=1e-3)
    assert np.isfinite(patch_distance(np.ones((5, 3)), rows))


def test_melodies_of_one_instrument_are_nearer_than_those_of_two():
    def of(name, seeds):
        audios = (melody(PARTIALS[name], seed) for seed in seeds)
        return np.concatenate([patches(mel_levels(audio)) for audio in audios])

    same = patch_distance(of("reed", range(4)), of("reed", range(4, 8)))
    assert patch_distance(of("reed", range(4)), of("flute", range(4, 8))) > 3 * same


def test_envelopes_of_notes_have_closed_forms():
    flat = np.ones((2, 192, 64), np.float32)
    assert np.abs(envelopes(flat, 80)).max() < 1e-5  # a flat envelope has no coefficients
    rng = np.random.default_rng(0)
    tilted = np.linspace(1, 0.5, 192, dtype=np.float32)[:, np.newaxis] * flat
    assert envelopes(tilted, 80).shape == (2, 64)
    np.testing.assert_allclose(envelopes(tilted - 0.1, 80), envelopes(tilted, 80), atol=1e-3)
    labels = np.arange(80) % 2
    seen = np.eye(2)[labels] + 0.01 * rng.normal(size=(80, 2))
    names = np.array(["a", "b"])[labels]
    notes = [str(number // 4) for number in range(80)]
    assert right_of_others(seen, names, notes, seen).all()
    assert not right_of_others(seen, names, notes, seen[:, ::-1]).any()


def test_heard_pitches_are_counted_by_class_and_octave():
    found = right(np.array([60.2, 72.1, 61.0, np.nan]), np.array([60, 60, 60, 60]))
    assert found == {"pitch_class": 0.5, "octave": 0.5}


def test_notes_are_heard_an_octave_off_and_silence_is_not_heard():
    notes = [make_note(pitch, PARTIALS["reed"], 0.5, rate=16000) for pitch in (60, 72)]
    found = heard_right([*notes, 0 * notes[0]], 16000, [60, 60, 60])
    assert found == {"pitch_class": pytest.approx(2 / 3), "octave": pytest.approx(1 / 3)}
