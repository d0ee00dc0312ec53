"""The continuous model: its frames, its training, its stream, and the measures."""

import json
import shutil

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, outcome
from test_latent_exploration import words

from common.audio.phase import RealTimeInversion
from common.latent import Control, LatentModel
from common.networks.adversary import adversarial_loss, build_frame_classifier
from common.networks.ridge import RidgeReader
from common.trained import open_model, open_run
from latent_exploration.continuous import erase, evaluate, preprocess, train
from latent_exploration.continuous.batches import EXCERPT, Collections, Excerpts
from latent_exploration.continuous.erase import erasure
from latent_exploration.continuous.frames import (
    BANDS,
    HOP,
    PAIR,
    RATE,
    SCALE,
    SIZE,
    Frames,
    analyse,
    loudness,
    magnitudes,
    padded,
)
from latent_exploration.continuous.model import Architecture, build_decoder, build_encoder
from latent_exploration.continuous.store import SpectraStore, stacked, unstacked
from latent_exploration.continuous.stream import BLOCK, StreamDecoder, StreamEncoder, delay
from latent_exploration.continuous.trained import TrainedContinuous
from latent_exploration.knobs import Knobs
from latent_exploration.session import open_latent

RNG = np.random.default_rng(0)


def tone(seconds=1.0, hertz=440, level=0.5):
    times = np.arange(round(RATE * seconds)) / RATE
    return np.float32(level * np.sin(2 * np.pi * hertz * times))


def test_loudness_is_the_level_of_a_window():
    audio = np.float32(10 ** (-20 / 20)) * np.ones(SIZE - HOP + 8 * HOP, np.float32)
    np.testing.assert_allclose(loudness(audio), 0.75, atol=1e-6)  # -20 of -80 dB
    np.testing.assert_array_equal(loudness(0 * audio), 0)
    np.testing.assert_array_equal(loudness(audio * 100), 1)
    late = padded(np.pad(tone(0.5), (PAIR * HOP, 0)))
    assert (loudness(late)[0], loudness(late)[2] > 0.8) == (0, True)


