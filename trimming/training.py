"""A training for the lottery: Keras's own, with the best epoch by validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np

from common.training.devices import jit_setting
from trimming.statistics import recalibrate

if TYPE_CHECKING:
    from common.trained import Examples


def fitting(
    examples: Examples, epochs: int, lr: float, *, verbose: str | int = 0
) -> Callable[[keras.Model, list[keras.callbacks.Callback]], float]:
    """Make the function with which ``trimming.rounds.lottery`` trains.

    Args:
        examples: Data, whose ``validation`` is there.
        epochs: Number of epochs.
        lr: First learning rate of Adam, which falls to 0 by a cosine.
        verbose: As in ``fit``.

    Returns:
        Function ``train(model, callbacks)`` that trains a model, leaves it with the weights of the
        best epoch and the moving averages of its training examples, and returns its loss on the
        validation examples, or their ``error`` if the examples have one; NaN if the loss of some
        epoch is not finite.
    """

    def train(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> float:
        def set_epoch(epoch, _logs=None):
            examples.training.epoch = epoch

        rate = keras.optimizers.schedules.CosineDecay(lr, epochs * len(examples.training))
        model.compile(keras.optimizers.Adam(rate), examples.loss, jit_compile=jit_setting())
        best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
        history = model.fit(
            examples.training,
            validation_data=examples.validation,
            epochs=epochs,
            shuffle=False,  # the data set shuffles itself
            verbose=verbose,
            callbacks=[
                keras.callbacks.LambdaCallback(on_epoch_begin=set_epoch),
                keras.callbacks.TerminateOnNaN(),
                best,
                *callbacks,
            ],
        )
        # the best weights are back even if a later epoch diverged
        numbers = [*model.get_weights(), history.history["loss"]]
        if not all(np.isfinite(array).all() for array in numbers):
            return float("nan")
        recalibrate(model, examples.training)  # the averages lag behind what was learned fast
        return error_of(model, examples)

    return train


def error_of(model: keras.Model, examples: Examples) -> float:
    """Error of a compiled model on validation examples: their ``error``, or the loss."""
    if examples.error is None:
        return float(model.evaluate(examples.validation, verbose=0))
    parts = [examples.validation[index] for index in range(len(examples.validation))]
    outputs = np.concatenate([model.predict_on_batch(inputs) for inputs, _ in parts])
    return float(examples.error(np.concatenate([target for _, target in parts]), outputs))
