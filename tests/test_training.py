"""train.py through its real parser: the run folder, resuming, and mistakes."""

import importlib.util
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
import soundfile
from conftest import (
    ROOT,
    arguments,
    assert_refused,
    assert_same_run,
    outcome,
    read_csv,
    read_weights,
    snapshot,
)
from matplotlib.image import imread

import train
import train_generator
from common.cli import UserError
from common.training.callbacks import make_callbacks, reseed, seed_generators
from common.training.run_folder import RunFolder
from common.training.session import learning_rate
from common.training.sweep import sweep_schedule
from data import BINS
from pix2pix_timbre.features import CODEC, write_store
from pix2pix_timbre.gan import AdversaryStart, Pix2Pix
from pix2pix_timbre.model import build_discriminator, build_generator
from pix2pix_timbre.optimizer import TwoRateAdam

# three steps in each of three epochs; the adversary starts within the second
RUN = {
    "epochs": 3,
    "steps_per_epoch": 3,
    "batch_size": 2,
    "width": 2,
    "validation_split": 0.3,
    "adversarial_start": 4,
    "offsets": "random",
    "lr_decay": "linear",
    "gen_lr": 0.001,
    "disc_lr": 0.001,
}
SCRIPTS = [  # all that train
    *("train", "train_multitarget", "train_generator", "move.train", "wae_fader.train"),
    *("wae_fader.train_mcnn", "vae_generation.train", "vae_generation.train_continuation"),
    *("granular.train_grains", "granular.train_sequences", "vq_timbre.train", "light_mir.train"),
    *("latent_exploration.continuous.train", "timbre_space.train"),
    *("time_stretching.train_autoencoder", "time_stretching.train_corrector"),
]
LOSSES = ["gen_mae", "gen_loss", "disc_loss"]


@pytest.fixture(scope="module")
def finished(features_folder, tmp_path_factory):
    """The folder of a whole run; not to be modified."""
    folder = tmp_path_factory.mktemp("finished")
    assert train.main(arguments(features_folder, folder, RUN)) == 0
    yield folder


def test_a_run_leaves_weights_history_pictures_and_sounds(finished):
    names = {path.relative_to(finished).as_posix() for path in finished.rglob("*.*")}
    names = {name for name in names if not name.startswith("tensorboard/")}
    assert names == {
        "config.json",
        "generator.h5",
        "discriminator.h5",
        "history.csv",
        "history.png",
        "resume-0003.weights.h5",
        *(
            f"samples/epoch_{epoch:03d}.{suffix}"
            for epoch in (1, 2, 3)
            for suffix in ("png", "wav")
        ),
        "samples/input.wav",
        "samples/target.wav",
    }
    for path in finished.rglob("*.png"):
        assert imread(path).shape[0] == 400
    sizes = {soundfile.info(path).frames for path in finished.rglob("*.wav")}
    assert len(sizes) == 1
    assert 44100 < sizes.pop() < 13 * 44100
    sounds = [
        soundfile.read(finished / "samples" / f"{name}.wav")[0] for name in ("input", "target")
    ]
    assert all(np.abs(sound).max() > 0.05 for sound in sounds)


def test_the_history_has_each_loss_for_training_and_validation(finished):
    rows = read_csv(finished / "history.csv")
    names = [*LOSSES, *(f"val_{name}" for name in LOSSES)]
    assert sorted(rows[0]) == sorted(["epoch", "seconds", *names])
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["disc_loss"] == rows[0]["val_disc_loss"] == ""  # the adversary has not started
    values = [float(row[name]) for row in rows for name in names if row[name]]
    assert len(values) == 3 * 6 - 2
    assert np.isfinite(values).all()
    assert float(rows[0]["gen_loss"]) == pytest.approx(100 * float(rows[0]["gen_mae"]), rel=1e-4)
    assert float(rows[2]["gen_mae"]) < float(rows[0]["gen_mae"])


