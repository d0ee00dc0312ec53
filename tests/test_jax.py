"""The kit on JAX, from features to evaluation; ``make test-jax`` runs it without TensorFlow."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile
from conftest import PIECES, ROOT, arguments, assert_same_run, outcome, read_csv

import evaluate
import predict
import predict_multitarget
import train
import train_generator
import train_multitarget
from pix2pix_timbre.features import FeatureStore
from pix2pix_timbre.weights import load_generator

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="the backend is not JAX; make test-jax"
)

TENSORFLOW_PYTHON = "TENSORFLOW_PYTHON"  # a Python with TensorFlow; set by make test-jax

BOTH = ["keyboard_acoustic", "guitar_acoustic"]
COMMON = {
    "epochs": 2,
    "steps_per_epoch": 2,
    "batch_size": 2,
    "width": 2,
    "validation_split": 0.3,
    "offsets": "random",
}
# the adversary starts within the second epoch
ADVERSARIAL = {**COMMON, "adversarial_start": 3, "gen_lr": 0.01, "disc_lr": 0.001}
RUNS = {
    train: {**ADVERSARIAL, "ema": 0.5, "augment": ["gain", "eq"]},
    train_multitarget: {**ADVERSARIAL, "origin": BOTH, "target": BOTH},
    train_generator: {**COMMON, "lr": 0.01, "lr_decay": "cosine"},
}
LOSSES = ["gen_mae", "gen_loss", "disc_loss"]


@pytest.fixture(scope="module")
def command(features_folder, audios_folder):
    """Function of a training script, run folder and changed flags that returns a command line."""

    def argv(script, folder, **changes):
        flags = {**RUNS[script], "audios_path": audios_folder, **changes}
        flags = {name: value for name, value in flags.items() if value is not None}
        return arguments(features_folder, folder, flags)

    return argv


@pytest.fixture(scope="module")
def finished(command, tmp_path_factory):
    """Function of a training script that returns the folder of its run, not to be modified."""
    folders = {}

    def folder_of(script):
        if script not in folders:
            folder = tmp_path_factory.mktemp("runs") / script.__name__
            assert script.main(command(script, folder)) == 0
            folders[script] = folder
        return folders[script]

    return folder_of


@pytest.mark.skipif(TENSORFLOW_PYTHON not in os.environ, reason="for make test-jax")
def test_there_is_no_tensorflow_here():
    assert importlib.util.find_spec("tensorflow") is None


def test_features_are_computed(features_folder):
    for instrument in BOTH:
        with FeatureStore(features_folder / f"{instrument}.h5") as store:
            assert store.renderings == sorted(PIECES)


@pytest.mark.parametrize("script", RUNS, ids=lambda script: script.__name__)
def test_a_training_on_jax_leaves_its_losses_networks_and_samples(finished, script):
    folder = finished(script)
    rows = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    losses = ["gen_mae"] if script is train_generator else LOSSES
    names = [*losses, *(f"val_{name}" for name in losses)]
    assert sorted(rows[-1]) == sorted(["epoch", "seconds", *names])
    assert np.isfinite([float(rows[-1][name]) for name in names]).all()
    assert "disc_loss" not in losses or not rows[0]["disc_loss"]  # the adversary has not started
    assert float(rows[1]["gen_mae"]) < float(rows[0]["gen_mae"])
    versions = json.loads((folder / "config.json").read_text())["versions"]
    assert versions["backend"] == "jax"
    networks = {path.name for path in folder.glob("*.h5")} - {"resume-0002.weights.h5"}
    expected = (
        {"generator.h5"} if script is train_generator else {"generator.h5", "discriminator.h5"}
    )
    assert networks == expected
    targets = BOTH if script is train_multitarget else [""]
    for target in targets:
        sample = soundfile.read(folder / "samples" / target / "epoch_002.wav")[0]
        assert np.abs(sample).max() > 1e-4


@pytest.mark.parametrize("script", RUNS, ids=lambda script: script.__name__)
def test_an_interrupted_training_goes_on_and_ends_like_an_uninterrupted_one(
    finished, command, tmp_path, capsys, script
):
    argv = command(script, tmp_path)
    begin, steps = keras.callbacks.CallbackList.on_train_batch_begin, []

    def begin_or_stop(self, batch, logs=None):
        steps.append(batch)
        if len(steps) == 4:
            raise KeyboardInterrupt
        begin(self, batch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.callbacks.CallbackList, "on_train_batch_begin", begin_or_stop)
        status, _, _ = outcome(script.main, argv, capsys)
    assert status not in (0, None)
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["1"]
    status, out, err = outcome(script.main, argv, capsys)
    assert (status, err) == (0, [])
    assert any("going on after epoch 1" in line for line in out)
    assert_same_run(tmp_path, finished(script))


@pytest.mark.parametrize("script", [predict, predict_multitarget], ids=lambda one: one.__name__)
def test_a_recording_is_converted(finished, audios_folder, tmp_path, capsys, script):
    source, output = audios_folder / BOTH[0] / "march.wav", tmp_path / "out.wav"
    model = finished(train if script is predict else train_multitarget)
    argv = ["--model", model, "--input", source, "--output", output]
    if script is predict_multitarget:
        argv += ["--style", audios_folder / BOTH[1] / "waltz.wav"]
    status, _, err = outcome(script.main, [str(word) for word in argv], capsys)
    assert (status, err) == (0, [])
    wanted, rate = soundfile.read(source)
    found, found_rate = soundfile.read(output)
    assert (found_rate, found.shape) == (rate, wanted.shape)
    assert 1e-4 < np.abs(found).max() <= 1


@pytest.mark.parametrize("script", [train, train_multitarget], ids=lambda one: one.__name__)
def test_a_model_is_evaluated(finished, features_folder, audios_folder, tmp_path, script):
    model = finished(script)
    argv = ["--model", model, "--dataset_path", features_folder]
    argv += ["--audios_path", audios_folder, "--output", tmp_path]
    assert evaluate.main([str(word) for word in argv]) == 0
    scores = {(row["piece"], row["system"]): row for row in read_csv(tmp_path / "scores.csv")}
    held_out = json.loads((model / "config.json").read_text())["split"]["held_out"]
    pieces = {piece for piece, _ in scores}
    assert len(pieces) == len(held_out) * (1 if script is train else 2) + 1
    # the validation of the training saw the same frames
    validated = float(read_csv(model / "history.csv")[-1]["val_gen_mae"])
    measured = float(scores["overall", model.name]["L1"])
    assert measured == pytest.approx(validated, rel=1e-3 if script is train else 0.05)
    assert (tmp_path / "report.html").is_file()


# Several devices


def test_gpus_that_are_not_there_are_one_line(features_folder, tmp_path, run_script):
    argv = arguments(features_folder, tmp_path / "run", {"gpu": "6,7"})
    status, out, err = run_script("train.py", *argv)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("train.py: error: --gpu 6,7: jax finds 0 of them")


TWO_DEVICES = """
import sys
import jax, keras, train
import numpy as np
from common.cli import run
from pix2pix_timbre.gan import AdversaryStart

