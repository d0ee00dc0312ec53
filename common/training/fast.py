"""Faster computation of stock layers: same variables, same configuration, same files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


_SMALL = 16  # largest image (in pixels) whose convolution becomes a matrix product


def all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """List all layers of a model, with nested models replaced by their layers."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from all_layers(layer)
        else:
            yield layer


def parts_of(layer: keras.Layer, seen: set[int] | None = None) -> Iterator[keras.Layer]:
    """List a layer and all layers inside it, each once, in the order in which they were attached.

    These include layers of nested models, cells of recurrent layers and wrapped layers.
    """
    seen = set() if seen is None else seen
    if id(layer) not in seen:
        seen.add(id(layer))
        yield layer
        for inner in layer._layers:
            yield from parts_of(inner, seen)


def multiply_convolutions(model: keras.Model) -> None:
    """Make a model compute some convolutions as matrix products.

    On a CPU, TensorFlow's kernels reorder the weights in each step, which takes longer than the
    convolution itself if the weights are larger than the image; and they compute many channels even
    if there is only one. Only the computation changes, not the saved model. A second call changes
    nothing.

    Args:
        model: Built for the TensorFlow backend. Among its stock convolutions with kernel 4 and
            stride 2, those of small images and transposed ones with one output channel change.
    """
    import keras

    for layer in all_layers(model):
        # subclasses may compute something else
        if type(layer) not in (keras.layers.Conv2D, keras.layers.Conv2DTranspose):
            continue
        if "call" in vars(layer):
            continue
        form = layer.kernel_size, layer.strides, layer.padding, layer.data_format
        special = getattr(layer, "groups", 1) > 1 or getattr(layer, "output_padding", None)
        if form == ((4, 4), (2, 2), "same", "channels_last") and not special:
            layer.call = _multiplied_call(layer, type(layer) is keras.layers.Conv2DTranspose)


def _multiplied_call(layer, transposed):
    convolve = layer.call

    def call(inputs):
        height, width = inputs.shape[1:3]
        if height is None or width is None:
            return convolve(inputs)
        small = height * width <= _SMALL
        if transposed and layer.filters == 1:
            outputs = _to_one_channel()(inputs, layer.kernel.value)
        elif transposed and small:
            outputs = _spread(inputs, layer.kernel.value)
        elif small and height % 2 == width % 2 == 0:
            outputs = _gather(inputs, layer.kernel.value)
        else:
            return convolve(inputs)
        return layer.activation(outputs + layer.bias.value if layer.use_bias else outputs)

    return call


def _gather(x, kernel):
    """Convolution (batch, 2h, 2w, a) to (batch, h, w, b), as product of patches and kernel."""
    import tensorflow as tf

    (height, width), (*_, filters) = x.shape[1:3], kernel.shape
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    taps = [
        x[:, row : row + height - 1 : 2, column : column + width - 1 : 2]
        for row in range(4)
        for column in range(4)
    ]
    patches = tf.reshape(tf.concat(taps, axis=-1), [-1, 16 * x.shape[3]])
    products = tf.matmul(patches, tf.reshape(kernel, [-1, filters]))
    return tf.reshape(products, [-1, height // 2, width // 2, filters])


def _spread(x, kernel):
    """Transposed convolution (batch, h, w, a) to (batch, 2h, 2w, b): overlapping products."""
    import tensorflow as tf

    (height, width, channels), filters = x.shape[1:], kernel.shape[2]
    products = tf.matmul(
        tf.reshape(x, [-1, channels]), tf.reshape(kernel, [-1, channels]), transpose_b=True
    )
    # row 2a + p of the kernel goes to row 2 (position + a) + p of the output and its border
    products = tf.reshape(products, [-1, height, width, 2, 2, 2, 2, filters])
    overlapped = sum(
        tf.pad(products[:, :, :, a, :, b], [[0, 0], [a, 1 - a], [b, 1 - b], [0, 0], [0, 0], [0, 0]])
        for a in (0, 1)
        for b in (0, 1)
    )
    rows = tf.transpose(overlapped, [0, 1, 3, 2, 4, 5])
    return tf.reshape(rows, [-1, 2 * height + 2, 2 * width + 2, filters])[:, 1:-1, 1:-1]


def _to_one_channel():
    import tensorflow as tf

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradients(slope):
            # TensorFlow's kernels are quick at these
            by_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=slope,
                filter_sizes=kernel.shape,
                out_backprop=x,
                strides=[1, 2, 2, 1],
                padding="SAME",
            )
            return tf.nn.conv2d(slope, kernel, 2, "SAME"), by_kernel

        return _spread(x, kernel), gradients

    return convolve


def fuse_batch_normalization(model: keras.Model) -> None:
    """Make a model that is being trained normalise batches of images by TensorFlow's fused kernel.

    Keras builds the normalisation from elementary operations, each of which passes over the whole
    batch. Only the computation changes, not the saved model. Cases that the kernel does not support
    are left to Keras: ranks other than 4, axes other than the last, masks, float64,
    renormalisation.

    Args:
        model: Built for the TensorFlow backend.
    """
    import keras

    for layer in all_layers(model):
        if type(layer) is keras.layers.BatchNormalization and not getattr(layer, "renorm", False):
            layer.call = _fused_call(layer)


def _fused_call(layer):
    import tensorflow as tf

    composed = layer.call

    def call(inputs, training=None, mask=None):
        fits = mask is None and inputs.shape.rank == 4 and layer.axis in (-1, 3)
        learns = training and layer.trainable
        if not (fits and learns) or layer.compute_dtype == "float64":
            return composed(inputs, training=training, mask=mask)
        ones = tf.ones_like(layer.moving_variance.value)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, layer.compute_dtype),
            scale=layer.gamma.value if layer.scale else ones,
            offset=layer.beta.value if layer.center else tf.zeros_like(ones),
            mean=[],
            variance=[],
            epsilon=layer.epsilon,
        )
        # The kernel returns the unbiased variance, Keras keeps the biased one.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], variance.dtype)
        variance *= tf.maximum(count - 1, 1) / count
        for moving, new in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + new * (1 - layer.momentum))
        return outputs

    return call
