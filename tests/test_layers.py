"""Faster layers against the stock ones."""

import keras
import numpy as np
import pytest
from keras import layers

from common.layers import all_layers, fuse_batch_normalization


def make_model():
    """A model with normalisation inside and outside of a nested one."""
    return keras.Sequential(
        [
            layers.Input((4, 6, 3)),
            keras.Sequential([layers.BatchNormalization(name="inner"), layers.ReLU()]),
            layers.BatchNormalization(name="outer", momentum=0.7, epsilon=0.01),
        ]
    )


def test_layers_are_those_of_nested_models():
    assert [layer.name for layer in all_layers(make_model())][::2] == ["inner", "outer"]
    assert len(list(all_layers(make_model()))) == 3


def one_step(model, x, weights):
    """Outputs, gradients and the state that follows."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") * weights)
    variables = [variable.value for variable in model.trainable_variables]
    return [outputs, *tape.gradient(loss, [x, *variables]), *model.get_weights()]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a kernel of TensorFlow")
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.03), ("mixed_float16", 4e-3)]
)
@pytest.mark.parametrize("frames", [1, 5])
def test_fused_normalisation_is_that_of_keras(policy, tolerance, frames):
    import tensorflow as tf

    rng = np.random.default_rng(frames)
    x = tf.Variable(rng.normal(1, 2, (frames, 4, 6, 3)), dtype=tf.float32)
    weights = rng.normal(size=x.shape).astype(np.float32)
    keras.config.set_dtype_policy(policy)
    try:
        stock, fused = make_model(), make_model()
    finally:
        keras.config.set_dtype_policy("float32")
    for variable in stock.trainable_variables:
        variable.assign(rng.normal(1, 0.3, variable.shape))
    fused.set_weights(stock.get_weights())
    before = fused.get_config()
    fuse_batch_normalization(fused)
    for _ in range(2):
        for found, wanted in zip(
            *(one_step(model, x, weights) for model in (fused, stock)), strict=True
        ):
            assert found.dtype == wanted.dtype
            arrays = [np.asarray(tf.cast(array, "float32")) for array in (found, wanted)]
            scale = max(np.abs(arrays[1]).max(), 1)
            np.testing.assert_allclose(*(array / scale for array in arrays), atol=tolerance)
    assert fused.get_config() == before


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