begin = AdversaryStart.on_train_batch_begin

def begin_on_two(self, batch, logs=None):
    distribution = keras.distribution.distribution()
    assert isinstance(distribution, keras.distribution.DataParallel)
    assert distribution.device_mesh.devices.size == 2
    share_out = jax.jit(self.model.share_out)
    assert not share_out(np.zeros((4, 2))).sharding.is_fully_replicated
    assert share_out(np.zeros((3, 2))).sharding.is_fully_replicated
    begin(self, batch, logs)

AdversaryStart.on_train_batch_begin = begin_on_two
assert jax.device_count() == 2
run(train.main, sys.argv[1:])
"""


def test_two_devices_train_like_one_and_a_run_may_change_from_one_to_two(command, tmp_path):
    # batches of 4 and 3 frames: the last one cannot be shared out
    flags = {"steps_per_epoch": None, "batch_size": 4, "dropout": 0, "adversarial_start": 3}
    one, two, changed = (tmp_path / name for name in ("one", "two", "changed"))
    assert train.main(command(train, one, **flags)) == 0
    assert train.main(command(train, changed, **flags, epochs=1)) == 0
    for folder in (two, changed):
        done = subprocess.run(
            [sys.executable, "-c", TWO_DEVICES, *command(train, folder, **flags)],
            cwd=ROOT,
            env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "going on after epoch 1" in done.stdout
    expected = read_csv(one / "history.csv")
    for folder in (two, changed):
        rows = read_csv(folder / "history.csv")
        for row, alone in zip(rows, expected, strict=True):
            for name in set(alone) - {"seconds"}:
                assert float(row[name] or 0) == pytest.approx(float(alone[name] or 0), rel=1e-3)


# Weights that JAX wrote, on TensorFlow, and back

ON_TENSORFLOW = """
import sys
from pathlib import Path
import keras
import numpy as np
from common.training.weights import save_h5
from pix2pix_timbre.weights import load_generator

assert keras.backend.backend() == "tensorflow"
run, folder = map(Path, sys.argv[1:])
frames = np.load(folder / "frames.npy")
networks = {
    name: keras.models.load_model(run / f"{name}.h5", compile=False)
    for name in ("generator", "discriminator")
}
np.savez(
    folder / "outputs.npz",
    loaded=load_generator(run / "generator.h5")(frames, training=False),
    generator=networks["generator"](frames, training=False),
    discriminator=networks["discriminator"]([frames, frames[::-1]], training=False),
)
for name, network in networks.items():
    save_h5(network, folder / f"{name}.h5")
"""


@pytest.mark.skipif(TENSORFLOW_PYTHON not in os.environ, reason="for make test-jax")
def test_weights_go_to_tensorflow_and_back_with_equal_outputs(finished, tmp_path):
    run = finished(train)
    frames = np.random.default_rng(0).uniform(-1, 1, (2, 256, 256, 1)).astype(np.float32)
    np.save(tmp_path / "frames.npy", frames)
    done = subprocess.run(
        [os.environ[TENSORFLOW_PYTHON], "-c", ON_TENSORFLOW, run, tmp_path],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "outputs.npz") as outputs:
        found = dict(outputs)
    inputs = {"generator": frames, "discriminator": [frames, frames[::-1]]}
    for folder in (run, tmp_path):  # written on JAX, and by TensorFlow
        assert load_generator(folder / "generator.h5").count_params()
        for name, given in inputs.items():
            network = keras.models.load_model(folder / f"{name}.h5", compile=False)
            expected = np.asarray(network(given, training=False))
            assert expected.std() > 0
            np.testing.assert_allclose(found[name], expected, atol=1e-3 * expected.std())
    np.testing.assert_array_equal(found["loaded"], found["generator"])
