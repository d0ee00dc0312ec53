"""Models of all systems, opened by their folders."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from common.cli import UserError
from common.latent import LatentModel
from common.trained import (
    MODELS,
    SYSTEMS,
    open_model,
    open_run,
    predict_in_parts,
    reading_config,
    shipped,
)

FOLDERS = sorted(path.parent for path in MODELS.rglob("config.json"))
KINDS = {
    "pix2pix_timbre": "TimbreModel",
    "vae_generation": "TrainedVAE",
    "vae_generation.continuation": "Continuation",
    "time_stretching": "Stretcher",
    "time_stretching.corrector": "Stretcher",
    "move": "TrainedMove",
    "vq_timbre": "TrainedTimbre",
    "granular": "TrainedGrains",
    "granular.sequences": "TrainedSequences",
    "wae_fader": "TrainedFader",
    "timbre_space": "TrainedSpace",
    "light_mir": "TrainedTagger",
    "latent_exploration": "TrainedContinuous",
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(MODELS).as_posix())
def test_every_shipped_folder_opens(folder):
    system = json.loads((folder / "config.json").read_text(encoding="utf-8"))["system"]
    assert type(open_model(folder)).__name__ == KINDS[system]
    assert open_run(folder, system)["system"] == system


def test_every_system_that_leaves_models_is_known():
    assert {path.parent.name for path in ROOT.glob("*/trained.py")} == {*SYSTEMS, "common"}


def test_a_model_says_what_it_is():
    guitar, other = (
        open_model(shipped(f"keyboard_acoustic_2_{name}")) for name in ("guitar_acoustic", "any")
    )
    assert (guitar.styled, other.styled) == (False, True)
    assert guitar.codec["sample_rate"] == 44100
    with pytest.raises(UserError, match="style"):
        other.convert(np.zeros(9, np.float32))
    with pytest.raises(UserError, match="no style"):
        guitar.convert(np.zeros(9, np.float32), style=np.ones(9, np.float32))


@pytest.mark.parametrize(
    "name",
    [
        "vae_notes",
        "time_stretching",
        "move_orchestra",
        "wae_fader_orchestra",
        "granular_drums",
        "continuous_orchestra",
        "vq_trumpet",
        "vq_violin",
    ],
)
def test_a_latent_space_lies_between_audio_and_audio(name):
    model = open_model(shipped(name))
    model = getattr(model, "codes", model)
    assert isinstance(model, LatentModel)
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(3 * model.sample_rate) / model.sample_rate)
    path = model.encode(tone.astype(np.float32))
    assert path.shape[1] == model.dims
    assert len(path) == pytest.approx(3 * model.rate, abs=1.5)
    heard = model.decode(path)
    assert heard.size >= tone.size - model.sample_rate / model.rate
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() > 0.01


@pytest.mark.parametrize("system", ["os", "tests.conftest", "", None, 3, ["pix2pix_timbre"]])
def test_nothing_else_that_a_file_names_is_imported(tmp_path, system):
    (tmp_path / "config.json").write_text(json.dumps({"system": system}))
    for opened in (open_model, lambda folder: open_run(folder, "pix2pix_timbre")):
        with pytest.raises(UserError, match=r"config\.json: names (no|the) system"):
            opened(tmp_path)


def test_a_run_of_another_system_is_told_with_its_script():
    with pytest.raises(UserError, match=r"one of vae_generation; use it with python -m v"):
        open_run(shipped("vae_notes"), "pix2pix_timbre")


def test_systems_are_imported_without_keras():
    program = "import sys\nimport " + ", ".join(f"{name}, {name}.trained" for name in SYSTEMS)
    program += "\nassert not {'keras', 'tensorflow', 'jax'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("config", [{}, {"steps": "many"}, {"steps": None}, []])
def test_unfit_settings_are_damage_of_the_config(tmp_path, config):
    with pytest.raises(UserError, match=r"config\.json: damaged"), reading_config(tmp_path):
        int(config["steps"])


@pytest.mark.parametrize("examples", [0, 1, 5, 8])
def test_parts_of_examples_make_what_all_make_at_once(examples):
    import keras

    keras.utils.set_random_seed(0)
    first, second = keras.Input((3,)), keras.Input((2,))
    joined = keras.layers.Concatenate()([first, second])
    one, two = keras.layers.Dense(4)(joined), keras.layers.Dense(1)(joined)
    single = keras.Model([first, second], one)
    several = keras.Model([first, second], [one, two])
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(examples, width)).astype(np.float32) for width in (3, 2)]
    found = predict_in_parts(single, inputs, size=4)
    np.testing.assert_allclose(found, single(inputs), atol=1e-6)
    for output, true in zip(
        predict_in_parts(several, inputs, size=4), several(inputs), strict=True
    ):
        np.testing.assert_allclose(output, true, atol=1e-6)
    alone = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    np.testing.assert_allclose(predict_in_parts(alone, inputs[0], 4), alone(inputs[0]), atol=1e-6)
