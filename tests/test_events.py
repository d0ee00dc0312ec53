"""Events beside the true ones, compared with mir_eval."""

import numpy as np
import pytest

from common.music.events import event_f1, matches

mir_eval = pytest.importorskip("mir_eval")


def draw(rng):
    return tuple(np.sort(rng.uniform(0, 1, rng.integers(1, 12))) for _ in range(2))


def test_events_are_matched_as_by_mir_eval():
    rng = np.random.default_rng(0)
    for _ in range(200):
        truth, found = draw(rng)
        assert matches(truth, found) == len(mir_eval.util.match_events(truth, found, 0.05))


def test_f1_is_that_of_mir_eval_and_counts_events_of_all_pairs_alike():
    rng = np.random.default_rng(1)
    pairs = [draw(rng) for _ in range(20)]
    for truth, found in pairs:
        expected, *_ = mir_eval.onset.f_measure(truth, found, window=0.05)
        assert event_f1([(truth, found)]) == pytest.approx(expected)
    apart = [(truth + 10 * place, found + 10 * place) for place, (truth, found) in enumerate(pairs)]
    joined = [np.concatenate(side) for side in zip(*apart, strict=True)]
    assert event_f1(pairs) == event_f1([[rng.permutation(side) for side in joined]])
    assert event_f1([]) == event_f1([(np.array([]), np.array([]))]) == 0