def test_the_config_tells_flags_codec_split_and_versions(finished, features_folder):
    config = json.loads((finished / "config.json").read_text())
    assert config["codec"] == CODEC
    assert config["split"] == {"held_out": ["arpeggio"], "training": ["march", "scale", "waltz"]}
    flags = config["flags"]
    assert {name: flags[name] for name in RUN} == RUN
    assert flags["dataset_path"] == str(features_folder)
    assert (flags["seed"], flags["dropout"], flags["mixed_precision"]) == (0, 0.5, "off")
    assert config["versions"]["keras"] == keras.__version__
    assert config["versions"]["numpy"] == np.__version__


def test_the_weights_are_those_of_the_width_and_load_in_keras(finished):
    generator = keras.models.load_model(finished / "generator.h5")
    assert generator.count_params() == build_generator(2).count_params()
    discriminator = keras.models.load_model(finished / "discriminator.h5")
    assert discriminator.output_shape == (None, 16, 16, 1)


KILLED = """
import os, signal, sys
from common.cli import run
from pix2pix_timbre.gan import AdversaryStart
begin, state = AdversaryStart.on_train_batch_begin, []

def begin_or_die(self, batch, logs=None):
    state.append(batch)
    if len(state) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    begin(self, batch, logs)

AdversaryStart.on_train_batch_begin = begin_or_die
import train
run(train.main, sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("rough_samples")
def test_a_run_killed_and_interrupted_goes_on_and_ends_like_an_uninterrupted_one(
    finished, features_folder, tmp_path, capsys, monkeypatch
):
    argv = arguments(features_folder, tmp_path, RUN)
    # killed within the second epoch, before the adversary starts
    command = [sys.executable, "-c", KILLED, *argv]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["1"]
    assert (tmp_path / "resume-0001.weights.h5").exists()

    # interrupted within the third epoch, when the adversary takes part
    begin, steps = AdversaryStart.on_train_batch_begin, []

    def begin_or_stop(self, batch, logs=None):
        steps.append(batch)
        if len(steps) == 5:
            raise KeyboardInterrupt
        begin(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(AdversaryStart, "on_train_batch_begin", begin_or_stop)
        status, out, err = outcome(train.main, argv, capsys)
    assert any("going on after epoch 1" in line for line in out)
    assert status not in (0, None)
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["1", "2"]

    status, out, err = outcome(train.main, argv, capsys)
    assert (status, err) == (0, [])
    assert any("going on after epoch 2" in line for line in out)
    assert_same_run(tmp_path, finished)


def test_a_finished_run_is_left_as_it_is(finished, features_folder, capsys):
    before = snapshot(finished)
    status, out, err = outcome(train.main, arguments(features_folder, finished, RUN), capsys)
    assert (status, err) == (0, [])
    assert out[-1] == f"{finished}: finished after epoch 3; raise --epochs to go on"
    assert snapshot(finished) == before


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("rough_samples")
def test_more_epochs_go_on_and_a_fresh_start_forgets(finished, features_folder, tmp_path, capsys):
    """Three runs in one folder: from given weights, for more epochs, and from the beginning."""
    for name in ("generator.h5", "discriminator.h5"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    still = {"epochs": 1, "steps_per_epoch": 1, "gen_lr": 0, "disc_lr": 0, "lr_decay": "none"}
    flags = {**RUN, **still, "epoch_offset": 7}
    assert outcome(train.main, arguments(features_folder, tmp_path, flags), capsys)[0] == 0
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["8"]
    assert (tmp_path / "resume-0008.weights.h5").exists()
    before, after = (read_weights(folder / "generator.h5") for folder in (finished, tmp_path))
    kernels = [name for name in before if "kernel" in name]
    assert len(kernels) == 16
    for name in kernels:
        np.testing.assert_array_equal(before[name], after[name])

    (tmp_path / "moved").symlink_to(features_folder)
    longer = arguments(tmp_path / "moved", tmp_path, {**flags, "epochs": 2})
    assert outcome(train.main, longer, capsys)[0] == 0
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["8", "9"]
    assert json.loads((tmp_path / "config.json").read_text())["flags"]["epochs"] == 2

    (tmp_path / "samples" / "input.wav").write_bytes(b"of another piece")
    afresh = {**RUN, "epochs": 1, "steps_per_epoch": 1}
    argv = arguments(features_folder, tmp_path, afresh, "--no-resume")
    assert outcome(train.main, argv, capsys)[0] == 0
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["1"]
    assert [path.name for path in tmp_path.glob("resume-*")] == ["resume-0001.weights.h5"]
    assert soundfile.info(tmp_path / "samples" / "input.wav").frames > 44100
    anew = read_weights(tmp_path / "generator.h5")
    assert not any(np.array_equal(anew[name], before[name]) for name in kernels)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("width", 4),
        ("seed", 1),
        ("batch_size", 3),
        ("gen_lr", 0.002),
        ("validation_split", 0.2),
        ("steps_per_epoch", 5),
        ("dropout", 0.1),
        ("lr_decay", "none"),
        ("epochs", 4),  # the learning rate decays over the epochs
    ],
)
def test_flags_that_contradict_the_run_are_refused(finished, features_folder, capsys, flag, value):
    before = snapshot(finished)
    argv = arguments(features_folder, finished, {**RUN, flag: value})
    assert_refused(train.main, argv, capsys, f"--{flag} {RUN.get(flag, '')}", value, "--no-resume")
    assert snapshot(finished) == before


def test_a_damaged_resume_state_or_config_is_one_line(finished, features_folder, tmp_path, capsys):
    argv = arguments(features_folder, tmp_path, {**RUN, "epochs": 3})
    state = tmp_path / "resume-0001.weights.h5"
    state.write_bytes((finished / "resume-0003.weights.h5").read_bytes()[:5000])
    assert_refused(train.main, argv, capsys, "config.json")
    (tmp_path / "config.json").write_text("{")
    assert_refused(train.main, argv, capsys, "config.json")
    (tmp_path / "config.json").write_text("[]")
    assert_refused(train.main, argv, capsys, "config.json")
    (tmp_path / "config.json").write_text("{}")
    assert_refused(train.main, argv, capsys, tmp_path, "--no-resume")
    (tmp_path / "config.json").write_bytes((finished / "config.json").read_bytes())
    assert_refused(train.main, argv, capsys, state, "--no-resume")


def test_epoch_offset_on_weights_of_another_width_names_it(features_folder, tmp_path, capsys):
    build_generator(4).save_weights(tmp_path / "written.weights.h5")
    (tmp_path / "written.weights.h5").rename(tmp_path / "generator.h5")
    argv = arguments(features_folder, tmp_path, {**RUN, "epoch_offset": 7, "width": 2})
    assert_refused(
        train.main, argv, capsys, "generator.h5", "a generator of width 4; give --width 4"
    )


def test_epoch_offset_without_weights_is_one_line_and_writes_nothing(
    features_folder, tmp_path, capsys
):
    output = tmp_path / "run"
    argv = arguments(features_folder, output, {**RUN, "epoch_offset": 7})
    assert_refused(train.main, argv, capsys, "generator.h5", "--epoch_offset 7")
    assert not output.exists() or not list(output.iterdir())


@pytest.fixture(scope="module")
def many_instruments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instruments")
    image = np.zeros((10, BINS), np.float16)
    names = ("keyboard_acoustic", "guitar_acoustic", "string_acoustic", "synth_lead_synthetic")
    for name in names:
        write_store(folder / f"{name}.h5", [("march", image), ("waltz", image)], name)
    return folder


@pytest.mark.parametrize(
    ("pair", "rates"),
    [
        (("keyboard_acoustic", "guitar_acoustic"), (5e-5, 5e-6)),
        (("keyboard_acoustic", "string_acoustic"), (1e-5, 1e-5)),
        (("keyboard_acoustic", "synth_lead_synthetic"), (1e-4, 1e-5)),
        (("guitar_acoustic", "keyboard_acoustic"), (5e-5, 5e-6)),
    ],
)
def test_learning_rates_default_to_the_published_ones_of_the_pair(
    many_instruments, tmp_path, captured, pair, rates
):
    flags = {"origin": pair[0], "target": pair[1], "validation_split": 0}
    assert train.main(arguments(many_instruments, tmp_path, flags)) == 0
    assert train.main(arguments(many_instruments, tmp_path, {**flags, "disc_lr": 0.5})) == 0
    assert [(one.flags.gen_lr, one.flags.disc_lr) for one in captured] == [rates, (rates[0], 0.5)]
    assert train_generator.main(arguments(many_instruments, tmp_path, flags)) == 0
    assert train_generator.main(arguments(many_instruments, tmp_path, {**flags, "lr": 0.5})) == 0
    assert [one.flags.lr for one in captured[2:]] == [rates[0], 0.5]
    assert [one.adversarial for one in captured] == [True, True, False, False]


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_tells_the_defaults(name):
    for action in importlib.import_module(name).build_parser()._actions:
        told = re.search(r"\(default: ([-\d.e]+)[,)]", action.help or "")
        assert not told or float(told[1]) == action.default


def test_the_other_defaults_are_the_published_ones(many_instruments, captured, capsys):
    argv = arguments(many_instruments, "", {})
    place = argv.index("--output")
    train.main(argv[:place] + argv[place + 2 :] + ["--validation_split", "0"])
    (session,) = captured
    args = session.flags
    found = args.epochs, args.batch_size, args.width, args.dropout, args.adversarial_start
    assert found == (100, 8, 64, 0.5, 0)
    assert train.build_parser().get_default("validation_split") == 0.1
    assert session.run.path == Path("runs/keyboard_acoustic_2_guitar_acoustic")
    assert "no piece is held out" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.stress
def test_losses_that_are_not_finite_end_in_one_line(features_folder, tmp_path, capsys):
    flags = {**RUN, "gen_lr": 1e30, "lr_decay": "none", "epochs": 1}
    argv = arguments(features_folder, tmp_path, flags)
    assert_refused(train.main, argv, capsys, "not finite at step 2 of epoch 1")
    assert not (tmp_path / "generator.h5").exists()
    assert not (tmp_path / "resume-0001.weights.h5").exists()


# Mixed precision


@pytest.fixture
def policy_restored():
    """Restores the global dtype policy after a test."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("rough_samples")
