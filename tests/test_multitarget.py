"""train_multitarget.py through its real parser: one network for any of several targets."""

import json
from collections import Counter
from itertools import permutations
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import (
    PIECES,
    arguments,
    assert_refused,
    assert_same_run,
    outcome,
    read_csv,
    read_weights,
)
from matplotlib.image import imread

import train_multitarget
from pix2pix_timbre.features import FeatureStore, write_store
from pix2pix_timbre.gan import AdversaryStart
from pix2pix_timbre.model import build_discriminator, build_generator

BOTH = ["guitar_acoustic", "string_acoustic"]
ALL = ["keyboard_acoustic", *BOTH]
RUN = {
    "target": BOTH,
    "epochs": 2,
    "steps_per_epoch": 2,
    "batch_size": 3,
    "width": 2,
    "validation_split": 0.3,
    "offsets": "random",
    "gen_lr": 0.01,
    "disc_lr": 0.001,
}
LOSSES = ["gen_mae", "gen_loss", "disc_loss"]


@pytest.fixture(scope="module")
def features(features_folder, tmp_path_factory):
    """keyboard_acoustic, guitar_acoustic, and string_acoustic in two presets."""
    folder = tmp_path_factory.mktemp("features_of_three")
    for name in ("keyboard_acoustic", "guitar_acoustic"):
        (folder / f"{name}.h5").symlink_to(features_folder / f"{name}.h5")
    with FeatureStore(folder / "guitar_acoustic.h5") as store:
        images = {
            f"{rendering}{preset}": store.read(rendering) ** power
            for rendering in store.renderings
            for preset, power in (("", 2), ("@004", 0.5))
        }
    write_store(folder / "string_acoustic.h5", images.items(), "string_acoustic")
    return folder


@pytest.fixture(scope="module")
def finished(features, tmp_path_factory):
    """The folder of a whole run; not to be modified."""
    folder = tmp_path_factory.mktemp("multitarget")
    assert train_multitarget.main(arguments(features, folder, RUN)) == 0
    yield folder


def session_of(captured, argv):
    """Return the session of a command line."""
    assert train_multitarget.main(argv) == 0
    return captured.pop()


def converted(session, side="training"):
    """Count the pieces of a session by instruments (origin, target)."""
    frames = getattr(session, side)
    pairs = {(window.origin, window.target) for window in frames.windows(0)}
    return Counter(tuple(source.store.instrument for source in pair) for pair in pairs)


