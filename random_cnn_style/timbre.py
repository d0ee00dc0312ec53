"""A learned distance of timbre: recordings of the same instrument are close to each other.

After the triplet network of Cifka et al. 2021 (arXiv:2102.05749): four convolutions over time of
mel cepstra, the mean over time, and a cosine distance. Its figures cannot be compared with theirs,
because it is trained on the recordings at hand.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from random_cnn_style.metrics import SAMPLE_RATE

_HOP = 500  # samples
_COEFFICIENTS = 13  # including the first one, which is not used
_WINDOW = 64  # columns, 2 s
_MARGIN = 0.3
_STEPS, _BATCH = 400, 48
_NOISE = 0.2  # deviation of noise on standardised coefficients


def cepstra(audio: np.ndarray) -> np.ndarray:
    """Mel cepstra 2 to 13 of each column: (columns, 12) float32.

    Args:
        audio: (samples,) at SAMPLE_RATE.
    """
    import librosa

    found = librosa.feature.mfcc(
        y=np.asarray(audio, np.float32), sr=SAMPLE_RATE, n_mfcc=_COEFFICIENTS, hop_length=_HOP
    )
    return found[1:].T


class TimbreSpace:
    """An embedding in which sounds of the same instrument are close to each other.

    Args:
        recordings: List of (instrument, audio at SAMPLE_RATE); every instrument at least twice.
        seed: Random seed of the training.
    """

    def __init__(self, recordings: Sequence[tuple[str, np.ndarray]], seed: int) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        played = [(name, cepstra(audio)) for name, audio in recordings]
        every = np.concatenate([columns for _, columns in played])
        self._mean, self._deviation = every.mean(axis=0), every.std(axis=0) + 1e-6
        names = sorted({name for name, _ in played})
        self._network = _network()
        self._network.compile(keras.optimizers.Adam(1e-3), loss=triplet_loss, jit_compile=False)
        for _ in range(_STEPS):
            chosen = rng.integers(len(played), size=_BATCH)
            labels = np.array([names.index(played[index][0]) for index in chosen])
            batch = np.stack([self._cut(played[index][1], rng) for index in chosen])
            self._network.train_on_batch(batch, labels)

    def _cut(self, columns, rng):
        start = rng.integers(max(len(columns) - _WINDOW, 0) + 1)
        cut = np.arange(start, start + _WINDOW) % len(columns)  # short recordings are repeated
        return self._standard(columns[cut])

    def _standard(self, columns):
        return ((columns - self._mean) / self._deviation).astype(np.float32)

    def embed(self, audio: np.ndarray) -> np.ndarray:
        """Embed a sound of any length: unit vector (64,)."""
        found = self._network.predict_on_batch(self._standard(cepstra(audio))[np.newaxis])[0]
        return found / np.linalg.norm(found)

    def distance(self, reference: np.ndarray, estimate: np.ndarray) -> float:
        """Cosine distance of two sounds, (samples,) at SAMPLE_RATE each: between 0 and 2."""
        return float(1 - self.embed(reference) @ self.embed(estimate))


def _network():
    import keras
    from keras import layers

    steps = [layers.Input((None, _COEFFICIENTS - 1)), layers.GaussianNoise(_NOISE)]
    for kernel in (4, 4, 4, 2):
        steps += [
            layers.Conv1D(64, kernel, padding="same", activation="relu"),
            layers.BatchNormalization(momentum=0.9),  # with few steps, 0.99 would lag behind
        ]
        if kernel == 4:
            steps.append(layers.MaxPooling1D(2))
    return keras.Sequential([*steps, layers.GlobalAveragePooling1D()])


def triplet_loss(labels: Any, places: Any) -> Any:
    """Mean of ``max(0, near - far + margin)`` over all triplets of a batch (Schroff et al. 2015).

    Args:
        labels: (batch,) or (batch, 1), whole numbers.
        places: (batch, dimensions); distances are cosine distances.
    """
    from keras import ops

    labels = ops.reshape(labels, (-1,))
    places = places / ops.norm(places, axis=1, keepdims=True)
    distance = 1 - ops.matmul(places, ops.transpose(places))
    same = ops.cast(labels[:, None] == labels[None, :], "float32")
    itself = ops.eye(ops.shape(places)[0])
    counts = (same - itself)[:, :, None] * (1 - same)[:, None, :]
    terms = ops.relu(distance[:, :, None] - distance[:, None, :] + _MARGIN)
    return ops.sum(counts * terms) / ops.maximum(ops.sum(counts), 1)
