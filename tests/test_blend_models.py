"""Models between two: weights by their closed form, splits, and pairs that do not fit."""

import h5py
import keras
import numpy as np
import pytest

import blend_models
from common.cli import UserError
from common.trained import MODELS
from common.training.run_folder import RunFolder
from common.training.weights import blend_weights, halve_precision, save_h5
from pix2pix_timbre.features import CODEC
from pix2pix_timbre.model import build_generator
from pix2pix_timbre.trained import load_model
from tests.test_weights import trained_looking


def small(units=3):
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(units, name="dense")(inputs), name="small")


def write_run(folder, seed, held_out, **more):
    folder.mkdir()
    save_h5(trained_looking(build_generator(2), seed), folder / "generator.h5")
    split = {"held_out": held_out, "training": [name for name in "abcd" if name not in held_out]}
    settings = {"flags": {}, "codec": CODEC, "system": "pix2pix_timbre", "split": split}
    RunFolder(folder).write_config(settings | more)
    return folder


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_each_weight_is_the_weighted_mean(tmp_path, share):
    models = [small(), small()]
    for seed, model in enumerate(models):
        save_h5(trained_looking(model, seed), tmp_path / f"{seed}.h5")
    blend_weights(tmp_path / "0.h5", tmp_path / "1.h5", share, tmp_path / "between.h5")
    found = keras.models.load_model(tmp_path / "between.h5", compile=False)
    for weight, first, second in zip(
        found.get_weights(), *(model.get_weights() for model in models), strict=True
    ):
        np.testing.assert_allclose(weight, (1 - share) * first + share * second, rtol=1e-6)


def test_halved_weights_are_averaged_in_full_precision(tmp_path):
    model = trained_looking(small())
    save_h5(model, tmp_path / "full.h5")
    halve_precision(tmp_path / "full.h5", tmp_path / "half.h5")
    blend_weights(tmp_path / "half.h5", tmp_path / "full.h5", 0.75, tmp_path / "between.h5")
    with h5py.File(tmp_path / "between.h5") as file:
        layer = file["model_weights/dense"]
        assert all(layer[name].dtype == np.float32 for name in layer.attrs["weight_names"])
    found = keras.models.load_model(tmp_path / "between.h5", compile=False).get_weights()
    for weight, true in zip(found, model.get_weights(), strict=True):
        np.testing.assert_allclose(weight, true, rtol=3e-4)


def test_networks_of_other_sizes_are_refused(tmp_path):
    save_h5(small(), tmp_path / "0.h5")
    save_h5(small(4), tmp_path / "1.h5")
    with pytest.raises(UserError, match=r"1.h5: not the same network as .*0.h5"):
        blend_weights(tmp_path / "0.h5", tmp_path / "1.h5", 0.5, tmp_path / "between.h5")
    (tmp_path / "2.h5").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot be read"):
        blend_weights(tmp_path / "0.h5", tmp_path / "2.h5", 0.5, tmp_path / "between.h5")
    assert not (tmp_path / "between.h5").exists()


def test_a_blended_run_opens_and_knows_what_both_were_trained_on(tmp_path, capsys):
    runs = [
        write_run(tmp_path / "smooth", 0, ["a", "b"]),
        write_run(tmp_path / "textured", 1, ["b", "c"], phase="mixed"),
    ]
    argv = ["--model", *map(str, runs), "--share", "0.25", "--output", str(tmp_path / "new")]
    assert blend_models.main(argv) == 0
    assert "0.25" in capsys.readouterr().out
    found, first, second = (
        load_model(folder / "generator.h5").generator.get_weights()
        for folder in (tmp_path / "new", *runs)
    )
    for weight, one, other in zip(found, first, second, strict=True):
        np.testing.assert_allclose(weight, 0.75 * one + 0.25 * other, rtol=1e-5, atol=1e-6)
    config = RunFolder(tmp_path / "new").read_config()
    assert config["split"] == {"held_out": ["b"], "training": ["a", "c", "d"]}
    assert config["blend"] == {"models": ["smooth", "textured"], "share": 0.25}


def test_models_of_two_systems_are_not_blended(tmp_path):
    run = write_run(tmp_path / "a", 0, ["a"])
    with pytest.raises(UserError, match="not a model of the same kind"):
        blend_models.blend(run, MODELS / "vae_notes", 0.5, tmp_path / "new")
