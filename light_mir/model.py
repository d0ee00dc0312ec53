"""The network of a task, and the model in training."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from common.training.model import TrainingModel
from light_mir.tasks import Task

_MOMENTUM = 0.9  # of the moving means of normalisation: trainings are short
_GROWTH = (1, 2, 3)  # filters of the convolutions, times the width
_HIDDEN = 6  # units of the last one, times the width


def build_network(task: Task, width: int) -> keras.Model:
    """Three convolutions with pooling, one over all bands that are left, and the outputs.

    Args:
        task: ``light_mir.tasks.Task``.
        width: Filters of the first convolution.

    Returns:
        Keras model: (batch, frames, bands, 1) in [0, 1] -> (batch, labels), or
        (batch, frames, labels) of a task of events.
    """
    image = hidden = layers.Input((task.frames, task.spectrum.bands, 1), name="image")

    def activated(hidden, filters, kernel, padding, name):
        convolved = layers.Conv2D(filters, kernel, padding=padding, use_bias=False, name=name)
        hidden = convolved(hidden)
        hidden = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(hidden)
        return layers.ReLU(name=f"{name}_relu")(hidden)

    for number, (growth, pool) in enumerate(zip(_GROWTH, task.pools, strict=True), 1):
        hidden = activated(hidden, width * growth, task.kernel, "same", f"conv{number}")
        hidden = layers.MaxPooling2D(pool, name=f"pool{number}")(hidden)
    hidden = activated(hidden, width * _HIDDEN, (1, hidden.shape[2]), "valid", "hidden")
    if task.events:
        hidden = layers.Reshape((task.frames, width * _HIDDEN), name="columns")(hidden)
    else:
        hidden = layers.GlobalAveragePooling2D(name="mean")(hidden)
    hidden = layers.Dropout(0.1, name="dropout")(hidden)
    activation = "sigmoid" if task.events else "softmax"
    outputs = layers.Dense(len(task.labels), activation, dtype="float32", name="labels")(hidden)
    return keras.Model(image, outputs, name="network")


def loss_name(task: Task) -> str:
    """Name of the Keras loss of a task."""
    return "binary_crossentropy" if task.events else "categorical_crossentropy"


class Tagger(TrainingModel):
    """A network in training.

    Args:
        network: ``build_network``.
        loss: ``loss_name``.
    """

    def __init__(self, network: keras.Model, loss: str) -> None:
        super().__init__("tagger")
        self.network = network
        self._function = keras.losses.get(loss)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Outputs of the network."""
        return self.network(self.share_out(inputs), training=training)

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The cross-entropy."""
        loss = keras.ops.mean(self._function(y, y_pred))
        return loss, {"loss": loss}, keras.ops.shape(y)[0]
