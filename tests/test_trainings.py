"""What all trainings have in common, tested on the toy: kills, Ctrl-C, NaN, precision, averages."""

import os
import signal
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
import toy
from conftest import (
    ROOT,
    assert_refused,
    assert_same_run,
    outcome,
    read_csv,
    read_weights,
)

from common.training import session
from common.training.callbacks import EpochKeeper
from common.training.devices import list_gpus

# three steps in each of three epochs
RUN = {"epochs": 3, "lr_decay": "linear", "lr": 0.05}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a whole run; not to be modified."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert toy.main(toy.arguments(folder, **RUN)) == 0
    return folder


@pytest.fixture
def policy_restored():
    """Restores the global dtype policy after a test."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def epochs_of(folder):
    return [row["epoch"] for row in read_csv(folder / "history.csv")]


# Interruptions

KILLED = """
import os, signal, sys
import toy
from common.cli import run
from common.training import session
from common.training.callbacks import EpochKeeper
from common.training.devices import list_gpus
ended, steps = EpochKeeper.on_train_batch_end, []

def end_or_die(self, batch, logs=None):
    steps.append(batch)
    if len(steps) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    ended(self, batch, logs)

EpochKeeper.on_train_batch_end = end_or_die
run(toy.main, sys.argv[1:])
"""


def test_a_run_killed_and_interrupted_goes_on_and_ends_like_an_undisturbed_one(
    finished, tmp_path, capsys, monkeypatch
):
    argv = toy.arguments(tmp_path, **RUN)
    # killed within the second epoch
    command = [sys.executable, "-c", KILLED, *argv]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(command, env=paths, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert epochs_of(tmp_path) == ["1"]
    assert (tmp_path / "resume-0001.weights.h5").exists()

    # interrupted within the third epoch
    ended, steps = EpochKeeper.on_train_batch_end, []

    def end_or_stop(self, batch, logs=None):
        steps.append(batch)
        if len(steps) == 5:
            raise KeyboardInterrupt
        ended(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(EpochKeeper, "on_train_batch_end", end_or_stop)
        status, out, _ = outcome(toy.main, argv, capsys)
    assert any("going on after epoch 1" in line for line in out)
    assert str(status).endswith(": interrupted; the same command goes on after epoch 2")
    assert epochs_of(tmp_path) == ["1", "2"]

    status, out, err = outcome(toy.main, argv, capsys)
    assert (status, err) == (0, [])
    assert any("going on after epoch 2" in line for line in out)
    assert_same_run(tmp_path, finished)


def test_a_run_whose_loss_is_not_finite_goes_on_from_its_last_epoch(
    finished, tmp_path, capsys, monkeypatch
):
    def make_spoilt(make_examples=toy.make_examples):
        class Spoilt(make_examples()):
            def cut(self, positions, epoch):
                numbers, sums = super().cut(positions, epoch)
                if epoch == 1 and 4 in positions:  # the first example of the second batch
                    sums[0] = np.nan
                return numbers, sums

        return Spoilt

    argv = toy.arguments(tmp_path, **RUN)
    with monkeypatch.context() as patch:
        patch.setattr(toy, "make_examples", make_spoilt)
        said = f"{tmp_path}: error and loss not finite at step 2 of epoch 2; lower the learning"
        assert_refused(toy.main, argv, capsys, said)
    assert epochs_of(tmp_path) == ["1"]
    assert [path.name for path in tmp_path.glob("resume-*")] == ["resume-0001.weights.h5"]
    arrays = [array for array in read_weights(tmp_path / "network.h5").values() if array.size]
    assert all(np.isfinite(array).all() for array in arrays if array.dtype == np.float32)

    status, out, err = outcome(toy.main, argv, capsys)
    assert (status, err) == (0, [])
    assert any("going on after epoch 1" in line for line in out)
    assert_same_run(tmp_path, finished)


def test_a_first_epoch_that_is_not_finite_leaves_no_weights(tmp_path, capsys):
    argv = toy.arguments(tmp_path, epochs=1, lr=1e30, dropout=0)
    assert_refused(toy.main, argv, capsys, "not finite at step", "of epoch 1")
    assert not list(tmp_path.glob("*.h5"))


# Other starts


def test_more_epochs_go_on_and_a_fresh_start_forgets(finished, tmp_path, capsys):
    """Three runs in one folder: from given weights, for more epochs, and from the beginning."""
    (tmp_path / "network.h5").write_bytes((finished / "network.h5").read_bytes())
    still = {"epochs": 1, "lr": 0, "epoch_offset": 7}
    assert outcome(toy.main, toy.arguments(tmp_path, **still), capsys)[0] == 0
    assert epochs_of(tmp_path) == ["8"]
    assert (tmp_path / "resume-0008.weights.h5").exists()
    before, after = (read_weights(folder / "network.h5") for folder in (finished, tmp_path))
    kernels = [name for name in before if "kernel" in name]
    assert len(kernels) == 1
    for name in kernels:
        np.testing.assert_array_equal(before[name], after[name])

    longer = toy.arguments(tmp_path, **{**still, "epochs": 2})
    assert outcome(toy.main, longer, capsys)[0] == 0
    assert epochs_of(tmp_path) == ["8", "9"]

    argv = toy.arguments(tmp_path, epochs=1, resume=False)
    assert outcome(toy.main, argv, capsys)[0] == 0
    assert epochs_of(tmp_path) == ["1"]
    assert [path.name for path in tmp_path.glob("resume-*")] == ["resume-0001.weights.h5"]
    anew = read_weights(tmp_path / "network.h5")
    assert not any(np.array_equal(anew[name], before[name]) for name in kernels)


# Precision


@pytest.mark.usefixtures("policy_restored")
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision_leaves_finite_losses_and_a_float32_network(
    tmp_path, precision, monkeypatch, capsys
):
    monkeypatch.setattr(session, "computes_bfloat16", lambda: False)
    argv = toy.arguments(tmp_path, epochs=1, mixed_precision=precision)
    assert toy.main(argv) == 0
    slow = precision == "bfloat16" and not list_gpus()
    assert ("train in float32" in capsys.readouterr().out) == slow
    assert keras.config.dtype_policy().name == f"mixed_{precision}"
    (row,) = read_csv(tmp_path / "history.csv")
    assert {"loss", "error", "val_loss", "val_error"} < set(row)
    assert np.isfinite([float(value) for value in row.values()]).all()
    with h5py.File(tmp_path / "network.h5") as file:
        description = file.attrs["model_config"]
    assert "float32" in description
    assert "float16" not in description
    arrays = read_weights(tmp_path / "network.h5")
    weights = [array for place, array in arrays.items() if place.startswith("model_weights")]
    assert len(weights) == 6
    assert {array.dtype for array in weights} == {np.dtype(np.float32)}


# Averages

MOMENTUM = 0.5


def values(variables):
    """Copy the values of variables, except seeds."""
    arrays = [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
    return [array for array in arrays if array.dtype.kind == "f"]


def test_averages_are_validated_saved_and_resumed(tmp_path, monkeypatch):
    run = {"epochs": 2, "lr": 0.1, "ema": MOMENTUM}
    ended, steps, states = keras.callbacks.CallbackList.on_train_batch_end, [], []

    def end_and_keep(self, batch, logs=None):
        ended(self, batch, logs)
        steps.append(values(self.model.network.trainable_variables))
        states.append(values(self.model.network.non_trainable_variables))

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks.CallbackList, "on_train_batch_end", end_and_keep)
        assert toy.main(toy.arguments(whole, **run)) == 0
    assert len(steps) == 6
    average = steps[0]
    for weights in steps[1:]:
        average = [
            MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(average, weights, strict=True)
        ]
    network = keras.models.load_model(whole / "network.h5", compile=False)
    for found, wanted in (
        (network.trainable_variables, average),
        (network.non_trainable_variables, states[-1]),
    ):
        for one, other in zip(values(found), wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(average, steps[-1], strict=True)) > 1e-3

    numbers, sums = toy.make_examples()(["arpeggio"], 4)[0]
    predicted = network.predict(numbers, verbose=0)
    validated = float(read_csv(whole / "history.csv")[-1]["val_error"])
    assert validated == pytest.approx(np.abs(predicted - sums).mean(), rel=1e-4)

    for epochs in (1, 2):
        assert toy.main(toy.arguments(parts, **{**run, "epochs": epochs})) == 0
    assert_same_run(parts, whole)