def test_a_sine_lies_in_its_band_at_its_level():
    spectra = analyse(padded(tone(level=0.1))).spectra
    assert spectra.shape == (-(-RATE // (PAIR * HOP)) * PAIR, BANDS)
    assert spectra[40].max() == pytest.approx(0.75, abs=0.02)
    found = magnitudes(spectra)
    assert np.argmax(found[:, 40]) == pytest.approx(440 * SIZE / RATE, abs=1)
    assert not magnitudes(np.zeros((3, BANDS))).any()
    silent = magnitudes(np.full((3, BANDS), 0.04))  # 3.2 dB above the floor
    assert SCALE.level(0.04) == pytest.approx(-76.8)
    assert not silent.any()


def test_magnitudes_get_the_loudness_that_is_wanted():
    audio = tone(1, 700, 0.3)
    found = analyse(padded(audio))
    louder = magnitudes(found.spectra, found.loudness + np.float32(0.1))  # 8 dB
    plain = magnitudes(found.spectra, found.loudness)
    np.testing.assert_allclose(louder, 10**0.4 * plain, rtol=1e-3)
    inversion = RealTimeInversion(SIZE, HOP)
    sound = np.concatenate([inversion.push(louder), inversion.finish()])
    assert np.std(sound) == pytest.approx(10**0.4 * np.std(audio), rel=0.05)


def test_a_gain_moves_levels_and_loudness_but_no_relative_ones():
    audio = np.float32(RNG.normal(0, 0.1, RATE))
    frames, louder = analyse(padded(audio)), analyse(padded(2 * audio))
    decibels = 20 * np.log10(2)
    made = frames.amplified(np.full(len(frames.loudness), decibels))
    np.testing.assert_allclose(made.levels, louder.levels, atol=1e-3)
    np.testing.assert_allclose(made.loudness, louder.loudness, atol=1e-5)
    np.testing.assert_allclose(made.relative, frames.relative, atol=1e-5)
    assert np.mean(made.spectra - frames.spectra) == pytest.approx(decibels / 80, abs=1e-4)
    # a constant level relative to the loudness, -24 of -54 to 6 dB
    flat = Frames(np.full((2, BANDS), -44, np.float32), np.array([0.75], np.float32))
    np.testing.assert_allclose(flat.heard(relative=True), 0.5, atol=1e-6)
    np.testing.assert_allclose(flat.heard(relative=False), 0.45, atol=1e-6)


def test_frames_are_stacked_and_rests_left_out():
    frames = Frames(np.float32(RNG.random((6, BANDS))), np.float32(RNG.random(3)))
    for one, other in zip(frames, unstacked(stacked(frames)), strict=True):
        np.testing.assert_array_equal(one, other)
    sounds = np.repeat([0, 0.9, 0, 0.9, 0, 0.9, 0], [3, 10, 5, 10, 30, 10, 2])
    assert preprocess.between_rests(sounds) == [slice(3, 28), slice(58, 68)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny model of noises and tones, one silent recording among them."""
    folder = tmp_path_factory.mktemp("continuous")
    (folder / "audio").mkdir()
    for number in range(12):
        audio = tone(1.2, 200 * (number + 1)) * np.linspace(0.1, 1, round(RATE * 1.2))
        soundfile.write(folder / "audio" / f"{number}.wav", audio * (number < 11), RATE)
    argv = words("--audio_path", folder / "audio", "--features_path", folder / "s.h5")
    assert preprocess.main(argv) == 0
    argv = words("--features_path", folder / "s.h5", "--output", folder / "run", "--width", 6)
    argv += words("--depth", 2, "--latent_dim", 3, "--epochs", 1, "--steps_per_epoch", 3)
    assert train.main([*argv, *words("--batch_size", 4, "--validation_split", 0.2)]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(run):
    return open_model(run / "run")


def test_a_training_leaves_a_latent_model(run, trained):
    with SpectraStore(run / "s.h5") as store:
        assert len(store.rows) == 11
        assert 0.5 < store.frames(store.rows[0]).loudness.max() < 1
    assert isinstance(trained, LatentModel)
    assert (trained.dims, trained.controls) == (4, {"loudness": Control(3, 1, 1 / 80)})
    path = trained.encode(tone())
    assert path.shape == (-(-RATE // (PAIR * HOP)), 4)
    assert path[20, 3] == pytest.approx(1 + np.log10(0.5 / np.sqrt(2)) / 4, abs=1e-3)
    assert trained.decode(path).shape == (len(path) * PAIR * HOP,)
    assert open_latent(run / "run").dims == 4


def test_excerpts_get_gains_that_the_encoder_does_not_hear(run):
    edges = np.array([0.5, 0.8])
    with SpectraStore(run / "s.h5") as store:
        plain, varied = (
            Excerpts(
                store,
                [0, 1],
                2,
                edges=edges,
                collections=Collections([]),
                shuffle=shuffle,
                steps=4,
            )
            for shuffle in (False, True)
        )
        pieces = [store.frames(row) for row in store.rows[:2]]
    (heard, loudness, classes, before, counts), spectra = plain[0]
    np.testing.assert_array_equal(before, loudness)
    np.testing.assert_array_equal(counts, before > 0.25)
    assert heard.shape == spectra.shape == (2, PAIR * EXCERPT, BANDS)
    count = len(pieces[0].loudness)
    assert count < EXCERPT
    np.testing.assert_array_equal(loudness[0, :count, 0], pieces[0].loudness)
    np.testing.assert_array_equal(loudness[0, count:], 0)
    given = classes.argmax(axis=-1)
    np.testing.assert_array_equal(given[0, :count], np.searchsorted(edges, pieces[0].loudness))
    early = 0
    for number in range(4):
        (heard, loudness, classes, before, _), _ = varied[number]
        for one, levels, group, own in zip(heard, loudness, classes, before[..., 0], strict=True):
            # where it begins: the recording is shorter than the excerpt, and has one loudest pair
            piece, start = next(
                (piece, start)
                for piece in pieces
                for start in range(EXCERPT)
                if np.array_equal(
                    own[start:], np.pad(piece.loudness, (0, EXCERPT))[: EXCERPT - start]
                )
                and own.any()
            )
            early += start > 0
            assert not own[:start].any()
            there = slice(start, min(start + count, EXCERPT))
            length = there.stop - start
            errors = one[PAIR * start : PAIR * there.stop] - piece.relative[: PAIR * length]
            assert np.abs(errors).max() < 1e-5
            gains = 80 * (levels[there, 0] - piece.loudness[:length])
            assert np.abs(gains).max() <= 10
            np.testing.assert_allclose(np.diff(gains, 2), 0, atol=1e-3)
            expected = np.searchsorted(edges, piece.loudness[:length])
            np.testing.assert_array_equal(group[there].argmax(axis=-1), expected)
    assert 0 < early < 8


def test_folders_of_many_recordings_are_collections():
    many = [f"notes/{number}.wav" for number in range(50)]
    few = [f"phrases/{number}.wav" for number in range(49)]
    collections = Collections([*many, *few, *few, "one.wav"])
    assert len(collections) == 2
    for source, expected in (("notes/a/b.wav", [1, 0]), (few[0], [0, 1]), ("one.wav", [0, 1])):
        np.testing.assert_array_equal(collections.shares(source), expected)


def told_by_regression(path, values, counts, penalty):
    """R2 that scikit-learn's ridge regression of standardised windows of five steps would have."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    around = np.pad(path, ((0, 0), (2, 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, 5, axis=1).reshape(-1, 15)
    chosen = counts.ravel() > 0
    seen = StandardScaler().fit_transform(windows[chosen])
    told = values.ravel()[chosen]
    fitted = Ridge(penalty * len(told)).fit(seen, told)
    # what the regression explains by the normal equations, without the share that it shrinks
    return float(np.mean((told - told.mean()) * fitted.predict(seen)) / told.var())


def test_the_reader_is_a_ridge_regression_for_each_collection():
    path = np.float32(RNG.normal(size=(4, 200, 3)))
    values = np.float32(path[..., :1] - 2 * np.roll(path, 2, axis=1)[..., 1:2])
    values[2:] += np.float32(3 * RNG.normal(size=(2, 200, 1)))
    counts = np.repeat(np.float32([[[1, 0, 0]], [[1, 0, 0]], [[0, 1, 0]], [[0, 1, 0]]]), 200, 1)
    counts[:, 20:40] = 0
    reader = RidgeReader(3, 3, penalty=0.1)
    expected = [
        told_by_regression(path[part], values[part], counts[part].sum(axis=-1), 0.1)
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert 0 < expected[1] < expected[0] < 1
    found = [float(reader(path, values, counts, training=True)) for _ in range(2)]
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-3)  # the third one is empty
    assert float(reader(0 * path, values, counts, training=False)) == pytest.approx(found[0])


class Steps(keras.Model):
    """Two numbers for each step, whose loss is what a ridge regression reads from them."""

    def __init__(self, values):
        super().__init__()
        self.values, self.reader = values, RidgeReader(2, momentum=0.5)
        self.numbers = self.add_weight(shape=(*values.shape[:2], 2), initializer="random_normal")

    def call(self, inputs, training=None):
        counts = keras.ops.ones_like(self.values)
        self.add_loss(self.reader(self.numbers, self.values, counts, training=training))
        return inputs


def test_what_the_reader_reads_can_be_trained_away():
    values = np.float32(RNG.normal(size=(1, 200, 1)))
    model = Steps(values)
    model.numbers.assign(np.concatenate([values, values + RNG.normal(size=values.shape)], axis=-1))
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    history = model.fit(np.zeros((60, 1)), batch_size=1, verbose=0, shuffle=False).history
    left = RidgeReader(2)(model.numbers, values, np.ones_like(values), training=True)
    assert float(left) < 0.05 < history["loss"][0]


def test_an_erasure_leaves_no_covariance_in_any_collection():
    vectors = [RNG.normal(size=(200, 5)) @ RNG.normal(size=(5, 5)) + 3 for _ in range(2)]
    values = [one @ RNG.normal(size=5) + RNG.normal(size=200) for one in vectors]
    matrix, mean = erasure(vectors, values)
    for vector, value in zip(vectors, values, strict=True):
        left = (vector - mean) @ matrix.T + mean
        assert np.abs(np.cov(left.T, value)[-1, :-1]).max() < 1e-8
    assert np.linalg.matrix_rank(matrix) == 3
    np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-9)
    # a number that is constant stays what it is
    constant = [np.column_stack([one, np.ones(200)]) for one in vectors]
    larger, _ = erasure(constant, values)
    np.testing.assert_allclose(larger[:5, :5], matrix, atol=1e-9)
    np.testing.assert_allclose(larger[5], np.eye(6)[5], atol=1e-9)
    # of one collection: what is least changed, by the least-squares formula of the paper
    matrix, _ = erasure(vectors[:1], values[:1])
    spread = np.cov(vectors[0].T, bias=True)
    linked = np.cov(vectors[0].T, values[0], bias=True)[:-1, -1]
    expected = np.eye(5) - np.outer(linked, np.linalg.solve(spread, linked)) / (
        linked @ np.linalg.solve(spread, linked)
    )
    np.testing.assert_allclose(matrix, expected, atol=1e-9)


def test_the_loudness_is_erased_from_a_trained_model(run, tmp_path, capsys):
    argv = words("--model", run / "run", "--features_path", run / "s.h5")
    status, out, _ = outcome(erase.main, [*argv, "--output", str(tmp_path / "erased")], capsys)
    assert (status, "variance" in out[-1]) == (0, True)
    linked = []
    for folder in (run / "run", tmp_path / "erased"):
        trained = open_model(folder)
        names = open_run(folder, "latent_exploration")["split"]["training"]
        with SpectraStore(run / "s.h5") as store:
            pieces = [store.frames(row) for row in store.rows if row.source in names]
        vectors = np.concatenate([trained.encode_frames(one) for one in pieces])
        values = np.concatenate([one.loudness for one in pieces])
        sounds = values > 0.25
        linked.append(np.abs(np.cov(vectors[sounds].T, values[sounds])[-1, :-1]).max())
    assert linked[1] < 1e-3 * linked[0] < 1e-3


def test_what_has_no_loudness_to_be_erased_is_refused(run, tmp_path, capsys, monkeypatch):
    config = json.loads((run / "run" / "config.json").read_text())
    others = {"training": ["gone.wav"], "held_out": []}
    plain = Architecture(6, 2, 3, told=False)
    for name, changes in (
        ("plain", {"architecture": plain._asdict()}),
        ("others", {"split": others}),
        ("again", {"erased": "loudness"}),
    ):
        shutil.copytree(run / "run", tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps(config | changes))
    build_decoder(plain).save(tmp_path / "plain" / "decoder.h5")
    argv = words("--features_path", run / "s.h5", "--output", tmp_path / "x", "--model")
    words_of = {"none": "config.json", "plain": "--adversary", "others": "s.h5", "again": "already"}
    for name, word in words_of.items():
        assert_refused(erase.main, [*argv, str(tmp_path / name)], capsys, word)
    monkeypatch.setattr(erase, "SOUNDING", 2.0)
    assert_refused(erase.main, [*argv, str(run / "run")], capsys, "hardly sound")
    assert not (tmp_path / "x" / "encoder.h5").exists()


def test_the_classifier_sees_the_steps_around_each():
    classifier = build_frame_classifier(3, 4, kernel=3)
    path = np.float32(RNG.normal(size=(1, 20, 3)))
    other = path.copy()
    other[0, 10] += 1
    changed = np.abs(classifier.predict_on_batch(path) - classifier.predict_on_batch(other))
    assert np.flatnonzero(changed.max(axis=(0, 2)) > 1e-6).tolist() == [8, 9, 10, 11, 12]
    labels = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, (1, 20))]
    shares = keras.ops.convert_to_numpy(keras.ops.log_softmax(classifier.predict_on_batch(path)))
    expected = -(labels * shares).sum(axis=-1).mean()
    assert float(adversarial_loss(classifier, path, labels, 2.0)) == pytest.approx(
        expected, rel=1e-4
    )


