"""The shipped model of time_stretching: small, with its papers, and heard without any training."""

import json

import keras
import numpy as np
import pytest
import soundfile
from conftest import ROOT, make_note

from time_stretching import stretch

MODEL = ROOT / "models" / "time_stretching"


def test_it_is_small_and_comes_with_its_papers():
    weights = list(MODEL.rglob("*.h5"))
    assert sum(path.stat().st_size for path in weights) <= 6_000_000
    config = json.loads((MODEL / "config.json").read_text(encoding="utf-8"))
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    card = (MODEL / "README.md").read_text(encoding="utf-8")
    for part in ("licence", "preprocess", "train_autoencoder", "train_corrector", "## Limits"):
        assert part in card


@pytest.mark.parametrize("name", ["encoder.h5", "decoder.h5", "corrector/corrector.h5"])
def test_it_opens_in_plain_keras(name):
    assert keras.models.load_model(MODEL / name, compile=False).count_params() > 1e5


@pytest.mark.parametrize("method", ["neural", "codes"])
def test_a_note_is_stretched_at_its_pitch(tmp_path, method):
    note = make_note(69, (1.0, 0.5, 0.3), seconds=1.5)
    soundfile.write(tmp_path / "note.wav", note, 16000)
    argv = ["--input", tmp_path / "note.wav", "--output", tmp_path / "long.wav", "--rate", "0.75"]
    assert stretch.main([*map(str, argv), "--method", method]) == 0
    audio, rate = soundfile.read(tmp_path / "long.wav")
    assert audio.size == 2 * rate
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
    assert np.argmax(spectrum) / 2 == pytest.approx(440, abs=2)
    # as loud as it was, and falling as it did, a third more slowly
    halves = [np.sqrt(np.mean(half**2)) for half in np.split(audio, 2)]
    assert halves[1] / halves[0] == pytest.approx(np.exp(-0.75), abs=0.08)
