"""How important the units of a model are: a score for each, the lowest of which are cut first.

| criterion | score of a unit | needs |
|---|---|---|
| magnitude | sum of the absolute weights that make it | |
| gradient_max | sum of the absolute gradients of the loss by these weights | examples |
| gradient_min | the inverse: units whose weights the loss still moves go first | examples |
| activation | mean absolute value with which it reaches the layers that use it | examples |
| normalisation | absolute scale that a normalisation gives it | |
| information_target | its mutual information with the targets | examples |
| information_input | its mutual information with the inputs of the model | examples |
| random | a random number: a control | |

After 2007.16170 and the released code; the information is estimated by ``trimming.information``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import UserError
from trimming.flags import CRITERIA, WITHOUT_EXAMPLES
from trimming.information import (
    first_component,
    mutual_information,
    principal_components,
)
from trimming.walk import packed, tapped

if TYPE_CHECKING:
    from trimming.graph import Graph

POSITIONS = 50  # of a unit's output that the information looks at
_BATCH = 16
_TINY = 1e-7


def unit_scores(
    graph: Graph,
    criterion: str,
    data: Any = None,
    *,
    loss: str | Callable = "mean_squared_error",
    examples: int = 256,
    seed: int = 0,
) -> np.ndarray:
    """Score the units of a model.

    Args:
        graph: ``trimming.graph.Graph``.
        criterion: Name in ``trimming.flags.CRITERIA``.
        data: ``(inputs, targets)``, arrays or lists of them, or an iterable of such batches; not
            needed for those of WITHOUT_EXAMPLES.
        loss: Loss for the gradients: its name in Keras, or a function of targets and outputs.
        examples: Largest number of examples that are looked at.
        seed: Random seed.

    Returns:
        (units,) float64, at least 0; NaN for units that the criterion says nothing about.

    Raises:
        UserError: Unknown criterion, no examples, or scores that are not finite.
    """
    if criterion not in CRITERIA:
        raise UserError(f"criterion {criterion!r}: give one of {', '.join(CRITERIA)}")
    require_examples(criterion, data)
    rng = np.random.default_rng(seed)
    weights = [np.abs(array) for array in graph.model.get_weights()]
    if not all(np.isfinite(array).all() for array in weights):
        raise UserError(f"{graph.model.name}: has NaN or infinite weights; the training diverged")
    if criterion == "random":
        scores = rng.random(graph.units)
    elif criterion == "magnitude":
        scores = graph.sums("makes", weights)
    elif criterion == "normalisation":
        scales = graph.sums("scales", [np.ones_like(array) for array in weights])
        scores = np.where(scales > 0, graph.sums("scales", weights), np.nan)
    elif criterion.startswith("gradient"):
        gradients = _gradients(graph.model, loss, batches(data, examples))
        scores = graph.sums("makes", [np.abs(array) for array in gradients])
        scores = 1 / (scores + _TINY) if criterion == "gradient_min" else scores
    elif criterion == "activation":
        scores = _activity(graph, batches(data, examples))
    else:
        scores = _information(graph, criterion, list(batches(data, examples)), rng)
    # these say nothing about some units
    silent = criterion == "normalisation" or criterion.startswith("information")
    if np.isinf(scores).any() or (np.isnan(scores).any() and not silent):
        raise UserError(f"criterion {criterion}: scores are not finite; check the examples")
    return scores


def require_examples(criterion: str, data: Any) -> None:
    """Raise ``UserError`` if a criterion needs examples and ``data`` is None."""
    if data is None and criterion not in WITHOUT_EXAMPLES:
        raise UserError(f"criterion {criterion}: needs examples; give data")


def batches(
    data: Any, examples: int | None = None
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Yield batches ``(list of inputs, list of targets)`` of at most so many examples.

    Args:
        data: As in ``unit_scores``.
        examples: Largest number altogether; None for all.
    """
    seen = 0
    for x, y in _pieces(data):
        inputs, targets = (
            [np.asarray(one) for one in (side if isinstance(side, list | tuple) else [side])]
            for side in (x, y)
        )
        left = len(inputs[0]) if examples is None else min(examples - seen, len(inputs[0]))
        for start in range(0, left, _BATCH):
            part = slice(start, min(start + _BATCH, left))
            yield [one[part] for one in inputs], [one[part] for one in targets]
        seen += left
        if examples is not None and seen >= examples:
            return
    if not seen:
        raise UserError("data: holds no examples")