def test_nothing_looks_ahead(trained):
    path = np.float32(RNG.normal(size=(30, 4)))
    other = np.concatenate([path[:20], np.float32(RNG.normal(size=(10, 4)))])
    made, changed = trained.decode_spectra(path), trained.decode_spectra(other)
    np.testing.assert_allclose(made[:40], changed[:40], atol=1e-6)
    assert np.abs(made[40:] - changed[40:]).max() > 1e-3
    frames = Frames(np.float32(RNG.uniform(-80, 0, (60, BANDS))), np.full(30, 0.8, np.float32))
    later = Frames(np.concatenate([frames.levels[:40], -frames.levels[40:] - 80]), frames.loudness)
    whole, other = trained.encode_frames(frames), trained.encode_frames(later)
    np.testing.assert_allclose(whole[:20], other[:20], atol=1e-6)
    assert np.abs(whole[20:] - other[20:]).max() > 1e-3


def test_a_gain_is_not_heard(trained):
    audio = np.float32(RNG.normal(0, 0.1, RATE))
    loud, soft = trained.encode(audio), trained.encode(0.1 * audio)
    np.testing.assert_allclose(loud[:, :-1], soft[:, :-1], atol=1e-3)
    np.testing.assert_allclose(loud[:-1, -1] - soft[:-1, -1], 0.25, atol=1e-5)  # 20 of 80 dB


