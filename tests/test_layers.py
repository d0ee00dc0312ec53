"""Faster layers against the stock ones."""

import keras
import numpy as np
import pytest
from keras import layers

from common.training.devices import OneDevice
from common.training.fast import all_layers, fuse_batch_normalization, multiply_convolutions


def make_model():
    """A model with normalisation inside and outside of a nested one."""
    return keras.Sequential(
        [
            layers.Input((4, 6, 3)),
            keras.Sequential([layers.BatchNormalization(name="inner"), layers.ReLU()]),
            layers.BatchNormalization(name="outer", momentum=0.7, epsilon=0.01),
        ]
    )


def make_u_net():
    """A U-Net from 8x8 to 1x1 and back; its small and last convolutions become products."""
    settings = {"kernel_size": 4, "strides": 2, "padding": "same"}
    return keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(5, **settings),
            layers.Conv2D(6, use_bias=False, **settings),
            keras.Sequential([layers.Conv2D(7, activation="tanh", **settings)]),
            layers.Conv2DTranspose(6, **settings),
            layers.Conv2DTranspose(5, use_bias=False, activation="tanh", **settings),
            layers.Conv2DTranspose(4, **settings),
            layers.Conv2DTranspose(1, activation="tanh", dtype="float32", **settings),
        ]
    )


def test_layers_are_those_of_nested_models():
    assert [layer.name for layer in all_layers(make_model())][::2] == ["inner", "outer"]
    assert len(list(all_layers(make_model()))) == 3


def one_step(model, x, weights):
    """Compute outputs, gradients and the next state."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") * weights)
    variables = [variable.value for variable in model.trainable_variables]
    return [outputs, *tape.gradient(loss, [x, *variables]), *model.get_weights()]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a kernel of TensorFlow")
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.06), ("mixed_float16", 8e-3)]
)
@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize(
    ("make", "change"),
    [(make_model, fuse_batch_normalization), (make_u_net, multiply_convolutions)],
)
def test_a_changed_layer_computes_what_keras_does(policy, tolerance, frames, make, change):
    import tensorflow as tf

    rng = np.random.default_rng(frames)
    keras.utils.set_random_seed(frames)
    keras.config.set_dtype_policy(policy)
    try:
        stock, changed = make(), make()
    finally:
        keras.config.set_dtype_policy("float32")
    x = tf.Variable(rng.normal(1, 2, (frames, *stock.input_shape[1:])), dtype=tf.float32)
    weights = rng.normal(size=(frames, *stock.output_shape[1:])).astype(np.float32)
    for variable in stock.trainable_variables:
        if variable.ndim == 1:
            variable.assign(rng.normal(1, 0.3, variable.shape))
    changed.set_weights(stock.get_weights())
    before = changed.get_config()
    change(changed)
    for _ in range(2):
        for found, wanted in zip(
            *(one_step(model, x, weights) for model in (changed, stock)), strict=True
        ):
            assert found.dtype == wanted.dtype
            arrays = [np.asarray(tf.cast(array, "float32")) for array in (found, wanted)]
            assert arrays[0].any()
            scale = max(np.abs(arrays[1]).max(), 1)
            np.testing.assert_allclose(*(array / scale for array in arrays), atol=tolerance)
    assert changed.get_config() == before


def masked():
    """A normalisation that ignores masked values."""
    inputs = layers.Input((4, 3))
    hidden = layers.Masking(1.0)(inputs)
    return keras.Model(inputs, layers.BatchNormalization()(hidden))


class Doubled(layers.Conv2D):
    """A convolution that computes something different."""

    def call(self, inputs):
        return 2 * super().call(inputs)


QUARTER = {"kernel_size": 4, "strides": 2, "padding": "same"}
# Layers that have no faster form, or another one: name -> inputs and layers.
UNUSUAL = {
    "dense": ((3,), layers.Dense(2), layers.BatchNormalization()),
    "along time": ((8, 3), layers.Conv1D(2, 3), layers.BatchNormalization()),
    "volumes": ((2, 2, 2, 3), layers.BatchNormalization()),
    "without scale": ((4, 6, 3), layers.BatchNormalization(scale=False)),
    "without centre": ((4, 6, 3), layers.BatchNormalization(center=False)),
    "with neither": ((4, 6, 3), layers.BatchNormalization(scale=False, center=False)),
    "first axis": ((4, 6, 3), layers.BatchNormalization(axis=1)),
    "last axis by number": ((4, 6, 3), layers.BatchNormalization(axis=3)),
    "last axis of three": ((6, 3), layers.BatchNormalization(axis=2)),
    "each image alone": ((8, 3), layers.TimeDistributed(layers.BatchNormalization())),
    "groups": ((4, 4, 4), layers.Conv2D(4, groups=2, **QUARTER)),
    "output padding": ((2, 2, 3), layers.Conv2DTranspose(1, output_padding=1, **QUARTER)),
    "any size": ((None, None, 3), layers.Conv2D(4, **QUARTER)),
    "any size, to one channel": ((None, None, 3), layers.Conv2DTranspose(1, **QUARTER)),
    "subclass": ((4, 4, 3), Doubled(4, **QUARTER)),
    "wrapped": ((4, 4, 3), layers.SpectralNormalization(layers.Conv2D(4, **QUARTER))),
}


def unusual(name):
    shape, *parts = UNUSUAL[name]
    copies = [part.__class__.from_config(part.get_config()) for part in parts]
    return keras.Sequential([layers.Input(shape), *copies])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="kernels of TensorFlow")
@pytest.mark.parametrize("name", [*UNUSUAL, "masked"])
def test_what_a_faster_form_does_not_fit_is_computed_as_keras_does(name):
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    stock, changed = (masked() if name == "masked" else unusual(name) for _ in range(2))
    changed.set_weights(stock.get_weights())
    OneDevice().prepare(changed)
    rng = np.random.default_rng(1)
    shape = [4 if size is None else size for size in stock.input_shape[1:]]
    values = rng.normal(1, 2, (5, *shape)).astype(np.float32)
    if name == "masked":
        values[:2, 2:] = 1.0
    x = tf.Variable(values)
    weights = rng.normal(size=stock(x).shape).astype(np.float32)
    for _ in range(2):
        results = [one_step(model, x, weights) for model in (changed, stock)]
        for found, wanted in zip(*results, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="kernels of TensorFlow")
def test_small_images_and_single_channels_are_products():
    stock, changed = make_u_net(), make_u_net()
    multiply_convolutions(changed)

    def kinds(model):
        import tensorflow as tf

        def forward(x):
            return model(x, training=True)

        graph = tf.function(forward).get_concrete_function(tf.TensorSpec((2, 8, 8, 3))).graph
        found = {one.type for one in graph.get_operations()}
        return [kind for kind in ("Conv2D", "Conv2DBackpropInput", "MatMul") if kind in found]

    assert kinds(stock) == ["Conv2D", "Conv2DBackpropInput"]
    assert kinds(changed) == ["Conv2D", "MatMul"]  # only the second one is changed


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a kernel of TensorFlow")
def test_only_what_learns_is_fused():
    fused, stock = make_model(), make_model()
    fuse_batch_normalization(fused)
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(fused(x, training=False), stock(x, training=False))
    fused.trainable = stock.trainable = False
    np.testing.assert_array_equal(fused(x, training=True), stock(x, training=True))
    for one, other in zip(fused.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
