"""The shipped space of timbres: small, documented, and usable without training."""

import json

import numpy as np
import pytest
import soundfile
from conftest import ROOT, read_csv

from timbre_space import descriptors, path, place_sound
from timbre_space.ratings import merge, rank_correlation, rank_correlations, read_ratings
from timbre_space.study import centre_distances
from timbre_space.train import RATINGS, one_hot
from timbre_space.trained import load_trained, read_latents

FOLDER = ROOT / "models" / "timbre_space_erb"


def test_it_is_small_and_comes_with_its_papers():
    assert sum(file.stat().st_size for file in FOLDER.rglob("*")) <= 3_000_000
    trained = load_trained(FOLDER)
    assert trained.encoder.count_params() + trained.decoder.count_params() <= 2_000_000
    text = (FOLDER / "config.json").read_text(encoding="utf-8")
    config = json.loads(text)
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    assert not [value for value in config["flags"].values() if str(value).startswith("/")]
    assert len(read_csv(FOLDER / "history.csv")) == config["flags"]["epochs"]
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for part in ("licence", "timbre_space.train ", "synthetic", "## Limits"):
        assert part in card


def test_it_is_arranged_by_the_ratings():
    trained, landmarks = load_trained(FOLDER), read_latents(FOLDER)
    ratings = merge(read_ratings(RATINGS), trained.instruments)
    places = [trained.instruments.index(row.instrument) for row in landmarks.rows]
    labels = one_hot(places, len(trained.instruments))
    distances = centre_distances(landmarks.vectors, labels)
    assert rank_correlations(distances, ratings)["spearman"] > 0.9


@pytest.mark.parametrize("name", ["alto_saxophone_acoustic", "trombone_acoustic"])
def test_notes_of_a_related_font_are_recognised(name):
    path = sorted((ROOT / "data/orchestra/audio").glob(f"{name}_000-*.flac"))[0]
    audio, rate = soundfile.read(path, dtype="float32")
    assert next(iter(place_sound(audio, rate))) == name


def test_a_drawn_curve_is_followed():
    trained, landmarks = load_trained(FOLDER), read_latents(FOLDER)
    curve = np.sin(np.linspace(-np.pi / 2, 3 * np.pi / 2, 50))
    way, targets = descriptors.curve_path(trained, landmarks, curve, "centroid", steps=150)
    hertz = trained.spectra.frequencies
    heard = descriptors.described(trained.spectra.columns(trained.decode(way))[:150], hertz)
    assert rank_correlation(targets, heard["centroid"]) > 0.9


def test_a_path_is_heard(tmp_path):
    assert path.main(["flute E5", "French horn A4", "--output", str(tmp_path / "way.wav")]) == 0
    audio, rate = soundfile.read(tmp_path / "way.wav")
    assert audio.size == 4 * rate
    levels = np.sqrt(np.square(audio.reshape(8, -1)).mean(axis=1))
    assert levels.min() > 0.003
