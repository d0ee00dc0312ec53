"""Networks of time_stretching, their losses against closed forms, and their batches."""

import json
import math
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import pytest
from conftest import write_midi
from hypothesis import given
from hypothesis import strategies as st

from common.cli import UserError
from common.files.store import write_store
from common.music.names import piece_below
from common.training.weights import save_h5
from time_stretching.components import find_components
from time_stretching.model import (
    AS_PUBLISHED,
    AUDIBLE_DB,
    Architecture,
    AutoEncoder,
    Correction,
    begin_with,
    build_corrector,
    build_decoder,
    build_encoder,
)
from time_stretching.pairs import Pair, Pairs, find_pairs, louder
from time_stretching.resize import positions, resize
from time_stretching.spectrogram import BINS, PUBLISHED, WIDE
from time_stretching.store import SETTINGS, SHAPE, Recording, Store
from time_stretching.trained import Stretcher, told
from time_stretching.windows import Windows

SMALL = Architecture(units=(8, 6), code=5, kernel=3, corrector=(7,))
FLAT = AS_PUBLISHED._replace(units=(8, 6), code=5, corrector=(7,))


def images(columns, number=1, seed=0):
    return np.random.default_rng(seed).random((number, columns, BINS)).astype(np.float32)


def stretcher(architecture, scale=WIDE, seed=0):
    keras.utils.set_random_seed(seed)
    parts = (build_encoder, build_decoder, build_corrector)
    return Stretcher(architecture, scale, *(build(architecture) for build in parts))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Store of two pieces: one at two tempi and stretched, and a short one at a single tempo."""
    path = tmp_path_factory.mktemp("store") / "x.h5"
    ramp = np.ones((BINS, 1)) * np.linspace(0.2, 0.8, 60)
    fast = resize(ramp, positions(0, 40, 1.5)) + 0.05
    items = [
        (Recording("guitar/a", 1.0), ramp),
        (Recording("guitar/a", 2.0), resize(ramp, positions(0, 30, 2.0))),
        (Recording("guitar/a~speed1.5", 1.0), fast),
        (Recording("guitar/b", 1.0), images(7)[0].T),
    ]
    write_store(path, Recording, items, settings=SETTINGS, shape=SHAPE)
    with Store(path) as opened:
        yield opened


def test_the_published_networks_have_the_published_weights():
    encoder, decoder = build_encoder(AS_PUBLISHED), build_decoder(AS_PUBLISHED)
    half = 1025 * 512 + 512 * 256 + 256 * 120
    assert encoder.count_params() == decoder.count_params() == half  # 1.37 million together
    corrector = build_corrector(AS_PUBLISHED)
    assert corrector.count_params() == 120 * 300 * 2
    networks = (encoder, decoder, corrector)
    assert [len(one.weights) for one in networks] == [3, 3, 2]  # no bias
    codes = np.asarray(encoder(images(4)))
    assert codes.shape == (1, 4, 120)
    assert np.abs(codes).max() < 1
    assert np.abs(np.asarray(decoder(codes))).max() < 1


def test_ours_fit_together_and_into_six_megabytes():
    networks = [build(Architecture()) for build in (build_encoder, build_decoder, build_corrector)]
    assert 2 * sum(one.count_params() for one in networks) < 5.5e6
    encoder, decoder, corrector = networks
    codes = np.asarray(encoder(images(9, 2)))
    assert codes.shape == (2, 9, Architecture().code)
    corrected = corrector([codes, np.ones((2, 9, 2), np.float32)])
    np.testing.assert_array_equal(corrected, codes)  # the initial correction is zero
    assert decoder(corrected).shape == (2, 9, BINS)


@pytest.mark.parametrize("architecture", [SMALL, FLAT])
def test_the_context_is_all_that_a_column_sees(architecture):
    trained = stretcher(architecture)
    for layer in trained.corrector.layers:
        if layer.name == "corrector_missing":  # initialised with zeros
            layer.set_weights([one + 0.1 for one in layer.get_weights()])
    first, second = images(30)[0].T, images(30)[0].T.copy()
    second[:, 12] = 0
    codes = [trained.encode(image) for image in (first, second)]
    corrected = [trained.correct(code, 1.5) for code in codes]
    given = np.zeros((architecture.code, 30), np.float32)
    other = given.copy()
    other[:, 12] = 1
    fixed = [trained.correct(one, 1.5) for one in (given, other)]
    for pair, reach in (
        (codes, trained.context),
        (fixed, trained.context),
        (corrected, 2 * trained.context),
    ):
        changed = np.flatnonzero(np.abs(pair[0] - pair[1]).max(axis=0) > 1e-6)
        assert changed.min() >= 12 - reach
        assert changed.max() <= 12 + reach
        assert 12 in changed


@pytest.mark.parametrize("architecture", [SMALL, FLAT])
def test_long_images_are_gone_through_in_parts(architecture, monkeypatch):
    trained, image = stretcher(architecture), images(50)[0].T
    codes = trained.encode(image)
    whole = trained.correct(codes, 0.7), trained.decode(codes)
    monkeypatch.setattr("time_stretching.trained._BLOCK", 11)
    np.testing.assert_allclose(trained.encode(image), codes, atol=1e-5)
    np.testing.assert_allclose(trained.correct(codes, 0.7), whole[0], atol=1e-5)
    np.testing.assert_allclose(trained.decode(codes), whole[1], atol=1e-5)
    np.testing.assert_allclose(trained.decode(codes, 20, 31), whole[1][:, 20:31], atol=1e-5)


def test_saved_networks_open_in_a_process_without_this_project(tmp_path):
    names = []
    for architecture in (SMALL, FLAT):
        for build in (build_encoder, build_decoder, build_corrector):
            names.append(f"{len(names)}.h5")
            save_h5(build(architecture), tmp_path / names[-1])
    code = "import keras\n" + "\n".join(
        f"assert keras.models.load_model('{name}', compile=False).weights" for name in names
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_an_architecture_survives_json():
    for architecture in (SMALL, AS_PUBLISHED):
        assert Architecture.of(json.loads(json.dumps(architecture._asdict()))) == architecture


def test_training_begins_at_the_principal_components(store):
    found = find_components(store, store.rows[3:], WIDE, 5)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(5), atol=1e-5)
    everything = store.columns(store.rows[3]).T
    np.testing.assert_allclose(found.mean, everything.mean(axis=0), atol=1e-5)
    encoder, decoder = build_encoder(SMALL), build_decoder(SMALL)
    begin_with(encoder, decoder, found)
    centred = everything - found.mean
    expected = found.mean + centred @ found.directions.T @ found.directions
    decoded = np.asarray(decoder(encoder(everything[np.newaxis])))[0]
    np.testing.assert_allclose(decoded, expected, atol=0.05)
    assert np.mean((decoded - everything) ** 2) < 0.8 * np.mean(centred**2)


def test_the_loss_of_the_auto_encoder_in_both_scales():
    model = AutoEncoder(build_encoder(SMALL), build_decoder(SMALL), WIDE)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    given = images(6, 3)
    scores = model.evaluate(given, given, verbose=0, return_dict=True)
    decoded = np.asarray(model(given))
    assert scores["loss"] == pytest.approx(np.mean((decoded - given) ** 2), rel=1e-4)
    moved = [WIDE.to(PUBLISHED, one) for one in (decoded, given)]
    assert scores["published"] == pytest.approx(np.mean((moved[0] - moved[1]) ** 2), rel=1e-4)


def correction(decoder=True):
    trained = stretcher(SMALL)
    model = Correction(trained.corrector, trained.decoder if decoder else None, WIDE)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    return model


def batch():
    rng = np.random.default_rng(0)
    codes, targets = rng.normal(0, 0.3, (2, 4, 16, 5)).astype(np.float32)
    valid = (np.arange(16) < 11) * np.ones((4, 1))
    rates = np.ones((4, 16, 2), np.float32)
    return (codes, rates), (targets, images(16, 4), valid.astype(np.float32))


def test_the_loss_of_the_corrector_counts_valid_columns():
    (codes, rates), (targets, wanted, valid) = batch()
    errors = {"codes": np.mean((codes - targets)[:, :11] ** 2)}
    model = correction()
    decoded = np.asarray(model.decoder(codes))
    floor = (AUDIBLE_DB + 105) / 160
    heard = np.where(wanted > floor, decoded, np.maximum(decoded, floor))
    columns = np.sqrt(np.mean((heard - np.maximum(wanted, floor)) ** 2, axis=-1))
    errors["distance"] = 160 * np.mean(columns[:, :11])
    found = model.evaluate((codes, rates), (targets, wanted, valid), verbose=0, return_dict=True)
    assert found["codes"] == pytest.approx(errors["codes"], rel=1e-4)
    assert found["loss"] == found["distance"] == pytest.approx(errors["distance"], rel=1e-4)
    published = correction(decoder=False)
    found = published.evaluate(*batch(), verbose=0, return_dict=True)
    assert found["loss"] == found["codes"] == pytest.approx(errors["codes"], rel=1e-4)


def test_only_the_corrector_learns():
    model = correction()
    before = [one.copy() for one in model.decoder.get_weights()]
    history = model.fit(*batch(), epochs=30, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for one, other in zip(before, model.decoder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_windows_follow_one_another_and_depend_on_seed_and_epoch(store):
    settings = {"columns": 10, "batch_size": 4}
    windows = Windows(store, store.rows[:2], WIDE, **settings)
    assert len(windows) == 3  # 6 and 3 windows
    found = np.concatenate([windows[index][0] for index in range(3)])
    np.testing.assert_array_equal(found[:6].reshape(60, BINS), store.columns(store.rows[0]).T)
    drawn = Windows(store, store.rows, WIDE, shuffle=True, seed=3, **settings)
    again = Windows(store, store.rows, WIDE, shuffle=True, seed=3, **settings)
    first = drawn[0][0]
    np.testing.assert_array_equal(first, again[0][0])
    drawn.epoch = 1
    assert not np.array_equal(first, drawn[0][0])
    short = Windows(store, store.rows[3:], WIDE, steps=3, **settings)
    assert len(short) == 3
    assert not short[2][0][:, 7:].any()


def test_pairs_are_found_by_rate_and_by_tempo(store):
    kinds = {kind: find_pairs(store.rows, kind) for kind in ("vocoder", "true", "both")}
    assert [(one.target.rate, one.rate) for one in kinds["vocoder"]] == [
        (1, 1),
        (2, 2),
        (1, 1),
        (1, 1),
    ]
    assert {(one.source.name, one.target.name, round(one.rate, 4)) for one in kinds["true"]} == {
        ("guitar/a", "guitar/a~speed1.5", 1.5),
        ("guitar/a~speed1.5", "guitar/a", 0.6667),
    }
    assert len(kinds["both"]) == 6
    assert Counter(one.kind for one in kinds["both"]) == {"vocoder": 4, "true": 2}
    resized = find_pairs(store.rows, "resized")
    assert [one.source for one in resized] == [one.target for one in resized]
    assert {one.source.name for one in resized} == {one.name for one in store.rows}
    assert {one.source.rate for one in resized} == {1}
    rates = [one.rate for one in resized]
    assert len(set(rates)) == len(rates) == 4 * 3
    assert all(0.25 <= rate <= 4 for rate in rates)
    assert rates == [one.rate for one in find_pairs(store.rows, "resized")]
    assert rates != [one.rate for one in find_pairs(store.rows, "resized", seed=1)]


@pytest.mark.parametrize("architecture", [SMALL, FLAT])
def test_batches_hold_resized_codes_and_what_they_should_give(store, architecture):
    trained = stretcher(architecture)
    (pair,) = [one for one in find_pairs(store.rows, "vocoder") if one.rate == 2]
    data = Pairs(store, [pair], trained, columns=20, batch_size=2)
    (given, *rate), (codes, wanted, valid) = data[0]
    assert (given.shape, codes.shape, wanted.shape) == ((2, 20, 5), (2, 20, 5), (2, 20, BINS))
    if architecture is SMALL:
        np.testing.assert_array_equal(rate[0], np.tile([1.0, 0.0], (2, 20, 1)))
    else:
        assert not rate
    source = trained.encode(store.columns(pair.source))
    expected = resize(source, positions(20, 40, 2.0))
    np.testing.assert_allclose(given[1], expected.T, atol=2e-3)
    np.testing.assert_array_equal(valid, [[1] * 20, [1] * 10 + [0] * 10])
    np.testing.assert_array_equal(wanted[1, :10], store.columns(pair.target)[:, 20:].T)
    drawn = Pairs(store, [pair], trained, columns=20, batch_size=2, shuffle=True, steps=5)
    assert len(drawn) == 5
    np.testing.assert_array_equal(drawn[1][0][0], drawn[1][0][0])


@pytest.mark.parametrize("rate", [0.3, 0.75, 1.0, 2.6])
def test_resized_pairs_aim_at_the_resized_spectrogram(store, rate):
    source = store.rows[0]
    trained = stretcher(SMALL)
    pair = Pair(source, source, rate, "resized")
    data = Pairs(store, [pair], trained, columns=7, batch_size=100)
    _, (codes, wanted, valid) = data[0]
    columns = math.ceil(source.columns / rate)
    assert valid.sum() == columns
    magnitudes = WIDE.magnitude(store.columns(source))
    expected = WIDE.image(resize(magnitudes, positions(0, columns, rate)))
    np.testing.assert_allclose(wanted[valid > 0], expected.T, atol=1e-5)
    np.testing.assert_allclose(codes[valid > 0], trained.encode(expected).T, atol=2e-3)
    if rate == 1:
        np.testing.assert_allclose(wanted[valid > 0], store.columns(source).T, atol=1e-5)


def test_true_pairs_are_brought_to_one_level(store):
    (pair,) = [one for one in find_pairs(store.rows, "true") if one.rate > 1]
    source, target = store.columns(pair.source), store.columns(pair.target)
    assert louder(source, target, pair.rate) == pytest.approx(0.05, abs=1e-3)
    data = Pairs(store, [pair], stretcher(SMALL), columns=40, batch_size=1)
    _, (_, wanted, _) = data[0]
    expected = resize(source, positions(0, 40, pair.rate)).T
    np.testing.assert_allclose(wanted[0], expected, atol=2e-3)


def test_the_rate_is_told_in_octaves_and_the_way_between_columns():
    np.testing.assert_array_equal(told(positions(1, 3, 0.25), 0.25), [[-2, -2], [0.25, 0.5]])


def test_nothing_is_corrected_at_rate_1():
    trained = stretcher(SMALL)
    for layer in trained.corrector.layers:
        if layer.name == "corrector_missing":
            layer.set_weights([one + 0.1 for one in layer.get_weights()])
    codes = np.random.default_rng(0).normal(0, 0.3, (5, 20)).astype(np.float32)
    np.testing.assert_array_equal(trained.correct(codes, 1.0), codes)
    for rate in (0.5, 2.0):
        assert np.abs(trained.correct(codes, rate) - codes).max() > 1e-3


@given(st.sampled_from(["", "~speed1.5", "~transpose+2_speed0.5"]), st.sampled_from(["", "@003"]))
def test_versions_of_a_piece_stay_together(varied, preset):
    for instrument in ("guitar_acoustic", "keyboard_acoustic"):
        assert piece_below(f"{instrument}/folder/piece{varied}{preset}") == "folder/piece"
    assert piece_below("song") == "song"


def test_a_damaged_store_is_refused(tmp_path, store):
    content = store.path.read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    for name in ("cut.h5", "none.h5"):
        with pytest.raises(UserError, match=name):
            Store(tmp_path / name)
    assert store.rows[1] == Recording("guitar/a", 2.0, 60, 30)
    write_midi(tmp_path / "x.h5", (60,))  # no store at all
    with pytest.raises(UserError, match=r"x\.h5"):
        Store(tmp_path / "x.h5")
