"""pix2pix_timbre/hearing.py: judges that have not heard the piece, distances over all pieces."""

import numpy as np
import pytest
import soundfile
from test_judges import PARTIALS, melody

from common.report.judges import mel_levels, patch_distance
from data import SAMPLE_RATE, load_audio
from pix2pix_timbre.evaluation import Measured
from pix2pix_timbre.hearing import Panel, frechet_distances

TREMOLO = {"flute": 0.0, "reed": 0.6}


def play(name, seed):
    """A melody of an instrument that differs in spectrum and movement from the others."""
    return melody(PARTIALS[name], seed, tremolo=TREMOLO[name])


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Three pieces by two instruments; not to be modified."""
    folder = tmp_path_factory.mktemp("sounds")
    for name in TREMOLO:
        (folder / name).mkdir()
        for seed, piece in enumerate("abc"):
            soundfile.write(folder / name / f"{piece}@001.wav", play(name, seed), SAMPLE_RATE)
    (folder / "empty").mkdir()
    return folder


def test_a_panel_hears_instruments_by_other_pieces(sounds):
    panel = Panel(sounds)
    levels = mel_levels(load_audio(sounds / "reed" / "a@001.wav")[0])
    heard = panel.heard_as("a", levels)
    assert set(heard) == {"texture_judge", "cepstra_judge"}
    for shares in heard.values():
        assert shares == {"flute": 0, "reed": 1}
    accuracy = panel.accuracy(["a", "b"])
    assert set(accuracy) == set(heard)
    assert all(0.8 < share <= 1 for share in accuracy.values())
    assert panel.accuracy([]) == {}
    assert panel.heard_as("a", levels[:0]) == {}


def test_no_judge_has_heard_the_piece_that_it_judges(tmp_path):
    # in piece "a" the names are swapped: judges that had heard it would know
    for name in TREMOLO:
        (tmp_path / name).mkdir()
        for seed, piece in enumerate("abc"):
            played = {"flute": "reed", "reed": "flute"}[name] if piece == "a" else name
            path = tmp_path / name / f"{piece}~transpose+2.wav"
            soundfile.write(path, play(played, seed), SAMPLE_RATE)
    accuracy = Panel(tmp_path).accuracy(["a~transpose-1@002"])
    assert accuracy == {"texture_judge": 0, "cepstra_judge": 0}


def test_without_other_pieces_or_instruments_nothing_is_heard(sounds, tmp_path):
    levels = mel_levels(load_audio(sounds / "reed" / "a@001.wav")[0])
    (tmp_path / "reed").mkdir()
    for piece in "ab":
        soundfile.write(tmp_path / "reed" / f"{piece}.wav", melody((1.0,), 0), SAMPLE_RATE)
    one_instrument = Panel(tmp_path)
    assert one_instrument.heard_as("a", levels) == one_instrument.accuracy(["a"]) == {}


def patches_of(mean, excerpts=40, seed=0):
    return np.random.default_rng(seed).normal(mean, 1, (excerpts, 10, 5))


def test_frechet_distances_are_over_all_pieces_and_the_mean_of_the_targets():
    truth = [patches_of(0, seed=seed) for seed in range(3)]
    converted = [patches_of(mean, seed=9) for mean in (1, 2, 0)]
    targets = ["guitar", "guitar", "strings"]
    pieces = [
        Measured(target, 1, 0, {}, {}, {"target": true, "m": made}, {})
        for target, true, made in zip(targets, truth, converted, strict=True)
    ]
    found = frechet_distances(pieces)
    guitar = patch_distance(np.concatenate(truth[:2]), np.concatenate(converted[:2]))
    strings = patch_distance(truth[2], converted[2])
    assert found["m"] == pytest.approx((guitar + strings) / 2)
    assert guitar > 2
    assert 0 < found["target"] < 0.1  # halves of the truth differ by chance only


def test_frechet_distances_need_sounds():
    assert frechet_distances([Measured("guitar", 1, 0, {}, {}, {}, {})]) == {}
    one = {"target": patches_of(0, excerpts=1), "m": patches_of(0)}
    assert frechet_distances([Measured("guitar", 1, 0, {}, {}, one, {})]) == {}
