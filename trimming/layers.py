"""What each kind of layer does with the units of its input: the rules of ``trimming.graph``.

A rule is a function of a ``trimming.graph.Call`` and the ``Flow`` of each input tensor; it returns
the list of the ``Flow`` of each output.
"""

import functools

import numpy as np

from trimming.walk import Flow

RULES = {}
POINTWISE = {
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish"),
    *("tanh", "sigmoid", "hard_sigmoid", "hard_tanh", "hard_silu", "softplus", "softsign"),
    *("exponential", "log_sigmoid", "tanh_shrink", "soft_shrink", "hard_shrink", "squareplus"),
    *("sparse_plus", "sparse_sigmoid", "threshold"),
}
ACROSS = {"softmax", "log_softmax", "sparsemax"}  # activations that see all units of a position


def _rule(*names):
    def register(function):
        for name in names:
            RULES[name] = function
        return function

    return register


def _in_dimensions(*names):
    """Names of layers for one, two and three dimensions."""
    return [f"{name}{dimensions}D" for name in names for dimensions in (1, 2, 3)]


def _activated(call, ids):
    """Units after the activation of a layer."""
    for name in ("activation", "recurrent_activation"):
        function = getattr(call.layer, name, None)
        kind = getattr(function, "__name__", type(function).__name__)
        if kind in ACROSS:
            call.drawing.fix(ids)
        elif function is not None and kind not in POINTWISE:
            call.refuse(f"the activation {kind} is not known to the trimming")
    return [Flow(ids)]


def _channels_last(call):
    if getattr(call.layer, "data_format", "channels_last") != "channels_last":
        call.refuse("channels come first; only channels_last is known to the trimming")


@_rule(
    *("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"),
    *("LeakyReLU", "ELU", "Identity", "RepeatVector", "Activation", "ReLU", "Rescaling"),
    *_in_dimensions("SpatialDropout", "ZeroPadding", "Cropping", "UpSampling"),
    *_in_dimensions("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling"),
)
def _pass(call, flow):
    _channels_last(call)
    return _activated(call, flow.ids)


@_rule("InputLayer")
def _input(call, flow):
    shape = call.layer.batch_shape
    call.resizes("batch_shape", flow.ids, lambda kept: [*shape[:-1], kept])
    return [flow]


@_rule("Softmax", "UnitNormalization", "Normalization")
def _fixed(call, flow):
    call.drawing.fix(flow.ids)
    return [flow]


@_rule("Dense")
def _dense(call, flow):
    layer = call.layer
    return _linear(call, flow, layer.units, "units", layer.kernel, (-2, -1))


@_rule(*_in_dimensions("Conv"))
def _convolution(call, flow):
    layer = call.layer
    return _linear(call, flow, layer.filters, "filters", layer.kernel, (-2, -1), layer.groups > 1)


