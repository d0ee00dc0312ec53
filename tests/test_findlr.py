"""The search for learning rates: what it sweeps, writes and suggests."""

import numpy as np
import pytest
from conftest import arguments, assert_refused, outcome, read_csv
from matplotlib.image import imread

import train
import train_generator
from common.training.sweep import (
    SWEEP_STOP,
    smooth,
    steepest_descent,
    sweep_learning_rate,
    sweep_schedule,
)
from pix2pix_timbre import findlr

LOSSES = {
    "generator": ["gen_mae"],
    "discriminator": ["disc_loss"],
    "joint": ["gen_loss", "disc_loss"],
}
FLAGS = {"steps_per_epoch": 12, "batch_size": 2, "width": 2, "validation_split": 0.3}


@pytest.fixture
def swept(monkeypatch):
    """For each sweep, how far each network moved; None for a missing network."""
    moved, sweep = [], findlr.sweep_learning_rate

    def weights(model):
        networks = {"generator": model.generator, "discriminator": model.discriminator}
        return {
            name: network and [variable.numpy() for variable in network.trainable_variables]
            for name, network in networks.items()
        }

    def watched(model, *args):
        before = weights(model)
        rows = sweep(model, *args)
        after = weights(model)
        moved.append(
            {
                name: start
                and max(np.abs(a - b).max() for a, b in zip(start, after[name], strict=True))
                for name, start in before.items()
            }
        )
        return rows

    monkeypatch.setattr(findlr, "sweep_learning_rate", watched)
    return moved


def assert_curves(folder, names, out):
    """Check that each sweep has CSV and PNG, and a suggestion for each of its losses."""
    assert {path.name for path in folder.rglob("*")} == {
        "findlr",
        *(f"{name}.{suffix}" for name in names for suffix in ("csv", "png")),
    }
    suggestions = [line.split(": ") for line in out if line.startswith(tuple(LOSSES))]
    assert [(name, said.split(" ")[0]) for name, said in suggestions] == [
        (name, loss) for name in names for loss in LOSSES[name]
    ]
    for _, said in suggestions:
        assert "never falls" in said or 1e-9 <= float(said.split(" ")[-1]) <= 1
    for name in names:
        rows = read_csv(folder / "findlr" / f"{name}.csv")
        rates = [float(row["learning_rate"]) for row in rows]
        assert rates[0] == pytest.approx(1e-9)
        assert len(rates) >= 8
        ratios = np.array(rates[1:]) / rates[:-1]
        np.testing.assert_allclose(ratios, 1e9 ** (1 / 11), rtol=1e-3)
        smoothed = [f"{loss}_smoothed" for loss in LOSSES[name]]
        assert list(rows[0]) == ["learning_rate", *LOSSES[name], *smoothed]
        for loss in LOSSES[name]:
            raw, found = ([float(row[key]) for row in rows] for key in (loss, f"{loss}_smoothed"))
            np.testing.assert_allclose(found, smooth(raw), rtol=1e-4)
            assert len(set(raw)) > 6  # a fresh batch for each step
        width = 500 * len(LOSSES[name])
        assert imread(folder / "findlr" / f"{name}.png").shape[:2] == (400, width)


@pytest.mark.slow
@pytest.mark.stress
def test_three_sweeps_write_curves_and_suggestions_and_touch_no_run(
    features_folder, tmp_path, capsys, swept
):
    argv = arguments(features_folder, tmp_path, FLAGS, "--findlr")
    status, out, err = outcome(train.main, argv, capsys)
    assert (status, err) == (0, [])
    assert_curves(tmp_path, ["generator", "discriminator", "joint"], out)
    assert out[-1] == f"curves in {tmp_path / 'findlr'}"
    # the network that is not swept is absent, or keeps its weights
    alone, discriminator, joint = swept
    assert alone["generator"] > 1e-3
    assert alone["discriminator"] is None
    assert discriminator["generator"] == 0
    assert discriminator["discriminator"] > 1e-3
    assert min(joint.values()) > 1e-3
    # the L1 of a generator is bounded: the sweep goes to its end
    last = read_csv(tmp_path / "findlr" / "generator.csv")[-1]
    assert float(last["learning_rate"]) == pytest.approx(1, rel=1e-4)


def test_a_generator_alone_has_one_sweep(features_folder, tmp_path, capsys, swept):
    argv = arguments(features_folder, tmp_path, FLAGS, "--findlr")
    status, out, err = outcome(train_generator.main, argv, capsys)
    assert (status, err) == (0, [])
    assert_curves(tmp_path, ["generator"], out)
    assert [set(one) for one in swept] == [{"generator", "discriminator"}]
    assert swept[0]["discriminator"] is None


def test_too_few_batches_make_no_curve(features_folder, tmp_path, capsys):
    argv = arguments(features_folder, tmp_path, {**FLAGS, "steps_per_epoch": 2}, "--findlr")
    assert_refused(train.main, argv, capsys, "--steps_per_epoch")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["False"], ["off"], ["0"]])