def test_a_run_leaves_networks_history_and_samples_by_target(finished):
    files = {
        path.relative_to(finished).as_posix()
        for path in finished.rglob("*.*")
        if "tensorboard" not in path.parts
    }
    assert files == {
        "config.json",
        "generator.h5",
        "discriminator.h5",
        "history.csv",
        "history.png",
        "resume-0002.weights.h5",
    } | {
        f"samples/{target}/{name}"
        for target in BOTH
        for name in (
            *("epoch_001.png", "epoch_001.wav", "epoch_002.png", "epoch_002.wav"),
            *("input.wav", "target.wav"),
        )
    }
    rows = read_csv(finished / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    names = [*LOSSES, *(f"val_{name}" for name in LOSSES)]
    assert sorted(rows[0]) == sorted(["epoch", "seconds", *names])
    assert np.isfinite([float(row[name]) for row in rows for name in names]).all()
    # one origin, and another target and prediction for each instrument
    contents = {
        name: {(finished / "samples" / target / name).read_bytes() for target in BOTH}
        for name in ("input.wav", "target.wav", "epoch_002.wav")
    }
    assert {name: len(found) for name, found in contents.items()} == {
        "input.wav": 1,
        "target.wav": 2,
        "epoch_002.wav": 2,
    }
    assert imread(finished / "samples" / BOTH[0] / "epoch_002.png").shape[0] == 400


def test_the_generator_takes_a_style_and_the_discriminator_the_origin_alone(finished):
    generator = keras.models.load_model(finished / "generator.h5")
    assert generator.input_shape == (None, 256, 256, 2)
    assert generator.count_params() == build_generator(2, channels=2).count_params()
    discriminator = keras.models.load_model(finished / "discriminator.h5")
    assert discriminator.input_shape == [(None, 256, 256, 1)] * 2
    assert discriminator.count_params() == build_discriminator(2).count_params()


def test_the_config_keeps_the_instruments_as_lists(finished):
    config = json.loads((finished / "config.json").read_text())
    flags = config["flags"]
    assert {name: flags[name] for name in RUN} == RUN
    assert flags["origin"] == ["keyboard_acoustic"]
    assert config["split"] == {"held_out": ["arpeggio"], "training": ["march", "scale", "waltz"]}


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("rough_samples")
def test_an_interrupted_run_goes_on_and_ends_like_an_uninterrupted_one(
    finished, features, tmp_path, capsys, monkeypatch
):
    argv = arguments(features, tmp_path, {**RUN, "target": [repr(BOTH)]})
    begin, steps = AdversaryStart.on_train_batch_begin, []

    def begin_or_stop(self, batch, logs=None):
        steps.append(batch)
        if len(steps) == 4:
            raise KeyboardInterrupt
        begin(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(AdversaryStart, "on_train_batch_begin", begin_or_stop)
        status, _, _ = outcome(train_multitarget.main, argv, capsys)
    assert status not in (0, None)
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["1"]
    early = read_weights(tmp_path / "generator.h5")

    other = arguments(features, tmp_path, {**RUN, "target": BOTH[::-1]})
    assert_refused(train_multitarget.main, other, capsys, "--target ['guitar_", "--no-resume")
    status, out, err = outcome(train_multitarget.main, argv, capsys)
    assert (status, err) == (0, [])
    assert any("going on after epoch 1" in line for line in out)
    assert_same_run(tmp_path, finished)
    late = read_weights(tmp_path / "generator.h5")
    assert not all(np.array_equal(array, late[name]) for name, array in early.items())


# Instruments


@pytest.mark.parametrize(
    "words",
    [
        BOTH,
        ["guitar_acoustic,string_acoustic"],
        ["guitar_acoustic,", "string_acoustic"],
        ["['guitar_acoustic', 'string_acoustic']"],
        ["[guitar_acoustic,", "string_acoustic]"],
    ],
)
def test_targets_are_words_or_a_list_and_the_rates_those_published(
    features, tmp_path, captured, words
):
    argv = arguments(features, tmp_path, {"target": words, "validation_split": 0.3})
    session = session_of(captured, argv)
    assert session.flags.target == BOTH
    assert session.flags.origin == ["keyboard_acoustic"]
    assert (session.flags.gen_lr, session.flags.disc_lr) == (1e-5, 5e-6)
    # every piece with every target, in each of its presets
    assert converted(session) == {
        ("keyboard_acoustic", "guitar_acoustic"): 3,
        ("keyboard_acoustic", "string_acoustic"): 6,
    }
    assert converted(session, "validation") == {
        ("keyboard_acoustic", "guitar_acoustic"): 1,
        ("keyboard_acoustic", "string_acoustic"): 2,
    }
    assert session.pieces["held_out"] == ["arpeggio"]
    assert session.adversarial


@pytest.mark.parametrize(
    ("flags", "name", "rates"),
    [
        ({"target": BOTH}, "keyboard_acoustic_2_any", (1e-5, 5e-6)),
        ({"origin": ALL, "target": ALL}, "any_2_any", (5e-5, 5e-6)),
        ({"origin": BOTH, "target": "keyboard_acoustic"}, "any_2_keyboard_acoustic", (5e-5, 5e-6)),
        ({"target": "string_acoustic"}, "keyboard_acoustic_2_string_acoustic", (1e-5, 1e-5)),
    ],
)
def test_the_run_folder_and_the_default_rates_are_those_of_any(
    features, captured, flags, name, rates
):
    argv = arguments(features, "", {**flags, "validation_split": 0.3})
    place = argv.index("--output")
    session = session_of(captured, argv[:place] + argv[place + 2 :])
    assert session.run.path == Path("runs") / name
    assert (session.flags.gen_lr, session.flags.disc_lr) == rates


def test_any_to_any_converts_no_instrument_into_itself(features, tmp_path, captured):
    flags = {"origin": ["keyboard_acoustic,", "guitar_acoustic", "string_acoustic"], "target": ALL}
    argv = arguments(features, tmp_path, {**flags, "validation_split": 0.3})
    session = session_of(captured, argv)
    counts = converted(session)
    assert set(counts) == set(permutations(ALL, 2))
    for pair, count in counts.items():
        assert count == 3 * 2 ** pair.count("string_acoustic")
    given, target = session.training.cut(range(session.training.frame_count), 0)
    assert given.shape[1:] == (256, 256, 2)
    windows = session.training.windows(0)
    assert {window.target.store.instrument for window in windows} == set(ALL)
    # the style is never the target itself, and never the origin
    assert not np.any(np.all(given[..., 1:] == target, axis=(1, 2, 3)))
    assert not np.any(np.all(given[..., 1] == given[..., 0], axis=(1, 2)))


def test_the_pieces_are_counted_once_and_the_frames_of_all_pairs(
    features, tmp_path, captured, capsys
):
    with FeatureStore(features / "keyboard_acoustic.h5") as store:
        frames = {piece: 3 * -(-store.columns[piece] // 256) for piece in PIECES}
    held_out = frames.pop("arpeggio")
    said = f"3 pieces to train on ({sum(frames.values())} frames), 1 held out ({held_out} frames)"
    argv = arguments(features, tmp_path, {"target": BOTH, "validation_split": 0.3})
    assert outcome(train_multitarget.main, argv, capsys) == (0, [said], [])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"target": ["guitar_acoustic", "flute"]}, ["'flute'", "guitar_acoustic, keyboard"]),
        ({"target": BOTH, "origin": ["flute,keyboard_acoustic"]}, ["'flute'"]),
        ({"target": "[]"}, ["--target", "holds no name"]),
        ({"target": ["[", "]"]}, ["--target", "holds no name"]),
        ({"target": ""}, ["--target", "holds no name"]),
        ({"target": BOTH, "origin": ","}, ["--origin", "holds no name"]),
        ({"target": []}, ["--target", "at least one argument"]),
        ({"target": "keyboard_acoustic"}, ["--target keyboard_acoustic", "the origin itself"]),
        ({"target": BOTH[0], "origin": BOTH[0]}, [f"--target {BOTH[0]}", "the origin itself"]),
        ({"target": BOTH, "validation_split": 0.999}, ["--validation_split 0.999"]),
        ({"target": BOTH, "epoch_offset": 3}, ["generator.h5", "--epoch_offset 3"]),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(features, tmp_path, capsys, flags, words):
    argv = arguments(features, tmp_path / "run", flags)
    assert_refused(train_multitarget.main, argv, capsys, *words)
    assert not (tmp_path / "run").exists()
