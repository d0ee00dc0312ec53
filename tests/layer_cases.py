"""Check for parts of networks: symbolic, eager and compiled calls, saving, mixed precision."""

import keras
import numpy as np

from common.training.devices import compiled
from common.training.weights import save_h5

TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def check_part(build, shapes, folder, output_shape):
    """Check a function that builds a part of a network from symbolic inputs.

    Args:
        build: Function of one Keras tensor for each shape; returns one.
        shapes: Shapes of the inputs without the batch.
        folder: Folder for files.
        output_shape: Expected shape of the output without the batch.

    Returns:
        Function of arrays that returns an array: the network.
    """
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(3, *shape)).astype(np.float32) for shape in shapes]
    keras.utils.set_random_seed(0)
    model = network_of(build, shapes)
    assert model.output_shape == (None, *output_shape)  # symbolic
    for variable in model.trainable_variables:  # also those that are initialised with zeros
        variable.assign(rng.normal(size=variable.shape))
    expected = np.asarray(model(given))  # eager
    assert expected.shape == (3, *output_shape)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(
        compiled(lambda *values: model(list(values)))(*given), expected, **TOLERANCE
    )
    save_h5(model, folder / "part.h5")
    again = keras.models.load_model(folder / "part.h5", compile=False)
    assert {type(layer).__module__.partition(".")[0] for layer in again.layers} == {"keras"}
    np.testing.assert_allclose(again(given), expected, **TOLERANCE)
    assert keras.Model.from_config(model.get_config()).count_params() == model.count_params()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = network_of(build, shapes)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    assert {variable.dtype for variable in mixed.variables} <= {"float32"}
    found = np.asarray(keras.ops.cast(mixed(given), "float32"))
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())
    return lambda *values: np.asarray(model(list(values)))


def network_of(build, shapes):
    """Make a Keras model of a part."""
    inputs = [keras.Input(shape, name=f"input_{number}") for number, shape in enumerate(shapes)]
    return keras.Model(inputs, build(*inputs))
