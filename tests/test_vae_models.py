"""The shipped auto-encoders: small, documented, and usable without training."""

import json

import keras
import numpy as np
import pytest
import soundfile
from conftest import ROOT, read_csv

from vae_generation import generate
from vae_generation.latents import Latents
from vae_generation.trained import load_trained

MODELS = sorted(path.parent for path in ROOT.glob("models/vae_*/encoder.h5"))


def test_all_are_there_and_small():
    assert [path.name for path in MODELS] == [
        "vae_notes",
        "vae_notes_conditional",
        "vae_notes_plane",
    ]
    weights = [file for path in MODELS for file in path.rglob("*.h5")]
    assert sum(file.stat().st_size for file in weights) <= 6_000_000


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_each_comes_with_its_papers_and_opens_in_plain_keras(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    assert not [value for value in config["flags"].values() if str(value).startswith("/")]
    assert len(read_csv(folder / "history.csv")) == config["flags"]["epochs"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part in ("licence", "preprocess", "vae_generation.train ", "## Limits"):
        assert part in card
    trained = load_trained(folder)
    latents = Latents.load(folder / "latents.h5")
    assert latents.mean.shape[1] == trained.dims
    decoder = keras.models.load_model(folder / "decoder.h5", compile=False)
    vectors = latents.mean[:2]
    conditions = trained.condition_vectors(latents.examples[:2])
    given = vectors if conditions is None else [vectors, conditions]
    found = decoder.predict(given, verbose=0)
    decoded = trained.decode_images(vectors, conditions)
    np.testing.assert_allclose(np.where(decoded > 0, found, 0), decoded, atol=1e-5)
    assert found[decoded == 0].max() < 0.05 + 1e-5  # 4 of 80 dB above the floor count as silence


def test_every_number_of_the_shipped_spaces_is_in_use():
    for folder, share in zip(MODELS, (0.5, 0.25, 1.0), strict=True):
        assert Latents.load(folder / "latents.h5").active_units().mean() >= share


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [
        (["--chords", "C G", "--bpm", "120"], 4.0),
        (["--continuation", "docs/example_input.ogg", "--seconds", "4"], 16.0),
        (["--reconstruct", "data/notes/audio/guitar_acoustic_000-052-080.flac"], 4.0),
    ],
)
def test_shipped_models_are_heard(tmp_path, flags, seconds):
    flags = [str(ROOT / flag) if "/" in flag else flag for flag in flags]
    assert generate.main([*flags, "--output", str(tmp_path / "x.wav")]) == 0
    audio, rate = soundfile.read(tmp_path / "x.wav")
    assert audio.size / rate == pytest.approx(seconds, abs=0.05)
    assert 0.01 < np.abs(audio).max() < 1


@pytest.mark.parametrize(
    ("flags", "number"),
    [
        (["--autonomous", "2"], 2),
        (["--conditional", "guitar, C4, loud", "strings, A3"], 2),
        (["--grid", "2"], 4),
    ],
)
def test_shipped_models_make_many_sounds(tmp_path, flags, number):
    assert generate.main([*flags, "--output", str(tmp_path)]) == 0
    files = list(tmp_path.glob("*.wav"))
    assert len(files) == number
    for file in files:
        assert 0.001 < np.abs(soundfile.read(file)[0]).max() < 1
