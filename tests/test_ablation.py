"""Ablations: names of folders, and figures over several seeds."""

import pytest

from common.cli import parser
from common.report.ablation import (
    Spread,
    add_ablation_flags,
    over_seeds,
    train_variants,
    training_minutes,
)
from common.report.tables import as_text


def test_each_variant_is_trained_with_each_seed(tmp_path):
    made = []

    def train(**flags):
        made.append(flags)
        return flags["output"]

    variants = {"whole": {}, "bare": {"adversary": "off", "lr": 2}, "other": {}}
    built = parser("")
    add_ablation_flags(built, variants, epochs=3, steps=5)
    built.set_defaults(features_path="notes.h5")
    words = ["--ablation", str(tmp_path), "--seeds", "2", "--variants", "whole", "bare"]
    found = train_variants(train, variants, built.parse_args(words), lr=1)
    expected = ("whole", "bare")
    assert found == {name: [tmp_path / f"{name}_{seed}" for seed in (0, 1)] for name in expected}
    assert [(one["seed"], one["lr"], one.get("adversary")) for one in made] == [
        (0, 1, None),
        (1, 1, None),
        (0, 2, "off"),
        (1, 2, "off"),
    ]
    assert {(one["epochs"], one["steps_per_epoch"], one["lr_decay"]) for one in made} == {
        (3, 5, "cosine")
    }


def test_figures_of_several_seeds_have_mean_and_spread():
    rows = [{"model": "a", "lsd": 1.0, "none": ""}, {"model": "b", "lsd": 2.0, "none": ""}]
    found = over_seeds(rows)
    assert found == {"model": "a", "lsd": Spread(1.5, 0.5), "none": ""}
    assert "1.500 ± 0.500" in as_text([found])
    assert over_seeds(rows[:1]) == rows[0]


def test_minutes_are_those_of_the_history(tmp_path):
    assert training_minutes(tmp_path) != training_minutes(tmp_path)  # NaN
    (tmp_path / "history.csv").write_text("epoch,loss,seconds\n1,2,60\n2,1,30\n")
    assert training_minutes(tmp_path) == pytest.approx(1.5)
