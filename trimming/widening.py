"""Widen a trained network without changing what it computes (Chen, Goodfellow and Shlens 2016).

Units are copied, and what reads them shares each of its weights among the copies ("Net2WiderNet",
arXiv:1511.05641, section 2.2). There, all copies get equal shares, and noise is added; here each
weight is shared at random, which keeps the outputs, and lets the copies learn different things.
"""

from __future__ import annotations

import keras
import numpy as np

from common.cli import UserError
from trimming.graph import Graph

# between which the share of a first copy is drawn: so wide that gradients of copies differ in sign,
# since Adam takes little note of their size
_SHARES = -0.5, 1.5


def widen(model: keras.Model, factor: float, *, seed: int = 0) -> keras.Model:
    """Copy some units of each layer.

    Args:
        model: Built functional or Sequential Keras model, as ``trimming.graph.Graph`` follows it.
        factor: Number of units over that of before, above 1 and at most 2, rounded to whole joined
            units of ``Graph``. Those of its ``fixed`` and ``single`` stay.
        seed: Random seed of which units are copied, and of the shares.

    Returns:
        A new Keras model of the same layers, with the same outputs but for rounding.

    Raises:
        UserError: A factor out of range or too small to copy a unit, a model that cannot be
            followed, or one without units that can be copied.
    """
    return widened(model, factor, seed=seed)[0]


def widened(
    model: keras.Model, factor: float, *, seed: int = 0
) -> tuple[keras.Model, dict[str, dict]]:
    """As ``widen``, with the sizes that change, as ``common.training.rebuild.rebuild`` takes them.

    Returns:
        ``(wider, sizes)``.
    """
    if not 1 < factor <= 2:
        raise UserError(f"factor {factor!r}: give a number above 1 and at most 2")
    graph, rng = Graph(model), np.random.default_rng(seed)
    free = ~graph.fixed & ~graph.single
    if not free.any():
        raise UserError(f"{model.name}: no unit can be copied")
    copies = np.ones(graph.units, int)
    for family in range(graph.families.max(initial=-1) + 1):
        units = np.flatnonzero((graph.families == family) & free)
        more = int((factor - 1) * len(units) + 0.5)
        copies[rng.choice(units, more, replace=False)] = 2
    if (copies == 1).all():
        raise UserError(f"factor {factor!r}: adds no unit to any layer; raise it")
    wider = graph.resized(copies)
    wider.set_weights(_shared(graph, copies, rng))
    return wider, graph.settings(copies)


def _shared(graph, copies, rng):
    """Weights of the wider model."""
    weights = graph.model.get_weights()
    for slot in sorted(graph.slots, key=lambda one: one.role == "uses"):  # copies read differently
        array, times = weights[slot.weight], copies[slot.units]
        wider = np.repeat(array, times, slot.axis)
        if slot.role == "uses":
            first = np.repeat(rng.uniform(*_SHARES, array.shape), times, slot.axis)
            places = np.concatenate([np.arange(count) for count in times])
            axes = [axis for axis in range(array.ndim) if axis != slot.axis]
            second, alone = (
                np.expand_dims(one, axes) for one in (places == 1, np.repeat(times == 1, times))
            )
            shares = np.where(alone, 1, np.where(second, 1 - first, first))
            wider = (wider * shares).astype(array.dtype)
        weights[slot.weight] = wider
    return weights
