"""The scripts of vae_generation through their real parsers, from notes to new sounds."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from conftest import assert_refused, assert_trained_on, make_note, outcome, read_csv, write_notes
from hypothesis import given
from hypothesis import strategies as st

from common.audio.loudness import TARGET_LUFS, loudness
from common.cli import UserError
from common.files.audio import peak
from vae_generation import evaluate, generate, preprocess, train, train_continuation
from vae_generation.chords import QUALITIES, parse_chord, progression
from vae_generation.spectrogram import Spectrogram
from vae_generation.store import Example, ImageStore, parse_note

VOICES = {("guitar_acoustic", 0): (0.6, 1.0, 0.7), ("keyboard_acoustic", 0): (1.0, 0.4)}
PITCHES = range(45, 76, 3)
NETWORK = ["--filters", 8, 8, 8, "--strides", "4x4", 4, "2x1", "--batch_size", 8, "--lr", "3e-3"]


def words(*parts):
    return [str(part) for part in parts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Notes, recordings, their stores, and models of all three kinds."""
    base = tmp_path_factory.mktemp("vae")
    write_notes(base / "notes", VOICES, PITCHES, (50, 100))
    (base / "music" / "guitar_acoustic").mkdir(parents=True)
    for index, first in enumerate((0, 5, 9)):
        tune = [make_note(45 + (first + 3 * step) % 30, seconds=0.5) for step in range(40)]
        path = base / "music" / "guitar_acoustic" / f"tune_{index}.wav"
        soundfile.write(path, np.concatenate(tune), 16000)
    common = words("--jobs", 1)
    notes, music = base / "notes.h5", base / "music.h5"
    argv = words("--audio_path", base / "notes", "--features_path", notes, "--transpose", 0, 1)
    assert preprocess.main([*argv, *common]) == 0
    argv = words("--audio_path", base / "notes", base / "music", "--features_path", music)
    assert preprocess.main([*argv, *common, "--hop_seconds", "1.024"]) == 0
    for name, store, *flags in (
        ("plain", music, "--latent_dim", 4),
        ("told", notes, "--latent_dim", 3, "--conditional"),
        ("plane", notes, "--latent_dim", 2),
    ):
        argv = words("--features_path", store, "--output", base / name, *flags, *NETWORK)
        assert train.main([*argv, "--epochs", "2"]) == 0
    argv = words("--model", base / "plain", "--features_path", music, "--steps", 4, "--epochs", 2)
    assert train_continuation.main([*argv, "--units", "8"]) == 0
    return base


def test_a_trimmed_model_is_trained_on(folder, tmp_path):
    argv = words("--features_path", folder / "music.h5", "--latent_dim", 4, *NETWORK)
    assert_trained_on(train, folder / "plain", tmp_path / "small", argv)


def test_notes_become_images_that_know_what_they_are(folder):
    with ImageStore(folder / "notes.h5") as store:
        assert len(store) == 2 * 2 * 2 * len(PITCHES)
        example = store.rows[1]
        assert example == Example("guitar_acoustic_000-045-050~+1", 0.0, "guitar_acoustic", 46, 50)
        image = store.read([1])[0, ..., 0]
        expected, _ = store.spectrogram.image(
            make_note(46, VOICES["guitar_acoustic", 0], level=0.7 * 50 / 127)
        )
        expected, image = expected[:, 4:50], image[:, 4:50]  # without the silence of a shorter file
        loud = expected > 0.4
        assert loud.any()
        np.testing.assert_allclose(image[loud], expected[loud], atol=0.03)
        np.testing.assert_array_equal(store.read([3, 0, 3])[2], store.read([3])[0])


def test_a_split_leaves_no_note_on_both_sides(folder):
    with ImageStore(folder / "notes.h5") as store:
        training, held_out = store.split(0.2)
        assert sorted(training + held_out) == list(range(len(store)))
        assert training
        assert held_out
        sides = [
            {store.rows[index].source.split("~")[0][:-4] for index in side}
            for side in (training, held_out)
        ]
        assert not sides[0] & sides[1]


def test_recordings_become_windows_one_after_the_other(folder):
    with ImageStore(folder / "music.h5") as store:
        windows = [one for one in store.rows if one.source == "guitar_acoustic/tune_0"]
        to_the_end = 20 - store.spectrogram.samples / store.spectrogram.sample_rate
        starts = [1.024 * n for n in range(18)] + [to_the_end]
        assert [one.start for one in windows] == pytest.approx(starts)
        assert {(one.instrument, one.pitch) for one in windows} == {("guitar_acoustic", -1)}


