"""Weight of a loss that gives its gradient the size of another loss's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from common.training.devices import graph_function


def gradient_norms(losses: Callable[..., Sequence[Any]], variables: Sequence[Any]) -> Callable:
    """Function that measures the gradients of several losses.

    Args:
        losses: Function from tensors to several scalars.
        variables: ``keras.Variable``s to derive by.

    Returns:
        Function of the same tensors that returns a NumPy array: for each loss, the norm of its
        gradient by all variables together.

    Raises:
        ValueError: The backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def norms(*inputs):
            with tf.GradientTape(persistent=True) as tape:
                values = losses(*inputs)
            sources = [variable.value for variable in variables]
            found = [tape.gradient(value, sources) for value in values]
            return [tf.linalg.global_norm(part) for part in found]

        norms = graph_function(norms, reduce_retracing=True)

    elif backend == "jax":
        import jax

        @jax.jit
        def norms(*inputs):
            def values(arrays):
                pairs = list(zip(variables, arrays, strict=True))
                with keras.StatelessScope(state_mapping=pairs):
                    return ops.stack(losses(*inputs))

            gradients = jax.jacrev(values)([variable.value for variable in variables])
            squares = [ops.sum(ops.square(part).reshape(len(part), -1), 1) for part in gradients]
            return ops.sqrt(sum(squares))

    else:
        raise ValueError(f"no gradients on the backend {backend}: choose tensorflow or jax")
    return lambda *inputs: np.array([float(value) for value in norms(*inputs)])


class GradientBalance(keras.callbacks.Callback):
    """Sets the weight of a second loss so that its gradient has the size of the first one's.

    The weight is the geometric moving average of the ratio of both norms, so it is all that a
    training has to keep. Before the first measurement, the second loss has no weight. At a minimum
    of the weighted sum both gradients are opposite, whatever the weight is; therefore measuring
    ends early, and the weight then stays.

    Args:
        weight: Scalar variable of the model; 0 before the first measurement.
        losses: Function from a batch's inputs and targets to two scalars, both unweighted.
        variables: Variables that both losses depend on, such as those of an encoder.
        batches: ``common.training.batches.Batches`` that the model trains on.
        done: Steps that the model was trained for.
        begin, end: Steps from which on, and before which, the gradients are measured.
        every: Steps from one measurement to the next.
        ratio: Size of the weighted second gradient, relative to the first one.
        momentum: Share of the old weight in the moving average.
    """

    def __init__(
        self,
        weight: keras.Variable,
        losses: Callable[[Any, Any], Sequence[Any]],
        variables: Sequence[keras.Variable],
        batches: Any,
        *,
        done: int = 0,
        begin: int = 0,
        end: int,
        every: int = 20,
        ratio: float = 1.0,
        momentum: float = 0.8,
    ) -> None:
        super().__init__()
        self._weight, self._batches = weight, batches
        self._norms = gradient_norms(losses, variables)
        self._step, self._begin, self._end, self._every = done, begin, end, every
        self._ratio, self._momentum = ratio, momentum

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure, if it is time to."""
        passed = self._step - self._begin
        if 0 <= passed < self._end - self._begin and passed % self._every == 0:
            first, second = self._norms(*self._batches[batch])
            if second > 0:
                self._weight.assign(
                    balanced(float(self._weight), self._ratio * first / second, self._momentum)
                )
        self._step += 1


def balanced(weight: float, measured: float, momentum: float) -> float:
    """Geometric moving average of a weight; what is measured first is taken as it is."""
    if weight <= 0 or measured <= 0:
        return max(measured, weight)
    return weight**momentum * measured ** (1 - momentum)
