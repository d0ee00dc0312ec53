"""Cut the least important units out of a trained model."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import UserError, require_whole
from trimming.criteria import unit_scores
from trimming.flags import CRITERIA, LEAST_UNITS, SCALES, SCOPES
from trimming.graph import Graph
from trimming.statistics import recalibrate

if TYPE_CHECKING:
    import keras


class NothingToCut(UserError):
    """No unit of a model may be cut, or none is left that may."""


LEAST_SHARE = 0.02  # of its units that a layer keeps
_LOCAL_BELOW = 0.1  # share of the weights from which on "global_then_local" is local


class Trimmer:
    """Cuts units out of a model, step by step.

    Each step scores all units, and cuts the lowest ones until ``share`` of the weights is gone.

    Args:
        model: Built functional or Sequential Keras model.
        criterion: See ``trimming.criteria``.
        scope: "local" cuts the same share of the units of every layer; "global" ranks the units of
            all layers together; "global_then_local" is local once 90 % of the weights are gone.
        scale: How scores of different layers are made comparable: divided by the largest of their
            layer ("max"), by the number of weights that make a unit ("dimension"), or "none".
            Without effect while the scope is local.
        share: Share of the weights that a step removes, above 0 and below 1.
        loss: For the gradients; see ``trimming.criteria.unit_scores``.
        approximate: See ``trimming.graph.Graph``.
        whole: Number of weights before the first step; default those of the model.
        least_units: Number of units that every layer keeps, if it has as many.
        seed: Random seed for criteria that draw.

    Attributes:
        criterion, scope, scale, share: As given.
        model: The model after the last step.
        graph: ``Graph`` of the model before the last step.
        keep: (units,) bool, what the last step kept.

    Raises:
        UserError: Unknown settings, or a model that cannot be followed.
    """

    def __init__(
        self,
        model: keras.Model,
        criterion: str = "magnitude",
        scope: str = "global",
        scale: str = "max",
        share: float = 0.3,
        *,
        loss: str | Callable = "mean_squared_error",
        approximate: bool = False,
        whole: int | None = None,
        least_units: int = LEAST_UNITS,
        seed: int = 0,
    ) -> None:
        known = {"criterion": CRITERIA, "scope": SCOPES, "scale": SCALES}
        for name, value in (("criterion", criterion), ("scope", scope), ("scale", scale)):
            if value not in known[name]:
                raise UserError(f"{name} {value!r}: give one of {', '.join(known[name])}")
        if not (isinstance(share, numbers.Real) and 0 < share < 1):
            raise UserError(f"share {share!r}: give a number above 0 and below 1")
        require_whole(least_units, "least_units", 1)
        self.model, self._least_units = model, least_units
        self.criterion, self.scope, self.scale, self.share = criterion, scope, scale, share
        self._loss, self._approximate, self._seed = loss, approximate, seed
        self.graph, self.keep = Graph(model, approximate), None
        self._whole = whole or self.graph.count()

    def step(self, data: Any = None, *, recalibrated: bool = True) -> keras.Model:
        """Cut a share of the weights out of the model.

        Args:
            data: Examples; see ``trimming.criteria.unit_scores``.
            recalibrated: Whether batch normalisations get the moving averages of the examples, if
                there are some.

        Returns:
            The smaller model, an ordinary Keras model.

        Raises:
            UserError: No examples.
            NothingToCut: No unit is left that could be cut.
        """
        if self.keep is not None:
            self.graph = Graph(self.model, self._approximate)
        scores = unit_scores(self.graph, self.criterion, data, loss=self._loss, seed=self._seed)
        left = self.graph.count() / self._whole
        local = self.scope == "local" or (
            self.scope == "global_then_local" and left <= _LOCAL_BELOW
        )
        how = {"scale": self.scale, "least_units": self._least_units}
        order = cutting_order(self.graph, scores, local=local, **how)
        self.keep = cut_to(self.graph, order, (1 - self.share) * self.graph.count())
        self.model = self.graph.cut(self.keep)
        if data is not None and recalibrated:
            recalibrate(self.model, data)
        return self.model

    def rewound(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Cut the units of the last step out of other weights of the same model.

        Args:
            weights: List of arrays as of ``get_weights()`` of the model before the step, such as
                those of an early epoch.

        Returns:
            List of arrays for ``set_weights`` of the smaller model.
        """
        return self.graph.cut_weights(self.keep, weights)


def cutting_order(
    graph: Graph,
    scores: np.ndarray,
    *,
    local: bool,
    scale: str = "max",
    least_units: int = LEAST_UNITS,
) -> np.ndarray:
    """Units that may be cut, from the first to the last.

    Args:
        graph: ``Graph``.
        scores: (units,), NaN for units that stay.
        local: Whether each layer loses the same share of its units at any time.
        scale: Name in ``trimming.flags.SCALES``.
        least_units: As of ``Trimmer``.

    Returns:
        Integers; each layer keeps so many units, and LEAST_SHARE of its own.
    """
    made = graph.sums("makes", [np.ones(weight.shape) for weight in graph.model.weights])
    candidates, ranks = [], []
    for family in range(graph.families.max(initial=-1) + 1):
        units = np.flatnonzero(graph.families == family)
        found = scores[units]
        if np.isnan(found).all():
            continue
        units = units[np.argsort(np.nan_to_num(found, nan=np.inf), kind="stable")]
        least = max(-(-least_units // graph.sizes[units[0]]), np.ceil(LEAST_SHARE * len(units)))
        units = units[: max(len(units) - int(least), 0)]
        units = units[~np.isnan(scores[units])]
        if local:
            rank = (np.arange(len(units)) + 1) / len(found)
        else:
            divisor = {"max": np.nanmax(found), "dimension": made[units], "none": 1.0}[scale]
            rank = scores[units] / np.maximum(divisor, np.finfo(float).tiny)
        candidates.append(units)
        ranks.append(rank)
    if not candidates:
        return np.zeros(0, int)
    return np.concatenate(candidates)[np.argsort(np.concatenate(ranks), kind="stable")]


def cut_to(graph: Graph, order: np.ndarray, weights: float) -> np.ndarray:
    """Cut as few units as lead to a number of weights.

    Args:
        graph: ``Graph``.
        order: Units in the order in which they go.
        weights: Number of weights that may stay.

    Returns:
        (units,) bool, what is kept. All units of ``order`` are cut where that is not enough.

    Raises:
        NothingToCut: ``order`` is empty.
    """
    if not len(order):
        raise NothingToCut(
            f"{graph.model.name}: no unit can be cut; lower --least_units, add --approximate, or "
            "choose another --criterion"
        )
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if graph.count(graph.kept(order[:middle])) <= weights:
            high = middle
        else:
            low = middle + 1
    return graph.kept(order[:low])
