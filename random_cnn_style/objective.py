"""Objective: distances of features from the content, and of Gram matrices from the style.

With features F of n columns, the Gram matrix is G = F'F / n. That of a style is S = A'A, where the
rows of A are features of the style. No Gram matrix is ever built: with few columns and many filters

    |G - S|^2 = |FF'|^2 / n^2 - 2 |FA'|^2 / n + |AA'|^2

needs products of size columns times columns instead of filters times filters.
"""

import functools
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from common.training.devices import compiled
from random_cnn_style.network import adjoint, features


class Targets(NamedTuple):
    """Targets for the features of one network.

    Attributes:
        weights: Weights of the network, (kernel, bins, filters).
        content: Features of the content, (columns, filters), or None.
        style: Factor A of the style's Gram matrix, (rows, filters).
        scales: Divisors of content and style loss.
    """

    weights: Any  # arrays, or tensors of Keras's backend
    content: Any
    style: Any
    scales: tuple[float, float] = (1.0, 1.0)


def _forward(magnitude, weights, content, style):
    """Compute features, content loss, and the two products in the style loss."""
    found = features(magnitude, weights)
    own = ops.matmul(found, ops.transpose(found)) / found.shape[0]
    cross = ops.matmul(found, ops.transpose(style))
    return found, ops.sum(ops.square(found - content)), own, cross


def _slope(found, own, cross, targets, factors):
    """Gradient of the weighted sum of both losses with respect to the magnitude."""
    weights, content, style = targets
    count = found.shape[0]
    by_style = 4 / count * (ops.matmul(own, found) - ops.matmul(cross, style))
    slope = 2 * factors[0] * (found - content) + factors[1] * by_style
    return adjoint(ops.where(found > 0, slope, 0), weights)


@functools.lru_cache(maxsize=8)
def _compiled(*shapes):
    """``_forward`` and ``_slope`` for arrays of some shapes, compiled once for all searches."""
    return compiled(_forward), compiled(_slope)


class Objective:
    """Weighted loss of a spectrogram and its gradient, averaged over networks.

    ``alpha * content / scale + style / scale``.

    Args:
        targets: List of ``Targets``, one for each random network.
        alpha: Weight of the content against the style.

    Attributes:
        seconds: Time spent so far on losses and on gradients.
        evaluations: Number of evaluations so far.
    """

    def __init__(self, targets: Sequence[Targets], alpha: float) -> None:
        self._alpha = alpha
        self._scales = [one.scales for one in targets]
        self._targets = [
            tuple(
                ops.convert_to_tensor(part) for part in (one.weights, _content_of(one), one.style)
            )
            for one in targets
        ]
        # the constant terms of the style loss
        self._inner = [energy(one.style @ one.style.T) for one in targets]
        self.seconds = [0.0, 0.0]
        self.evaluations = 0

    def __call__(self, magnitude: np.ndarray) -> tuple[float, np.ndarray, tuple[float, float]]:
        """Compute losses and gradient of a spectrogram.

        Args:
            magnitude: (columns, bins) float32.

        Returns:
            ``(loss, gradient, (content, style))``: the weighted sum; its gradient, float64 in the
            shape of the spectrogram; both losses, divided by their scales.
        """
        magnitude = ops.convert_to_tensor(np.asarray(magnitude, np.float32))
        networks = len(self._targets)
        total = np.zeros(2)
        slope = 0.0
        parts = zip(self._targets, self._scales, self._inner, strict=True)
        for targets, scales, inner in parts:
            forward, slope_of = _compiled(magnitude.shape, *(one.shape for one in targets))
            begin = time.perf_counter()
            found, content, own, cross = forward(magnitude, *targets)
            style = energy(own) - 2 / found.shape[0] * energy(cross) + inner
            total += np.array([float(content), style]) / scales / networks
            between = time.perf_counter()
            factors = [self._alpha / scales[0] / networks, 1 / scales[1] / networks]
            factors = ops.convert_to_tensor(np.float32(factors))
            slope = slope + ops.convert_to_numpy(slope_of(found, own, cross, targets, factors))
            self.seconds[0] += between - begin
            self.seconds[1] += time.perf_counter() - between
        self.evaluations += 1
        content, style = total
        return self._alpha * content + style, slope.astype(np.float64), (content, style)


def energy(array: Any) -> float:
    """Sum of squares, in double precision because the style loss is a difference of such sums."""
    return float(np.square(ops.convert_to_numpy(array), dtype=np.float64).sum())


def style_loss(found: Any, factor: Any) -> Any:
    """Squared distance of the Gram matrix of features from that of a factor.

    Args:
        found: Features, (columns, filters).
        factor: A of the style, (rows, filters).
    """
    count = len(found)
    products = found @ found.T / count, found @ factor.T, factor @ factor.T
    own, cross, inner = (energy(product) for product in products)
    return own - 2 / count * cross + inner


def _content_of(targets):
    """Features of the content; zero for a texture, which has no content (alpha is zero, too)."""
    if targets.content is not None:
        return targets.content
    return np.zeros((1, targets.weights.shape[-1]), np.float32)