@pytest.mark.parametrize("sizes", [[BLOCK], [100, 3000, 1, 513], [7 * BLOCK]])
def test_a_stream_equals_the_whole(trained, sizes):
    audio = np.float32(RNG.normal(0, 0.1, 14 * BLOCK))
    ears, voice, sounds, paths, spectra = StreamEncoder(trained), StreamDecoder(trained), [], [], []
    twin, start = StreamDecoder(trained), 0
    while start < audio.size:
        size = sizes[len(paths) % len(sizes)]
        paths.append(ears.push(audio[start : start + size]))
        spectra.append(twin.spectra(paths[-1]))
        sounds.append(voice.push(paths[-1]))
        start += size
    heard = np.concatenate(sounds)
    assert heard.size == audio.size - delay()
    path = trained.encode(audio)
    np.testing.assert_allclose(np.concatenate(paths), path, atol=1e-4)
    np.testing.assert_allclose(np.concatenate(spectra), trained.decode_spectra(path), atol=1e-4)
    # of the same magnitudes: phases of noise turn the last digits of others into another sound
    parts = [magnitudes(*part) for part in zip(spectra, map(trained.wanted, paths), strict=True)]
    sound = RealTimeInversion(SIZE, HOP).push(np.concatenate(parts, axis=1))
    np.testing.assert_allclose(heard, sound, atol=1e-6)
    assert np.concatenate([heard, voice.finish()]).size == audio.size


