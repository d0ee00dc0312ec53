"""What a ticket is compared with: trainings of networks with as many weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from common.cli import UserError
from common.training.rebuild import rebuild
from trimming.flags import CONTROLS, LEAST_UNITS
from trimming.graph import Graph
from trimming.trimmer import cut_to, cutting_order


class Mask(keras.constraints.Constraint):
    """Holds single weights at zero.

    Args:
        mask: Array in the shape of the weight: 1 for those that are kept, 0 for the others.
    """

    def __init__(self, mask: np.ndarray) -> None:
        self._mask = np.asarray(mask, np.float32)

    def __call__(self, w: Any) -> Any:
        """The weight without what the mask leaves out."""
        return w * keras.ops.cast(self._mask, w.dtype)


def control(
    kind: str,
    graph: Graph,
    *,
    sizes: dict[str, dict],
    early: list[np.ndarray],
    trained: list[np.ndarray],
    rng: np.random.Generator,
    least_units: int = LEAST_UNITS,
) -> tuple[keras.Model, dict[str, dict]]:
    """Make the untrained model of a control.

    Args:
        kind: "random", "reinitialised", "scratch" or "masked"; see ``trimming.lottery``.
        graph: ``Graph`` of the whole model.
        sizes: Sizes of the ticket, as in ``common.training.rebuild.rebuild``.
        early, trained: Weights of the whole model, early and after its training.
        rng: For units that are chosen at random; new weights follow Keras's own seed.
        least_units: Number of units that every layer keeps.

    Returns:
        ``(model, sizes)``.
    """
    require_known(kind)
    ticket = rebuild(graph.model, sizes)
    if kind == "reinitialised":
        return ticket, sizes
    if kind == "random":
        keep = graph.fixed.copy()
        left = Graph(ticket, graph.approximate).families
        for family in range(graph.families.max(initial=-1) + 1):
            units = np.flatnonzero(graph.families == family)
            keep[rng.choice(units, np.count_nonzero(left == family), replace=False)] = True
        return graph.cut(keep, early), sizes
    if kind == "scratch":
        scores = rng.random(graph.units)
        order = cutting_order(graph, scores, local=True, least_units=least_units)
        smaller = graph.settings(cut_to(graph, order, ticket.count_params()))
        return rebuild(graph.model, smaller), smaller
    model = rebuild(graph.model)
    model.set_weights(early)
    mask_smallest(model, trained, ticket.count_params())
    return model, {}


def require_known(kind: str) -> None:
    """Raise ``UserError`` if there is no such control."""
    if kind not in CONTROLS:
        raise UserError(f"control {kind!r}: give one of {', '.join(CONTROLS)}")


def kernels_of(model: keras.Model) -> list[int]:
    """Places of the kernels in ``model.weights``: what is neither a bias nor a normalisation.

    Biases have several axes, too, such as that of a GRU: (2, 3 * units).
    """
    return [
        place
        for place, weight in enumerate(model.weights)
        if len(weight.shape) > 1 and not weight.path.endswith("bias")
    ]


def mask_smallest(model: keras.Model, trained: list[np.ndarray], weights: int) -> None:
    """Hold all but the largest weights of each kernel at zero, from now on and in training.

    Every kernel loses the same share, as in the best masking of 2007.16170 (magnitude, local): one
    threshold for all could remove every weight of a layer whose weights are small. Biases and
    normalisations are kept.

    Args:
        model: Keras model, whose weights are changed.
        trained: Arrays in the order and shapes of ``model.get_weights()``; in each kernel, the
            weights whose magnitude is largest here are kept.
        weights: Number of weights to keep, at most those of the model, biases and normalisations
            included. It is approximate: the number in each kernel is rounded, and at least one.
    """
    kernels = kernels_of(model)
    total = sum(trained[place].size for place in kernels)
    others = sum(array.size for array in trained) - total
    share = max(weights - others, 0) / total
    for place in kernels:
        magnitudes = np.abs(trained[place])
        kept = max(round(share * magnitudes.size), 1)
        weight = model.weights[place]
        mask = Mask(magnitudes >= np.partition(magnitudes, -kept, axis=None)[-kept])
        weight.assign(mask(weight.value))
        weight.constraint = mask