def _pieces(data):
    if isinstance(data, tuple):
        yield data
    elif hasattr(data, "__len__") and hasattr(data, "__getitem__"):  # a PyDataset has no end
        for index in range(len(data)):
            yield data[index]
    else:
        yield from data


def _gradients(model, loss, parts):
    """Gradients of the mean loss by all weights of a model: list of arrays."""
    import keras

    from common.training.rebuild import rebuild, thaw

    copy = thaw(rebuild(model))  # a model that is used may be frozen
    copy.set_weights(model.get_weights())
    function = keras.losses.get(loss)

    def of(outputs, targets):
        pairs = zip(targets, keras.tree.flatten(outputs), strict=True)
        return sum(keras.ops.mean(function(target, output)) for target, output in pairs)

    total = {id(weight): np.zeros(weight.shape) for weight in copy.weights}
    count = 0
    for inputs, targets in parts:
        found = _gradients_of(copy, lambda y, targets=targets: of(y, targets), packed(copy, inputs))
        for weight, gradient in zip(copy.trainable_variables, found, strict=True):
            total[id(weight)] += len(targets[0]) * np.asarray(gradient)
        count += len(targets[0])
    return [total[id(weight)] / count for weight in copy.weights]


def _gradients_of(model, loss, inputs):
    """Gradients of ``loss(outputs)`` by the trainable weights, at inference."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(model(inputs, training=False))
        weights = [one.value for one in model.trainable_variables]
        return tape.gradient(value, weights, unconnected_gradients="zero")
    import jax

    fixed = [one.value for one in model.non_trainable_variables]

    def value(weights):
        return loss(model.stateless_call(weights, fixed, inputs, training=False)[0])

    return jax.grad(value)([one.value for one in model.trainable_variables])


def _activity(graph, parts):
    """Mean absolute value of each unit, added up over the layers that use it."""
    import keras

    sums, count = np.zeros(graph.units), 0

    def tap(path, number, value):
        if (path, number) in graph.readers:
            units = graph.readers[path, number]
            values = keras.ops.convert_to_numpy(keras.ops.abs(value))
            values = values.reshape(len(values), -1, len(units)).mean(axis=1).sum(axis=0)
            repeats = np.bincount(units, minlength=graph.units)[units]
            sums[:] += np.bincount(units, values / repeats, graph.units)

    for inputs, _ in parts:
        tapped(graph.model, inputs, tap)
        count += len(inputs[0])
    return sums / count


def _information(graph, criterion, parts, rng):
    """Information of each unit, as the first layer that uses it sees it."""
    side = 0 if criterion == "information_input" else 1
    told = [np.concatenate(arrays) for arrays in zip(*(part[side] for part in parts), strict=True)]
    told = [principal_components(array, rng) for array in told]
    seen, places = {}, {}

    def tap(path, number, value):
        key = path, number
        if key in graph.readers:
            flat = np.asarray(value).reshape(len(value), -1)
            if key not in places:
                places[key] = _places(graph.readers[key], flat.shape[1], rng)
            seen.setdefault(key, []).append(flat[:, places[key][1]])

    for inputs, _ in parts:
        tapped(graph.model, inputs, tap)
    scores = np.full(graph.units, np.nan)
    for key, responses in seen.items():
        units = places[key][0]
        new = np.isnan(scores[units]) & ~graph.fixed[units]
        if new.any():
            numbers = first_component(np.concatenate(responses)[:, new])
            found = [mutual_information(numbers, array).sum(axis=1) for array in told]
            scores[units[new]] = np.sum(found, axis=0)
    return scores


def _places(units, size, rng):
    """Where an array, flattened, shows each of its units: ``(units, (units, positions))``.

    Args:
        units: (channels,), units on its last axis.
        size: Number of its values for an example.
        rng: ``numpy.random.Generator``, which chooses POSITIONS among more.
    """
    unique, counts = np.unique(units, return_counts=True)
    parts = np.split(np.argsort(units, kind="stable"), np.cumsum(counts)[:-1])
    rows = size // len(units)
    number = min(POSITIONS, rows * counts.min())
    found = np.empty((len(unique), number), int)
    for place, channels in zip(found, parts, strict=True):
        chosen = rng.choice(rows * len(channels), number, replace=False)
        place[:] = chosen // len(channels) * len(units) + channels[chosen % len(channels)]
    return unique, found
