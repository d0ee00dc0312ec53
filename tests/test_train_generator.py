"""train_generator.py through its real parser: no discriminator anywhere; losses that diverge."""

import json

import keras
import numpy as np
import pytest
from conftest import arguments, assert_refused, assert_same_run, outcome, read_csv, read_weights

import train
import train_generator
from pix2pix_timbre.pairs import PairedFrames

RUN = {
    "epochs": 2,
    "steps_per_epoch": 3,
    "batch_size": 2,
    "width": 2,
    "validation_split": 0.3,
    "offsets": "random",
    "lr": 0.01,
}


@pytest.fixture(scope="module")
def alone(features_folder, tmp_path_factory):
    """The folder of a whole run of train_generator.py; not to be modified."""
    folder = tmp_path_factory.mktemp("alone")
    assert train_generator.main(arguments(features_folder, folder, RUN)) == 0
    yield folder


def test_a_generator_alone_leaves_no_discriminator_and_its_loss_falls(alone):
    files = {path.name for path in alone.iterdir()} - {"samples", "tensorboard"}
    assert files == {
        "config.json",
        "generator.h5",
        "history.csv",
        "history.png",
        "resume-0002.weights.h5",
    }
    assert {path.name for path in (alone / "samples").iterdir()} == {
        f"{name}.wav" for name in ("input", "target", "epoch_001", "epoch_002")
    } | {"epoch_001.png", "epoch_002.png"}
    rows = read_csv(alone / "history.csv")
    assert sorted(rows[0]) == ["epoch", "gen_mae", "seconds", "val_gen_mae"]
    for name in ("gen_mae", "val_gen_mae"):
        first, second = (float(row[name]) for row in rows)
        assert 0 < second < first < 2
    generator = keras.models.load_model(alone / "generator.h5")
    assert generator.input_shape == (None, 256, 256, 1)
    flags = json.loads((alone / "config.json").read_text())["flags"]
    assert {name: flags[name] for name in RUN} == RUN


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("rough_samples")
def test_a_run_whose_loss_is_not_finite_goes_on_from_its_last_epoch(
    alone, features_folder, tmp_path, capsys, monkeypatch
):
    argv = arguments(features_folder, tmp_path, RUN)
    cut = PairedFrames.cut

    def cut_badly(self, positions, epoch):
        origin, target = cut(self, positions, epoch)
        if epoch == 1 and 2 in positions:  # the first frame of the second batch
            target[0, 3, 3] = np.nan
        return origin, target

    with monkeypatch.context() as patch:
        patch.setattr(PairedFrames, "cut", cut_badly)
        assert_refused(
            train_generator.main,
            argv,
            capsys,
            f"{tmp_path}: gen_mae not finite at step 2 of epoch 2; lower the learning rates",
        )
    assert [row["epoch"] for row in read_csv(tmp_path / "history.csv")] == ["1"]
    assert [path.name for path in tmp_path.glob("resume-*")] == ["resume-0001.weights.h5"]
    kernels = [array for array in read_weights(tmp_path / "generator.h5").values() if array.size]
    assert all(np.isfinite(array).all() for array in kernels if array.dtype == np.float32)

    status, out, err = outcome(train_generator.main, argv, capsys)
    assert (status, err) == (0, [])
    assert any("going on after epoch 1" in line for line in out)
    assert_same_run(tmp_path, alone)


@pytest.mark.parametrize("flag", ["gen_lr", "disc_lr", "adversarial_start"])
def test_flags_of_the_adversary_are_unknown_to_the_generator_alone(
    features_folder, tmp_path, capsys, flag
):
    argv = arguments(features_folder, tmp_path, {**RUN, flag: 1})
    assert_refused(train_generator.main, argv, capsys, f"unrecognized arguments: --{flag}")


def test_a_generator_alone_goes_on_from_its_weights_without_a_discriminator(
    alone, features_folder, tmp_path, captured, capsys
):
    argv = arguments(features_folder, tmp_path, {**RUN, "epoch_offset": 2})
    assert_refused(train_generator.main, argv, capsys, "generator.h5", "--epoch_offset 2")
    (tmp_path / "generator.h5").write_bytes((alone / "generator.h5").read_bytes())
    assert train_generator.main(argv) == 0
    assert captured[0].last_epoch == 4


@pytest.mark.slow
@pytest.mark.stress
def test_the_adversary_begins_anew_where_a_generator_has_none(
    alone, features_folder, tmp_path, capsys
):
    (tmp_path / "generator.h5").write_bytes((alone / "generator.h5").read_bytes())
    flags = {**RUN, "epoch_offset": 2}
    rate = flags.pop("lr")
    argv = arguments(features_folder, tmp_path, {**flags, "gen_lr": 1e-9, "disc_lr": rate})
    assert train.main(argv) == 0
    said = f"{tmp_path / 'discriminator.h5'}: no such file; the discriminator begins anew\n"
    assert capsys.readouterr().out.count(said) == 1
    new, old = (read_weights(folder / "generator.h5") for folder in (tmp_path, alone))
    kernels = [name for name in old if name.endswith("kernel")]
    # it continued from these weights
    assert kernels and all(np.abs(new[name] - old[name]).max() < 1e-6 for name in kernels)
    assert (tmp_path / "discriminator.h5").is_file()