def test_the_same_files_give_the_same_store(folder, tmp_path):
    argv = words("--audio_path", folder / "notes", "--features_path", tmp_path / "again.h5")
    assert preprocess.main([*argv, "--transpose", "0", "1", "--jobs", "1"]) == 0
    with ImageStore(tmp_path / "again.h5") as again, ImageStore(folder / "notes.h5") as store:
        assert again.rows == store.rows
        everything = range(len(store))
        np.testing.assert_array_equal(again.read(everything), store.read(everything))


def test_bad_files_are_named_and_silence_is_counted(tmp_path, capsys):
    write_notes(tmp_path / "notes", {("guitar_acoustic", 0): (1.0,)}, (60,), (80,))
    soundfile.write(tmp_path / "notes" / "silence.wav", np.zeros(16000 * 5), 16000)
    (tmp_path / "notes" / "broken.wav").write_bytes(b"RIFF")
    argv = words("--audio_path", tmp_path / "notes", "--features_path", tmp_path / "x.h5")
    status, out, err = outcome(preprocess.main, [*argv, "--jobs", "1"], capsys)
    assert status == 1
    assert "1 note, 0 windows, 3 silent parts left out" in out[0]
    assert any("broken.wav" in line for line in err)


@pytest.mark.parametrize("name", ["none", "silent"])
def test_nothing_to_learn_from_is_refused(tmp_path, capsys, name):
    (tmp_path / "audios").mkdir()
    if name == "silent":
        soundfile.write(tmp_path / "audios" / "a.wav", np.zeros(9), 16000)
    argv = words("--audio_path", tmp_path / "audios", "--features_path", tmp_path / "x.h5")
    assert_refused(preprocess.main, argv, capsys, "audios")
    assert not (tmp_path / "x.h5").exists()


@given(st.text(max_size=30))
def test_any_name_is_a_note_or_not(name):
    example = parse_note(name)
    assert example is None or (0 <= example.pitch < 128 and 0 < example.velocity < 128)


def test_a_run_folder_holds_everything(folder):
    for name, dimensions in (("plain", 4), ("told", 3), ("plane", 2)):
        run = folder / name
        rows = read_csv(run / "history.csv")
        assert len(rows) == 2
        for loss in ("loss", "reconstruction", "kl"):
            assert np.isfinite(float(rows[1][loss]))
            assert np.isfinite(float(rows[1][f"val_{loss}"]))
        config = json.loads((run / "config.json").read_text())
        assert config["architecture"]["latent_dim"] == dimensions
        for file in ("encoder.h5", "decoder.h5", "latents.h5", "history.png", "latents.png"):
            assert (run / file).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.stress
def test_a_training_that_goes_on_ends_as_one_that_was_not_stopped(folder, tmp_path):
    argv = words("--features_path", folder / "notes.h5", "--latent_dim", 2, *NETWORK)
    for epochs in (1, 2):
        assert train.main([*argv, "--output", str(tmp_path / "run"), "--epochs", str(epochs)]) == 0
    whole, parts = (read_csv(path / "history.csv") for path in (folder / "plane", tmp_path / "run"))
    for first, second in zip(whole, parts, strict=True):
        assert {**first, "seconds": ""} == {**second, "seconds": ""}
    assert (folder / "plane" / "latents.h5").read_bytes() == (
        tmp_path / "run" / "latents.h5"
    ).read_bytes()


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--filters", 8, 8, "--kernels", 3], "--kernels"),
        (["--strides", 3, 3, 3, 3, 3], "--strides"),
        (["--strides", "2x2x2"], "--strides"),
        (["--validation_split", 0.9999], "--validation_split"),
        (["--epoch_offset", 3], "encoder.h5"),
    ],
)
def test_flags_that_do_not_fit_are_refused(folder, tmp_path, capsys, flags, word):
    argv = words("--features_path", folder / "notes.h5", "--output", tmp_path / "run", *flags)
    assert_refused(train.main, argv, capsys, word)
    assert not (tmp_path / "run").exists()


def test_unfit_stores_are_refused(folder, tmp_path, capsys):
    argv = ["--output", str(tmp_path / "run"), "--features_path"]
    assert_refused(train.main, [*argv, str(tmp_path / "none.h5")], capsys, "none.h5")
    (tmp_path / "bad.h5").write_bytes(b"no store")
    assert_refused(train.main, [*argv, str(tmp_path / "bad.h5")], capsys, "bad.h5")
    store = str(folder / "music.h5")
    assert_refused(train.main, [*argv, store, "--conditional"], capsys, "--conditional")
    argv = words("--model", folder / "plain", "--features_path", folder / "notes.h5")
    assert_refused(train_continuation.main, argv, capsys, "--hop_seconds")


def make(folder, model, output, *flags):
    argv = words("--model", folder / model, "--output", output, *flags)
    assert generate.main(argv) == 0


