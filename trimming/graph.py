"""Which weights belong to which unit of a Keras model, and the model without some of its units.

A unit is a number on the last axis of tensors: an output of a dense layer, a channel of a
convolution, a hidden number of a recurrent layer. Layers that combine tensors element by element
join units, so that they are kept or cut together; so do groups of a group normalisation, and
reshaping. Inputs and outputs of the model keep their units.

    >>> graph = Graph(model)
    >>> keep = np.arange(graph.units) % 2 == 0  # for each joined unit
    >>> smaller = graph.cut(keep | graph.fixed)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from common.cli import UserError
from common.training.rebuild import rebuild
from trimming.layers import RULES
from trimming.walk import Flow, graph_of, walk

if TYPE_CHECKING:
    import keras


class Slot(NamedTuple):
    """An axis of a weight whose entries belong to units.

    Attributes:
        weight: Place in ``model.weights``.
        axis: Axis of the weight.
        units: Joined unit of each entry of the axis.
        role: "makes" for weights that a unit is computed with, "uses" for weights with which other
            units are computed from it, "scales" for the factor of a normalisation, "follows" for
            everything else.
    """

    weight: int
    axis: int
    units: np.ndarray
    role: str


class Graph:
    """Units of a model, joined where they can only be cut together.

    Args:
        model: Built functional or Sequential model of known layers; nested ones are followed.
        approximate: Whether to cut units that a layer normalisation, or a group normalisation with
            one group, sees together. The others are then normalised a little differently, which a
            training has to make up for. By default, such units stay.

    Attributes:
        model, approximate: As given.
        units: Number of joined units, fixed ones included.
        fixed: (units,) bool, those that stay whatever happens.
        families: (units,) integers: units of the same layers have the same number, fixed ones -1.
        sizes: (units,) integers, how many units of a layer each joined unit stands for, at most.
        single: (units,) bool, those that cannot be copied: some layer would not have the copies
            where the units are.
        slots: List of ``Slot``.
        readers: Dict from the path of a layer, and the number of its call, to the joined units on
            the last axis of its input.

    Raises:
        UserError: The model has a layer that is not known, or that cannot be followed.
    """

    def __init__(self, model: keras.Model, approximate: bool = False) -> None:
        self.model, self.approximate = model, approximate
        drawing = _Drawing(approximate)
        outputs = walk(model, drawing.inputs(model), drawing.visit)
        for flow in outputs:
            drawing.fix(flow.ids)
        labels = drawing.labels()
        self.units = int(labels.max(initial=-1)) + 1
        self.fixed, self.single = (
            np.bincount(labels[np.concatenate([[], *marked]).astype(int)], minlength=self.units) > 0
            for marked in (drawing.fixed, drawing.single)
        )
        self._settings = [
            (*where, labels[ids], size) for where, (ids, size) in drawing.settings.items()
        ]
        places = {id(weight): place for place, weight in enumerate(model.weights)}
        self.slots = [
            Slot(places[key], axis, labels[ids], role)
            for (key, axis), (ids, role) in drawing.slots.items()
        ]
        self.readers = {call: labels[ids] for call, ids in drawing.readers.items()}
        self._members = np.bincount(labels, minlength=self.units)
        self.families, self.sizes = _families(labels, np.array(drawing.makers), self.fixed)
        self._shapes = [tuple(weight.shape) for weight in model.weights]

    def kept(self, cut: np.ndarray) -> np.ndarray:
        """What is kept when joined units are cut: (units,) bool, fixed ones always."""
        keep = self.fixed.copy()
        keep[np.setdiff1d(np.arange(self.units), cut)] = True
        return keep

    def count(self, keep: np.ndarray | None = None) -> int:
        """Number of weights, of the model or with ``keep`` (units,) bool."""
        shapes = np.array([np.prod(shape) for shape in self._shapes], float)
        if keep is not None:
            for slot in self.slots:
                shapes[slot.weight] *= np.mean(keep[slot.units])
        return round(shapes.sum())

    def count_units(self, keep: np.ndarray | None = None) -> int:
        """Number of units of all layers, each by itself, except for fixed ones."""
        chosen = ~self.fixed if keep is None else keep & ~self.fixed
        return int(self._members[chosen].sum())

    def widths(self) -> dict[str, int]:
        """Number of units that each layer makes, by the path of the layer."""
        return {
            path: len(units)
            for path, name, units, _ in self._settings
            if name in ("units", "filters", "output_dim")
        }

    def settings(self, copies: np.ndarray) -> dict[str, dict]:
        """Sizes of the layers that change, for ``common.training.rebuild.rebuild``.

        Args:
            copies: (units,), number of copies of each joined unit afterwards, 0 or more; or bool.
        """
        found = {}
        for path, name, units, size in self._settings:
            if (copies[units] != 1).any():
                found.setdefault(path, {})[name] = size(int(copies[units].sum()))
        return found

    def resized(self, copies: np.ndarray) -> keras.Model:
        """The model with more or fewer units and new weights; ``copies`` as of ``settings``."""
        return rebuild(self.model, self.settings(copies))

    def cut_weights(
        self, keep: np.ndarray, weights: list[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Weights of the smaller model.

        Args:
            keep: (units,) bool.
            weights: List of arrays as of ``model.get_weights()``; default those of the model.

        Returns:
            List of arrays.
        """
        weights = list(self.model.get_weights() if weights is None else weights)
        for slot in self.slots:
            kept = keep[slot.units]
            if not kept.all():
                weights[slot.weight] = np.compress(kept, weights[slot.weight], slot.axis)
        return weights

    def cut(self, keep: np.ndarray, weights: list[np.ndarray] | None = None) -> keras.Model:
        """The model without some of its units: a new one; arguments as of ``cut_weights``."""
        smaller = self.resized(keep)
        smaller.set_weights(self.cut_weights(keep, weights))
        return smaller

    def sums(self, role: str, values: list[np.ndarray]) -> np.ndarray:
        """Add up values of weights for each unit.

        Args:
            role: Role of the ``Slot``.
            values: List of arrays, one for each weight of the model.

        Returns:
            (units,) float64.
        """
        total = np.zeros(self.units)
        for slot in self.slots:
            if slot.role == role:
                array = np.asarray(values[slot.weight], np.float64)
                others = tuple(axis for axis in range(array.ndim) if axis != slot.axis)
                total += np.bincount(slot.units, array.sum(axis=others), self.units)
        return total


