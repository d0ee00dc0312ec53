"""Continuing a run with other flags, data or scripts; randomness inside recurrent cells."""

import json

import keras
import numpy as np
import pytest
import toy
from conftest import assert_refused, assert_same_run, outcome, snapshot
from keras import layers

from common.cli import UserError
from common.training.callbacks import reseed, seed_generators

NEW_PIECES = ["rondo", "aria"]  # one to train on, one held out


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of two epochs, not to be modified."""
    folder = tmp_path_factory.mktemp("toy") / "run"
    assert toy.main(toy.arguments(folder, epochs=2)) == 0
    return folder


@pytest.fixture
def begun(finished, tmp_path):
    """Copy of a run of two epochs."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def change_config(folder, change):
    """Let a function change the content of ``config.json``."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def split_of(folder):
    return json.loads((folder / "config.json").read_text())["split"]


def test_a_run_goes_on_as_if_it_had_not_stopped(begun, tmp_path, capsys):
    whole = tmp_path / "whole"
    assert toy.main(toy.arguments(whole, epochs=3)) == 0
    status, out, err = outcome(toy.main, toy.arguments(begun, epochs=3), capsys)
    assert (status, err) == (0, [])
    assert f"{begun}: going on after epoch 2" in out
    assert not any("new pieces" in line for line in out)
    assert_same_run(begun, whole)


# Flags


def test_a_run_that_is_older_than_a_flag_goes_on_with_its_default(begun, capsys):
    change_config(begun, lambda config: config["flags"].pop("dropout"))
    before = snapshot(begun)
    argv = toy.arguments(begun, epochs=3, dropout=0.1)
    assert_refused(toy.main, argv, capsys, "--dropout None, not 0.1", "--no-resume")
    assert snapshot(begun) == before
    assert toy.main(toy.arguments(begun, epochs=3)) == 0


def test_a_flag_that_is_gone_stops_no_run(begun):
    change_config(begun, lambda config: config["flags"].update(colour="red"))
    assert toy.main(toy.arguments(begun, epochs=3)) == 0


@pytest.mark.parametrize("key", ["script", "system"])
def test_a_run_of_another_script_is_named(begun, capsys, key):
    change_config(begun, lambda config: config.update({key: "another_one"}))
    before = snapshot(begun)
    words = f"started by another_one, not toy{'.py' if key == 'script' else ''}", "--output"
    assert_refused(toy.main, toy.arguments(begun, epochs=3), capsys, *words)
    assert snapshot(begun) == before


def test_a_run_that_does_not_know_its_script_is_told_by_its_flags(begun, capsys):
    def change(config):
        del config["script"], config["flags"]["lr"]
        config["flags"]["gen_lr"] = 0.5

    change_config(begun, change)
    argv = toy.arguments(begun, epochs=3)
    assert_refused(toy.main, argv, capsys, "another script than toy.py, with --gen_lr 0.5")


# Data


def test_pieces_that_a_run_knows_stay_recorded_and_new_ones_are_said(begun, capsys):
    before = split_of(begun)
    pieces = ["fugue", "arpeggio", *NEW_PIECES]  # the others are gone
    status, out, err = outcome(toy.main, toy.arguments(begun, epochs=3, pieces=pieces), capsys)
    assert (status, err) == (0, [])
    assert f"{begun}: new pieces since the run began: 1 to train on, 1 held out" in out
    assert split_of(begun) == {
        "training": sorted([*before["training"], NEW_PIECES[0]]),
        "held_out": sorted([*before["held_out"], NEW_PIECES[1]]),
    }


@pytest.mark.parametrize(
    ("side", "other", "words"),
    [
        ("training", "held_out", "was held out by its run and would now be trained on"),
        ("held_out", "training", "was trained on by its run and would now be held out"),
    ],
)
def test_a_piece_that_would_change_sides_is_refused(begun, capsys, side, other, words):
    def move(config):
        piece = config["split"][side].pop()
        config["split"][other].append(piece)

    change_config(begun, move)
    before = snapshot(begun)
    assert_refused(toy.main, toy.arguments(begun, epochs=3), capsys, words)
    assert snapshot(begun) == before


def test_a_finished_run_records_nothing_of_other_data(begun, capsys):
    before = snapshot(begun)
    argv = toy.arguments(begun, epochs=2, pieces=NEW_PIECES)
    status, out, _ = outcome(toy.main, argv, capsys)
    assert (status, out[-1]) == (0, f"{begun}: finished after epoch 2; raise --epochs to go on")
    assert snapshot(begun) == before


def test_data_of_another_kind_are_refused(begun, capsys, monkeypatch):
    describe = toy.Session.describe
    for scale, told in (({"floor": -80, "new": 1}, True), ({"floor": -60}, False)):
        with monkeypatch.context() as patch:
            patch.setattr(
                toy.Session, "describe", lambda self, one=scale: {**describe(self), "scale": one}
            )
            change_config(begun, lambda config: config.update(scale={"floor": -80}))
            argv = toy.arguments(begun, epochs=3)
            if told:
                assert toy.main(argv) == 0
            else:
                assert_refused(toy.main, argv, capsys, "another scale")


# From Python


def test_a_training_is_called_with_some_of_the_flags(tmp_path, finished):
    folder = toy.train(output=tmp_path / "run", epochs=2, validation_split=0.3)
    assert folder == tmp_path / "run"
    assert_same_run(folder, finished)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"epoch": 3}, "epoch"),
        ({"epochs": 0}, "--epochs"),
        ({"resumed": True}, "resumed"),
        ({"lr_decay": "quick"}, "--lr_decay"),
        ({"output": None}, "--output"),
        ({"validation_split": 0.999}, "all pieces are held out; lower it, or give more pieces"),
    ],
)
def test_a_call_with_unfit_flags_is_refused(tmp_path, flags, words):
    with pytest.raises(UserError, match=words):
        toy.train(**{"output": tmp_path / "run", **flags})
    assert not (tmp_path / "run").exists()


# Randomness


def make_recurrent():
    """A model with seven random generators, four of them within other layers."""

    class Noisy(layers.Layer):
        def __init__(self):
            super().__init__()
            self.by_another_name = keras.random.SeedGenerator(1)

        def call(self, inputs):
            return inputs + keras.random.normal(keras.ops.shape(inputs), seed=self.by_another_name)

    cells = [layers.GRUCell(3, dropout=0.5, name=f"cell_{number}") for number in range(2)]
    return keras.Sequential(
        [
            layers.Input((5, 2)),
            layers.Dropout(0.5),
            layers.GRU(3, return_sequences=True, recurrent_dropout=0.5),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.5)),
            keras.Sequential([layers.TimeDistributed(layers.Dropout(0.5)), Noisy()]),
            layers.RNN(cells),
        ]
    )


def test_every_generator_of_a_model_is_found_once_and_seeded_by_the_epoch():
    keras.utils.set_random_seed(0)
    model = make_recurrent()
    expected = [
        variable
        for variable in model.non_trainable_variables
        if variable.path.endswith("seed_generator_state")
    ]
    found = seed_generators(model)
    assert {id(one.state) for one in found} == {id(one) for one in expected}
    assert len(found) == len(expected) >= 8
    x = np.ones((2, 5, 2), np.float32)

    def draw(epoch):
        reseed(model, seed=1, epoch=epoch)
        return np.asarray(model(x, training=True))

    first = draw(1)
    assert not np.array_equal(np.asarray(model(x, training=True)), first)
    assert not np.array_equal(draw(2), first)
    np.testing.assert_array_equal(draw(1), first)
    states = [tuple(np.asarray(one.state)) for one in found]
    assert len(set(states)) == len(states)


def test_generators_of_the_model_itself_come_first():
    model = keras.Model(*2 * [keras.Input((2,))])
    model.own = keras.random.SeedGenerator(1)
    assert seed_generators(model) == [model.own]