def sounds(path):
    audio, rate = soundfile.read(path)
    assert rate == 16000
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() < 1
    return audio


@pytest.mark.parametrize("source", ["prior", "posterior"])
def test_autonomous_sounds_are_repeatable(folder, tmp_path, source):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        flags = ["--autonomous", 3, "--source", source, "--seed", seed]
        make(folder, "plain", tmp_path / name, *flags)
    first, again, other = (sounds(tmp_path / name / "sound_002.wav") for name in "abc")
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(list((tmp_path / "a").glob("*.wav"))) == 3
    assert (tmp_path / "a" / "sounds.png").exists()


def test_notes_that_are_asked_for_are_named_as_in_NSynth(folder, tmp_path):
    make(folder, "told", tmp_path, "--conditional", "guitar, C4, loud", "keyboard 57 soft")
    names = {path.stem for path in tmp_path.glob("*.wav")}
    assert names == {"guitar_acoustic_000-060-100", "keyboard_acoustic_000-057-040"}
    assert all(parse_note(name) for name in names)
    assert sounds(tmp_path / "guitar_acoustic_000-060-100.wav").size == 63 * 512


def test_chords_last_as_long_as_their_beats(folder, tmp_path):
    flags = ["--beats", 2, "--instrument", "keyboard", "--chords"]
    for bpm, seconds in ((120, 1.0), (240, 0.5)):
        make(folder, "told", tmp_path / "song.wav", "--bpm", bpm, *flags, "Am Bb")
        assert sounds(tmp_path / "song.wav").size == 2 * seconds * 16000
    with pytest.raises(UserError, match="pitch 36 is beyond"):  # these notes have no C2
        make(folder, "told", tmp_path / "song.wav", *flags, "Am C")


def test_a_continuation_begins_with_its_seed(folder, tmp_path):
    seed = folder / "music" / "guitar_acoustic" / "tune_1.wav"
    make(folder, "plain", tmp_path / "x.wav", "--continuation", seed, "--seconds", 3)
    found, given = sounds(tmp_path / "x.wav"), sounds(seed)
    assert found.size == given.size + 3 * 16000
    kept = given.size - 16384
    factor = found[:kept] @ given[:kept] / (given[:kept] @ given[:kept])
    np.testing.assert_allclose(found[:kept], factor * given[:kept], atol=1e-3)


def test_interpolation_and_reconstruction(folder, tmp_path):
    notes = [
        folder / "notes" / f"{name}_acoustic_000-060-100.wav" for name in ("guitar", "keyboard")
    ]
    make(folder, "plain", tmp_path / "way", "--interpolate", *notes, "--steps", 3)
    assert len(list((tmp_path / "way").glob("*.wav"))) == 3
    make(folder, "plain", tmp_path / "same.wav", "--reconstruct", notes[0])
    assert sounds(tmp_path / "same.wav").size == sounds(notes[0]).size


def test_new_sounds_have_one_loudness_unless_the_raw_level_is_asked_for(folder, tmp_path):
    make(folder, "plain", tmp_path / "level", "--autonomous", 3)
    make(folder, "plain", tmp_path / "raw", "--autonomous", 3, "--raw_level")
    for path in sorted((tmp_path / "level").glob("*.wav")):
        audio, rate = soundfile.read(path)
        assert loudness(audio, rate) == pytest.approx(TARGET_LUFS, abs=0.3) or peak(audio) > 0.99
        raw, _ = soundfile.read(tmp_path / "raw" / path.name)
        gain = peak(audio) / peak(raw)
        np.testing.assert_allclose(audio, gain * raw, atol=3e-4 * max(gain, 1))


def test_the_plane_is_a_page_with_a_sound_for_each_cell(folder, tmp_path):
    make(folder, "plane", tmp_path, "--grid", 3)
    page = (tmp_path / "plane.html").read_text()
    assert page.count("data:audio/mpeg") == 9
    assert len(list(tmp_path.glob("cell_*.wav"))) == 9
    assert (tmp_path / "grid.png").exists()


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("plain", ["--conditional", "guitar C4", "--conditional"]),
        ("told", ["--autonomous", 1, "--autonomous"]),
        ("plain", ["--grid", 2, "--latent_dim 2"]),
        ("told", ["--conditional", "tuba C4", "tuba"]),
        ("plane", ["--continuation", "none.wav", "--output"]),
        ("plain", ["--interpolate", "none.wav", "other.wav", "none.wav"]),
        ("none", ["--autonomous", 1, "config.json"]),
        ("notes", ["--autonomous", 1, "config.json"]),
    ],
)
def test_what_cannot_be_made_is_refused(folder, tmp_path, capsys, model, refused):
    *flags, word = refused
    argv = words("--model", folder / model, "--output", tmp_path / "out", *flags)
    assert_refused(generate.main, argv, capsys, word)
    assert not (tmp_path / "out").exists()


