"""Granular synthesis: grains, networks and losses against closed forms, and the scripts."""

import json

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, assert_trained_on, make_note, outcome, read_csv, write_notes

from common.cli import UserError
from common.latent import LatentModel
from common.training.weights import save_h5
from granular import (
    evaluate,
    interpolate,
    loop,
    morph,
    page,
    path,
    preprocess,
    resynthesize,
    sample,
    train_grains,
    train_sequences,
    ways,
)
from granular.batches import Sounds, shifted
from granular.corpus import Corpus
from granular.model import (
    BANDS,
    DECODERS,
    ENCODERS,
    SIZES,
    TAPS,
    Architecture,
    Synthesis,
    bands,
    build_decoder,
    build_encoder,
    build_post,
    encoder_inputs,
)
from granular.paths import way
from granular.sequences import divergence
from granular.sounds import Grains, Labels, Sound, SoundStore
from granular.trained import load_trained, read_latents

RATE = 16000
GRAINS = Grains.of_rate(RATE)
CLASSES = {"hat": 6000, "kick": 80, "tom": 200}  # Hz


def words(*parts):
    return [str(part) for part in parts]


def hit(hertz, seed=0, seconds=0.3):
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.1, time.size)
    return np.float32(0.5 * np.exp(-12 * time) * (np.sin(2 * np.pi * hertz * time) + noise))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hits, their store, and a trained model with sequences."""
    base = tmp_path_factory.mktemp("granular")
    for name, hertz in CLASSES.items():
        (base / "hits" / name).mkdir(parents=True)
        for kit in ("one", "two", "three"):
            seed = len(kit) + len(name)
            soundfile.write(base / "hits" / name / f"{kit}_36_80.wav", hit(hertz, seed), RATE)
    argv = words("--audio_path", base / "hits", "--features_path", base / "hits.h5", "--jobs", 1)
    assert preprocess.main(argv) == 0
    common = words("--features_path", base / "hits.h5", "--epochs", 1, "--steps_per_epoch", 2)
    common += words("--batch_size", 2, "--validation_split", 0.3, "--shift", 2, "--latent_dim", 4)
    argv = words("--output", base / "run", "--part", 6, "--decoder", "filter_post")
    assert train_grains.main([*common, *argv]) == 0
    argv = words("--model", base / "run", "--beta", 0.01)
    assert train_sequences.main([*common, *argv]) == 0
    return base


def test_a_trimmed_model_is_trained_on(folder, tmp_path):
    argv = words("--features_path", folder / "hits.h5", "--part", 6, "--decoder", "filter_post")
    argv += words("--latent_dim", 4)
    assert_trained_on(train_grains, folder / "run", tmp_path / "small", argv, approximate=True)


def test_grains_are_as_published():
    for rate, size, samples in ((22050, 2048, 22528), (16000, 1024, 16384)):
        grains = Grains.of_rate(rate)
        assert (grains.size, grains.samples) == (size, samples)
        assert Grains.of_rate(rate, 512).samples == samples
    assert Grains.of_rate(22050).count == 41
    with pytest.raises(UserError):
        Grains(16000, 1000).check()


def test_a_sound_is_prepared():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    given = np.concatenate([np.zeros(5000), 0.2 + tone]).astype(np.float32)
    step = GRAINS.prepare(given)
    assert step.shape == (GRAINS.samples,)
    assert np.abs(step).max() == pytest.approx(0.9)
    sound = GRAINS.prepare(np.concatenate([np.zeros(5000), tone]).astype(np.float32))
    assert np.abs(sound[:4]).max() > 0.1  # begins at once
    assert not sound[RATE:].any()
    hum = np.sin(2 * np.pi * 10 * np.arange(2 * RATE) / RATE) + np.tile(tone, 2)
    spectrum = np.abs(np.fft.rfft(GRAINS.prepare(np.float32(hum))[4000:]))
    assert np.argmax(spectrum) * RATE / (GRAINS.samples - 4000) == pytest.approx(1000, abs=5)
    assert GRAINS.prepare(np.zeros(9, np.float32)) is None
    assert GRAINS.prepare(np.zeros(0, np.float32)) is None


def test_names_tell_classes_pitches_and_what_is_held_out_together():
    note = Sound.of("audio/violin_acoustic_000-069-080")
    assert note[1:] == ("violin_acoustic", 69)
    assert note.unit == Sound.of("violin_acoustic_003-069-127").unit
    kick = Sound.of("kits/kick/standard_36_112")
    assert kick[1:] == ("kick", -1)
    assert kick.unit == Sound.of("kick/standard_36_48").unit == "kick/standard_36"
    assert Sound.of("kick/hit_1").unit != Sound.of("kick/hit_2").unit
    assert Sound.of("alone") is None
    labels = Labels(("kick", "snare"))
    np.testing.assert_array_equal(labels.vectors(["snare", "kick"], [0, 0]), [[0, 1], [1, 0]])
    notes = Labels(("flute_acoustic", "violin_acoustic"), pitched=True)
    vector = notes.vectors(notes.find("violin"), [69])[0]
    assert np.flatnonzero(vector).tolist() == [9, 12 + 4, 12 + 9 + 1]
    assert len(vector) == notes.length
    with pytest.raises(UserError, match="kick, snare"):
        labels.find("tuba")


def test_a_store_leaves_out_and_counts(tmp_path, capsys):
    write_notes(tmp_path / "notes", {("flute_acoustic", 0): (1.0,)}, (60, 62), (80,))
    soundfile.write(tmp_path / "notes" / "song.wav", make_note(60), RATE)
    soundfile.write(tmp_path / "notes" / "flute_acoustic_000-061-080.wav", np.zeros(RATE), RATE)
    files = {"flute_acoustic_000-062-080.wav": {"source": "s", "sha256": "", "licence": ""}}
    files["flute_acoustic_000-062-080.wav"]["held_out"] = True
    index = {"files": files, "sources": {"s": {"citation": ""}}}
    name = next((tmp_path / "notes").rglob("*-062-080.wav")).relative_to(tmp_path / "notes")
    index["files"] = {name.as_posix(): next(iter(files.values()))}
    (tmp_path / "notes" / "index.json").write_text(json.dumps(index))
    argv = words("--audio_path", tmp_path / "notes", "--features_path", tmp_path / "x.h5")
    status, out, _ = outcome(preprocess.main, [*argv, "--jobs", "1"], capsys)
    assert status == 0
    assert "1 sound of 1 class, 1 silent file left out" in out[0]
    assert "1 file marked as held out left out" in out[0]
    with SoundStore(tmp_path / "x.h5") as store:
        assert store.labels == Labels(("flute_acoustic",), pitched=True)
        expected = GRAINS.prepare(make_note(60, (1.0,), level=0.5 * 80 / 127))
        assert np.corrcoef(store.audio([0])[0], expected)[0, 1] > 0.99


def test_grains_that_do_not_exist_are_refused(folder, tmp_path, capsys):
    argv = words("--audio_path", folder / "hits", "--features_path", tmp_path / "x.h5")
    assert_refused(preprocess.main, [*argv, "--grain", "1000"], capsys, "grains of 1000 samples")
    assert not list(tmp_path.iterdir())


def test_parts_begin_where_a_sound_is_heard(folder):
    with SoundStore(folder / "hits.h5") as store:
        batches = Sounds(store, range(9), 90, part=2, shuffle=True, steps=1, seed=3)
        parts, truth = batches[0]
        assert parts is truth
        assert parts.shape == (90, 5 * GRAINS.hop)
        assert np.abs(parts).max(axis=1).min() > 0.005
        np.testing.assert_array_equal(parts, batches[0][0])
        whole = Sounds(store, range(9), 4)
        np.testing.assert_array_equal(whole[2][0], store.audio([8]))


def test_a_shift_changes_the_pitch():
    tone = np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)[np.newaxis]
    made = shifted(np.repeat(tone, 2, axis=0), np.array([12.0, -12.0]))
    for sound, hertz in zip(made[:, : RATE // 2], (1000, 250), strict=True):
        assert np.argmax(np.abs(np.fft.rfft(sound))) * 2 == hertz


@pytest.mark.parametrize("size", SIZES)
def test_decoders_have_equal_numbers_of_weights(size):
    counts = [
        build_decoder(
            Architecture(1024 if size == "small" else 2048, 64, name, size)
        ).count_params()
        for name in DECODERS
    ]
    assert max(counts) / min(counts) < 1.1


@pytest.mark.parametrize("decoder", DECODERS)
def test_networks_are_of_stock_layers_and_make_grains(tmp_path, decoder):
    architecture = Architecture(1024, 8, decoder).check()
    network, rng = build_decoder(architecture), np.random.default_rng(0)
    save_h5(network, tmp_path / "decoder.h5")
    again = keras.models.load_model(tmp_path / "decoder.h5", compile=False)
    assert {type(layer).__module__.partition(".")[0] for layer in again.layers} == {"keras"}
    latents = rng.normal(size=(2, 5, 8)).astype(np.float32)
    noise = rng.uniform(-1, 1, (2, 8 * 256)).astype(np.float32)
    published = architecture._replace(as_published=True)
    post = build_post(published)
    plain = build_post(architecture)
    assert np.array_equal(plain(noise[..., None])[..., 0], noise)
    assert [weight.shape for weight in plain.get_weights()] == [(TAPS, 1, 1)]  # no bias
    made, plain = (
        np.asarray(Synthesis(again, part, architecture)(latents, noise)) for part in (post, None)
    )
    assert made.shape == noise.shape
    np.testing.assert_allclose(made, plain / (1 + np.abs(plain)), atol=1e-5)  # the soft limit
    other = np.asarray(Synthesis(network, None, architecture)(latents, -noise))
    sign = -1 if decoder.startswith("filter") else 1  # convolutions make no use of noise
    np.testing.assert_allclose(other, sign * plain, atol=1e-5)
    halved = np.asarray(Synthesis(network, None, published)(latents, noise))
    np.testing.assert_allclose(halved[:, 768:-768], plain[:, 768:-768] / 2, atol=1e-5)


def test_the_encoder_is_told_the_level_of_a_grain():
    rng = np.random.default_rng(0)
    audio = rng.normal(0, 0.1, (1, 8 * 256)).astype(np.float32)
    convolution, spectrum = (Architecture(1024, 8, encoder=name) for name in ENCODERS[::-1])
    quiet, loud = (
        [np.asarray(part) for part in encoder_inputs(gain * audio, convolution)] for gain in (1, 10)
    )
    assert quiet[0].shape == (5, 1024, 1)
    np.testing.assert_allclose(np.square(quiet[0]).mean(axis=1), 1, rtol=1e-3)
    np.testing.assert_allclose(loud[0], quiet[0], atol=1e-3)
    np.testing.assert_allclose(loud[1] - quiet[1], 0.8, atol=1e-3)  # 20 dB
    sine = np.sin(2 * np.pi * 64 / 1024 * np.arange(8 * 256))[np.newaxis].astype(np.float32)
    levels = np.asarray(encoder_inputs(sine, spectrum))
    assert levels.shape == (5, BANDS)
    own = np.argmax(bands(1024)[64])  # the sine fills three bins, of 1/4, 1 and 1/4 of its level
    np.testing.assert_allclose(levels[2, own], 2 + np.log10(1.25) / 2.5, atol=0.05)
    assert levels[2, 5] == pytest.approx(-2, abs=0.1)
    for size in (64, 1024, 2048):
        assert (bands(size).sum(axis=1) == 1).all()
    for architecture in (convolution, spectrum):
        mean, log_variance = build_encoder(architecture)(encoder_inputs(audio, architecture))
        assert mean.shape == log_variance.shape == (5, 8)


@pytest.mark.parametrize(
    "changes", [{"decoder": "magic"}, {"encoder": "magic"}, {"size": "huge"}, {"grain": 1000}]
)
def test_architectures_that_do_not_exist_are_refused(changes):
    with pytest.raises(UserError):
        Architecture(1024)._replace(**changes).check()


def test_ways_through_the_space():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, 5))
    line = way("line", points, 513)
    np.testing.assert_allclose(line[[0, 256, -1]], points, atol=1e-6)
    plane = np.eye(2, 5)
    circle = way("circle", points, 101, plane=plane, radius=2, turns=3)
    np.testing.assert_allclose(np.linalg.norm(circle - points[0], axis=1), 2, atol=1e-6)
    np.testing.assert_allclose(circle[0], circle[-1], atol=1e-6)
    spiral = way("spiral", points, 11, plane=plane, radius=2)
    lengths = np.linalg.norm(spiral - points[0], axis=1)
    np.testing.assert_allclose(lengths, np.linspace(0, 2, 11), atol=1e-6)
    slow = way("spiral", points, 11, plane=plane, speed=np.array([1.0, 3.0]))
    steps = np.diff(np.linalg.norm(slow - points[0], axis=1))
    assert (np.diff(steps) > 0).all()
    assert steps[-1] / steps[0] == pytest.approx(3)


def test_a_run_folder_holds_everything(folder):
    run = folder / "run"
    for rows in (read_csv(run / "history.csv"), read_csv(run / "sequences" / "history.csv")):
        for loss in ("loss", "reconstruction", "divergence"):
            assert np.isfinite([float(rows[0][loss]), float(rows[0][f"val_{loss}"])]).all()
    config = json.loads((run / "config.json").read_text())
    assert config["labels"] == {"classes": sorted(CLASSES), "pitched": False}
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    rows, vectors = read_latents(run)
    assert vectors.shape == (len(rows), 4)


def test_a_trained_model_is_a_latent_model(folder):
    trained = load_trained(folder / "run")
    assert isinstance(trained, LatentModel)
    audio = np.concatenate([hit(300), hit(3000)])
    latents = trained.encode(audio)
    assert latents.shape == (-(-audio.size // GRAINS.hop) - 1, 4)
    np.testing.assert_array_equal(trained.decode(latents, seed=1), trained.decode(latents, seed=1))
    assert not np.array_equal(trained.decode(latents), trained.decode(latents, seed=1))
    sound = GRAINS.prepare(hit(300))
    np.testing.assert_allclose(
        trained.encode_sounds(sound[np.newaxis])[0],
        trained.encode(sound)[: GRAINS.count],
        atol=1e-4,
    )


def test_parts_are_coded_like_the_whole(folder, monkeypatch):
    trained = load_trained(folder / "run")
    audio = np.tile(hit(300), 3)
    latents = trained.encode(audio)
    whole = trained.decode(latents)
    monkeypatch.setattr("granular.trained._PART", 13)
    monkeypatch.setattr("granular.trained._BATCH", 11)
    np.testing.assert_allclose(trained.encode(audio), latents, atol=1e-4)
    np.testing.assert_allclose(trained.decode(latents), whole, atol=1e-5)


def test_sounds_are_drawn(folder, tmp_path):
    argv = words("--model", folder / "run", "--class", "kick", "--count", 2, "--output", tmp_path)
    assert sample.main(argv) == 0
    one, other = (soundfile.read(tmp_path / f"kick_00{number}.wav")[0] for number in (0, 1))
    assert one.size == GRAINS.samples
    assert one.any() and not np.array_equal(one, other)
    assert sample.main([*argv, "--seconds", "2"]) == 0
    longer = soundfile.read(tmp_path / "kick_000.wav")[0]
    assert longer.size / RATE == pytest.approx(2, abs=0.02)
    sounds, rate = ways.draw("kick", 2, model=folder / "run")
    assert rate == RATE
    np.testing.assert_allclose(sounds[1], other, atol=1e-4)


def test_recordings_are_changed(folder, tmp_path):
    model = words("--model", folder / "run")
    one, other = (tmp_path / f"{name}.wav" for name in ("one", "other"))
    soundfile.write(one, hit(200, seconds=0.5), RATE)
    soundfile.write(other, np.stack([hit(3000)] * 2, axis=1), 44100)
    out = tmp_path / "out.wav"
    assert resynthesize.main([*model, *words("--input", one, "--output", out)]) == 0
    made = soundfile.read(out)[0]
    assert made.size == RATE // 2
    heard = ways.reconstruct(hit(200, seconds=0.5), RATE, folder / "run")
    np.testing.assert_allclose(heard, made, atol=1e-3)
    assert morph.main([*model, *words("--input", one, other, "--output", out)]) == 0
    assert soundfile.read(out)[0].size == RATE // 2
    argv = words("--input", one, other, "--output", out, "--seconds", 2)
    assert morph.main([*model, *argv]) == 0
    assert soundfile.read(out)[0].size / RATE == pytest.approx(2, abs=0.02)
    argv = words("--input", one, other, "--from", "kick", "--to", "hat", "--steps", 3)
    assert interpolate.main([*model, *argv, "--output", str(tmp_path / "series")]) == 0
    assert len(list((tmp_path / "series").glob("*.wav"))) == 3
    for kind, given in (("line", ["--through", one, other]), ("spiral", ["--class", "kick"])):
        argv = words(kind, *given, "--output", out, "--seconds", 1)
        assert path.main([*model, *argv]) == 0
        assert soundfile.read(out)[0].size / RATE == pytest.approx(1, abs=0.02)


def test_ends_of_a_morph_are_its_recordings(folder):
    trained = load_trained(folder / "run")
    one, other = hit(200), hit(3000)
    for share, sound in ((0.0, one), (1.0, other)):
        made = ways.morphed(trained, one, other, [share])
        np.testing.assert_allclose(made, trained.decode(trained.encode(sound))[: one.size])


def test_a_corpus_of_a_sound_makes_it_again(folder, tmp_path):
    audio = np.concatenate([hit(200), hit(1500), hit(5000)])
    corpus = Corpus.of([audio], RATE, 1024)
    made = corpus.resynthesize(audio)
    assert np.corrcoef(audio[1024:-1024], made[1024:-1024])[0, 1] > 0.99
    soundfile.write(tmp_path / "one.wav", audio, RATE)
    argv = words("--model", folder / "run", "--input", tmp_path / "one.wav", "--method", "corpus")
    argv += words("--corpus", folder / "hits", "--output", tmp_path / "out.wav")
    assert resynthesize.main(argv) == 0
    made = soundfile.read(tmp_path / "out.wav")[0]
    assert made.size == audio.size and np.abs(made).max() > 0.05


def test_a_loop_is_exact_and_its_stems_add_up(folder, tmp_path):
    pattern = tmp_path / "beat.csv"
    pattern.write_text("class,onset,level\nkick,0,1\nhat,0.5,0.4\nhat,1.37,0.2\n")
    argv = words("--model", folder / "run", "--pattern", pattern, "--output", tmp_path / "loop")
    assert loop.main([*argv, *words("--bpm", 97, "--bars", 3)]) == 0
    names = ("loop", "stem_kick", "stem_hat")
    mix, kick, hat = (
        soundfile.read(tmp_path / "loop" / f"{n}.wav", dtype="int16")[0] for n in names
    )
    np.testing.assert_array_equal(mix, kick + hat)
    assert mix.size == round(12 * 60 / 97 * RATE)


def test_hits_begin_at_their_sample_and_go_on_at_the_beginning():
    clicks = {"kick": np.array([0.5, 0.25], np.float32)}
    hits = [loop.Hit("kick", onset, 1.0) for onset in (0, 0.31, 3.9999)]
    mix, stems = loop.play(hits, clicks, sample_rate=1000, bpm=120, beats=4)
    assert mix.size == 2000
    assert np.flatnonzero(mix).tolist() == [0, 1, 155, 156]  # the last one begins at 2000, or 0
    assert mix[0] == pytest.approx(2 * mix[155], abs=1e-4)
    np.testing.assert_array_equal(mix, stems["kick"])
    assert [hit.onset for hit in loop.repeated(hits[:2], 10)] == [0, 0.31, 4, 4.31, 8, 8.31]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (sample, "--class tuba # hat, kick, tom"),
        (sample, "--class kick --model none # config.json"),
        (sample, "--class kick --pitch H9 # H9"),
        (path, "line # --through"),
        (path, "line --through no.wav # --through"),
        (path, "line --through no.wav no.wav # no.wav"),
        (resynthesize, "--input no.wav # no.wav"),
        (morph, "--input no.wav no.wav # no.wav"),
        (loop, "--pattern no.csv # no.csv"),
    ],
)
def test_mistakes_are_refused(folder, tmp_path, capsys, script, words):
    given, _, word = words.partition(" # ")
    out = tmp_path / ("out" if script in (sample, loop) else "out.wav")
    model = [] if "--model" in given else ["--model", str(folder / "run")]
    assert_refused(script.main, [*given.split(), *model, "--output", str(out)], capsys, word)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("kick 0 1\n1 2 3", "line 2"),
        ("class,onset,level\nkick,x,1", "line 2"),
        ("class,onset,level\nkick,-1,1", "line 2"),
        ("class,onset,level\n", "no hits"),
    ],
)
def test_patterns_that_cannot_be_read_are_refused(tmp_path, text, word):
    (tmp_path / "beat.csv").write_text(text)
    with pytest.raises(UserError, match=word):
        loop.read_pattern(tmp_path / "beat.csv")


def test_silence_and_models_without_sequences_are_refused(folder, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    argv = words("--model", folder / "run", "--input", tmp_path / "silent.wav")
    argv += words("--output", tmp_path / "out.wav")
    assert_refused(resynthesize.main, argv, capsys, "silent.wav", "is silent")
    trained = load_trained(folder / "run")
    trained.sequences = None
    with pytest.raises(UserError, match="train_sequences"):
        trained.sample("kick")


def test_figures_are_printed(folder, capsys):
    argv = words("--audio_path", folder / "hits", "--model", folder / "run", "--drawn", 2)
    argv += words("--judge_path", folder / "hits")
    assert evaluate.main(argv) == 0
    out = capsys.readouterr().out
    for word in (
        "held-out sounds",
        "corpus",
        "lsd",
        "rmse",
        "second_ms",
        "judge_true",
        "judge_made",
        "judge_drawn",
    ):
        assert word in out


def test_measures_have_closed_forms():
    sound = hit(440)
    assert evaluate.distances([sound], [sound]) == {"lsd": 0, "rmse": 0}
    halved = evaluate.distances([sound], [sound / 2])
    assert halved["rmse"] == pytest.approx(0.5, rel=1e-4)
    assert halved["lsd"] == pytest.approx(6.02, abs=0.3)  # the range of 80 dB limits some bins
    sounds = {
        Sound(f"{name}{seed}", name, -1): hit(hertz, seed)
        for name, hertz in CLASSES.items()
        for seed in range(4)
    }
    judge = evaluate.Judge(sounds, RATE)
    fresh = [hit(hertz, 9) for hertz in CLASSES.values()]
    assert judge.accuracy(fresh, list(CLASSES)) == 1
    assert judge.accuracy(fresh[::-1], list(CLASSES)) == pytest.approx(1 / 3)


def test_a_page_holds_sounds_of_each_class(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "_CELLS", 2)
    soundfile.write(tmp_path / "one.wav", hit(300), RATE)
    argv = words("--model", folder / "run", "--output", tmp_path / "page.html", "--count", 1)
    assert page.main([*argv, "--input", str(tmp_path / "one.wav")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<audio") == 3 + 2 + 3 + 4
    for word in ("Drawn sounds", "kick", "spiral", "made of grains"):
        assert word in text


def test_the_divergence_of_gaussians_has_a_closed_form():
    rng = np.random.default_rng(0)
    mean, log_variance, expected, log_width = rng.normal(size=(4, 3, 5)).astype(np.float32)
    found = np.asarray(divergence((mean, log_variance), (expected, log_width)))
    terms = np.exp(log_variance) + np.square(mean - expected)
    terms = terms / np.exp(log_width) - 1 + log_width - log_variance
    np.testing.assert_allclose(found, terms.sum(axis=1) / 2, rtol=1e-3)
    same = np.asarray(divergence((mean, log_variance), (mean, log_variance)))
    np.testing.assert_allclose(same, 0, atol=1e-5)
