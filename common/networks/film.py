"""Modulation of features by a condition, composed of stock layers."""

from typing import Any

from keras import layers


def film(hidden: Any, condition: Any, name: str) -> Any:
    """Scale and shift each feature by functions of a condition (FiLM; Perez et al. 2018, eq. 2).

    The functions are linear, and begin as the identity whatever the condition is.

    Args:
        hidden: (batch, ..., features).
        condition: (batch, any).
        name: Beginning of the names of the layers.

    Returns:
        Of the shape of ``hidden``.
    """
    features = hidden.shape[-1]
    shape = (*(1 for _ in hidden.shape[1:-1]), features)

    def function(part, bias):
        made = layers.Dense(
            features, kernel_initializer="zeros", bias_initializer=bias, name=f"{name}_{part}"
        )(condition)
        return layers.Reshape(shape, name=f"{name}_{part}_shape")(made)

    scaled = layers.Multiply(name=f"{name}_scaled")([hidden, function("scale", "ones")])
    return layers.Add(name=f"{name}_shifted")([scaled, function("shift", "zeros")])


def adaptive_instance_normalization(hidden: Any, condition: Any, name: str) -> Any:
    """Normalise each feature map of each example, then ``film`` (Huang and Belongie 2017, eq. 8).

    Args:
        hidden: (batch, rows, columns, features).
        condition, name: As in ``film``.

    Returns:
        Of the shape of ``hidden``.
    """
    normalized = layers.GroupNormalization(
        groups=-1, center=False, scale=False, name=f"{name}_normalized"
    )(hidden)
    return film(normalized, condition, name)
