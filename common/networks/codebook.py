"""Code book of a vector-quantised auto-encoder (van den Oord et al. 2017).

It learns as in their appendix A.1: each code is the mean of the vectors that chose it,
by exponential moving averages of counts and sums, with Laplace smoothing of the counts. It begins
with the centres of k-means, and a code that is hardly chosen is replaced by a vector of the batch
(Défossez et al. 2022, section 3.2).
"""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
from keras import layers, ops

_ITERATIONS = 50  # of k-means
_MOST_VECTORS = 32  # vectors per code that k-means sees


def nearest(vectors: Any, codes: Any) -> Any:
    """Number of the code at the smallest Euclidean distance.

    Args:
        vectors: (..., dims).
        codes: (codes, dims).

    Returns:
        (...,) int32; the lowest number of codes that are equally near.
    """
    # the square of the vector itself is the same for all codes
    distances = ops.sum(ops.square(codes), axis=-1) - 2 * ops.matmul(vectors, ops.transpose(codes))
    return ops.cast(ops.argmin(distances, axis=-1), "int32")


def straight_through(vectors: Any, quantised: Any) -> Any:
    """The quantised vectors, with the gradient of those that they stand for."""
    return vectors + ops.stop_gradient(quantised - vectors)


def commitment(vectors: Any, quantised: Any) -> Any:
    """Mean squared distance from the codes per vector element, with a gradient for the vectors."""
    return ops.mean(ops.square(vectors - ops.stop_gradient(quantised)))


def perplexity(counts: Any) -> Any:
    """Exponential of the entropy of codes: the number of codes if all are used equally.

    Args:
        counts: (codes,), how often each is used; not all 0.
    """
    shares = counts / ops.sum(counts)
    return ops.exp(-ops.sum(shares * ops.log(shares + 1e-10)))


def build_table(codes: int, dims: int) -> keras.Model:
    """Network of one stock layer that looks up codes.

    Args:
        codes: Number of codes.
        dims: Length of a code.

    Returns:
        Keras model: (batch, steps) int32 -> (batch, steps, dims).
    """
    number = layers.Input((None,), dtype="int32", name="code")
    table = layers.Embedding(codes, dims, trainable=False, dtype="float32", name="codes")
    return keras.Model(number, table(number), name="codebook")


class Codebook(layers.Layer):
    """Quantises vectors, and learns from them in training.

    Args:
        table: Network of ``build_table``, whose only weight is the code book.
        decay: Of the moving averages.
        epsilon: Laplace smoothing of the counts.
        least: Count below which a code is replaced; 0 replaces none.
        seed: Integer, for the choice of the vectors that replace codes.

    Attributes:
        counts: (codes,), moving average of the number of vectors in a batch that choose a code.
        sums: (codes, dims), moving average of their sums.
    """

    def __init__(
        self,
        table: keras.Model,
        *,
        decay: float = 0.99,
        epsilon: float = 1e-5,
        least: float = 2.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.table = table
        self.decay, self.epsilon, self.least = decay, epsilon, least
        self.random = keras.random.SeedGenerator(seed)
        codes, dims = self.vectors.shape
        settings = {"trainable": False, "dtype": "float32"}
        self.counts = self.add_weight(
            shape=(codes,), initializer="zeros", name="counts", **settings
        )
        self.sums = self.add_weight(
            shape=(codes, dims), initializer="zeros", name="sums", **settings
        )
        self.built = True

    @property
    def vectors(self) -> Any:
        """The variable (codes, dims) of the code book."""
        return self.table.get_layer("codes").embeddings

    def start(self, vectors: np.ndarray, seed: int = 0) -> None:
        """Begin with the centres of k-means.

        Args:
            vectors: (number, dims), at least as many different ones as codes, or some codes are
                equal at first.
            seed: Integer.
        """
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        codes = self.vectors.shape[0]
        few = np.random.default_rng(seed).permutation(len(vectors))[: _MOST_VECTORS * codes]
        few = np.asarray(vectors, np.float32)[few]
        few = np.resize(few, (max(len(few), codes), few.shape[1]))
        means = KMeans(codes, n_init=1, max_iter=_ITERATIONS, random_state=seed)
        with warnings.catch_warnings():  # of vectors that are equal
            warnings.simplefilter("ignore", ConvergenceWarning)
            means.fit(few)
        centres = means.cluster_centers_
        shares = np.bincount(means.labels_, minlength=codes) / len(few)
        # twice the least count in the mean, so that few are replaced at once
        counts = np.maximum(2 * self.least * codes * shares, self.least).astype(np.float32)
        self.vectors.assign(centres)
        self.counts.assign(counts)
        self.sums.assign(centres * counts[:, np.newaxis])

    def call(self, vectors: Any, weights: Any = None, training: bool = False) -> tuple[Any, Any]:
        """Quantise vectors.

        Args:
            vectors: (..., dims).
            weights: (...,), how much each vector counts in learning; default 1.
            training: Whether the code book learns.

        Returns:
            ``(quantised, numbers)``: (..., dims) without gradients, (...,) int32.
        """
        codes = ops.convert_to_tensor(self.vectors)
        numbers = nearest(vectors, codes)
        quantised = ops.take(codes, numbers, axis=0)
        if training:
            weights = ops.ones_like(vectors[..., 0]) if weights is None else weights
            self.learn(
                ops.reshape(ops.stop_gradient(vectors), (-1, codes.shape[1])),
                ops.reshape(numbers, (-1,)),
                ops.reshape(weights, (-1,)),
            )
        return ops.stop_gradient(quantised), numbers

    def learn(self, vectors: Any, numbers: Any, weights: Any) -> None:
        """Move the codes towards a batch of vectors, and replace those that are hardly chosen.

        Args:
            vectors: (number, dims).
            numbers: (number,) int32, the code of each.
            weights: (number,).
        """
        size = self.vectors.shape[0]
        chosen = ops.one_hot(numbers, size, dtype="float32") * weights[:, None]
        counts = self.decay * self.counts + (1 - self.decay) * ops.sum(chosen, axis=0)
        new = ops.matmul(ops.transpose(chosen), vectors)
        sums = self.decay * self.sums + (1 - self.decay) * new
        total = ops.sum(counts)
        smoothed = (counts + self.epsilon) / (total + size * self.epsilon) * total
        codes = sums / smoothed[:, None]
        dead = counts < self.least
        logits = ops.log(weights + 1e-20)[None]
        drawn = keras.random.categorical(logits, size, dtype="int32", seed=self.random)[0]
        drawn = ops.take(vectors, drawn, axis=0)
        fresh = ops.maximum(total / size, self.least)  # as if it were used like the others
        self.counts.assign(ops.where(dead, fresh, counts))
        self.sums.assign(ops.where(dead[:, None], drawn * fresh, sums))
        self.vectors.assign(ops.where(dead[:, None], drawn, codes))
