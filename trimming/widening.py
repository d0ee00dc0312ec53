"""Widen a trained network without changing what it computes (Chen, Goodfellow and Shlens 2016).

Units are copied, and what reads them shares their weights among the copies ("Net2WiderNet",
arXiv:1511.05641, section 2.2). The shares are random, so that a training moves the copies apart.
"""

from __future__ import annotations

import keras
import numpy as np

from common.cli import UserError
from trimming.graph import Graph

_SHARES = 0.3, 0.7  # of two copies, drawn between these


def widen(model: keras.Model, factor: float, *, seed: int = 0) -> keras.Model:
    """Copy some units of each layer.

    Args:
        model: Built functional or Sequential Keras model, as ``trimming.graph.Graph`` follows it.
        factor: Number of units of a layer over that of before, above 1 and at most 2; rounded.
            Inputs, outputs, and what ``Graph`` keeps as it is or cuts in groups stay.
        seed: Random seed of which units are copied, and of how their weights are shared.

    Returns:
        A new Keras model of the same layers, with the same outputs but for rounding.

    Raises:
        UserError: A factor out of range, a model that cannot be followed, or one without units that
            can be copied.
    """
    if not 1 < factor <= 2:
        raise UserError(f"factor {factor!r}: give a number above 1 and at most 2")
    graph, rng = Graph(model), np.random.default_rng(seed)
    copies = np.ones(graph.units, int)
    for family in range(graph.families.max(initial=-1) + 1):
        units = np.flatnonzero((graph.families == family) & ~graph.grouped)
        more = round((factor - 1) * len(units))
        copies[rng.choice(units, more, replace=False)] = 2
    if (copies == 1).all():
        raise UserError(f"{model.name}: no unit can be copied")
    wider = graph.resized(copies)
    wider.set_weights(_shared(graph, copies, rng))
    return wider


def _shared(graph, copies, rng):
    """Weights of the wider model."""
    first = np.where(copies == 2, rng.uniform(*_SHARES, graph.units), 1)
    shares = np.stack([first, 1 - first], axis=1)  # of each unit's first and second copy
    weights = graph.model.get_weights()
    for slot in graph.slots:
        times = copies[slot.units]
        array = np.repeat(weights[slot.weight], times, slot.axis)
        if slot.role == "uses":
            taken = np.arange(2) < times[:, None]
            shape = [-1 if axis == slot.axis else 1 for axis in range(array.ndim)]
            array = array * shares[slot.units][taken].reshape(shape).astype(array.dtype)
        weights[slot.weight] = array
    return weights
