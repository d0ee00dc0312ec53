"""Trainings on several devices of one machine, and of several workers on the loopback interface."""

import contextlib
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import ROOT, arguments, assert_refused, read_csv, read_weights
from hypothesis import given
from hypothesis import strategies as st

import train
from common.cli import UserError
from common.training.devices import OneDevice, TensorFlowDevices, find_devices, share_of
from common.training.run_folder import RunFolder

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute; test_jax.py has that of JAX"
)

# Two devices of a machine that has one; must come before TensorFlow starts its devices.
SPLIT_CPU = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""


@contextlib.contextmanager
def started():
    """Context manager for a function that starts Python programs, which end with the context."""
    processes = []

    def start(program, *argv, two=False, **env):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", (SPLIT_CPU if two else "") + program, *map(str, argv)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env={**os.environ, **env},
            )
        )
        return processes[-1]

    try:
        yield start
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture
def start():
    """Function that starts a Python program, which ends with the test."""
    with started() as function:
        yield function


def succeed(*processes):
    """Wait for processes that must succeed; return the output of each."""
    said = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        said.append(out)
    return said


def cluster(workers):
    """A ``TF_CONFIG`` for each worker, all on free ports of the loopback interface."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(workers)
    ]


# In float64, where rounding cannot hide anything

# Batches of 5 and 2 frames; 5 cannot be shared evenly.
DOUBLE = """
import sys
from pathlib import Path
import keras
import numpy as np
from common.training.devices import find_devices
from pix2pix_timbre.features import FeatureStore
from pix2pix_timbre.pairs import PairedFrames, split_pairs
from pix2pix_timbre.gan import Pix2Pix
from pix2pix_timbre.model import build_discriminator, build_generator
from pix2pix_timbre.optimizer import TwoRateAdam

def in_double(network):
    # the output layers are float32 whatever the policy is
    return keras.models.model_from_json(network.to_json().replace("float32", "float64"))

