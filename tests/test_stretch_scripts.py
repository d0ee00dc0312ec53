"""The scripts of time_stretching through their real parsers, from notes to stretched sound."""

import shutil

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, assert_same_run, outcome, read_csv

import ship_model
import synthesize_audios
from benchmarks import time_stretching as benchmark
from common.music.names import piece_below
from common.training.run_folder import RunFolder
from data import load_audio
from time_stretching import (
    evaluate,
    preprocess,
    stretch,
    train_autoencoder,
    train_corrector,
)
from time_stretching.methods import LEVEL
from time_stretching.spectrogram import SAMPLE_RATE, TRANSFORM
from time_stretching.store import Store
from time_stretching.trained import load_stretcher

SPLIT = ["--validation_split", "0.3"]
SHORT = [*SPLIT, "--steps_per_epoch", "3", "--batch_size", "2", "--columns", "24"]


def words(*parts):
    return [str(part) for part in parts]


@pytest.fixture(scope="module")
def folder(notes_folder, midi_folder, tmp_path_factory):
    """Music at two tempi, its store, our model and a published one."""
    base = tmp_path_factory.mktemp("stretch")
    argv = words("--nsynth_path", notes_folder, "--midi_path", midi_folder, "--jobs", 1)
    argv += words("--audios_path", base / "audios", "--instruments", "keyboard_acoustic")
    assert synthesize_audios.main([*argv, "--playback_speed", "1", "1.5"]) == 0
    argv = words("--audio_path", base / "audios", "--features_path", base / "x.h5", "--jobs", 1)
    assert preprocess.main([*argv, "--random_rates", "1", "--rates", "0.5", "2"]) == 0
    for name, flags, pairs in (
        ("ours", [], []),
        ("published", ["--as_published"], ["--pairs", "both"]),
    ):
        argv = words("--features_path", base / "x.h5", "--output", base / name, *flags, *SHORT)
        assert train_autoencoder.main([*argv, "--epochs", "2"]) == 0
        argv = words("--features_path", base / "x.h5", "--model", base / name, *SHORT)
        assert train_corrector.main([*argv, "--epochs", "1", *pairs]) == 0
    return base