def test_the_regressor_finds_what_is_there():
    level = [np.sin(np.linspace(0, 9, 40) + number) / 4 + 0.6 for number in range(12)]
    noise = [RNG.normal(size=(40, 3)) for _ in level]
    assert max(evaluate.fresh_r2(noise, level).values()) < 0.1
    told = [part + 5 * one[:, np.newaxis] for part, one in zip(noise, level, strict=True)]
    found = sorted(evaluate.fresh_r2(told, level).values())
    assert found[0] > 0.2  # a perceptron, for which these are too few steps
    assert found[1] > 0.6


def test_obedience_and_disobedience(trained):
    class Obeys:
        def decode(self, path):
            level = np.repeat(10 ** (4 * (path[:, -1] - 1)), PAIR * HOP)
            return np.float32(level * np.sqrt(2) * np.sin(np.arange(level.size) / 4))

    class Refuses:
        def decode(self, path):
            return tone(len(path) * PAIR * HOP / RATE)

    paths = [np.float32(RNG.normal(size=(100, 4))) for _ in range(3)]
    assert evaluate.loudness_correlation(Obeys().decode, paths) > 0.97
    assert abs(evaluate.loudness_correlation(Refuses().decode, paths)) < 0.5


def test_the_measures_are_printed(run, capsys):
    argv = words("--input", run / "audio", "--model", run / "run", "--without", run / "run")
    argv += words("--seconds", 0.6)
    status, out, err = outcome(evaluate.main, argv, capsys)
    assert status == 1  # a silent recording is skipped, and named
    assert "silent" in err[0]
    assert "R2" in out[0]
    assert "Spearman" in out[1]
    assert "of the time of a block" in out[2]
    assert "without" in out[3]


def test_without_an_adversary_there_is_no_control():
    architecture = Architecture(4, 2, 3, told=False)
    plain = TrainedContinuous(build_encoder(architecture), build_decoder(architecture))
    path = plain.encode(tone())
    assert (path.shape[1], plain.dims, plain.controls) == (3, 3, {})
    np.testing.assert_allclose(
        StreamEncoder(plain).push(tone()), path[: RATE // (PAIR * HOP)], atol=1e-5
    )
    heard = StreamDecoder(plain).push(path)
    assert heard.size == len(path) * PAIR * HOP - delay()
    assert plain.decode(path).size == len(path) * PAIR * HOP


def test_controls_are_knobs_of_their_own():
    vectors = RNG.normal(size=(200, 4)) * (3, 1, 2, 0.1)
    knobs = Knobs.of(vectors, 2, [3])
    assert knobs.names({"loudness": 3}) == ["axis 1", "axis 2", "loudness"]
    values = knobs.values(vectors)
    values[:, 2] += 1
    made = knobs.turned(vectors, values)
    np.testing.assert_allclose(made[:, :3], vectors[:, :3], atol=1e-9)
    np.testing.assert_allclose(made[:, 3] - vectors[:, 3], knobs.reach[2])
    assert Knobs.of(vectors * (1, 1, 1, 0), 2, [3]).reach[2] > 0


def test_mistakes(run, tmp_path, capsys):
    features = words("--features_path", run / "s.h5", "--output", tmp_path / "r")
    assert_refused(train.main, [*features, "--width", "0"], capsys, "--width")
    assert_refused(train.main, [*features, "--validation_split", "0.999"], capsys, "held out")
    argv = words("--input", run / "audio" / "1.wav", "--model", run / "run")
    assert_refused(evaluate.main, argv, capsys, "at least 10")