def test_damaged_weights_and_silent_recordings_are_refused(folder, tmp_path, capsys):
    shutil.copytree(folder / "plain", tmp_path / "model")
    soundfile.write(tmp_path / "silent.wav", np.zeros(9000), 16000)
    argv = words("--model", tmp_path / "model", "--output", tmp_path / "x.wav")
    argv += ["--reconstruct", str(tmp_path / "silent.wav")]
    assert_refused(generate.main, argv, capsys, "silent.wav")
    (tmp_path / "model" / "decoder.h5").write_bytes(b"no weights")
    assert_refused(generate.main, argv, capsys, "decoder.h5")
    shutil.rmtree(tmp_path / "model" / "predictor")
    assert not (tmp_path / "x.wav").exists()


def test_figures_are_printed(folder, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "PITCHES", range(45, 76, 15))  # fewer, since each takes long
    monkeypatch.setattr(evaluate, "_SHIFTS", (0, 1))
    monkeypatch.setattr(evaluate, "_CELLS", 2)
    argv = words("--audio_path", folder / "notes", "--model", folder / "plain")
    argv += words("--plane_model", folder / "plane")
    assert evaluate.main([*argv, "--conditional_model", str(folder / "told")]) == 0
    out = capsys.readouterr().out
    for word in ("mean note", "no network", "active units", "both", "held-out pairs", "asked for"):
        assert word in out


def test_cells_of_a_plane_have_to_be_loud_and_pitched():
    spectrogram = Spectrogram()
    tone = 0.3 * make_note(60, (1, 0.5, 0.3), 2.0) * np.exp(np.arange(32000) / 16000)
    sounds = [tone, tone * (np.arange(32000) < 8000), 0.01 * tone]

    class Trained:
        def decode_images(self, points):
            return np.stack([spectrogram.image(sounds[place])[0] for place in points])[..., None]

    Trained.spectrogram = spectrogram
    found = evaluate.plane_cells(Trained(), np.arange(3), 0)
    assert found == {"plane": "cells", "number": 3, "loud": 2, "pitched": 2, "both": 1}


@pytest.mark.parametrize(
    ("symbol", "bass", "pitches"),
    [
        ("C", 36, (55, 60, 64)),
        ("Am", 45, (57, 60, 64)),
        ("F#dim", 42, (54, 57, 60)),
        ("G/B", 47, (55, 59, 62)),
        ("Bbmaj7", 46, (57, 58, 62, 65)),
    ],
)
def test_chords(symbol, bass, pitches):
    assert parse_chord(symbol) == (bass, pitches)


@given(st.sampled_from("ABCDEFG"), st.sampled_from(["", "#", "b"]), st.sampled_from([*QUALITIES]))
def test_every_chord_has_the_notes_of_its_quality(letter, accidental, quality):
    bass, pitches = parse_chord(letter + accidental + quality)
    assert {(pitch - bass) % 12 for pitch in pitches} == {step % 12 for step in QUALITIES[quality]}
    assert 36 <= bass < 48
    assert all(54 <= pitch < 66 for pitch in pitches)


@pytest.mark.parametrize("text", ["", "H", "Cx", "C Am Q"])
def test_what_is_no_chord_is_refused(text):
    with pytest.raises(UserError, match="--chords"):
        progression(text)


def test_a_progression_fills_its_beats():
    strokes = progression("C | Am, F", beats=3)
    assert max(stroke.beat + stroke.beats for stroke in strokes) == 9
    assert [stroke.beat for stroke in strokes if len(stroke.pitches) == 1] == [0, 3, 6]


def test_the_classifier_sees_where_the_loudness_lies_and_not_its_level():
    rng = np.random.default_rng(0)
    images = rng.uniform(0.3, 0.5, (40, 64, 16))
    images[::2, :32] += 0.4  # one instrument is dull, the other bright
    images[1::2, 32:] += 0.4
    names = ["dull", "bright"] * 20
    classifier = evaluate.Classifier(images, names, 80.0)
    assert classifier.accuracy(images - 0.2, names) == 1
    assert classifier.accuracy(images[:, ::-1], names) == 0
    levels = np.tile([0.0, 0.2], 20)[:, np.newaxis, np.newaxis]
    first, second = rng.uniform(0.3, 0.5, (2, 40, 64, 16)) + levels
    assert evaluate.Classifier(first, names, 80.0).accuracy(second, names) < 0.8


def test_an_empty_progression_is_told_at_once(tmp_path):
    with pytest.raises(UserError, match="--chords: holds no chord"):
        generate.main(["--chords", "", "--output", str(tmp_path / "x.wav")])
