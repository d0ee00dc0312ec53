"""The space of timbres: columns, ratings, penalties and paths against closed forms, and scripts."""

import csv
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, make_note, outcome, write_notes

from common.cli import UserError
from common.latent import LatentModel
from common.music.split import note_of
from common.training.weights import save_h5
from timbre_space import (
    descriptors,
    evaluate,
    path,
    path_between,
    place,
    place_sound,
    preprocess,
    synthetic,
    train,
)
from timbre_space.model import Architecture, Space, build_decoder, build_encoder, class_priors
from timbre_space.penalties import by_class_and_column, drawn_targets, penalty
from timbre_space.ratings import (
    Rating,
    merge,
    rank_correlations,
    read_ratings,
    row_correlation,
    scaled_positions,
)
from timbre_space.spectra import BANDS, FLOOR_DB, KINDS, Spectra
from timbre_space.store import ColumnStore
from timbre_space.study import (
    Data,
    Settings,
    Trainer,
    centre_distances,
    nearest_is_kin,
    spectral_distances,
)
from timbre_space.trained import load_trained, read_latents

RATE = 16000
VOICES = {
    ("flute_acoustic", 0): (1.0, 0.1),
    ("clarinet_acoustic", 0): (1.0, 0.02, 0.8, 0.02, 0.5),
    ("oboe_acoustic", 0): (0.3, 1.0, 0.8, 0.5),
    ("violin_acoustic", 0): (1.0, 0.7, 0.6, 0.5, 0.4),
}
PITCHES = (52, 55, 58, 60, 62, 64, 67, 70)
SMALL = ("--units", 24, 24, "--latent_dim", 4, "--epochs", 2, "--steps_per_epoch", 60)


def words(*parts):
    return [str(part) for part in parts]