@_rule("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _transposed(call, flow):
    layer = call.layer
    return _linear(call, flow, layer.filters, "filters", layer.kernel, (-1, -2))


def _linear(call, flow, count, setting, kernel, axes, grouped=False):  # noqa: PLR0917
    """A layer with one kernel, whose axes of input and output are given."""
    _channels_last(call)
    made = call.makes(count, setting)
    call.reads(flow.ids)
    if grouped:  # its channels are in groups of one size
        call.drawing.fix(flow.ids)
        call.drawing.fix(made)
    else:
        call.drawing.slot(kernel, axes[0], flow.ids, "uses")
        call.drawing.slot(kernel, axes[1], made, "makes")
        call.drawing.slot(call.layer.bias, -1, made, "follows")
    return _activated(call, made)


def _deepened(call, flow):
    """Units that a depthwise kernel makes: some for each of the input."""
    times = call.layer.depth_multiplier
    if times > 1:
        call.drawing.keep_single(flow.ids)
    return np.repeat(flow.ids, times)


@_rule("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(call, flow):
    _channels_last(call)
    layer = call.layer
    made = _deepened(call, flow)
    call.drawing.slot(layer.kernel, -2, flow.ids, "makes")
    call.drawing.slot(layer.bias, -1, made, "follows")
    return _activated(call, made)


@_rule("SeparableConv1D", "SeparableConv2D")
def _separable(call, flow):
    _channels_last(call)
    layer = call.layer
    made = call.makes(layer.filters, "filters")
    call.reads(flow.ids)
    deep = _deepened(call, flow)
    # "follows": one kernel alone uses a unit, or copies would share both
    call.drawing.slot(layer.depthwise_kernel, -2, flow.ids, "follows")
    call.drawing.slot(layer.pointwise_kernel, -2, deep, "uses")
    call.drawing.slot(layer.pointwise_kernel, -1, made, "makes")
    call.drawing.slot(layer.bias, -1, made, "follows")
    return _activated(call, made)


@_rule("Embedding")
def _embedding(call, flow):
    made = call.makes(call.layer.output_dim, "output_dim")
    call.drawing.slot(call.layer.embeddings, -1, made, "makes")
    return [Flow(made)]


def _recurrent(call, flow, *states, gates):
    """A recurrent layer: all gates of a hidden unit, and its recurrent weights, belong together."""
    cell = call.layer.cell
    made = call.makes(cell.units, "units")
    call.reads(flow.ids)
    for state in states:
        call.drawing.join(state.ids, made)
    blocks = np.tile(made, gates)
    call.drawing.slot(cell.kernel, 0, flow.ids, "uses")
    call.drawing.slot(cell.kernel, 1, blocks, "makes")
    call.drawing.slot(cell.recurrent_kernel, 0, made, "uses")
    call.drawing.slot(cell.recurrent_kernel, 1, blocks, "makes")
    call.drawing.slot(cell.bias, -1, blocks, "follows")
    return _activated(call, made) * len(call.node.outputs)


for _name, _gates in (("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4)):
    RULES[_name] = functools.partial(_recurrent, gates=_gates)


def _on_last_axis(call, flow):
    axis = call.layer.axis
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    rank = len(call.node.input_tensors[0].shape)
    if [one % rank for one in axes] != [rank - 1]:
        call.refuse(f"normalises axis {axis}; only the last one is known to the trimming")
    for weight in call.layer.weights:
        role = "scales" if weight is getattr(call.layer, "gamma", None) else "follows"
        call.drawing.slot(weight, 0, flow.ids, role)


@_rule("BatchNormalization")
def _batch_normalization(call, flow):
    _on_last_axis(call, flow)
    return [flow]


@_rule("LayerNormalization")
def _layer_normalization(call, flow):
    _on_last_axis(call, flow)
    if not call.drawing.approximate:
        call.drawing.fix(flow.ids)
    return [flow]


@_rule("GroupNormalization")
def _group_normalization(call, flow):
    _on_last_axis(call, flow)
    channels, groups = len(flow.ids), call.layer.groups
    groups = channels if groups == -1 else groups
    width = channels // groups
    if groups > 1:
        parts = flow.ids.reshape(groups, width)
        call.drawing.join(parts[:, :1], parts)  # they change one another
        if width > 1:
            call.drawing.keep_single(flow.ids)
        if call.layer.groups != -1:
            call.resizes("groups", flow.ids, lambda kept: kept // width)
    elif not call.drawing.approximate:
        call.drawing.fix(flow.ids)
    return [flow]


@_rule("PReLU")
def _prelu(call, flow):
    axes = len(call.layer.alpha.shape)
    if any((axis - 1) % axes == axes - 1 for axis in call.layer.shared_axes or ()):
        return [flow]  # one number for all channels
    call.drawing.slot(call.layer.alpha, -1, flow.ids, "follows")
    return [flow]


@_rule("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
def _elementwise(call, *flows):
    if len({len(tensor.shape) for tensor in call.node.input_tensors}) > 1:
        call.refuse("combines inputs with different numbers of axes, and cannot be followed")
    widest = max(flows, key=lambda flow: len(flow.ids))
    for flow in flows:
        if len(flow.ids) < len(widest.ids):  # one channel for all of the others
            call.drawing.fix(flow.ids)
        else:
            call.drawing.join(widest.ids, flow.ids)
    return [widest]


@_rule("Concatenate")
def _concatenate(call, *flows):
    rank = len(call.node.input_tensors[0].shape)
    if call.layer.axis % rank == rank - 1:
        return [Flow(np.concatenate([flow.ids for flow in flows]))]
    return _elementwise(call, *flows)


@_rule("Flatten")
def _flatten(call, flow):
    _channels_last(call)
    shape = call.node.input_tensors[0].shape[1:]
    if None in shape[:-1]:
        call.refuse(f"flattens {shape}, whose size is not known")
    return [Flow(np.broadcast_to(flow.ids, shape).ravel() if shape else flow.ids)]


@_rule("Reshape")
def _reshape(call, flow):
    before, after = (
        list(tensors[0].shape[1:]) for tensors in (call.node.input_tensors, call.node.outputs)
    )
    while len(before) > 1 and len(after) > 1 and before[0] == after[0]:
        before, after = before[1:], after[1:]
    if before == after:
        ids = flow.ids
    elif None in before or None in after:
        call.refuse("reshapes axes whose size is not known, and cannot be followed")
    else:
        rows = np.broadcast_to(flow.ids, before).reshape(-1, after[-1])
        ids = rows[0]
        call.drawing.join(ids, rows)
    target = call.layer.target_shape
    if target[-1] != -1:
        call.resizes("target_shape", ids, lambda kept: [*target[:-1], kept])
    return [Flow(ids)]
