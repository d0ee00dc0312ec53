"""Moving averages of batch normalisations after units are gone."""

from __future__ import annotations

from typing import Any

import keras

from common.training.fast import parts_of
from trimming.criteria import batches
from trimming.walk import packed


def recalibrate(model: keras.Model, data: Any, examples: int = 256) -> None:
    """Replace the moving averages of a model by those of examples.

    What a normalisation sees changes when units before it are cut. Its averages would follow a
    training by 1 % a step only, and until then the model would be worse than its weights are.

    Args:
        model: Keras model, whose averages are changed.
        data: Examples; see ``trimming.criteria.unit_scores``.
        examples: Largest number of examples.
    """
    layers = [part for part in parts_of(model) if isinstance(part, keras.layers.BatchNormalization)]
    if not layers:
        return
    before = [(layer.momentum, layer.trainable) for layer in layers]
    seen = 0
    try:
        for inputs, _ in batches(data, examples):
            count = len(inputs[0])
            for layer in layers:  # the mean of all so far
                layer.momentum, layer.trainable = seen / (seen + count), True
            model(packed(model, inputs), training=True)
            seen += count
    finally:
        for layer, (momentum, trainable) in zip(layers, before, strict=True):
            layer.momentum, layer.trainable = momentum, trainable
