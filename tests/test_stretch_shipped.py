"""The shipped models of time_stretching: small, documented, and usable without training."""

import json

import keras
import numpy as np
import pytest
import soundfile
from conftest import ROOT, make_note

from time_stretching import stretch
from time_stretching.model import AS_PUBLISHED, Architecture
from time_stretching.trained import load_stretcher

MODELS = ROOT / "models"
OURS, PUBLISHED = MODELS / "time_stretching", MODELS / "time_stretching_published"
BOTH = pytest.mark.parametrize("model", [OURS, PUBLISHED], ids=["ours", "published"])


def test_they_are_small_together():
    weights = [path for model in (OURS, PUBLISHED) for path in model.rglob("*.h5")]
    assert len(weights) == 6
    assert sum(path.stat().st_size for path in weights) <= 6_000_000


@BOTH
def test_each_comes_with_its_papers(model):
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    card = (model / "README.md").read_text(encoding="utf-8")
    for part in ("licence", "preprocess", "train_autoencoder", "train_corrector", "## Limits"):
        assert part in card


def test_each_has_the_networks_that_its_name_says():
    assert load_stretcher(OURS).architecture == Architecture()
    assert load_stretcher(PUBLISHED).architecture == AS_PUBLISHED


@BOTH
@pytest.mark.parametrize("name", ["encoder.h5", "decoder.h5", "corrector/corrector.h5"])
def test_it_opens_in_plain_keras(model, name):
    assert keras.models.load_model(model / name, compile=False).count_params() > 5e4


@BOTH
@pytest.mark.parametrize("method", ["neural", "codes"])
def test_a_note_is_stretched_at_its_pitch(tmp_path, model, method):
    note = make_note(69, (1.0, 0.5, 0.3), seconds=1.5)
    soundfile.write(tmp_path / "note.wav", note, 16000)
    argv = ["--input", tmp_path / "note.wav", "--output", tmp_path / "long.wav", "--rate", "0.75"]
    assert stretch.main([*map(str, argv), "--method", method, "--model", str(model)]) == 0
    audio, rate = soundfile.read(tmp_path / "long.wav")
    assert audio.size == 2 * rate
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
    assert np.argmax(spectrum) / 2 == pytest.approx(440, abs=2)
    # as loud as before, and decaying as before, a third more slowly
    levels = [10 * np.log10(np.mean(half**2)) for half in np.split(audio, 2)]
    expected = 20 * np.log10(np.exp(-0.75))
    assert levels[1] - levels[0] == pytest.approx(expected, abs=1.5 if model == OURS else 8)