def test_findlr_false_trains(features_folder, tmp_path, captured, words):
    argv = arguments(features_folder, tmp_path, {"validation_split": 0.3}, "--findlr", *words)
    assert train.main(argv) == 0
    assert captured[0].flags.findlr is False


@pytest.mark.parametrize("words", [[], ["True"], ["on"]])
def test_findlr_true_searches(features_folder, tmp_path, captured, monkeypatch, words):
    searched = []
    monkeypatch.setattr(
        findlr, "find_learning_rates", lambda session: searched.append(session) or 7
    )
    argv = arguments(features_folder, tmp_path, {"validation_split": 0.3}, "--findlr", *words)
    assert train.main(argv) == 7
    assert len(searched) == 1
    assert not captured


# The sweep


class Canned:
    """A model with given losses."""

    def __init__(self, **losses):
        self.losses = losses
        self.steps = 0
        self.fresh = False
        self.batches = []

    def reset_metrics(self):
        self.fresh = True

    def train_on_batch(self, x, y, return_dict=False):
        assert self.fresh  # reset for each batch
        self.fresh = False
        self.batches.append((x, y))
        self.steps += 1
        return {name: values[self.steps - 1] for name, values in self.losses.items()}


def sweep(steps=10, batches=10, names=("a",), **losses):
    model = Canned(**losses)
    dataset = [(f"x{index}", f"y{index}") for index in range(batches)]
    return model, sweep_learning_rate(model, dataset, steps, names)


def test_a_sweep_goes_from_1e_9_to_1_in_equal_factors():
    model, rows = sweep(a=range(10, 0, -1), b=[0.0] * 10, batches=4)
    rates = np.array([row["learning_rate"] for row in rows])
    np.testing.assert_allclose(rates, np.geomspace(1e-9, 1, 10), rtol=1e-4)
    np.testing.assert_allclose(rates, [float(sweep_schedule(10)(step)) for step in range(10)])
    assert [row["a"] for row in rows] == list(range(10, 0, -1))
    assert set(rows[0]) == {"learning_rate", "a"}
    assert model.batches[3:5] == [("x3", "y3"), ("x0", "y0")]  # the batches are repeated


def test_a_sweep_stops_at_a_hundred_times_the_best_loss():
    assert SWEEP_STOP == 100
    losses = [2.0, 1.0, 60.0, 99.9, 100.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    model, rows = sweep(a=losses)
    assert [row["a"] for row in rows] == losses[:5]
    assert model.steps == 5
    # each loss is compared with its own best value
    model, rows = sweep(a=[1000.0] * 10, b=[1.0, 1.0, 101.0, *[1.0] * 7], names=("a", "b"))
    assert len(rows) == 3
    assert len(sweep(a=[1000.0] * 10, b=[1.0, 1.0, 101.0, *[1.0] * 7])[1]) == 10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sweep_stops_at_a_loss_that_is_not_finite(value):
    model, rows = sweep(a=[3.0] * 10, b=[3.0, 2.0, value, *[1.0] * 7], names=("a", "b"))
    assert [row["b"] for row in rows] == [3.0, 2.0]
    assert model.steps == 3


# Suggestions


def test_steepest_descent_finds_the_turning_point_of_a_logistic_fall():
    rates = np.geomspace(1e-9, 1, 901)
    for place in (-6.0, -4.5, -2.0):
        losses = np.exp(1 / (1 + np.exp(4 * (np.log10(rates) - place))))
        assert np.log10(steepest_descent(rates, losses)) == pytest.approx(place, abs=0.02)
        assert steepest_descent(rates, 1e-3 * losses) == steepest_descent(rates, losses)


def test_steepest_descent_passes_over_a_fall_after_the_lowest_value():
    rates = np.logspace(-9, 0, 200)
    fall = 1 / (1 + np.exp(3 * (np.log10(rates) + 5)))
    bump = 20 * np.exp(-np.square((np.log10(rates) + 1) / 0.2))
    rise = 0.001 * np.log10(rates)  # so the lowest value is not the last
    assert steepest_descent(rates, np.exp(fall + bump + rise)) == pytest.approx(1e-5, rel=0.3)


def test_steepest_descent_is_not_blurred_by_the_rise_after_the_lowest_value():
    rates = np.geomspace(1e-9, 1, 50)
    losses = np.exp(-(np.arange(50.0) ** 2) / 100)  # falls faster and faster
    losses[31:] = 1
    assert steepest_descent(rates, losses) == rates[28]  # the last half decade that falls


def test_steepest_descent_knows_when_there_is_none():
    rates = np.geomspace(1e-9, 1, 50)
    assert steepest_descent(rates, np.linspace(1, 2, 50)) is None
    assert steepest_descent(rates[:1], [1.0]) is None


def test_smoothing_keeps_length_constants_and_lines_inside():
    assert smooth(np.full(40, 2.5)) == pytest.approx(np.full(40, 2.5))
    line = np.linspace(0, 1, 200)
    assert smooth(line)[10:-10] == pytest.approx(line[10:-10])
    assert [len(smooth(np.zeros(count))) for count in (1, 2, 3, 7)] == [1, 2, 3, 7]
