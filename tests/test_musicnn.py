"""common/report/musicnn.py: the network against plain NumPy, its weights, the distance.

The weights of musicnn are in no test; with them, the network was compared with the original.
"""

import zipfile

import numpy as np
import pytest
import tensorflow as tf

from common.cli import UserError
from common.report.musicnn import (
    BANDS,
    COLUMNS,
    FEATURES,
    build_musicnn,
    feature_distance,
    load_musicnn,
    musicnn_features,
)


@pytest.fixture(scope="module")
def network():
    return build_musicnn()


@pytest.fixture(scope="module")
def weights(network):
    """Random weights by their names in the checkpoint, and a variable that is not used."""
    rng, found = np.random.default_rng(0), {"dense_1/bias": np.zeros(50, np.float32)}
    for layer in network.layers:
        for weight in layer.weights:
            values = rng.normal(0, 0.5 / np.sqrt(np.prod(weight.shape[:-1])), weight.shape)
            if weight.name == "moving_variance":
                values = rng.uniform(0.5, 2, weight.shape)
            shape = weight.shape
            if layer.__class__.__name__ == "Conv1D":
                shape = (*shape[:2], 1, shape[2]) if weight.name == "kernel" else shape
            found[f"{layer.name}/{weight.name}"] = values.reshape(shape).astype(np.float32)
    return found


@pytest.fixture(scope="module")
def wheel(weights, tmp_path_factory):
    """A wheel with these weights, whose files have no name before their suffix."""
    folder = tmp_path_factory.mktemp("musicnn")
    names = list(weights)
    tf.raw_ops.SaveV2(
        prefix=str(folder / "saved"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(weights[name]) for name in names],
    )
    path = folder / "musicnn-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for part in folder.glob("saved.*"):
            file.write(part, f"musicnn/MTT_musicnn/{part.name.removeprefix('saved')}")
    return path


def by_numpy(weights, patch):
    """Features (200,) of a patch (187, 96), from the description of the network alone."""

    def normalise(values, number):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        gamma, beta, mean, variance = (
            weights[f"{name}/{part}"]
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (values - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def convolve(values, number):
        """(columns, bands) -> (columns, bands left, filters), as many columns as before."""
        name = f"conv2d_{number}" if number else "conv2d"
        kernel, bias = weights[f"{name}/kernel"][:, :, 0], weights[f"{name}/bias"]
        size = kernel.shape[0] - 1
        padded = np.pad(values, ((size // 2, size - size // 2), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2])
        return np.maximum(np.tensordot(views, kernel, 2) + bias, 0)

    image = normalise(patch[..., np.newaxis], 0)[..., 0]
    front = [normalise(convolve(image, number), number + 1).max(axis=1) for number in range(5)]
    middle = [np.concatenate(front, axis=1)]
    for number in range(3):
        one = normalise(convolve(middle[-1], 5 + number)[:, 0], 6 + number)
        middle.append(one + middle[-1] if number else one)
    joined = np.concatenate(middle, axis=1)
    told = normalise(np.stack([joined.max(axis=0), joined.mean(axis=0)], axis=1).ravel(), 9)
    return normalise(np.maximum(told @ weights["dense/kernel"] + weights["dense/bias"], 0), 10)


def test_the_network_is_that_of_the_description(weights, wheel):
    network = load_musicnn(wheel)
    patch = np.random.default_rng(1).uniform(0, 3, (COLUMNS, BANDS)).astype(np.float32)
    found = np.asarray(network.predict_on_batch(patch[np.newaxis]))[0]
    expected = by_numpy(weights, patch)
    assert found.shape == (FEATURES,)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_patch_begins_every_half_second(network):
    audio = np.random.default_rng(2).normal(0, 0.1, 4 * 16000).astype(np.float32)
    assert musicnn_features(network, audio, 16000).shape == (3, FEATURES)
    assert musicnn_features(network, audio[:16000], 16000).shape == (0, FEATURES)


def test_what_holds_no_weights_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing", tmp_path / "text"):
        if path.name == "text":
            path.write_text("no wheel")
        with pytest.raises(UserError, match="pip download musicnn --no-deps"):
            load_musicnn(path)


def test_damaged_weights_are_refused(wheel, tmp_path):
    folder = tmp_path / "musicnn" / "MTT_musicnn"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as file:
        for name in file.namelist():
            (folder / name.rpartition("/")[2]).write_bytes(file.read(name)[:500])
    with pytest.raises(UserError, match="damaged"):
        load_musicnn(tmp_path)


def test_the_distance_counts_the_kept_dimensions():
    rng = np.random.default_rng(3)
    rows = rng.normal(0, [5, 2, 1, 0.1, 0.01], (30, 5))
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    assert feature_distance(rows, rows, 3) == pytest.approx(0, abs=1e-9)
    # a shift along a kept axis counts with its square, one along another axis not at all
    assert feature_distance(rows, rows + 2 * axes[1], 3) == pytest.approx(4)
    assert feature_distance(rows, rows + 2 * axes[3], 3) == pytest.approx(0, abs=1e-9)
    assert feature_distance(rows, rows[:10] + 9 * axes[0], 1) > 9
    for frames, dimensions in ((9, 1), (29, 3), (30, 0)):
        with pytest.raises(ValueError, match="ten frames for each of them are needed"):
            feature_distance(rows, rows[:frames], dimensions)