@pytest.mark.parametrize(("precision", "start"), [("float16", 1), ("bfloat16", 0)])
def test_mixed_precision_leaves_finite_losses_and_float32_networks(
    features_folder, tmp_path, policy_restored, precision, start
):
    few = {"epochs": 1, "steps_per_epoch": 2, "adversarial_start": start}
    flags = {**RUN, **few, "mixed_precision": precision}
    assert train.main(arguments(features_folder, tmp_path, flags)) == 0
    assert keras.config.dtype_policy().name == f"mixed_{precision}"
    (row,) = read_csv(tmp_path / "history.csv")
    assert set(LOSSES) < set(row)
    assert np.isfinite([float(value) for value in row.values()]).all()
    for name in ("generator", "discriminator"):
        with h5py.File(tmp_path / f"{name}.h5") as file:
            description = file.attrs["model_config"]
        assert "float32" in description
        assert "float16" not in description
        arrays = read_weights(tmp_path / f"{name}.h5")
        weights = [array for place, array in arrays.items() if place.startswith("model_weights")]
        assert len(weights) > 10
        assert {array.dtype for array in weights} == {np.dtype(np.float32)}
        assert all(np.isfinite(array).all() for array in weights)


def test_the_state_of_the_optimiser_and_its_loss_scale_is_resumed(tmp_path, policy_restored):
    keras.config.set_dtype_policy("mixed_float16")
    folder, models = RunFolder(tmp_path), []
    for _ in range(2):
        models.append(Pix2Pix(build_generator(2), build_discriminator(2)))
        models[-1].compile(TwoRateAdam(0.1, 0.2), jit_compile=False)
    trained, fresh = models
    rng = np.random.default_rng(0)
    for variable in trained.optimizer.variables + trained.variables:
        value = rng.uniform(1, 9, variable.shape)
        variable.assign(value.astype(variable.dtype))
    folder.save_resume(trained, 4)
    with pytest.raises(UserError, match=r"resume-0003\.weights\.h5: cannot be resumed from"):
        folder.load_resume(fresh, 3)
    folder.load_resume(fresh, 4)
    assert fresh.optimizer.inner_optimizer.disc_begin.numpy() >= 1
    assert fresh.optimizer.dynamic_scale.numpy() == trained.optimizer.dynamic_scale.numpy()
    for name in ("variables", "inner_optimizer.variables"):
        both = [fresh.optimizer, trained.optimizer]
        for part in name.split("."):
            both = [getattr(one, part) for one in both]
        for one, other in zip(*both, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    for one, other in zip(fresh.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_unknown_instrument_is_refused_with_the_known_ones(features_folder, tmp_path, capsys):
    argv = arguments(features_folder, tmp_path, {"target": "flute_acoustic"})
    assert_refused(
        train.main, argv, capsys, "'flute_acoustic'", "guitar_acoustic, keyboard_acoustic"
    )


def test_missing_features_are_one_line(tmp_path, capsys):
    argv = arguments(tmp_path / "absent", tmp_path / "run")
    assert_refused(train.main, argv, capsys, tmp_path / "absent", "compute_features.py")
    assert not (tmp_path / "run").exists()


def test_damaged_features_are_one_line(features_folder, tmp_path, capsys):
    whole = (features_folder / "keyboard_acoustic.h5").read_bytes()
    (tmp_path / "keyboard_acoustic.h5").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "guitar_acoustic.h5").write_bytes(whole)
    argv = arguments(tmp_path, tmp_path / "run", RUN)
    assert_refused(
        train.main, argv, capsys, tmp_path / "keyboard_acoustic.h5", "compute_features.py"
    )


def test_missing_audios_of_the_samples_are_found_before_training(features_folder, tmp_path, capsys):
    argv = arguments(features_folder, tmp_path / "run", {"audios_path": tmp_path / "none"})
    assert_refused(train.main, argv, capsys, tmp_path / "none", "no such file")
    assert not (tmp_path / "run").exists()


def test_features_without_a_common_piece_are_one_line(tmp_path, capsys):
    image = np.zeros((10, BINS), np.float16)
    for name, piece in (("keyboard_acoustic", "march"), ("guitar_acoustic", "waltz")):
        write_store(tmp_path / f"{name}.h5", [(piece, image)], name)
    assert_refused(train.main, arguments(tmp_path, tmp_path / "run"), capsys, "share no piece")
    assert not (tmp_path / "run").exists()


def test_a_split_that_leaves_nothing_to_train_on_is_one_line(features_folder, tmp_path, capsys):
    argv = arguments(features_folder, tmp_path / "run", {"validation_split": 0.999})
    assert_refused(train.main, argv, capsys, "--validation_split 0.999")
    assert not (tmp_path / "run").exists()


def test_an_output_folder_that_cannot_be_written_is_one_line(features_folder, tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "run", "/proc/run"):
        argv = arguments(features_folder, folder, RUN)
        assert_refused(train.main, argv, capsys, str(folder).split("/run")[0])


@pytest.mark.parametrize(
    "flags",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"validation_split": 1},
        {"gen_lr": -1},
        {"disc_lr": "nan"},
        {"width": 0},
        {"findlr": "perhaps"},
        {"mixed_precision": "float8"},
        {"steps_per_epoch": 1.5},
    ],
)
def test_values_out_of_range_are_one_line_that_names_the_flag(
    features_folder, tmp_path, capsys, flags
):
    argv = arguments(features_folder, tmp_path, flags)
    assert_refused(train.main, argv, capsys, *(f"--{name}" for name in flags))
    assert not list(tmp_path.iterdir())