class Results(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        frames.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not hasattr(self, "first"):
            self.first = self.results(logs)

    def on_train_end(self, logs=None):
        self.whole = self.results(self.model.history.history)

    def results(self, losses):
        weights = {str(index): one for index, one in enumerate(self.model.get_weights())}
        return {**losses, **weights}

features, output, count = sys.argv[1:]
devices = find_devices()
assert devices.count == int(count), devices.count
keras.utils.set_random_seed(0)
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
names = "keyboard_acoustic", "guitar_acoustic"
stores = [FeatureStore(Path(features) / f"{name}.h5") for name in names]
training, held_out, _ = split_pairs(*stores, 0.3)
frames = PairedFrames(training, 5, random_offsets=True, shuffle=True)
with devices.scope():
    networks = build_generator(2, dropout=0), build_discriminator(2)
    model = Pix2Pix(*map(in_double, networks))
    devices.prepare(model.generator)
    devices.prepare(model.discriminator)
    model.compile(TwoRateAdam(1e-3, 5e-4))
results = Results()
with devices.guard():
    model.fit(
        **devices.feed(frames, PairedFrames(held_out, 5), 0),
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[results],
    )
    devices.agree(0)
if devices.is_chief:
    np.savez(f"{output}_first.npz", **results.first)
    np.savez(f"{output}_whole.npz", **results.whole)
"""


@pytest.fixture(scope="module")
def in_double(features_folder, tmp_path_factory):
    """Folder with the results of one device, two devices and two workers, as npz."""
    folder = tmp_path_factory.mktemp("in_double")
    with started() as start:
        succeed(
            start(DOUBLE, features_folder, folder / "alone", 1),
            start(DOUBLE, features_folder, folder / "devices", 2, two=True),
            *(
                start(DOUBLE, features_folder, folder / "workers", 2, TF_CONFIG=text)
                for text in cluster(2)
            ),
        )
    return folder


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.parametrize("several", ["devices", "workers"])
@pytest.mark.parametrize(
    ("run", "tolerance"),
    # Sums are taken in another order on several devices, which costs some units in the last place.
    # Adam divides by as little as 1e-7, and each step carries on what the steps before it lost.
    [("first", 1e-11), ("whole", 1e-9)],
)
def test_losses_and_weights_are_those_of_one_device(in_double, several, run, tolerance):
    results = (np.load(in_double / f"{name}_{run}.npz") for name in ("alone", several))
    alone, other = map(dict, results)
    losses = {"gen_mae", "gen_loss", "disc_loss"}
    validated = {f"val_{name}" for name in losses} if run == "whole" else set()
    assert {name for name in alone if not name.isdigit()} == losses | validated
    assert np.size(alone["gen_loss"]) == (3 if validated else 1)
    assert other.keys() == alone.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(other[name], values, tolerance, tolerance, err_msg=name)


# By the scripts, in float32

SCRIPT = """
import importlib, sys
from common.cli import run
run(importlib.import_module(sys.argv[1]).main, sys.argv[2:])
"""
RATE = 1e-4
FLAGS = {
    "batch_size": 5,
    "width": 2,
    "dropout": 0,
    "validation_split": 0.3,
    "gen_lr": RATE,
    "disc_lr": RATE,
}


def assert_same_training(folder, alone, steps):
    """Check that losses of two runs agree, and weights as closely as Adam allows.

    Adam divides each gradient by its own size. Where a gradient is nothing but rounding, such as
    that of a bias before a normalisation, its sign differs between one device and two, and with
    it the direction of a whole step of the learning rate.
    """
    rows, expected = (read_csv(one / "history.csv") for one in (folder, alone))
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - {"seconds", "epoch"}:
            found, wanted = (float(one[name] or 0) for one in (row, other))  # "": no adversary yet
            assert found == pytest.approx(wanted, rel=2e-3), name
    for name in ("generator.h5", "discriminator.h5"):
        arrays, others = (read_weights(one / name) for one in (folder, alone))
        assert arrays.keys() == others.keys()
        for key, array in arrays.items():
            if "moving" not in key:
                np.testing.assert_allclose(array, others[key], atol=2 * RATE * steps, err_msg=key)
    # a network from several devices is one for a single device
    generator = keras.models.load_model(folder / "generator.h5", compile=False)
    text = generator.to_json()
    assert '"synchronized": true' not in text
    assert "float16" not in text


@pytest.mark.slow
@pytest.mark.stress
def test_train_on_two_devices_writes_what_one_device_writes(
    features_folder, audios_folder, tmp_path, start
):
    # batches of 5 and 2 frames; the adversary begins within the second epoch
    flags = {**FLAGS, "epochs": 2, "adversarial_start": 3, "audios_path": audios_folder}
    alone, two = tmp_path / "alone", tmp_path / "two"
    assert train.main(arguments(features_folder, alone, flags)) == 0
    succeed(start(SCRIPT, "train", *arguments(features_folder, two, flags), two=True))
    assert_same_training(two, alone, steps=4)
    names = [
        {path.relative_to(one).as_posix() for path in one.rglob("*.*")} for one in (two, alone)
    ]
    assert names[0] == names[1]


@pytest.mark.slow
@pytest.mark.stress
def test_a_run_in_mixed_precision_with_styles_begins_on_two_devices_and_ends_on_one(
    features_folder, audios_folder, tmp_path, start
):
    folder = tmp_path / "run"
    flags = {
        **FLAGS,
        "target": ["keyboard_acoustic", "guitar_acoustic"],
        "mixed_precision": "float16",
        "audios_path": audios_folder,
    }
    for epochs, two in ((1, True), (2, False)):
        argv = arguments(features_folder, folder, {**flags, "epochs": epochs})
        succeed(start(SCRIPT, "train_multitarget", *argv, two=two))
    rows = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for name in ("gen_mae", "gen_loss", "disc_loss", "val_gen_mae"):
        assert np.isfinite([float(row[name]) for row in rows]).all()
    assert float(rows[1]["gen_mae"]) < float(rows[0]["gen_mae"])


@pytest.mark.slow
@pytest.mark.stress
def test_who_dies_ends_the_other_and_the_pair_goes_on_after_the_last_epoch(
    features_folder, tmp_path, start
):
    folder = tmp_path / "pair"

    def start_pair(epochs):
        argv = arguments(features_folder, folder, {**FLAGS, "epochs": epochs})
        return [start(SCRIPT, "train", *argv, TF_CONFIG=text) for text in cluster(2)]

    finished = 0
    for victim in (1, 0):  # a worker, then the chief
        pair = start_pair(10_000)
        limit = time.monotonic() + 200
        while RunFolder(folder).finished_epochs < finished + 2:
            assert all(one.poll() is None for one in pair), pair[0].communicate()
            assert time.monotonic() < limit
            time.sleep(0.02)
        pair[victim].send_signal(signal.SIGKILL)
        survivor = pair[1 - victim]
        _, err = survivor.communicate(timeout=120)
        assert survivor.returncode == 2, err
        (line,) = [line for line in err.splitlines() if re.match(r"\S+: error: ", line)]
        assert "a worker of the cluster does not answer any more; start all of them again" in line
        finished = RunFolder(folder).finished_epochs

    out, of_worker = succeed(*start_pair(finished + 1))
    assert f"going on after epoch {finished}" in out
    assert f"going on after epoch {finished}" not in of_worker  # only the chief says it
    alone = tmp_path / "alone"
    argv = arguments(features_folder, alone, {**FLAGS, "epochs": finished + 1})
    assert train.main(argv) == 0
    assert_same_training(folder, alone, steps=2 * (finished + 1))


# Parts


@given(st.integers(1, 100), st.integers(1, 16))
def test_shares_cover_all_frames_once_and_evenly(number, replicas):
    shares = [range(*share_of(number, replica, replicas)) for replica in range(replicas)]
    assert [place for share in shares for place in share] == list(range(number))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def make_devices(count, **resolver):
    """Make ``TensorFlowDevices`` for a strategy without devices."""
    strategy = SimpleNamespace(
        num_replicas_in_sync=count, cluster_resolver=SimpleNamespace(**resolver)
    )
    return TensorFlowDevices(strategy)


class Batches:
    """Batches of the positions of ``count`` frames, ``size`` in each."""

    def __init__(self, count, size):
        self._count, self._size = count, size

    def __len__(self):
        return math.ceil(self._count / self._size)

    def positions(self, index):
        return range(index * self._size, min((index + 1) * self._size, self._count))


@pytest.mark.parametrize(
    ("count", "size", "steps"), [(21, 5, 4), (22, 5, 4), (23, 5, 5), (25, 5, 5), (3, 5, 1)]
)
def test_a_last_batch_that_is_too_small_to_share_joins_the_one_before(count, size, steps):
    devices = make_devices(3, task_type=None)
    assert devices.steps(Batches(count, size)) == steps
    assert OneDevice().steps(Batches(count, size)) == -(-count // size)


@pytest.mark.parametrize(("count", "size"), [(2, 5), (12, 2)])
def test_fewer_frames_than_devices_are_refused(count, size):
    with pytest.raises(UserError, match=r"--batch_size: 2 frames .* among 3 devices; raise it"):
        make_devices(3, task_type=None).steps(Batches(count, size))


@pytest.mark.parametrize(
    ("task", "jobs", "is_chief"),
    [
        (("worker", 0), ["worker"], True),
        (("worker", 1), ["worker"], False),
        (("chief", 0), ["chief", "worker"], True),
        (("worker", 0), ["chief", "worker"], False),
    ],
)
def test_one_process_is_chief(task, jobs, is_chief):
    spec = SimpleNamespace(jobs=jobs)
    kind, index = task
    devices = make_devices(2, task_type=kind, task_id=index, cluster_spec=lambda: spec)
    assert devices.is_chief == is_chief


def test_a_machine_with_one_device_trains_without_a_strategy(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    devices = find_devices()
    assert type(devices) is OneDevice
    assert (devices.count, devices.is_chief, devices.agree(7)) == (1, True, 7)


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", "{}", '{"cluster": ["127.0.0.1:1"]}', '{"cluster": {"worker": 3}}']
)
def test_a_broken_description_of_the_cluster_is_one_line(
    features_folder, tmp_path, capsys, monkeypatch, text
):
    monkeypatch.setenv("TF_CONFIG", text)
    argv = arguments(features_folder, tmp_path / "run", {"validation_split": 0.3})
    assert_refused(train.main, argv, capsys, "TF_CONFIG", "unset it")
    assert not (tmp_path / "run").exists()


def test_gpus_that_are_not_there_are_one_line(features_folder, tmp_path, run_script):
    argv = arguments(features_folder, tmp_path / "run", {"gpu": "6,7"})
    status, out, err = run_script("train.py", *argv)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("train.py: error: --gpu 6,7: tensorflow finds 0 of them")
    assert not (tmp_path / "run").exists()
