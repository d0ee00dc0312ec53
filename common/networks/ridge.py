"""A ridge regression that an encoder works against."""

from __future__ import annotations

from typing import Any

from keras import layers, ops

_TINY = 1e-6


class RidgeReader(layers.Layer):
    """How well ridge regression reads a value from paths of latent vectors.

    A classifier that is trained beside an encoder is always late, and forgets what it need not know
    any more. The best linear reader has a closed form: it follows from the first and second moments
    of steps and values, of which moving averages are kept. The gradient by the latent vectors of a
    batch is that of the whole, as if every batch were like it.

    Each of several collections has a reader of its own: what is linked in one and linked the other
    way round in another cannot be read from both together, but from each.

    Args:
        dims: Length of a latent vector.
        collections: Number of collections.
        kernel: Steps that the reader sees at once, an odd number; beyond the ends, the first and
            the last one go on.
        penalty: Of the regression, relative to the variance of each number that it sees.
        momentum: Of the moving averages.
    """

    def __init__(
        self,
        dims: int,
        collections: int = 1,
        *,
        kernel: int = 5,
        penalty: float = 0.01,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(name="ridge_reader", dtype="float32")
        self._kernel, self._penalty, self._momentum = kernel, penalty, momentum
        size = dims * kernel + 2  # what is seen, the value, and 1
        self._moments = self.add_weight(
            shape=(collections, size, size),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
            name="moments",
        )

    def call(self, paths: Any, values: Any, weights: Any, training: bool | None = None) -> Any:
        """Coefficient of determination, as of the batches so far.

        Args:
            paths: (batch, steps, dims).
            values: (batch, steps, 1), what is read.
            weights: (batch, steps, collections): how much a step counts in each collection.
            training: Whether the moving averages go on.

        Returns:
            Scalar in [0, 1], the mean over the collections that were met.
        """
        steps, half = ops.shape(paths)[1], self._kernel // 2
        around = ops.concatenate([paths[:, :1]] * half + [paths] + [paths[:, -1:]] * half, axis=1)
        parts = [around[:, start : start + steps] for start in range(self._kernel)]
        seen = ops.concatenate([*parts, values, ops.ones_like(values)], axis=-1)
        count, size = self._moments.shape[:2]
        seen = ops.reshape(ops.cast(seen, "float32"), (-1, size))
        weights = ops.reshape(ops.cast(weights, "float32"), (-1, count))
        batch = ops.einsum("nc,ni,nj->cij", weights, seen, seen)
        batch = batch / ops.cast(ops.shape(seen)[0], "float32")
        fixed = ops.stop_gradient(batch)
        known = ops.convert_to_tensor(self._moments)
        if training:
            known = known + (1 - self._momentum) * (fixed - known)
            self._moments.assign(known)
        # the last element is the mean of the weights
        moments = known / ops.maximum(known[:, -1:, -1:], _TINY)
        here = (batch - fixed) / ops.maximum(fixed[:, -1:, -1:], _TINY)
        there = ops.cast(known[:, -1, -1] > 0, "float32")
        found = self._determination(moments + here)
        return ops.sum(there * found) / ops.maximum(ops.sum(there), 1.0)

    def _determination(self, moments):
        mean = moments[:, :-1, -1:]
        covariance = moments[:, :-1, :-1] - ops.matmul(mean, ops.transpose(mean, (0, 2, 1)))
        seen, linked, own = covariance[:, :-1, :-1], covariance[:, :-1, -1:], covariance[:, -1, -1]
        spread = ops.stop_gradient(ops.diagonal(seen, axis1=1, axis2=2)) * self._penalty + _TINY
        seen = seen + spread[..., None] * ops.eye(seen.shape[-1])
        explained = ops.sum(linked * ops.solve(seen, linked), axis=(1, 2))
        return explained / ops.maximum(own, _TINY)