def test_the_script_answers_help_and_mistakes_without_keras(run_script, tmp_path):
    environment = {"KERAS_BACKEND": "none of this name"}  # importing Keras would fail
    status, out, _ = run_script("train.py", "--help", env=environment)
    assert status == 0
    assert "keyboard_acoustic to string_acoustic: 1e-05 and 1e-05" in out
    argv = arguments(tmp_path, tmp_path / "run")
    status, _, err = run_script("train.py", *argv, env=environment)
    assert status == 2
    assert err.count("\n") == 1


def test_learning_rates_decay_to_zero_over_the_run():
    assert learning_rate(0.1, "none", 100) == 0.1
    for decay, middle in (("linear", 0.05), ("cosine", 0.05)):
        schedule = learning_rate(0.1, decay, 100)
        values = [float(schedule(step)) for step in (0, 50, 100, 200)]
        assert values == pytest.approx([0.1, middle, 0, 0], abs=1e-7)
    sweep = sweep_schedule(10)
    assert [float(sweep(step)) for step in (0, 9)] == pytest.approx([1e-9, 1], rel=1e-4)


def test_dropout_draws_the_same_in_the_same_epoch_and_differently_in_each_layer():
    model = build_generator(2)

    def states():
        return [tuple(np.asarray(generator.state)) for generator in seed_generators(model)]

    assert len(states()) == 3
    reseed(model, seed=1, epoch=5)
    first = states()
    assert len(set(first)) == 3
    frames = np.zeros((1, 256, 256, 1), np.float32)
    drawn = np.asarray(model(frames, training=True))
    assert states() != first
    reseed(model, seed=1, epoch=5)
    assert states() == first
    np.testing.assert_array_equal(np.asarray(model(frames, training=True)), drawn)
    reseed(model, seed=1, epoch=6)
    assert not set(states()) & set(first)