def write_ratings(file, rows):
    file.write_text("a,b,rating,study\n" + "".join(f"{a},{b},{r},{s}\n" for a, b, r, s in rows))
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Notes, their store, ratings and a trained space."""
    base = tmp_path_factory.mktemp("space")
    write_notes(base / "notes", VOICES, PITCHES, (80,))
    argv = words("--audio_path", base / "notes", "--features_path", base / "erb.h5")
    assert preprocess.main([*argv, "--jobs", "1"]) == 0
    argv = words("--audio_path", base / "notes", "--output", base / "ratings.csv")
    assert synthetic.main(argv) == 0
    argv = words("--features_path", base / "erb.h5", "--output", base / "run", *SMALL)
    argv += words("--ratings_path", base / "ratings.csv", "--batch_size", 32, "--lr", 0.01)
    argv += words("--validation_split", 0.3, "--instruments", "flute", "oboe", "violin")
    assert train.main(argv) == 0
    return base


@pytest.mark.parametrize("kind", KINDS)
def test_a_sine_is_where_and_as_loud_as_it_should_be(kind):
    spectra = Spectra(kind).check()
    time = np.arange(RATE) / RATE
    # a DCT sees only one phase of a sine, which changes from column to column
    hertz = spectra.frequencies[np.argmin(np.abs(spectra.frequencies - 1234))]
    levels = spectra.columns(np.float32(0.1 * np.sin(2 * np.pi * hertz * time)))
    assert len(levels) == pytest.approx(101, abs=1)
    middle = levels[30:60].mean(axis=0) if kind != "dct" else levels[30:60].max(axis=0)
    assert spectra.frequencies[np.argmax(middle)] == pytest.approx(hertz, rel=0.03)
    assert middle.max() == pytest.approx(-20, abs=1)
    assert spectra.columns(np.zeros(800, np.float32)).max() == FLOOR_DB
    common = spectra.common(levels)
    assert common.shape == (len(levels), BANDS)
    assert np.ptp(np.argmax(common[30:60], axis=1)) <= 1


def test_the_common_spectrum_keeps_all_power():
    for kind in KINDS:
        spectra = Spectra(kind)
        levels = np.full((2, len(spectra.frequencies)), -30.0)
        inside = (spectra.frequencies > 63.9) & (spectra.frequencies < 8000.1)
        total = (10 ** (spectra.common(levels) / 10)).sum(axis=1)
        np.testing.assert_allclose(total, inside.sum() * 1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["stft", "erb"])
def test_columns_become_the_sound_that_they_were(kind):
    spectra = Spectra(kind)
    note = make_note(60, (1.0, 0.5), 1.0)
    levels = spectra.columns(note)
    made = spectra.audio(levels)
    again = spectra.columns(made)[20:80]
    loud = levels[20:80] > -45
    assert np.abs(again[loud] - levels[20:80][loud]).mean() < 2.5
    if kind == "stft":
        with pytest.raises(UserError, match="DCT"):
            Spectra("dct").audio(levels)


@pytest.mark.parametrize("changes", [{"kind": "wavelet"}, {"sample_rate": 8000}])
def test_columns_that_do_not_exist_are_refused(changes):
    with pytest.raises(UserError, match="--"):
        Spectra()._replace(**changes).check()


def test_columns_are_of_the_sustained_part_and_split_by_note(folder):
    with ColumnStore(folder / "erb.h5") as store:
        assert len(store) == 6 * len(PITCHES) * len(VOICES)
        assert sorted({row.number for row in store.rows}) == [40, 60, 80, 100, 120, 140]
        sides = store.split(0.3)
        notes = [{note_of(store.rows[index]) for index in side} for side in sides]
        assert notes[1]
        assert not notes[0] & notes[1]
        row = store.rows[7]
        note = make_note(row.pitch, VOICES[row.instrument, 0], level=0.7 * 80 / 127)
        expected = Spectra().columns(note)[row.number]
        np.testing.assert_allclose(store.levels()[7], expected, atol=2)  # the file has 16 bits


def test_what_is_no_note_is_left_out_and_counted(tmp_path, capsys):
    write_notes(tmp_path / "notes", {("flute_acoustic", 0): (1.0,)}, (60,), (80,))
    soundfile.write(tmp_path / "notes" / "song.wav", make_note(60), RATE)
    soundfile.write(tmp_path / "notes" / "flute_acoustic_000-061-080.wav", np.zeros(RATE), RATE)
    short = make_note(62, seconds=0.9)
    soundfile.write(tmp_path / "notes" / "flute_acoustic_000-062-080.wav", short, RATE)
    argv = words("--audio_path", tmp_path / "notes", "--features_path", tmp_path / "x.h5")
    status, out, _ = outcome(preprocess.main, [*argv, "--jobs", "1"], capsys)
    assert status == 0
    assert "of 2 notes, 1 instrument, " in out[0]
    assert "3 faint columns left out, 1 silent note left out, 1 file not named" in out[0]


def test_studies_are_rescaled_before_they_are_merged():
    rows = [
        *(Rating("flute", "oboe", 1, "one"), Rating("oboe", "violin", 9, "one")),
        *(Rating("oboe", "Flute", 50, "two"), Rating("flute", "violin", 100, "two")),
        *(Rating("violin", "oboe", 0, "two"), Rating("tuba", "oboe", 75, "two")),
    ]
    names = ["flute_acoustic", "oboe_acoustic", "violin_acoustic", "piano_acoustic"]
    merged = merge(rows, names)
    assert merged.mean[0, 1] == merged.mean[1, 0] == pytest.approx((0 + 0.5) / 2)
    assert merged.mean[1, 2] == pytest.approx((1 + 0) / 2)
    assert merged.deviation[1, 2] == pytest.approx(0.5)
    assert merged.mean[0, 2] == 1
    assert merged.uncovered == [(name, names[3]) for name in names[:3]]
    assert not merged.without("oboe_acoustic").rated[1].any()
    assert merged.without("oboe_acoustic").rated[0, 2]
    assert merged.rated[1, 2]  # of the first one, which is as it was


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b,rating\nx,y,1\n", "study"),
        ("a,b,rating,study\nx,y,loud,s\n", "row 1"),
        ("a,b,rating,study\nx,y,nan,s\n", "row 1"),
        ("a,b,rating,study\nx,x,1,s\n", "row 1"),
        ("a,b,rating,study\n", "no ratings"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, text, word):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(UserError, match=word):
        read_ratings(tmp_path / "r.csv")


def test_studies_without_differences_or_instruments_are_refused():
    with pytest.raises(UserError, match="one"):
        merge([Rating("flute", "oboe", 1, "one")], ["flute", "oboe"])
    with pytest.raises(UserError, match="tuba"):
        merge([Rating("flute", "oboe", 1, "one"), Rating("flute", "x", 2, "one")], ["tuba"])


def ratings_of(points, names="abcdef"):
    """Ratings that are the distances of points, between 0 and 1."""
    apart = np.linalg.norm(points[:, np.newaxis] - points, axis=-1)
    apart /= apart.max()
    pairs = [(a, b) for a in range(len(points)) for b in range(a)]
    rows = [Rating(names[a], names[b], apart[a, b], "s") for a, b in pairs]
    merged = merge([*rows, Rating("x", "y", 0, "s")], list(names[: len(points)]))
    np.testing.assert_allclose(merged.mean, apart, atol=1e-12)
    return merged


def test_scaling_finds_the_points_that_distances_belong_to():
    points = np.random.default_rng(0).normal(size=(6, 2))
    ratings = ratings_of(points)
    found = scaled_positions(ratings, 2)
    apart = np.linalg.norm(found[:, np.newaxis] - found, axis=-1)
    np.testing.assert_allclose(apart, ratings.mean, atol=0.02)
    partly = scaled_positions(ratings.without("c"), 2)
    assert np.isnan(partly[2]).all()
    assert np.isfinite(partly[[0, 1, 3, 4, 5]]).all()
    assert rank_correlations(apart, ratings)["spearman"] > 0.98
    assert row_correlation(-apart, ratings, 1) < -0.9


@pytest.mark.parametrize("kind", ["neighbours", "l2"])
def test_a_penalty_is_least_where_distances_are_as_rated_in_any_size(kind):
    rng = np.random.default_rng(0)
    points = np.float32(rng.normal(size=(6, 2)))
    apart = np.linalg.norm(points[:, np.newaxis] - points, axis=-1)
    targets = apart
    if kind == "neighbours":  # whose affinities differ in form: 1 + t^2 = exp(d^2)
        size = apart.sum() / 30
        targets = np.sqrt(np.expm1(np.square(apart / size)))
    weights = 1 - np.eye(6)
    found = float(penalty(kind, points, np.float32(targets), np.float32(weights)))
    other = np.float32(rng.normal(size=(6, 2)))
    worse = float(penalty(kind, other, np.float32(targets), np.float32(weights)))
    assert worse > 0.01
    if kind == "l2":
        assert found == pytest.approx(0, abs=1e-5)
        larger = float(penalty(kind, 7 * points, np.float32(targets), np.float32(weights)))
        assert larger == pytest.approx(found, abs=1e-5)
    else:
        assert 0 <= found < worse
    # pairs that are not rated say nothing
    weights[0] = weights[:, 0] = 0
    targets[0] = targets[:, 0] = 99
    moved = points.copy()
    moved[0] += 5
    same = [
        float(penalty(kind, one, np.float32(targets), np.float32(weights)))
        for one in (points, moved)
    ]
    assert same[0] == pytest.approx(same[1], abs=1e-6)


def test_the_neighbour_penalty_is_a_divergence():
    points = np.float32([[0], [1], [3]])
    targets = np.float32([[0, 2, 1], [2, 0, 3], [1, 3, 0]])
    weights = np.float32(1 - np.eye(3))
    distances = np.abs(points - points.T)
    pairs = weights > 0
    latent = np.exp(-np.square(distances[pairs] / distances[pairs].mean()))
    rated = 1 / (1 + np.square(targets[pairs] / targets[pairs].mean()))
    latent, rated = latent / latent.sum(), rated / rated.sum()
    expected = np.sum(latent * np.log(latent / rated))
    found = float(penalty("neighbours", points, targets, weights))
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["neighbours", "l2"])
def test_a_batch_without_rated_pairs_has_no_penalty(kind):
    points, nothing = np.ones((3, 2), np.float32), np.zeros((3, 3), np.float32)
    assert float(penalty(kind, points, nothing, nothing)) == 0


def test_drawn_targets_are_symmetric_and_have_their_moments():
    mean = np.float32([[0, 0.5], [0.5, 0]])
    deviation = np.float32([[0, 0.1], [0.1, 0]])
    seed = keras.random.SeedGenerator(0)
    drawn = np.stack([np.asarray(drawn_targets(mean, deviation, seed)) for _ in range(300)])
    np.testing.assert_array_equal(drawn, drawn.transpose(0, 2, 1))
    assert drawn[:, 0, 1].mean() == pytest.approx(0.5, abs=0.02)
    assert drawn[:, 0, 1].std() == pytest.approx(0.1, abs=0.02)


def test_vectors_of_one_class_may_be_as_far_apart_as_they_like():
    rng = np.random.default_rng(0)
    labels = np.float32(np.eye(3)[[0, 0, 1, 1, 2, 2]])
    centres = rng.normal(size=(3, 2))
    targets = np.float32(np.linalg.norm(centres[:, np.newaxis] - centres, axis=-1))
    rated = np.float32(1 - np.eye(3))
    latents = np.float32(np.repeat(centres, 2, axis=0))
    assert float(by_class_and_column("l2", latents, labels, targets, rated)) < 1e-4
    spread = latents + np.float32([[0.3, 0], [-0.3, 0]] * 3)
    of_centres = by_class_and_column("l2", spread, labels, targets, rated)
    assert 1e-3 < float(of_centres) < 0.5  # of the single vectors alone


def small_model(kind="l2", ratings=None):
    keras.utils.set_random_seed(0)
    architecture = Architecture(20, (8,), 4).check()
    networks = build_encoder(architecture), build_decoder(architecture)
    return Space(*networks, ["a", "b", "c"], ratings, kind)


def test_the_loss_is_the_sum_of_its_parts():
    rng = np.random.default_rng(0)
    ratings = ratings_of(rng.normal(size=(3, 2)))
    columns = np.float32(rng.normal(size=(12, 20)))
    labels = np.float32(np.eye(3)[np.arange(12) % 3])
    for kind in ("l2", "prior"):
        model = small_model(kind, ratings)
        model.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
        model.beta.assign(0.5)  # is honoured
        model.strength.assign(2.0)
        model.log_deviation.assign(0.3)
        given = (columns, labels), columns
        scores = model.evaluate(*given, batch_size=12, verbose=0, return_dict=True)
        mean, log_variance = (np.asarray(found) for found in model.encoder(columns))
        decoded = np.asarray(model.decoder(mean))
        square = np.square(columns - decoded).mean()
        assert scores["reconstruction"] == pytest.approx(square, rel=1e-4)
        likelihood = square / np.exp(0.6) / 2 + 0.3 + np.log(2 * np.pi) / 2
        assert scores["likelihood"] == pytest.approx(likelihood, rel=1e-4)
        centres, widths = (
            class_priors(ratings, 4) if kind == "prior" else (np.zeros((3, 4)), np.ones((3, 4)))
        )
        centre, width = labels @ centres, labels @ widths
        variance = np.exp(log_variance)
        terms = (variance + np.square(mean - centre)) / width**2 - 1
        kl = (terms - log_variance + 2 * np.log(width)).sum(axis=1).mean() / 2
        assert scores["kl"] == pytest.approx(kl, rel=1e-4)
        total = 20 * likelihood + 0.5 * kl + 2 * scores["penalty"]
        assert scores["loss"] == pytest.approx(total, rel=1e-4)


def test_samples_have_the_deviation_that_the_divergence_is_told():
    model = small_model()
    log_variance = np.full((4000, 4), -2.0, np.float32)
    drawn = np.asarray(model.sampling(np.zeros((4000, 4), np.float32), log_variance))
    np.testing.assert_allclose(drawn.std(axis=0), np.exp(-1), rtol=0.05)


def test_networks_are_of_stock_layers(tmp_path):
    decoder = build_decoder(Architecture(168, (512,) * 3, 16))
    assert 2 * decoder.count_params() < 2e6
    save_h5(decoder, tmp_path / "decoder.h5")
    again = keras.models.load_model(tmp_path / "decoder.h5", compile=False)
    latent = np.ones((2, 16), np.float32)
    np.testing.assert_allclose(again(latent), decoder(latent), atol=1e-6)


def test_a_penalty_arranges_a_space_and_a_permuted_table_another_one(folder):
    names = [name for name, _ in VOICES]
    data = Data.of(ColumnStore(folder / "erb.h5"), names, 0.3)
    ratings = ratings_of(np.array([[0, 0], [1.0, 0], [0, 2], [3, 3]]), "abcd")
    ratings = ratings._replace(instruments=tuple(names))
    trainer = Trainer(data, ratings, "l2", Settings(24, 4, 50), seed=0)
    found, pairs = {}, np.triu_indices(4, 1)
    order = [2, 3, 0, 1]
    permuted = ratings._replace(mean=ratings.mean[np.ix_(order, order)])
    for title, given in (("none", None), ("true", ratings), ("permuted", permuted)):
        trainer.second(given)
        apart = centre_distances(trainer.latents(), data.labels)
        found[title] = np.corrcoef(apart[pairs], ratings.mean[pairs])
    assert found["true"][0, 1] > 0.8
    assert found["true"][0, 1] > found["permuted"][0, 1] + 0.3
    trainer.second(None)
    again = centre_distances(trainer.latents(), data.labels)
    repeated = np.corrcoef(again[pairs], ratings.mean[pairs])
    assert repeated[0, 1] == pytest.approx(found["none"][0, 1], abs=1e-4)
    assert set(trainer.errors()) == {"squared", "likelihood", "common_db2"}


def test_kin_is_told_by_family():
    names = ["oboe_acoustic", "clarinet_acoustic", "trumpet_acoustic"]
    distances = np.array([[0, 1, 2], [1, 0, 0.5], [2, 0.5, 0.0]])
    assert [nearest_is_kin(distances, names, place) for place in range(3)] == [True, False, False]


def test_a_run_folder_opens_as_a_latent_model(folder):
    config = json.loads((folder / "run" / "config.json").read_text())
    assert config["instruments"] == ["flute_acoustic", "oboe_acoustic", "violin_acoustic"]
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    assert (folder / "run" / "latents.png").stat().st_size > 10_000
    trained = load_trained(folder / "run")
    assert isinstance(trained, LatentModel)
    note = make_note(60, (1.0, 0.5), 0.5)
    latents = trained.encode(note)
    assert latents.shape == (51, trained.dims)
    assert trained.rate == 100
    audio = trained.decode(latents)
    assert audio.size == 51 * 160
    assert np.abs(audio).max() <= 1


def test_spectra_are_compared_at_equal_pitches():
    rows = [SimpleNamespace(pitch=pitch) for pitch in (60, 60, 72, 60, 72, 48)]
    columns = np.float32([[0, 0], [2, 2], [5, 5], [4, 4], [9, 9], [100, 100]])
    labels = np.float32([[1, 0, 0]] * 3 + [[0, 1, 0]] * 2 + [[0, 0, 1]])
    data = Data(SimpleNamespace(rows=rows), ["a", "b", "c"], columns, labels, ([], []), {})
    found = spectral_distances(data, labels)
    expected = [[0, 3.5, np.inf], [3.5, 0, np.inf], [np.inf, np.inf, 0]]  # (4 - 1 + 9 - 5) / 2
    np.testing.assert_allclose(found, expected)


def test_a_sound_is_placed_nearest_to_its_own_instrument(folder, capsys):
    file = folder / "notes" / "oboe_acoustic_000-060-080.wav"
    argv = words("--input", file, "--model", folder / "run")
    status, out, _ = outcome(place.main, argv, capsys)
    assert status == 0
    assert out[0].endswith("060-080.wav:")
    assert out[2].split()[0] == "oboe_acoustic"
    found = place_sound(*soundfile.read(file, dtype="float32"), folder / "run")
    assert next(iter(found)) == "oboe_acoustic"
    assert list(found.values()) == sorted(found.values())


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_a_path_has_eight_points_and_a_picture(folder, tmp_path, kind):
    file = folder / "notes" / "violin_acoustic_000-067-080.wav"
    argv = words("flute C4", file, "--kind", kind, "--seconds", 0.1, "--model", folder / "run")
    assert path.main([*argv, "--output", str(tmp_path / "way.wav")]) == 0
    audio, rate = soundfile.read(tmp_path / "way.wav")
    assert audio.size / rate == pytest.approx(0.8)
    assert (tmp_path / "way.png").stat().st_size > 5000
    points = path.way(np.array([1.0, 0]), np.array([0, 2.0]), 3, kind)
    middle = [0.5, 1] if kind == "linear" else np.array([1.5, 1.5]) / np.sqrt(2)
    np.testing.assert_allclose(points, [[1, 0], middle, [0, 2]], atol=1e-9)
    if kind == "linear":
        sounds = [
            soundfile.read(folder / "notes" / f"{name}_acoustic_000-060-080.wav")[0]
            for name in ("flute", "oboe")
        ]
        made, _ = path_between(*np.float32(sounds), RATE, 3, folder / "run", seconds=0.1)
        assert made.size == 0.3 * RATE


def test_the_way_over_points_is_the_best_one():
    line = np.arange(7.0)[:, np.newaxis]
    targets = np.array([0, 1, 2, 3, 2, 1.0])
    chosen = descriptors.follow(line[:, 0], line, targets)
    np.testing.assert_array_equal(chosen, targets)
    # two places have each value; the near one is taken, and the path stays there
    values = np.concatenate([line[:, 0], line[:, 0]])
    places = np.concatenate([line, line + 100])
    chosen = descriptors.follow(values, places, targets, np.array([100.0]))
    np.testing.assert_array_equal(chosen, targets + 7)
    values[9] = np.nan
    assert 9 not in descriptors.follow(values, places, targets, np.array([100.0]))


def test_maps_of_a_slope_are_smooth_and_those_of_noise_are_rough():
    slope = np.add.outer(np.arange(20.0), 2 * np.arange(20.0))
    assert descriptors.roughness(slope) == pytest.approx(0, abs=1e-12)
    noise = np.random.default_rng(0).normal(size=(50, 50))
    assert descriptors.roughness(noise) == pytest.approx(np.sqrt(3), rel=0.05)


def test_a_drawn_curve_becomes_a_sound(folder, tmp_path, capsys):
    (tmp_path / "curve.csv").write_text("0\n1\n0.5\n")
    argv = words("--curve", tmp_path / "curve.csv", "--model", folder / "run", "--seconds", 0.4)
    argv += words("--start", "flute C4", "--output", tmp_path / "curve.wav")
    assert descriptors.main(argv) == 0
    audio, rate = soundfile.read(tmp_path / "curve.wav")
    assert audio.size / rate == pytest.approx(0.4)
    assert (tmp_path / "curve.png").stat().st_size > 10_000
    argv = words("--maps", "--points", 3, "--model", folder / "run")
    assert descriptors.main([*argv, "--output", str(tmp_path / "maps.png")]) == 0
    assert "30 maps" in capsys.readouterr().out


def test_figures_are_printed(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "_CURVE_SECONDS", 0.4)
    argv = words("--audio_path", folder / "notes", "--model", folder / "run")
    argv += words("--ratings_path", folder / "ratings.csv", "--pictures", tmp_path)
    assert evaluate.main(argv) == 0
    out = capsys.readouterr().out
    for word in ("held_out_notes", "spearman", "clarinet_acoustic", "in_the_sound", "roughness"):
        assert word in out
    for name in ("space", "distances", "maps"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    argv = words("--ratings_path", folder / "ratings.csv", "--steps", 2, "--penalties", "gaussian")
    for way, expected in (
        ("--study", ("gaussian", "common", "likelihood")),
        ("--leave_out", ("no penalty", "held out", "permuted", "spectra", "of 4", "chance")),
    ):
        assert evaluate.main([way, str(folder / "erb.h5"), *argv]) == 0
        out = capsys.readouterr().out
        for word in expected:
            assert word in out


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["tuba C4", "flute C4"], "tuba"),
        (["flute", "flute C4"], "'flute'"),
        (["none.wav", "flute C4"], "none.wav"),
        (["flute C4", "oboe C4", "--output", "x.txt"], "x.txt"),
        (["flute C4", "oboe C4", "--model", "none"], "config.json"),
    ],
)
def test_paths_that_cannot_be_made_are_refused(folder, tmp_path, capsys, flags, word):
    argv = words("--output", tmp_path / "out.wav", "--model", folder / "run", *flags)
    assert_refused(path.main, argv, capsys, word)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_used_is_refused(folder, tmp_path, capsys):
    (tmp_path / "flat.csv").write_text("1\n1\n")
    argv = words("--output", tmp_path / "x.wav", "--model", folder / "run", "--curve")
    assert_refused(descriptors.main, [*argv, str(tmp_path / "flat.csv")], capsys, "flat.csv")
    assert_refused(descriptors.main, [*argv, "none.csv"], capsys, "none.csv")
    argv = words("--features_path", folder / "erb.h5", "--output", tmp_path / "run")
    assert_refused(train.main, [*argv, "--instruments", "tuba"], capsys, "tuba")
    assert_refused(train.main, [*argv, "--ratings_path", "none.csv"], capsys, "none.csv")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    argv = words("--input", tmp_path / "silent.wav", "--model", folder / "run")
    assert_refused(place.main, argv, capsys, "silent.wav", "is silent")


def test_unrated_pairs_are_named(folder, tmp_path, capsys):
    table = write_ratings(
        tmp_path / "r.csv", [("flute", "oboe", 1, "s"), ("flute", "violin", 3, "s")]
    )
    argv = words("--features_path", folder / "erb.h5", "--output", tmp_path / "run", *SMALL)
    argv += words("--ratings_path", table, "--instruments", "flute", "oboe", "violin")
    train.Session(**vars(train.build_parser().parse_args(argv)))
    out = capsys.readouterr().out
    assert "2 pairs are rated; not rated and left out: oboe_acoustic and violin_acoustic" in out


def test_the_shipped_ratings_say_what_they_are(tmp_path):
    lines = train_ratings().read_text("utf-8").splitlines()
    assert lines[0].startswith("# No listener gave these ratings")
    rows = list(csv.DictReader(lines[1:]))
    assert {row["study"] for row in rows} == {"synthetic_1", "synthetic_2", "synthetic_3"}
    names = sorted({name for row in rows for name in (row["a"], row["b"])})
    assert len(names) == 12
    assert not merge(read_ratings(train_ratings()), names).uncovered


def train_ratings():
    from timbre_space.train import RATINGS

    return RATINGS


def test_listeners_of_the_synthetic_table_hear_the_descriptors(folder):
    described = synthetic.described_instruments(folder / "notes")
    assert sorted(described) == ["clarinet", "flute", "oboe", "violin"]
    rows = synthetic.simulated(described, np.random.default_rng(0))
    merged = merge(rows, list(described))
    assert rank_correlations(synthetic.differences(described), merged)["spearman"] > 0.8


def test_landmarks_find_notes_and_instruments(folder):
    landmarks = read_latents(folder / "run")
    row, vector = landmarks.note("flute_acoustic", 61)
    assert row.pitch in (60, 62)
    own = [
        v for r, v in zip(landmarks.rows, landmarks.vectors, strict=True) if r.source == row.source
    ]
    np.testing.assert_allclose(vector, np.mean(own, axis=0), atol=1e-6)
    apart = landmarks.distances(vector[np.newaxis], ["flute_acoustic", "violin_acoustic"])
    assert apart[0] < apart[1]
