"""common/music/transcription.py: scores of notes in closed form; the transcriber on tones."""

from importlib.util import find_spec

import numpy as np
import pytest
from conftest import make_note

from common.cli import UserError
from common.music import transcription
from common.music.midi import Note
from common.music.transcription import hear, note_scores, require_transcriber
from data import write_audio

with_mir_eval = pytest.mark.skipif(not find_spec("mir_eval"), reason="mir_eval is not installed")


def notes(*pitches_and_starts):
    return [Note(pitch, 80, start, start + 0.5) for pitch, start in pitches_and_starts]


@with_mir_eval
@pytest.mark.parametrize(
    ("estimated", "precision", "recall"),
    [
        ([(60, 0.0), (64, 1.0), (67, 2.0), (72, 3.0)], 1, 1),
        ([(60, 0.04), (64, 0.97)], 1, 1 / 2),  # within 50 ms
        ([(60, 0.06), (64, 1.0)], 1 / 2, 1 / 4),  # not within
        ([(60, 0.0), (60, 0.01), (60, 0.02)], 1 / 3, 1 / 4),  # one note is found once
        ([(61, 0.0), (64, 1.0)], 1 / 2, 1 / 4),  # another pitch
        ([], 0, 0),
    ],
)
def test_scores_of_known_notes(estimated, precision, recall):
    reference = notes((60, 0.0), (64, 1.0), (67, 2.0), (72, 3.0))
    found = note_scores(reference, notes(*estimated))
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0
    assert found == pytest.approx({"precision": precision, "recall": recall, "F1": f1})


@with_mir_eval
def test_the_length_of_a_note_does_not_matter():
    short, long = [Note(60, 80, 0.0, 0.1)], [Note(60, 80, 0.0, 3.0)]
    assert note_scores(short, long)["F1"] == 1


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(transcription, "PACKAGES", ("numpy", "no_such_package"))
    with pytest.raises(UserError, match="no_such_package not installed; run `make notes`"):
        require_transcriber()


@pytest.mark.skipif(not find_spec("basic_pitch"), reason="Basic Pitch is not installed")
@pytest.mark.filterwarnings("ignore")
def test_notes_of_tones_are_heard(tmp_path):
    require_transcriber()
    pitches = (60, 67, 64)
    tones = [make_note(pitch, (1.0, 0.5, 0.3), seconds=0.8, rate=44100) for pitch in pitches]
    write_audio(tmp_path / "tones.wav", np.concatenate(tones))
    heard = hear(tmp_path / "tones.wav")
    reference = notes(*((pitch, 0.8 * place) for place, pitch in enumerate(pitches)))
    assert note_scores(reference, heard.notes)["recall"] == 1
    columns, keys = heard.posteriors.shape
    assert (columns / 2.4, keys) == (pytest.approx(86, abs=1), 88)
    # in the middle of each tone its key is the likeliest
    middles = (columns * np.array([1, 3, 5]) / 6).astype(int)
    assert tuple(21 + heard.posteriors[middles].argmax(axis=1)) == pitches
