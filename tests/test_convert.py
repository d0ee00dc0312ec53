"""Conversion of images: cross-fades, and the same result for any division into blocks."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import BINS, FRAME_COLUMNS
from pix2pix_timbre.model import build_generator
from pix2pix_timbre.trained import Predictor
from pix2pix_timbre.windows import (
    BATCH,
    OVERLAP,
    Conversion,
    convert_image,
    hop_columns,
    window_weights,
)

OVERLAPS = [0.0, 0.25, 0.5, 0.75, 0.9]


def random_image(columns, seed=0, channels=None):
    shape = (BINS, columns) if channels is None else (channels, BINS, columns)
    return np.random.default_rng(seed).uniform(0.01, 1, shape).astype(np.float32)


def identity(frames):
    assert frames.dtype == np.float32
    assert frames.shape[1:] == (BINS, FRAME_COLUMNS, 1)
    return frames


def ramp_in_each_frame(frames):
    """Predict a ramp, whatever the frames: 0 at the left edge, 1 at the right."""
    ramp = np.linspace(0, 1, FRAME_COLUMNS, dtype=np.float32)
    return np.broadcast_to(ramp[:, np.newaxis], frames.shape).copy()


@pytest.fixture(scope="module")
def generator():
    keras.utils.set_random_seed(1)
    model = build_generator(2)
    for variable in model.weights:  # larger than the initial weights, so that inputs matter
        if variable.path.endswith("kernel"):
            variable.assign(variable.value * 8)
    return model


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_weights_are_positive_and_symmetric(overlap):
    weights = window_weights(overlap)
    assert weights.shape == (FRAME_COLUMNS,)
    assert weights.dtype == np.float32
    assert weights.min() > 0
    assert weights.max() <= 1
    np.testing.assert_array_equal(weights, weights[::-1])


@pytest.mark.parametrize(("overlap", "total"), [(0.0, 1), (0.25, 1), (0.5, 1), (0.75, 2)])
def test_cross_fades_sum_to_a_constant(overlap, total):
    hop, weights = hop_columns(overlap), window_weights(overlap)
    added = np.zeros(FRAME_COLUMNS + 20 * hop)
    for index in range(21):
        added[index * hop : index * hop + FRAME_COLUMNS] += weights
    np.testing.assert_allclose(added[FRAME_COLUMNS:-FRAME_COLUMNS], total, atol=1e-6)


def test_hops_are_whole_columns_and_never_zero():
    assert [hop_columns(overlap) for overlap in OVERLAPS] == [256, 192, 128, 64, 26]
    assert hop_columns(0.9999) == 1


@pytest.mark.parametrize("overlap", OVERLAPS)
@settings(max_examples=12)
@given(columns=st.integers(1, 1500))
def test_the_identity_returns_its_input_at_any_length(overlap, columns):
    image = random_image(columns, columns)
    kept = image.copy()
    converted = convert_image(identity, image, overlap)
    assert converted.shape == image.shape
    assert converted.dtype == np.float32
    np.testing.assert_allclose(converted, image, atol=2e-6)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("columns", [1, 255, 256, 257, 512, 1024])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_the_identity_returns_its_input_at_the_frame_edges(overlap, columns):
    image = random_image(columns)
    np.testing.assert_allclose(convert_image(identity, image, overlap), image, atol=1e-6)


@settings(max_examples=15)
@given(
    cuts=st.lists(st.integers(0, 1300), max_size=6),
    overlap=st.sampled_from(OVERLAPS),
    channels=st.integers(1, 2),
)
def test_the_result_does_not_depend_on_how_the_image_is_cut_into_blocks(cuts, overlap, channels):
    image = random_image(1300, channels=channels)

    def predict(frames):
        return frames[:, :, ::-1] ** 2 * ramp_in_each_frame(frames)

    conversion = Conversion(predict, channels, overlap)
    edges = [0, *sorted(cuts), 1300]
    parts = [conversion.push(image[..., start:stop]) for start, stop in pairwise(edges)]
    parts.append(conversion.finish())
    found = np.concatenate(parts, axis=-1)
    np.testing.assert_array_equal(found, convert_image(predict, image, overlap))


def test_columns_are_handed_out_with_whole_batches_of_windows():
    conversion = Conversion(identity, 1, 0.5)
    image = random_image(1500, channels=1)
    batch = FRAME_COLUMNS + (BATCH - 1) * 128  # columns
    assert conversion.push(image[..., : batch - 1]).shape[-1] == 0
    assert conversion.push(image[..., batch - 1 : batch]).shape[-1] == BATCH * 128
    assert conversion.push(image[..., batch:]).shape[-1] == 0
    assert conversion.finish().shape[-1] == 1500 - BATCH * 128


def test_channels_are_converted_alike_and_apart():
    image = random_image(700, channels=3)
    together = convert_image(lambda frames: frames**2, image)
    for channel, found in zip(image, together, strict=True):
        np.testing.assert_array_equal(found, convert_image(lambda frames: frames**2, channel))


def test_silent_windows_stay_silent_and_are_not_predicted():
    asked = []

    def predict(frames):
        asked.append(len(frames))
        return np.ones_like(frames)

    image = np.zeros((BINS, 2000), np.float32)
    assert not convert_image(predict, image).any()
    assert not asked
    image[100, 1000] = 0.5
    converted = convert_image(predict, image)
    assert sum(asked) == 2  # the windows at 847 and 968
    assert not converted[:, :847].any()
    assert not converted[:, 968 + FRAME_COLUMNS :].any()
    assert converted[:, 1000].min() == pytest.approx(1)


def test_a_grid_in_the_frames_of_the_network_has_no_place_of_its_own_in_the_result():
    def with_grid(frames):
        grid = np.where(np.arange(FRAME_COLUMNS) % 32 == 0, 1.0, 0.0).astype(np.float32)
        return np.broadcast_to(grid[:, np.newaxis], frames.shape)

    image = np.ones((BINS, 40 * FRAME_COLUMNS), np.float32)
    by_place = [
        convert_image(with_grid, image, overlap)[0].reshape(-1, FRAME_COLUMNS).mean(axis=0)
        for overlap in (0.5, OVERLAP)
    ]
    assert by_place[0].max() > 0.9
    assert by_place[1].max() < 0.1


@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.75, 0.9])
def test_a_cross_fade_leaves_no_seam(overlap):
    """The predicted frames begin silent and end loud, the worst case for seams."""
    image = random_image(1500)
    steps = np.abs(np.diff(convert_image(ramp_in_each_frame, image, overlap)[0]))
    ramp = min(FRAME_COLUMNS - hop_columns(overlap), FRAME_COLUMNS // 2)
    # the steepest slope of a sin^2 fade, and the ramp's own
    assert steps[:1000].max() < np.pi / 2 / ramp + 1.5 / FRAME_COLUMNS
    hard = np.abs(np.diff(convert_image(ramp_in_each_frame, image, 0)[0]))
    np.testing.assert_allclose(hard[[255, 511, 767]], 1, atol=1e-6)
    assert np.median(steps[[255, 511, 767]]) < 0.05


def test_a_batch_of_one_equals_a_batch_of_eight(generator):
    frames = random_image(11 * 256).reshape(BINS, 11, 256).transpose(1, 0, 2)[..., np.newaxis]
    frames = np.ascontiguousarray(frames)
    kept = frames.copy()
    predict = Predictor(generator)
    together = predict(frames)
    apart = np.concatenate([predict(frames[index : index + 1]) for index in range(11)])
    assert together.shape == frames.shape
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, apart, atol=1e-6)
    np.testing.assert_array_equal(frames, kept)
    expected = (np.asarray(generator(frames * 2 - 1, training=False)) + 1) / 2
    np.testing.assert_allclose(together, expected, atol=1e-6)
    assert together.std(axis=0).max() > 1e-3  # frames differ, or the test could not fail


def test_no_frames_give_no_frames(generator):
    assert Predictor(generator)(np.zeros((0, BINS, 256, 1), np.float32)).shape[0] == 0


@pytest.mark.parametrize("count", [3, 11])
def test_a_style_is_the_second_channel_of_every_frame(count):
    keras.utils.set_random_seed(1)
    model = build_generator(2, channels=2)
    for variable in model.weights:
        if variable.path.endswith("kernel"):
            variable.assign(variable.value * 8)
    frames = random_image(count * 256).reshape(BINS, count, 256).transpose(1, 0, 2)[..., np.newaxis]
    styles = random_image(256, 1), random_image(256, 2)
    kept = styles[0].copy()
    predict = Predictor(model)
    found = [predict(frames, style) for style in styles]
    for style, predicted in zip(styles, found, strict=True):
        assert (predicted.shape, predicted.dtype) == (frames.shape, np.float32)
        both = np.stack([frames[..., 0], [style] * count], axis=-1) * 2 - 1
        expected = (np.asarray(model(both, training=False)) + 1) / 2
        np.testing.assert_allclose(predicted, expected, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3
    # or a style for each frame
    chosen = np.arange(count) % 2
    expected = [found[choice][frame] for frame, choice in enumerate(chosen)]
    of_each = predict(frames, np.stack([styles[choice] for choice in chosen]))
    np.testing.assert_allclose(of_each, expected, atol=1e-6)
    np.testing.assert_array_equal(styles[0], kept)
