"""Frechet distance of music on the features of musicnn (FAD-musicnn).

musicnn (Pons and Serra 2019, musicnn: pre-trained convolutional neural networks for music audio
tagging) was trained to name instruments and genres of the recordings of MagnaTagATune. Its weights
are in the wheel of the Python package ``musicnn``, under the ISC licence; they are not part of this
project. The network is built here anew of Keras layers, which take over the weights.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import UserError
from common.files.audio import resample
from common.report.judges import frechet_distance

if TYPE_CHECKING:
    import keras

HOW_TO_GET = "pip download musicnn --no-deps"
SAMPLE_RATE = 16000
COLUMNS, BANDS = 187, 96  # of a patch of 3 s
FEATURES = 200
_FFT, _HOP = 512, 256
_STEP = 31  # columns from a patch to the next, 0.5 s
FRAMES_PER_DIMENSION = 10
_BATCH = 16
_TIMBRAL = (38, 67)  # bands that a filter of the first layer sees, over 7 columns: timbres
_TEMPORAL = (128, 64, 32)  # columns that a filter of the first layer sees, in one band: rhythms
_MODEL = "musicnn/MTT_musicnn/"
_SUFFIXES = (".index", ".data-00000-of-00001")  # of TensorFlow's checkpoints


def build_musicnn() -> keras.Model:
    """The network: (patches, 187, 96) log-mel levels -> (patches, 200) features.

    Its features are those before the layer of the tags. Weights are random until ``load_musicnn``
    loads them; layers have the names that their weights have in the checkpoint.
    """
    from keras import Input, Model, layers

    counts = Counter()

    def named(kind, *args, **settings):
        name = {"BatchNormalization": "batch_normalization", "Dense": "dense"}.get(kind, "conv2d")
        number = counts[name]
        counts[name] += 1
        name = f"{name}_{number}" if number else name
        return getattr(layers, kind)(*args, **settings, name=name)

    def normalised(values):
        return named("BatchNormalization")(values)

    def convolved(values, kind, *args, **settings):
        return normalised(named(kind, *args, activation="relu", **settings)(values))

    patch = Input((COLUMNS, BANDS))
    image = normalised(layers.Reshape((COLUMNS, BANDS, 1))(patch))
    padded = layers.ZeroPadding2D(((3, 3), (0, 0)))(image)
    seen = [convolved(padded, "Conv2D", 204, (7, bands)) for bands in _TIMBRAL]
    seen += [convolved(image, "Conv2D", 51, (columns, 1), padding="same") for columns in _TEMPORAL]
    highest = [layers.MaxPooling2D((1, one.shape[2]))(one) for one in seen]
    front = layers.Concatenate()([layers.Reshape((COLUMNS, -1))(one) for one in highest])
    middle = [front]
    for number in range(3):
        one = convolved(middle[-1], "Conv1D", 64, 7, padding="same")
        middle.append(layers.Add()([one, middle[-1]]) if number else one)
    joined = layers.Concatenate()(middle)
    # the highest value and the mean of the first feature over time, then of the second, and so on
    ends = [layers.GlobalMaxPooling1D()(joined), layers.GlobalAveragePooling1D()(joined)]
    pairs = layers.Concatenate()([layers.Reshape((-1, 1))(end) for end in ends])
    told = normalised(layers.Flatten()(pairs))
    return Model(patch, normalised(named("Dense", FEATURES, activation="relu")(told)))


def load_musicnn(path: Path) -> keras.Model:
    """``build_musicnn`` with the weights of the wheel.

    Args:
        path: The wheel of ``musicnn``, or a folder that it was unpacked or installed in.

    Raises:
        UserError: No such file or folder, without these weights, or of another shape.
    """
    with tempfile.TemporaryDirectory() as folder:
        # the files have no name before their suffix, which TensorFlow does not take
        prefix = Path(folder) / "checkpoint"
        for suffix, content in _files(path).items():
            prefix.with_suffix(suffix).write_bytes(content)
        weights = _read(prefix, path)
    network = build_musicnn()
    for layer in network.layers:
        try:
            layer.set_weights(
                [weights[f"{layer.name}/{one.name}"].reshape(one.shape) for one in layer.weights]
            )
        except (KeyError, ValueError) as error:
            raise UserError(f"{path}: its weights do not fit musicnn ({error})") from error
    return network


def _files(path):
    """Content of the two files of the checkpoint: dict from suffix to bytes."""
    if path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            known = set(wheel.namelist())
            if all(_MODEL + suffix in known for suffix in _SUFFIXES):
                return {suffix: wheel.read(_MODEL + suffix) for suffix in _SUFFIXES}
    for folder in (path / _MODEL, path / "MTT_musicnn"):
        if all((folder / suffix).is_file() for suffix in _SUFFIXES):
            return {suffix: (folder / suffix).read_bytes() for suffix in _SUFFIXES}
    raise UserError(f"{path}: holds no weights of musicnn; get its wheel: {HOW_TO_GET}")


def _read(prefix, path):
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"{path}: damaged ({str(error).splitlines()[0]})") from error


def log_mel(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """What musicnn sees of a sound: (columns, 96) float32, 62.5 columns a second.

    Args:
        audio: (samples,) float32.
        sample_rate: Hz.
    """
    import librosa

    power = librosa.feature.melspectrogram(
        y=resample(np.asarray(audio, np.float32), sample_rate, SAMPLE_RATE),
        sr=SAMPLE_RATE,
        n_fft=_FFT,
        hop_length=_HOP,
        n_mels=BANDS,
    )
    return np.log10(10000 * power.T + 1).astype(np.float32)


def musicnn_features(network: keras.Model, audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Features of patches of 3 s, each half a second after the one before: (patches, 200).

    Args:
        network: As ``load_musicnn`` returns it.
        audio: (samples,) float32; one of less than 3 s has no patch.
        sample_rate: Hz.
    """
    levels = log_mel(audio, sample_rate)
    if len(levels) < COLUMNS:
        return np.zeros((0, FEATURES), np.float32)
    views = np.lib.stride_tricks.sliding_window_view(levels, COLUMNS, axis=0)[::_STEP]
    patches = np.ascontiguousarray(views.swapaxes(1, 2))
    parts = [patches[start : start + _BATCH] for start in range(0, len(patches), _BATCH)]
    found = []
    for part in parts:
        whole = np.pad(part, ((0, _BATCH - len(part)), (0, 0), (0, 0)))  # one shape, compiled once
        found.append(np.asarray(network.predict_on_batch(whole))[: len(part)])
    return np.concatenate(found)


def feature_distance(references: np.ndarray, estimates: np.ndarray, dimensions: int) -> float:
    """Frechet audio distance (Kilgour et al. 2019) on the principal axes of the references.

    Args:
        references, estimates: (frames, features) each, at least ten frames for each dimension: a
            covariance from fewer frames is no estimate.
        dimensions: Number of axes that are kept. Distances of different numbers do not compare.

    Raises:
        ValueError: Too few frames, or no dimension.
    """
    frames = min(len(references), len(estimates))
    if not 1 <= dimensions <= frames // FRAMES_PER_DIMENSION:
        raise ValueError(
            f"{dimensions} dimensions of {frames} frames: ten frames for each of them are needed"
        )
    middle = references.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(references - middle, full_matrices=False)
    gaussians = []
    for rows in (references, estimates):
        projected = (rows - middle) @ axes[:dimensions].T
        covariance = np.cov(projected, rowvar=False).reshape(projected.shape[1], -1)
        gaussians += [projected.mean(axis=0), covariance]
    return frechet_distance(*gaussians)
