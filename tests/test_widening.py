"""Wider networks compute what those before them did, and can learn more."""

import keras
import numpy as np
import pytest
from conftest import assert_refused
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from test_trimming_graph import (
    ANY,
    EXAMPLES,
    KIT,
    PHASES,
    Maker,
    assert_same_outputs,
    examples,
    randomise,
)

from common.cli import UserError
from common.trained import networks_of, shipped
from trimming import trim, widen
from trimming.graph import Graph


def check(model, rng, factor):
    """Widen a model, and compare the outputs."""
    before = [array.copy() for array in randomise(model, rng).get_weights()]
    wider = widen(model, factor)
    assert wider.count_params() > model.count_params()
    assert_same_outputs(wider, model, examples(model, rng), 1e-5)
    for array, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)
    return wider


@given(st.data())
@settings(max_examples=EXAMPLES, phases=PHASES)
def test_random_models_of_all_layers_compute_the_same(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    factor = data.draw(st.sampled_from([1.5, 2]))
    model = Maker(data.draw, ANY).model()
    graph = Graph(model)
    if (graph.fixed | graph.single).all():
        with pytest.raises(UserError, match="no unit can be copied"):
            widen(model, factor)
    else:
        check(model, rng, factor)


@pytest.mark.parametrize("network", KIT)
def test_networks_of_the_kit_compute_the_same(network):
    check(KIT[network](), np.random.default_rng(0), 1.5)


def test_every_layer_gets_its_share():
    wider = check(KIT["generator"](), np.random.default_rng(0), 1.25)
    found = list(Graph(wider).widths().values())
    encoder, decoder = [4, 8, 16, *[32] * 5], [*[32] * 4, 16, 8, 4]
    assert found == [*(width * 5 // 4 for width in encoder + decoder), 1]


def network(activation="tanh"):
    steps = [layers.Dense(3, activation), layers.Dense(2, activation), layers.Dense(1)]
    return keras.Sequential([layers.Input((2,)), *steps])


def test_weights_are_shared_at_random():
    model = network()
    wider = check(model, np.random.default_rng(0), 2)
    kernels = [np.asarray(layer.kernel) for layer in wider.layers]
    np.testing.assert_array_equal(kernels[0][:, ::2], kernels[0][:, 1::2])  # the inputs are whole
    sums = kernels[1][::2] + kernels[1][1::2]
    expected = np.asarray(model.layers[1].kernel)
    np.testing.assert_allclose(sums, np.repeat(expected, 2, axis=1), rtol=1e-6, atol=0)
    shares = kernels[1][::2] / sums
    assert ((shares > -0.501) & (shares < 1.501)).all()
    assert len(np.unique(shares.round(6))) == shares.size
    for seed, same in ((0, True), (1, False)):
        again = widen(model, 2, seed=seed).get_weights()
        pairs = zip(again, wider.get_weights(), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs) == same


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_copies_learn_different_things(optimizer):
    wider = check(network(), np.random.default_rng(0), 2)
    wider.compile(optimizer, "mse")
    x = np.random.default_rng(1).normal(size=(8, 2))
    for _ in range(50):
        wider.train_on_batch(x, x.sum(axis=1, keepdims=True))
    moved = np.asarray(wider.layers[0].kernel)
    assert (np.abs(moved[:, ::2] - moved[:, 1::2]).max(axis=0) > 1e-4).all()


@pytest.mark.parametrize("shared", [[1, 2], [1, 2, 3], [-1, 3], 3])
def test_numbers_of_a_prelu_are_copied_where_they_are_of_channels(shared):
    for channels in (1, 2):
        steps = [layers.Conv2D(channels, 2), layers.PReLU(shared_axes=shared), layers.Conv2D(1, 2)]
        model = keras.Sequential([layers.Input((4, 4, 1)), *steps])
        wider = check(model, np.random.default_rng(0), 2)
        assert wider.layers[0].filters == 2 * channels


def test_what_some_layer_takes_in_groups_stays():
    steps = [layers.Conv2D(6, 1), layers.GroupNormalization(3), layers.Conv2D(1, 1)]
    with pytest.raises(UserError, match="no unit can be copied"):
        widen(keras.Sequential([layers.Input((4, 4, 1)), *steps]), 2)
    steps = [layers.Dense(4), layers.GroupNormalization(-1), layers.Dense(4)]
    model = keras.Sequential([layers.Input((3,)), *steps])
    assert check(model, np.random.default_rng(0), 2).layers[0].units == 8


@pytest.mark.parametrize("factor", [1, 0.5, 2.5, float("nan")])
def test_factors_out_of_range_are_refused(factor):
    with pytest.raises(UserError, match="above 1 and at most 2"):
        widen(network(), factor)


def test_a_factor_that_adds_nothing_is_refused():
    with pytest.raises(UserError, match=r"factor 1\.1: adds no unit"):
        widen(network(), 1.1)


def test_the_script_widens_what_it_has_cut(tmp_path, capsys):
    folders = [shipped("time_stretching"), *(tmp_path / name for name in ("cut", "wider", "less"))]
    argv = ["--network", "corrector", "--share", "0.2"]
    for source, target, more in zip(
        (folders[0], folders[0], folders[2]), folders[1:], ([], ["--widen", "2"], []), strict=True
    ):
        assert trim.main(["--model", str(source), "--output", str(target), *argv, *more]) == 0
    _, cut, wider, less = (networks_of(folder)["corrector/corrector.h5"] for folder in folders)
    assert wider.count_params() > 2 * cut.count_params()
    assert_same_outputs(wider, cut, examples(cut, np.random.default_rng(0)), 1e-4)
    assert less.count_params() < wider.count_params()
    capsys.readouterr()
    for source in folders[2:]:  # a cut does not make it forgotten
        again = ["--model", str(source), "--output", str(tmp_path / "again"), "--widen", "1.5"]
        assert_refused(trim.main, [*argv, *again], capsys, "--widen", "before, by 2")
    assert not (tmp_path / "again").exists()
