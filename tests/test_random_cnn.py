"""The random network compared with NumPy and finite differences; search, styles, metrics."""

import numpy as np
import pytest
from conftest import frequency_of, make_note
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from common.cli import UserError
from random_cnn_style import metrics
from random_cnn_style.network import adjoint, features, random_weights
from random_cnn_style.objective import Objective, Targets, style_loss
from random_cnn_style.optimise import OPTIMISERS
from random_cnn_style.spectrogram import HOP, SAMPLE_RATE, TRANSFORMS, log_magnitude, to_audio
from random_cnn_style.style import Network, Style, blend, load_style, style_of
from random_cnn_style.timbre import TimbreSpace, triplet_loss
from random_cnn_style.transfer import (
    OVERLAP,
    PUBLISHED,
    SEGMENT,
    Settings,
    Transfer,
    _segments,
    style_transfer,
)

SMALL = {"filters": 24, "kernel": 3, "iterations": 12}
NETWORK = Network(16, 3, 0)
RATE = metrics.SAMPLE_RATE
BINS = TRANSFORMS["stft"].bins
LOUDEST = np.linspace(0, 3, BINS, dtype=np.float32)


def random(*shape, seed=0):
    return np.abs(np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def computed(magnitude, weights):
    return ops.convert_to_numpy(features(ops.convert_to_tensor(magnitude), weights))


def tune(pitches, partials, rate=SAMPLE_RATE, seconds=0.3):
    return np.concatenate([make_note(pitch, partials, seconds, rate=rate) for pitch in pitches])


def test_features_are_a_convolution_over_time():
    magnitude, weights = random(9, 5), random_weights(5, 7, 3, seed=1)
    wanted = [
        np.maximum(sum(magnitude[at + tap] @ weights[tap] for tap in range(3)), 0)
        for at in range(7)
    ]
    np.testing.assert_allclose(computed(magnitude, weights), wanted, rtol=1e-5)


def test_weights_follow_from_the_seed_and_have_the_published_deviation():
    weights = random_weights(1025, 64, 11, seed=3)
    np.testing.assert_array_equal(weights, random_weights(1025, 64, 11, seed=3))
    assert not np.array_equal(weights, random_weights(1025, 64, 11, seed=4))
    assert weights.std() == pytest.approx(np.sqrt(2) * np.sqrt(2 / ((1025 + 64) * 11)), rel=1e-2)


@given(st.integers(1, 6), st.integers(0, 9))
def test_the_adjoint_is_one(kernel, more):
    weights = random_weights(4, 5, kernel, seed=more)
    magnitude, slope = random(kernel + more, 4), random(more + 1, 5, seed=1)
    # without the ReLU: the sum over the taps of the kernel
    forward = sum(magnitude[tap : tap + more + 1] @ weights[tap] for tap in range(kernel))
    back = ops.convert_to_numpy(adjoint(ops.convert_to_tensor(slope), weights))
    assert np.vdot(forward, slope) == pytest.approx(np.vdot(magnitude, back), abs=1e-4)


def targets(seed=0, scales=(1.0, 1.0)):
    weights = random_weights(6, 8, 3, seed=seed)
    content = computed(random(12, 6, seed=1), weights)
    style = computed(random(20, 6, seed=2), weights)
    return Targets(weights, content, (style / np.sqrt(len(style))).astype(np.float32), scales)


def test_losses_are_those_of_features_and_of_gram_matrices():
    one, magnitude = targets(scales=(2.0, 5.0)), random(12, 6, seed=3)
    loss, _, (content, style) = Objective([one], 0.25)(magnitude)
    found = computed(magnitude, one.weights)
    gram = found.T @ found / len(found)
    assert content == pytest.approx(np.sum((found - one.content) ** 2) / 2, rel=1e-5)
    assert style == pytest.approx(np.sum((gram - one.style.T @ one.style) ** 2) / 5, rel=1e-5)
    assert style == pytest.approx(style_loss(found, one.style) / 5, rel=1e-5)
    assert loss == pytest.approx(0.25 * content + style)


def test_the_slope_is_that_of_the_loss():
    objective = Objective([targets(0, (2.0, 5.0)), targets(1)], 0.25)
    magnitude = random(12, 6, seed=3)
    _, slope, _ = objective(magnitude)
    rng = np.random.default_rng(0)
    for _ in range(5):
        step = rng.standard_normal(magnitude.shape).astype(np.float32)
        step *= np.float32(1e-3 / np.linalg.norm(step))
        difference = objective(magnitude + step)[0] - objective(magnitude - step)[0]
        assert difference / 2 == pytest.approx(np.vdot(slope, step), rel=0.02, abs=1e-6)


def test_networks_are_averaged():
    magnitude = random(12, 6, seed=3)
    both = Objective([targets(0), targets(1)], 0.5)(magnitude)
    each = [Objective([targets(seed)], 0.5)(magnitude) for seed in (0, 1)]
    assert both[0] == pytest.approx((each[0][0] + each[1][0]) / 2, rel=1e-5)
    np.testing.assert_allclose(both[1], (each[0][1] + each[1][1]) / 2, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_find_the_nearest_point_within_bounds(name):
    wanted = np.random.default_rng(0).standard_normal((4, 6))
    start = np.full((4, 6), 0.5, np.float32)
    losses = []

    def objective(point):
        return np.sum((point - wanted) ** 2), 2 * (point - wanted), (np.sum(point), 0.0)

    found = OPTIMISERS[name](objective, start, 400, losses.append)
    np.testing.assert_allclose(found, np.maximum(wanted, 0), atol=0.02)
    upper = np.linspace(0, 0.6, 6)
    bounded = OPTIMISERS[name](objective, start, 400, upper=upper)
    np.testing.assert_allclose(bounded, np.clip(wanted, 0, upper), atol=0.02)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert 1 <= len(losses) <= 400
    np.testing.assert_array_equal(start, 0.5)


def test_magnitude_and_phase_give_the_sound_back():
    audio = tune((60, 64), (1.0, 0.5))
    magnitude, phase = log_magnitude(audio)
    assert magnitude.shape == (TRANSFORMS["stft"].bins, 1 + audio.size // HOP)
    found = to_audio(magnitude, phase, 0, audio.size)
    # a window that lacks a neighbour has nothing to be divided by
    np.testing.assert_allclose(found[:-HOP], audio[:-HOP], atol=1e-3)


def test_constant_q_gives_the_sound_back_and_moves_with_the_pitch():
    one, other = (tune((pitch,), (1.0, 0.5), seconds=2.0) for pitch in (57, 64))
    magnitude, phase = log_magnitude(one, "cqt")
    assert magnitude.shape == (TRANSFORMS["cqt"].bins, 1 + one.size // HOP)
    found = to_audio(magnitude, phase, 0, one.size, "cqt")
    inside = slice(one.size // 4, -one.size // 4)
    error = found[inside] - one[inside]
    assert np.sqrt(np.mean(error**2)) < 0.05 * np.sqrt(np.mean(one[inside] ** 2))
    # seven semitones are fourteen bins, wherever
    higher = log_magnitude(other, "cqt")[0].mean(axis=-1)
    match = np.correlate(higher, magnitude.mean(axis=-1), "full").argmax()
    assert match - (len(magnitude) - 1) == 14


def test_a_constant_q_spectrogram_is_searched_too(tmp_path):
    settings = SMALL | {"spectrogram": "cqt"}
    content, style = (tune(pitches, (1.0, 0.5), seconds=0.8) for pitches in ((60, 67), (50, 55)))
    audio, history = style_transfer(content, style, **settings)
    assert audio.shape == content.shape and np.isfinite(audio).all()
    assert history[-1]["loss"] < history[0]["loss"]
    transfer = Transfer(Settings(**settings))
    styles = transfer.styles(style)
    styles[0].save(tmp_path / "style.h5")
    assert load_style(tmp_path / "style.h5").network == transfer.networks[0]
    with pytest.raises(UserError, match="--spectrogram that it was made with"):
        Transfer(Settings(**SMALL)).blended([styles], [1])
    with pytest.raises(UserError, match="--content: too short; give at least 1"):
        transfer.mix(content[:SAMPLE_RATE], styles)


@pytest.mark.parametrize("columns", [5, 16, 40])
def test_a_style_keeps_the_gram_matrix_whatever_the_length(columns):
    found = random(columns, 16)
    style = style_of([found[:3], found[3:4], found[4:]], NETWORK, LOUDEST)
    assert style.factor.shape[0] <= max(16, 0)
    np.testing.assert_allclose(style.gram, found.T @ found / columns, rtol=1e-4, atol=1e-5)


def test_a_blend_is_the_weighted_mean_of_gram_matrices():
    styles = [
        style_of([random(columns, 16, seed=columns)], NETWORK, random(BINS, seed=columns))
        for columns in (7, 12)
    ]
    found = blend(styles, [3, 1])
    wanted = 0.75 * styles[0].gram + 0.25 * styles[1].gram
    np.testing.assert_allclose(found.gram, wanted, rtol=1e-4, atol=1e-5)
    assert len(found.factor) <= 16
    np.testing.assert_array_equal(found.loudest, np.maximum(styles[0].loudest, styles[1].loudest))
    with pytest.raises(UserError, match="different networks"):
        blend([styles[0], styles[1]._replace(network=Network(16, 3, 1))], [1, 1])


def test_a_saved_style_is_the_same(tmp_path):
    style = style_of([random(9, 16)], NETWORK, LOUDEST)
    style.save(tmp_path / "style.h5")
    found = load_style(tmp_path / "style.h5")
    assert found.network == NETWORK
    np.testing.assert_array_equal(found.factor, style.factor)
    np.testing.assert_array_equal(found.loudest, LOUDEST)
    assert [path.name for path in tmp_path.iterdir()] == ["style.h5"]


def test_damaged_styles_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.h5: no such style"):
        load_style(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no style")
    with pytest.raises(UserError, match=r"text\.h5: not a readable style"):
        load_style(tmp_path / "text.h5")
    factor = np.zeros((2, 16), np.float32)
    Style(NETWORK, factor + np.nan, LOUDEST).save(tmp_path / "nan.h5")
    Style(NETWORK, factor, LOUDEST + np.inf).save(tmp_path / "infinite.h5")
    Style(NETWORK, factor[:, :5], LOUDEST).save(tmp_path / "narrow.h5")
    Style(NETWORK, factor, LOUDEST[:5]).save(tmp_path / "short.h5")
    Style(NETWORK._replace(kernel=10**9), factor, LOUDEST).save(tmp_path / "long.h5")
    wide = NETWORK._replace(filters=10**8)
    Style(wide, np.zeros((0, 10**8), np.float32), LOUDEST).save(tmp_path / "wide.h5")
    for name in ("nan.h5", "infinite.h5", "narrow.h5", "short.h5", "long.h5", "wide.h5"):
        with pytest.raises(UserError, match="damaged"):
            load_style(tmp_path / name)


@given(st.integers(1, 5000))
def test_segments_cover_all_columns_and_overlap(columns):
    count, length = _segments(columns)
    assert length <= SEGMENT
    reach = (count - 1) * max(length - OVERLAP, 1) + length
    assert columns <= reach < columns + count
    assert count == 1 or length > 2 * OVERLAP


def test_a_transfer_moves_to_the_style_and_repeats():
    content = tune((60, 62, 64, 65), (1.0,))
    style = tune((57, 64, 69, 60), (0.3, 1.0, 0.7, 0.5, 0.4))
    given = SMALL | {"iterations": 40}
    audio, history = style_transfer(content, style, **given)
    again, _ = style_transfer(content, style, **given)
    np.testing.assert_array_equal(audio, again)
    assert audio.shape == content.shape
    assert audio.dtype == np.float32
    assert np.abs(audio).max() <= 1
    assert history[-1]["style"] < 0.6 * history[0]["style"]
    assert [row["iteration"] for row in history] == list(range(1, len(history) + 1))
    assert {(row["channel"], row["segment"]) for row in history} == {(0, 0)}
    row = history[-1]
    assert row["loss"] == pytest.approx(Settings().alpha * row["content"] + row["style"])


def test_much_content_stays_the_content():
    content, style = tune((60, 67), (1.0, 0.5)), tune((50, 55), (0.2, 1.0, 1.0))
    audio, _ = style_transfer(content, style, alpha=1e4, **SMALL)
    one, other = (log_magnitude(sound)[0] for sound in (content, audio))
    assert np.abs(one - other).mean() < 0.05 * one.mean()


def test_the_published_settings_begin_with_noise():
    given = SMALL | {"iterations": 3}
    content, style = tune((60, 67), (1.0, 0.5)), tune((50, 55), (0.2, 1.0, 1.0))
    settings = PUBLISHED._replace(griffin_lim=2, **given)
    assert (settings.alpha, settings.losses, settings.init) == (1e-2, "raw", "noise")
    _, history = style_transfer(content, style, **settings._asdict())
    assert history[-1]["content"] > 1  # raw losses are not divided


def test_channels_are_kept_and_a_silent_one_stays_silent():
    one = tune((60, 62), (1.0, 0.5))
    content = np.stack([one, np.zeros_like(one), 0.5 * one])
    audio, history = style_transfer(content, one[::-1].copy(), **SMALL)
    assert audio.shape == content.shape
    assert not audio[1].any()
    assert {row["channel"] for row in history} == {0, 2}


def test_long_content_goes_by_segments(monkeypatch):
    monkeypatch.setattr("random_cnn_style.transfer.SEGMENT", 30)
    monkeypatch.setattr("random_cnn_style.transfer.OVERLAP", 8)
    content = tune((60, 62, 64, 65, 67, 69), (1.0, 0.5))
    settings = SMALL | {"alpha": 1e4}
    audio, history = style_transfer(content, content[::-1].copy(), **settings)
    assert {row["segment"] for row in history} == {0, 1, 2, 3}
    one, other = (log_magnitude(sound)[0] for sound in (content, audio))
    assert np.abs(one - other).mean() < 0.05 * one.mean()


def test_a_search_of_a_shape_is_traced_once_for_all_segments_and_channels(monkeypatch):
    traced = []
    monkeypatch.setattr("random_cnn_style.transfer.SEGMENT", 30)
    monkeypatch.setattr("random_cnn_style.transfer.OVERLAP", 8)
    monkeypatch.setattr(
        "random_cnn_style.objective.adjoint",
        lambda slope, weights: traced.append(slope.shape) or adjoint(slope, weights),
    )
    one = tune((60, 62, 64, 65, 67, 69), (1.0, 0.5))
    # a number of filters that no other test has
    settings = SMALL | {"filters": 23, "iterations": 1}
    _, history = style_transfer(np.stack([one, one[::-1]]), one, **settings)
    assert len({(row["channel"], row["segment"]) for row in history}) == 8
    assert len(traced) == 1


def test_no_frequency_gets_louder_than_it_ever_is():
    content, style = tune((60, 67), (1.0, 0.5)), tune((50, 55), (0.2, 1.0, 1.0))
    gain = np.float32(0.3 / np.sqrt(np.mean(np.square(content, dtype=np.float64))))
    given = SMALL | {"griffin_lim": 0}
    excess = {}
    for bounded in (True, False):
        transfer = Transfer(Settings(bounded=bounded, **given))
        styles = transfer.styles(style)
        start = log_magnitude(content * gain)[0]
        found = transfer._search(start, start, styles, {})
        excess[bounded] = (found - np.maximum(start.max(axis=-1), styles[0].loudest)[:, None]).max()
    assert excess[True] < 1e-6
    assert excess[False] > 0.01


def test_a_texture_has_the_length_and_the_style_that_are_asked_for():
    transfer = Transfer(Settings(**SMALL | {"iterations": 30}))
    style = transfer.styles(tune((57, 64), (0.3, 1.0, 0.7)))
    audio = transfer.texture(1.5, style)
    assert audio.size == pytest.approx(1.5 * SAMPLE_RATE, abs=HOP)
    assert transfer.history[-1]["style"] < 0.2
    assert {row["content"] >= 0 for row in transfer.history} == {True}
    assert transfer.evaluations >= len(transfer.history)
    assert (transfer.seconds > 0).all()


def test_silence_and_short_sounds_are_refused():
    sound = tune((60,), (1.0,))
    with pytest.raises(UserError, match=r"^content: is silent"):
        style_transfer(np.zeros(20000), sound, **SMALL)
    with pytest.raises(UserError, match=r"^style: is silent"):
        style_transfer(sound, np.zeros(20000), **SMALL)
    with pytest.raises(UserError, match=r"^content: too short"):
        style_transfer(sound[: 2 * HOP - 1], sound, **SMALL)
    with pytest.raises(UserError, match="another network"):
        transfer = Transfer(Settings(**SMALL))
        transfer.blended([Transfer(Settings(seed=1, **SMALL)).styles(sound)], [1])


@pytest.mark.parametrize("name", metrics.METRICS)
def test_a_sound_has_no_distance_to_itself_at_any_level(name):
    sound = tune((60, 64, 67), (1.0, 0.5), RATE)
    metric = metrics.METRICS[name]
    assert metric(sound, sound) == pytest.approx(0, abs=1e-6)
    assert metric(sound, 0.3 * sound) == pytest.approx(0, abs=1e-3)
    with pytest.raises(ValueError, match="silence"):
        metric(sound, 0 * sound)


def test_mel_distance_of_noise_of_another_slope_is_that_slope():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(RATE).astype(np.float32)
    gated = noise * (np.arange(RATE) >= RATE // 2)
    assert metrics.mel_distance(noise, gated) > 20
    other = rng.standard_normal(RATE).astype(np.float32)
    # two noises: levels of chi-squared variables differ this much
    assert 2 < metrics.mel_distance(noise, other) < 10


def test_cepstra_tell_timbre_and_not_pitch():
    dull, bright = (1.0, 0.2), (0.3, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    one, same, other = (
        tune(pitches, partials, RATE)
        for pitches, partials in (((60, 64), dull), ((62, 65), dull), ((60, 64), bright))
    )
    distance = metrics.cepstral_distance
    assert distance(one, same) < 0.5 * distance(one, other)


@settings(max_examples=10)
@given(st.integers(40, 80))
def test_the_pitch_of_a_tone_is_prominent(pitch):
    sets = metrics.pitch_sets(tune((pitch,), (1.0, 0.6, 0.4, 0.3), RATE, seconds=1.0))
    assert sets[pitch - 36, 5:20].mean() > 0.9
    assert frequency_of(pitch) < RATE / 2


def test_pitch_sets_tell_pitch_and_not_timbre():
    plain, rich = (1.0, 0.5, 0.3), (0.6, 1.0, 0.7, 0.5)
    one, same, other = (
        tune(pitches, partials, RATE)
        for pitches, partials in (((60, 64), plain), ((60, 64), rich), ((61, 66), plain))
    )
    assert metrics.pitch_set_distance(one, same) < 0.5
    assert metrics.pitch_set_distance(one, other) > 0.8


def test_a_learned_space_knows_who_plays():
    dull, bright = (1.0, 0.2), (0.3, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    low, high = (48, 55, 52, 60, 57), (62, 69, 66, 74, 71)
    recordings = [
        (name, tune(pitches, partials, RATE, seconds=0.6))
        for name, partials in (("dull", dull), ("bright", bright))
        for pitches in (low, high)
    ]
    space = TimbreSpace(recordings, seed=0)
    one, same = (tune(pitches, dull, RATE) for pitches in ((50, 54, 61), (64, 68, 73)))
    other = tune((50, 54, 61), bright, RATE)
    assert space.distance(one, one) == pytest.approx(0, abs=1e-5)
    assert space.distance(one, same) < 0.6 * space.distance(one, other)


def test_the_triplet_loss_is_a_sum_over_triplets():
    labels = np.array([0, 0, 1])
    places = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]], np.float32)
    # near: 1 both ways; far: 1 - cos 45 degrees, from either
    wanted = 1 - (1 - np.sqrt(0.5)) + 0.3
    found = float(triplet_loss(ops.convert_to_tensor(labels), ops.convert_to_tensor(places)))
    assert found == pytest.approx(wanted, rel=1e-5)
