"""Every shipped model loads, is small, has its documents, and converts as it did after training."""

import json

import numpy as np
import pytest
from conftest import ROOT, read_csv

import synthesize_audios
from common.training.run_folder import RunFolder
from data import amplitude_to_db, forward_transform, load_audio
from pix2pix_timbre.trained import Predictor, open_config
from pix2pix_timbre.weights import load_generator
from pix2pix_timbre.windows import convert_image

MODELS = sorted(path.parent for path in ROOT.glob("models/*/generator.h5"))
PIECE = "chopin_prelude_op28_no7"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """An included piece played by each instrument: dict from name to image."""
    folder = tmp_path_factory.mktemp("audios")
    midi = tmp_path_factory.mktemp("midi")
    (midi / f"{PIECE}.mid").write_bytes((ROOT / "data" / "midi" / f"{PIECE}.mid").read_bytes())
    words = ["--nsynth_path", ROOT / "data" / "notes", "--midi_path", midi]
    words += ["--audios_path", folder, "--shared_gain", "--jobs", 1]
    assert synthesize_audios.main(list(map(str, words))) == 0
    return {
        path.parent.name: amplitude_to_db(forward_transform(load_audio(path)[0])[0])
        for path in folder.rglob("*.wav")
    }


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_shipped_model_is_small_and_comes_with_its_papers(folder):
    assert (folder / "generator.h5").stat().st_size <= 8_000_000
    run = RunFolder(folder)
    open_config(folder)
    config = run.read_config()
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    assert not [value for value in config["flags"].values() if str(value).startswith("/")]
    assert read_csv(folder / "history.csv")
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part in ("## Scores", "## Training data", "## Limits", "licence", "train"):
        assert part in card
    text = (folder / "config.json").read_text(encoding="utf-8")
    assert json.dumps(json.loads(text), allow_nan=False)


@pytest.mark.parametrize(
    "folder", [path for path in MODELS if "2_any" not in path.name], ids=lambda path: path.name
)
def test_a_shipped_model_brings_a_piano_much_nearer_to_its_target(folder, images):
    flags = RunFolder(folder).read_config()["flags"]
    origin, target = flags["origin"], flags["target"]
    predict = Predictor(load_generator(folder / "generator.h5"))
    found = convert_image(predict, images[origin])
    before, after = (np.abs(image - images[target]).mean() for image in (images[origin], found))
    assert after < 0.45 * before