class _Drawing:
    """The graph while it is drawn: units have numbers, and pairs of them are joined."""

    def __init__(self, approximate):
        self.approximate = approximate
        self.makers = []  # of each unit: a number that stands for its layer
        self.settings, self.slots, self.readers = {}, {}, {}
        self.fixed, self.single = [], []  # arrays of units
        self._joined = []
        self._made, self._paths = {}, {}
        self._calls = {}

    def inputs(self, model):
        return [
            Flow(self._new(tensor.shape[-1] or 0, -1, True)) for tensor in graph_of(model).inputs
        ]

    def _new(self, count, maker, fixed=False):
        ids = np.arange(len(self.makers), len(self.makers) + count)
        self.makers += [maker] * count
        if fixed:
            self.fix(ids)
        return ids

    def visit(self, layer, path, node, flows):
        """Units of the outputs of a call: list of ``Flow``."""
        if self._paths.setdefault(id(layer), path) != path:
            raise UserError(
                f"{path}: the same layer as {self._paths[id(layer)]}, in another model; "
                "only layers of one model can be shared"
            )
        rule = RULES.get(type(layer).__name__) if _is_stock(layer) else None
        if rule is None:
            raise UserError(
                f"{path}: layers of the kind {type(layer).__name__} are not known to the trimming"
            )
        call = self._calls[path] = self._calls.get(path, -1) + 1
        return rule(Call(self, layer, path, call, node), *flows)

    # what the rules of the layers say

    def made(self, call, count):
        """Units that a layer makes, the same ones at each call."""
        if call.path not in self._made:
            self._made[call.path] = self._new(count, len(self._made))
        return self._made[call.path]

    def join(self, one, other):
        pair = np.broadcast_arrays(one, other)
        self._joined.append(np.stack([part.ravel() for part in pair]))

    def fix(self, ids):
        self.fixed.append(np.ravel(ids))

    def keep_single(self, ids):
        self.single.append(np.ravel(ids))

    def slot(self, weight, axis, ids, role):
        if weight is None:
            return
        axis %= len(weight.shape)
        known = self.slots.setdefault((id(weight), axis), (ids, role))
        self.join(known[0], ids)  # a shared layer is given the same units at each call

    def labels(self):
        """Number of the joined unit of each unit."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        size = len(self.makers)
        pairs = np.concatenate([np.zeros((2, 0), int), *self._joined], axis=1)
        edges = coo_matrix((np.ones(pairs.shape[1]), pairs), (size, size))
        return connected_components(edges, directed=False)[1]


class Call(NamedTuple):
    """A call of a layer, for the rules of ``trimming.layers``."""

    drawing: _Drawing
    layer: object
    path: str
    number: int
    node: object

    def makes(self, count: int, setting: str) -> np.ndarray:
        """Units that the layer makes; ``setting`` is their number in its configuration."""
        ids = self.drawing.made(self, count)
        self.resizes(setting, ids, int)
        return ids

    def resizes(self, setting: str, ids: np.ndarray, size: Callable[[int], object]) -> None:
        """Say that a setting of the layer is ``size(number of units that are kept)``."""
        known, _ = self.drawing.settings.setdefault((self.path, setting), (ids, size))
        if len(known) != len(ids):
            self.refuse("is called with inputs of different widths")
        self.drawing.join(known, ids)  # a shared layer has one size

    def reads(self, ids: np.ndarray) -> None:
        """Say that the layer computes units from those of its input."""
        self.drawing.readers[self.path, self.number] = ids

    def refuse(self, reason: str) -> NoReturn:
        """Raise ``UserError``."""
        raise UserError(f"{self.path}: {reason}")


def _is_stock(layer):
    return type(layer).__module__.partition(".")[0] == "keras"


def _families(labels, makers, fixed):
    """Number of the family of each joined unit, and the largest number of its units in a layer."""
    units = len(fixed)
    families, sizes = np.full(units, -1), np.zeros(units, int)
    pairs, counts = np.unique(np.stack([labels, makers]), axis=1, return_counts=True)
    members = {}
    for (unit, maker), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        members.setdefault(unit, []).append(maker)
        sizes[unit] = max(sizes[unit], count)
    numbers = {}
    for unit, found in members.items():
        if not fixed[unit]:
            families[unit] = numbers.setdefault(tuple(found), len(numbers))
    return families, sizes
