"""Follow the calls of layers in a Keras model, into nested models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import tree

from common.cli import UserError


class Flow:
    """Units on the last axis of a tensor.

    Args:
        ids: (channels,) integers.
    """

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids


def graph_of(model: keras.Model) -> keras.Model:
    """The functional model of a model: itself, or that of a Sequential.

    Raises:
        UserError: A subclassed model, whose layers only its code knows, or one that is not built.
    """
    graph = getattr(model, "_functional", model)
    if graph is None:
        raise UserError(f"{model.name}: is not built; call it once, or give it an Input")
    if not hasattr(graph, "_nodes_by_depth"):
        raise UserError(
            f"{model.name}: a {type(model).__name__}, neither a functional model nor a Sequential"
        )
    return graph


def walk(model: keras.Model, inputs: list, visit: Callable[..., list], prefix: str = "") -> list:
    """Go through a model call by call, with anything in the place of its tensors.

    Args:
        model: Built functional or Sequential model.
        inputs: List of what stands for its inputs.
        visit: Function ``visit(layer, path, node, given)`` of a layer, its path in the model such
            as "block/conv", the Keras node of the call, and the list of what stands for the tensors
            it is given. It returns the list of what stands for its outputs. Among the layers are
            the inputs of nested functional models.
        prefix: Prefix of the paths.

    Returns:
        List of what stands for the outputs.
    """
    graph = graph_of(model)
    found = {id(tensor): given for tensor, given in zip(graph.inputs, inputs, strict=True)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                # in a Sequential, it is no part of the configuration
                if prefix and graph is model:
                    given = [found[id(node.outputs[0])]]
                    visit(node.operation, f"{prefix}{node.operation.name}", node, given)
                continue
            layer, path = node.operation, f"{prefix}{node.operation.name}"
            given = [found[id(tensor)] for tensor in node.input_tensors]
            if isinstance(layer, keras.Model):
                made = walk(layer, given, visit, f"{path}/")
            else:
                made = visit(layer, path, node, given)
            found |= {id(tensor): one for tensor, one in zip(node.outputs, made, strict=True)}
    return [found[id(tensor)] for tensor in graph.outputs]


def packed(model: keras.Model, inputs: list) -> Any:
    """A list of inputs as the model takes them: one, a list, or a dict."""
    return tree.pack_sequence_as(graph_of(model)._inputs_struct, inputs)


def call(layer: keras.layers.Layer, node: Any, given: list) -> list:
    """Call a layer as its node does, with tensors: list of the outputs."""
    values = {id(tensor): one for tensor, one in zip(node.input_tensors, given, strict=True)}
    args, kwargs = node.arguments.fill_in(values)
    return tree.flatten(layer(*args, **kwargs))


def tapped(
    model: keras.Model, inputs: list[np.ndarray], tap: Callable[[str, int, Any], None]
) -> None:
    """Compute a model, and look at what its layers are given.

    Args:
        model: Built functional or Sequential model.
        inputs: List of arrays.
        tap: Function ``tap(path, number, value)`` of a layer's path, the number of its call from 0,
            and its first input as array, called before each call of a layer.
    """
    calls = {}

    def visit(layer, path, node, given):
        if node.is_input:
            return given
        calls[path] = calls.get(path, -1) + 1
        tap(path, calls[path], given[0])
        return call(layer, node, given)

    tensors = [keras.ops.convert_to_tensor(np.asarray(one)) for one in inputs]
    walk(model, tensors, visit)