@pytest.fixture(scope="module")
def song(folder):
    """A stereo recording at 44.1 kHz: path and audio."""
    audio, rate = soundfile.read(folder / "audios" / "keyboard_acoustic" / "waltz.wav")
    path = folder / "song.wav"
    stereo = np.stack([audio, 0.5 * audio], axis=-1)[: 3 * rate // 2]
    soundfile.write(path, stereo, rate)
    return path, soundfile.read(path)[0]


def test_a_store_holds_recordings_and_what_the_vocoder_makes_of_them(folder):
    with Store(folder / "x.h5") as store:
        assert len(store.rows) == 4 * 2 * 4
        for one in store.rows:
            original = next(two for two in store.rows if two.name == one.name and two.rate == 1)
            assert one.columns == pytest.approx(original.columns / one.rate, abs=9)
        training, held_out = store.sides(0.3)
        assert {piece_below(one.name) for one in held_out} == {"arpeggio"}
        assert len(held_out) == 8
        assert len(training) == 24
        image = store.columns(training[0])
        assert 0 <= image.min() < image.max() < 1
        drawn = {one.rate for one in store.rows} - {0.5, 1.0, 2.0}
        assert len(drawn) == 8
        assert all(0.25 <= rate <= 4 for rate in drawn)


def test_the_same_files_give_the_same_store(folder, tmp_path):
    argv = words("--audio_path", folder / "audios", "--features_path", tmp_path / "y.h5")
    argv += words("--random_rates", 1, "--rates", 0.5, 2, "--jobs", 1)
    assert preprocess.main(argv) == 0
    with Store(tmp_path / "y.h5") as again, Store(folder / "x.h5") as store:
        assert again.rows == store.rows
        for one in store.rows:
            np.testing.assert_array_equal(again.columns(one), store.columns(one))


def test_bad_files_are_named_and_silence_is_counted(folder, tmp_path, capsys):
    music = tmp_path / "music"
    music.mkdir()
    argv = words("--audio_path", music, "--features_path", tmp_path / "x.h5", "--jobs", 1)
    assert_refused(preprocess.main, argv, capsys, "music", "no audio")
    soundfile.write(music / "silence.wav", np.zeros(16000), 16000)
    assert_refused(preprocess.main, argv, capsys, "music", "nothing is written")
    assert not (tmp_path / "x.h5").exists()
    (music / "broken.wav").write_bytes(b"RIFF")
    shutil.copy(folder / "audios" / "keyboard_acoustic" / "march.wav", music)
    argv += words("--max_seconds", 1, "--random_rates", 3)
    status, out, err = outcome(preprocess.main, argv, capsys)
    assert status == 1
    assert "1 recording, 3 stretched, 1 silent recording left out" in out[0]
    assert any("broken.wav" in line for line in err)


def test_run_folders_hold_everything(folder):
    for name in ("ours", "published"):
        run = RunFolder(folder / name)
        assert run.read_config()["split"]["held_out"] == [
            "keyboard_acoustic/arpeggio",
            "keyboard_acoustic/arpeggio~speed1.5",
        ]
        assert len(read_csv(folder / name / "history.csv")) == 2
        files = {path.name for path in (folder / name).iterdir()}
        assert {"encoder.h5", "decoder.h5", "history.png", "reconstructions.png"} <= files
        row = read_csv(folder / name / "corrector" / "history.csv")[-1]
        assert ("distance" in row) == (name == "ours")
        config = RunFolder(folder / name / "corrector").read_config()
        # 3 pieces at 2 tempi: 4 rates each, and 2 ways between the tempi
        both = {"vocoder": 3 * 2 * 4, "true": 3 * 2}
        assert config["pairs"] == ({"resized": 3 * 2 * 4} if name == "ours" else both)


@pytest.mark.slow
@pytest.mark.stress
def test_training_goes_on_where_it_stopped(folder, tmp_path):
    argv = words("--features_path", folder / "x.h5", "--output", tmp_path / "run", *SHORT)
    assert train_autoencoder.main([*argv, "--epochs", "1"]) == 0
    assert train_autoencoder.main([*argv, "--epochs", "2"]) == 0
    argv = words("--features_path", folder / "x.h5", "--model", tmp_path / "run", *SHORT)
    assert train_corrector.main([*argv, "--epochs", "1"]) == 0
    for part in ("", "corrector"):
        assert_same_run(tmp_path / "run" / part, folder / "ours" / part)


def test_published_networks_learn_from_the_sound_of_the_vocoder(folder, tmp_path):
    shutil.copytree(folder / "published", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "corrector")
    argv = words("--features_path", folder / "x.h5", "--model", tmp_path / "run", *SHORT)
    session = train_corrector.Session(**vars(train_corrector.build_parser().parse_args(argv)))
    assert session.describe() == {"pairs": {"vocoder": 3 * 2 * 4}}


def test_what_cannot_be_trained_is_refused(folder, tmp_path, capsys):
    argv = words("--output", tmp_path / "run", "--features_path")
    main = train_autoencoder.main
    assert_refused(main, [*argv, str(tmp_path / "none.h5")], capsys, "none.h5", "preprocess")
    store = str(folder / "x.h5")
    flags = ["--as_published", "--floor_db", "-40"]
    assert_refused(main, [*argv, store, *flags], capsys, "--floor_db")
    flags = ["--validation_split", "0.999999"]
    assert_refused(main, [*argv, store, *flags], capsys, "--validation_split")
    main, argv = train_corrector.main, ["--features_path", store, "--model"]
    assert_refused(main, [*argv, str(tmp_path / "none")], capsys, "none")
    ours = str(folder / "ours")
    assert_refused(main, [*argv, ours], capsys, "--validation_split", "0.3")
    assert not (tmp_path / "run").exists()


def make(song, output, *flags):
    argv = words("--input", song[0], "--output", output, *flags)
    assert stretch.main(argv) == 0
    return soundfile.read(output)


@pytest.mark.parametrize("method", ["neural", "codes", "vocoder", "interp", "resample"])
def test_every_method_keeps_rate_and_channels(folder, song, tmp_path, method):
    for model in ("ours", "published"):
        flags = ["--rate", 1.5, "--method", method, "--model", folder / model]
        audio, rate = make(song, tmp_path / "x.wav", *flags)
        assert rate == 44100
        assert audio.shape == (round(len(song[1]) / 1.5), 2)
        again, _ = make(song, tmp_path / "y.wav", *flags)
        np.testing.assert_array_equal(again, audio)
        if model == "ours":  # the published one is hardly trained, and quiet
            assert np.abs(audio).max() > 0.01
            # the file's steps of 16 bit differ between its channels
            rest = audio[:, 1] - 0.5 * audio[:, 0]
            assert np.sqrt(np.mean(rest**2)) < 0.05 * np.sqrt(np.mean(audio[:, 1] ** 2))


def test_a_duration_is_met_to_the_sample(folder, song, tmp_path):
    audio, rate = make(song, tmp_path / "x.flac", "--duration", 2.25, "--method", "vocoder")
    assert len(audio) == round(2.25 * rate)


def test_silence_gives_silence(folder, tmp_path, capsys):
    soundfile.write(tmp_path / "silence.wav", np.zeros(20000), 22050)
    argv = words("--input", tmp_path / "silence.wav", "--output", tmp_path / "x.wav", "--rate", 2)
    assert stretch.main([*argv, "--model", str(folder / "ours")]) == 0
    assert "silent" in capsys.readouterr().out
    assert not soundfile.read(tmp_path / "x.wav")[0].any()


@pytest.fixture(scope="module")
def spoilt(folder, song, tmp_path_factory):
    """Unusable files and models, next to a usable song."""
    base = tmp_path_factory.mktemp("spoilt")
    shutil.copy(song[0], base)
    (base / "broken.wav").write_bytes(song[0].read_bytes()[:1000])
    soundfile.write(base / "empty.wav", np.zeros(0), 16000)
    for name in ("damaged", "half", "other"):
        shutil.copytree(folder / "ours", base / name)
    (base / "damaged" / "decoder.h5").write_bytes(b"no weights")
    shutil.rmtree(base / "half" / "corrector")
    (base / "other" / "config.json").write_text('{"system": "vae_generation"}')
    return base


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--rate", "5"], "--rate"),
        (["--rate", "0.2"], "--rate"),
        (["--rate", "-1"], "--rate"),
        (["--rate", "nan"], "--rate"),
        (["--duration", "100"], "--duration"),
        (["--duration", "0"], "--duration"),
        (["--rate", "1", "--duration", "1"], "--duration"),
        ([], "--rate"),
        (["--rate", "1", "--method", "magic"], "--method"),
        (["--rate", "1", "--model", "none"], "train_autoencoder"),
        (["--rate", "1", "--input", "none.wav"], "none.wav"),
        (["--rate", "1", "--input", "broken.wav"], "broken.wav"),
        (["--rate", "1", "--input", "empty.wav"], "empty.wav"),
        (["--rate", "1", "--output", "x.txt"], "x.txt"),
        (["--rate", "1", "--model", "damaged"], "decoder.h5"),
        (["--rate", "1", "--model", "half"], "train_corrector"),
        (["--rate", "1", "--model", "other"], "other"),
    ],
)
def test_mistakes_take_one_line(spoilt, capsys, monkeypatch, flags, word):
    monkeypatch.chdir(spoilt)
    argv = words("--input", "song.wav", "--output", "out.wav", *flags)
    assert_refused(stretch.main, argv, capsys, word)
    assert not (spoilt / "out.wav").exists()


