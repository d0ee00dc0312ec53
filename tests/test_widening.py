"""Wider networks compute what those before them did, and can learn more."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from test_trimming_graph import ANY, EXAMPLES, KIT, PHASES, Maker, examples, outputs, randomise

from common.cli import UserError
from trimming import widen
from trimming.graph import Graph


def check(model, rng, factor):
    """Widen a model, and compare the outputs."""
    before = [array.copy() for array in randomise(model, rng).get_weights()]
    wider = widen(model, factor)
    assert wider.count_params() > model.count_params()
    inputs = examples(model, rng)
    for found, expected in zip(outputs(wider, inputs), outputs(model, inputs), strict=True):
        scale = max(1, np.abs(expected).max())
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5, rtol=0)
    for array, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)
    return wider


@given(st.data())
@settings(max_examples=EXAMPLES, phases=PHASES)
def test_random_models_of_all_layers_compute_the_same(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    model = Maker(data.draw, ANY).model()
    graph = Graph(model)
    if (graph.fixed | graph.grouped).all():
        with pytest.raises(UserError, match="no unit can be copied"):
            widen(model, 2)
    else:
        check(model, rng, 2)


@pytest.mark.parametrize("network", KIT)
def test_networks_of_the_kit_compute_the_same(network):
    check(KIT[network](), np.random.default_rng(0), 1.5)


def test_every_layer_gets_its_share():
    wider = check(KIT["generator"](), np.random.default_rng(0), 1.25)
    found = list(Graph(wider).widths().values())
    encoder, decoder = [4, 8, 16, *[32] * 5], [*[32] * 4, 16, 8, 4]
    assert found == [*(width * 5 // 4 for width in encoder + decoder), 1]


def test_copies_learn_different_things():
    model = keras.Sequential([layers.Input((2,)), layers.Dense(3, "tanh"), layers.Dense(1)])
    wider = check(model, np.random.default_rng(0), 2)
    np.testing.assert_array_equal(wider.layers[0].kernel[:, 0], wider.layers[0].kernel[:, 1])
    shares = np.asarray(wider.layers[1].kernel).reshape(3, 2)
    np.testing.assert_allclose(
        shares.sum(axis=1), np.ravel(model.layers[1].kernel), rtol=1e-6, atol=0
    )
    parts = shares / shares.sum(axis=1, keepdims=True)
    assert ((parts > 0.29) & (parts < 0.71)).all()
    wider.compile("sgd", "mse")
    x = np.random.default_rng(1).normal(size=(8, 2))
    wider.train_on_batch(x, x.sum(axis=1, keepdims=True))
    moved = np.asarray(wider.layers[0].kernel)
    assert (np.abs(moved[:, ::2] - moved[:, 1::2]) > 1e-6).all()


def test_a_group_that_is_normalised_together_stays():
    model = keras.Sequential(
        [layers.Input((4, 4, 1)), layers.Conv2D(6, 1), layers.GroupNormalization(3)]
    )
    model.add(layers.Conv2D(1, 1))
    with pytest.raises(UserError, match="no unit can be copied"):
        widen(model, 2)
    model = keras.Sequential([layers.Input((3,)), layers.Dense(4), layers.GroupNormalization(-1)])
    model.add(layers.Dense(4))
    assert check(model, np.random.default_rng(0), 2).layers[0].units == 8


@pytest.mark.parametrize("factor", [1, 0.5, 2.5, float("nan")])
def test_factors_out_of_range_are_refused(factor):
    with pytest.raises(UserError, match="above 1 and at most 2"):
        widen(KIT["predictor"](), factor)
