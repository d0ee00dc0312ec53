"""Notes that are changed between instruments, by a model that does next to nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import make_note, write_notes

from common.audio.descriptors import NAMES, describe
from common.cli import UserError
from common.music.names import NoteName
from common.music.pitch import frequency
from common.networks.conditions import NoteConditions
from common.report.pairs import (
    NoteSound,
    change_pairs,
    describe_pair,
    draw_descriptors,
    load_notes,
    pairs_of,
    sounds_of,
)

RATE = 16000
NAMED = "flute_acoustic", "oboe_acoustic", "violin_acoustic"
CONDITIONS = NoteConditions(NAMED)
MODEL = SimpleNamespace(
    conditions=CONDITIONS,
    sample_rate=RATE,
    note_seconds=0.4,
    note_image=lambda audio: (audio.reshape(1, -1), 1.0),
    change_note=lambda image, pitch, target, source: -image if source else 2 * image,
    changed_level=lambda level, target, source: 0.5 * level if source else level,
    note_sound=lambda image, level: level * image[0],
)


def note(instrument, pitch, velocity=80):
    audio = make_note(pitch, (1.0, 0.5), 0.4)
    name = NoteName(f"{instrument}_acoustic", 0, pitch, velocity)
    return NoteSound(name, audio, audio[np.newaxis], 1.0)


def change(notes, true, *names, most=8):
    pairs = [tuple(f"{one}_acoustic" for one in pair) for pair in names]
    return change_pairs(MODEL, notes, true, pairs, most=most, rng=np.random.default_rng(0))


def test_notes_are_beside_true_ones_of_the_same_pitch():
    notes = [note("flute", 60), note("flute", 60, 30), note("flute", 61), note("horn", 60)]
    true = [note("oboe", 60), note("oboe", 60, 30), note("oboe", 64), note("violin", 60, 99)]
    pairs = change(notes, true, ("flute", "oboe"), ("flute", "violin"), ("oboe", "flute"))
    assert [(pair.source, pair.target) for pair in pairs] == [NAMED[:2], NAMED[::2]]
    assert [one.name.pitch for one in pairs[0].given] == [60, 60]
    assert pairs[0].true == true[:2]
    assert pairs[1].true == true[3:]
    assert len(change(notes, true, ("flute", "oboe"), most=1)[0].given) == 1


def test_the_source_is_told_if_it_is_known_and_levels_change():
    true = [note("oboe", 60)]
    known, unknown = change(
        [note("flute", 60), note("horn", 60)], true, ("flute", "oboe"), ("horn", "oboe")
    )
    audio = true[0].audio
    np.testing.assert_allclose(sounds_of(MODEL, known)[0], -0.5 * audio)
    np.testing.assert_allclose(sounds_of(MODEL, unknown)[0], 2 * audio)
    given, made, right = describe_pair(known, [audio], RATE)
    expected = np.array([*describe(audio, RATE, frequency(60)).values()])
    for found in (given, made, right):
        np.testing.assert_allclose(found[:, 0], expected)


def test_notes_of_a_folder_that_a_model_can_be_told(tmp_path):
    voices = {("flute_acoustic", 0): (1.0,), ("horn_acoustic", 0): (1.0, 0.5)}
    write_notes(tmp_path, voices, (9, 60), (80,))
    (found,) = load_notes(tmp_path, MODEL)
    assert (found.name.instrument, found.name.pitch) == ("flute_acoustic", 60)
    assert found.audio.size == 0.4 * RATE
    assert len(load_notes(tmp_path, MODEL, known=False)) == 2
    with pytest.raises(UserError, match="no notes of violin"):
        other = SimpleNamespace(**{**vars(MODEL), "conditions": NoteConditions(("violin",))})
        load_notes(tmp_path, other)


def test_pairs_are_found_or_named():
    notes = [note(name, pitch) for name in ("flute", "oboe", "violin") for pitch in (60, 62)]
    found = pairs_of(None, CONDITIONS, notes)
    assert len(set(found)) == len({one for one, _ in found}) == len({two for _, two in found}) == 2
    assert pairs_of(["flute=oboe"], CONDITIONS, notes) == [NAMED[:2]]
    for words, said in ((["flute"], "flute=violin"), (["flute=tuba"], "tuba")):
        with pytest.raises(UserError, match=said):
            pairs_of(words, CONDITIONS, notes)
    apart = [note("flute", 60), note("oboe", 61)]
    with pytest.raises(UserError, match="two instruments"):
        pairs_of(None, CONDITIONS, apart)
    with pytest.raises(UserError, match="both play"):
        pairs_of(["flute=oboe"], CONDITIONS, apart)


def test_descriptors_are_drawn_as_violins():
    rng = np.random.default_rng(0)
    figure = draw_descriptors({"one": rng.random((8, 5)), "two": rng.random((8, 3))})
    assert [axis.get_title() for axis in figure.axes] == list(NAMES)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["one", "two"]