def test_a_shipped_model_is_half_as_large_and_stretches_alike(folder, song, tmp_path, capsys):
    argv = words("--model", folder / "ours", "--output", tmp_path / "model")
    assert ship_model.main(argv) == 0
    assert "MB" in capsys.readouterr().out
    sizes = [
        sum(path.stat().st_size for path in base.rglob("*coder.h5"))
        for base in (tmp_path / "model", folder / "ours")
    ]
    assert sizes[0] < 0.55 * sizes[1]
    assert keras.models.load_model(tmp_path / "model" / "encoder.h5", compile=False)
    config = RunFolder(tmp_path / "model").read_config()
    assert config["flags"]["features_path"] == "x.h5"
    found = [
        make(song, tmp_path / "x.wav", "--rate", 0.8, "--model", model)[0]
        for model in (tmp_path / "model", folder / "ours")
    ]
    difference = np.sqrt(np.mean((found[0] - found[1]) ** 2))
    assert difference < 0.2 * np.sqrt(np.mean(found[1] ** 2))
    assert_refused(ship_model.main, words("--model", "none", "--output", "x"), capsys, "none")
    same = words("--model", folder / "ours", "--output", folder / "ours")
    assert_refused(ship_model.main, same, capsys, "--output")


@pytest.fixture
def few_tones(monkeypatch):
    """Fewer and shorter known sounds, because every method stretches each at every rate."""
    monkeypatch.setattr(evaluate, "PITCHES", (440.0,))
    monkeypatch.setattr(evaluate, "LEVEL_PITCHES", (440.0,))
    monkeypatch.setattr(evaluate, "_TONE_SECONDS", 1.0)
    monkeypatch.setattr(evaluate, "_CLICKS", np.array([0.5, 1.3]))
    monkeypatch.setattr(evaluate, "_CLICK_SECONDS", 2.0)