@pytest.mark.parametrize("installed", [True, False])
def test_logs_for_tensorboard_are_kept_where_it_is_installed(tmp_path, monkeypatch, installed):
    real = importlib.util.find_spec

    def find_spec(name, package=None):
        return (object() if installed else None) if name == "tensorboard" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    session = SimpleNamespace(
        flags=SimpleNamespace(ema=0.0),
        devices=SimpleNamespace(is_chief=True),
        run=RunFolder(tmp_path),
        networks=(),
    )
    callbacks = make_callbacks(session, None)
    logs = [one for one in callbacks if isinstance(one, keras.callbacks.TensorBoard)]
    assert len(logs) == installed
    assert [Path(one.log_dir) for one in logs] == [tmp_path / "tensorboard"] * installed
    # where another process keeps the folder, nothing is logged
    session.devices.is_chief = False
    (alone,) = make_callbacks(session, None)
    assert not isinstance(alone, keras.callbacks.TensorBoard)


def test_a_run_folder_knows_its_newest_state(tmp_path):
    folder = RunFolder(tmp_path)
    assert (folder.resume_file, folder.finished_epochs, folder.read_history()) == (None, 0, [])
    for epoch in (9, 10, 9999, 10000):
        (tmp_path / f"resume-{epoch:04d}.weights.h5").write_bytes(b"")
    assert folder.finished_epochs == 10000
    rows = [{"epoch": 1, "gen_mae": 0.123456789}, {"epoch": 10001, "gen_mae": 1.0, "new": None}]
    folder.write_history(rows)
    assert folder.read_history() == [{"epoch": 1, "gen_mae": 0.123457, "new": None}]
    assert (tmp_path / "history.csv").read_text().startswith("epoch,gen_mae,new\n")


