"""The picture of a library of notes."""

import matplotlib.image
import numpy as np
import pytest
from conftest import assert_refused, make_note

from common.music.notes import NoteLibrary
from common.music.pitch import frequency
from common.report import notes


@pytest.mark.parametrize("pitch", [40, 69, 100])
def test_the_band_of_a_tone_is_the_loudest(pitch):
    levels = notes.band_levels(make_note(pitch), 16000)
    assert levels.max() == 0
    assert levels.min() >= notes.FLOOR
    band = notes.BANDS_PER_OCTAVE * np.log2(frequency(pitch) / notes.LOWEST)
    assert np.argmax(levels) == int(band)
    assert (notes.band_levels(np.zeros(8000, np.float32), 16000) == notes.FLOOR).all()


def test_white_noise_rises_by_three_decibels_per_octave():
    noise = np.random.default_rng(0).normal(0, 0.1, 40000).astype(np.float32)
    levels = notes.band_levels(noise, 16000)
    upper = np.arange(len(levels)) > 20
    slope = np.polyfit(np.arange(len(levels))[upper], levels[upper], 1)[0]
    assert slope * notes.BANDS_PER_OCTAVE == pytest.approx(3, abs=0.3)


def test_every_note_is_a_column(notes_folder):
    image, count = notes.instrument_image(NoteLibrary(notes_folder), "keyboard_acoustic")
    assert 21 + np.flatnonzero(~np.isnan(image[0])).tolist()[0] == 48
    assert (np.isfinite(image[0]).sum(), count) == (5, 10)


def test_the_script_writes_a_picture(notes_folder, tmp_path, capsys):
    path = tmp_path / "notes.png"
    assert notes.main(["--input", str(notes_folder), "--output", str(path)]) == 0
    picture = matplotlib.image.imread(path)
    assert picture.shape[0] > 200
    assert picture.std() > 0.1
    argv = ["--input", str(notes_folder), "--output", str(tmp_path / "notes.txt")]
    assert_refused(notes.main, argv, capsys, "end it in .png")