@pytest.mark.usefixtures("few_tones")
def test_figures_are_printed_and_drawn(folder, tmp_path, capsys):
    argv = words("--model", folder / "ours", "--audio_path", folder / "audios", "--seconds", 2)
    argv += words("--rates", 1, 1.5, "--output", tmp_path / "figures")
    assert evaluate.main(argv) == 0
    out = capsys.readouterr().out
    for word in (
        "arpeggio",
        "published_scale",
        "true",
        "below_codes",
        "clicks_ms",
        "level_dB",
        "resample",
    ):
        assert word in out
    assert sum(line.startswith("perfect") for line in out.splitlines()) == 2
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"rates.png", "codes.png", "methods.png"}
    argv = words("--model", folder / "ours", "--audio_path", tmp_path)
    assert_refused(evaluate.main, argv, capsys, "held out")


def test_what_a_perfect_corrector_would_make_is_measured_too(folder, song):
    trained = load_stretcher(folder / "ours")
    audio = load_audio(song[0], sample_rate=SAMPLE_RATE)[0]
    audio *= np.float32(LEVEL / np.abs(audio).max())
    knowing = evaluate.all_knowing(trained, audio)
    image = trained.scale.image(np.abs(TRANSFORM.forward(audio)))
    np.testing.assert_array_equal(knowing.correct(None, 1.0), trained.encode(image))
    found = evaluate.distances(trained, audio, 1.0)
    same = found["codes, phase of neural"]["vocoder"]
    assert found["perfect"]["vocoder"] == pytest.approx(same, rel=0.05)
    # at rate 0.5 every second column lies halfway between two
    magnitude = np.abs(TRANSFORM.forward(audio))
    between = trained.scale.image((magnitude[:, :-1] + magnitude[:, 1:]) / 2)
    image = np.stack([image[:, :-1], between], axis=2).reshape(len(image), -1)
    found = knowing.correct(None, 0.5)[:, : image.shape[-1]]
    np.testing.assert_allclose(found[:, :-9], trained.encode(image)[:, :-9], atol=1e-4)
    found = evaluate.distances(trained, audio, 0.5)
    assert found["vocoder"]["vocoder"] == found["vocoder, onsets left"]["librosa"] == 0
    apart = found["vocoder"]["librosa"], found["vocoder, onsets left"]["vocoder"]
    assert 0 < apart[0] == pytest.approx(apart[1], rel=0.05)


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("few_tones")
def test_the_benchmark_compares_the_methods(folder, song, capsys):
    argv = words("--model", folder / "ours", "--input", song[0], "--rates", 1.5, "--rounds", 1)
    assert benchmark.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines[1:6]]
    assert names[:5] == ["neural", "codes", "vocoder", "interp", "resample"]