@pytest.mark.parametrize("epochs", [None, 2])
def test_weights_without_a_resume_state_are_not_overwritten(tmp_path, epochs):
    folder = RunFolder(tmp_path)
    (tmp_path / "generator.h5").write_bytes(b"precious")
    if epochs:
        folder.write_history([{"epoch": epoch + 1, "gen_mae": 0.5} for epoch in range(epochs)])
    with pytest.raises(UserError, match="holds weights but nothing to resume from"):
        folder.start(resume=True)
    assert folder.start(resume=True, from_weights=True) == 0
    assert folder.start(resume=False) == 0


def test_a_run_killed_before_its_first_resume_state_begins_again(tmp_path):
    folder = RunFolder(tmp_path)
    folder.start(resume=True)
    folder.write_history([{"epoch": 1, "gen_mae": 0.5}])
    (tmp_path / "generator.h5").write_bytes(b"of the first epoch")
    assert folder.start(resume=True) == 0


def test_the_backend_starts_without_a_word_of_its_own(run_script, tmp_path):
    script = tmp_path / "start.py"
    script.write_text("from common.training.devices import start_backend\nstart_backend('')\n")
    root = str(Path(train.__file__).parent)
    status, out, err = run_script(script, env={"PYTHONPATH": root})
    assert (status, out, err) == (0, "", "")
