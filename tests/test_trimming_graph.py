"""The graph of units: what it cuts, the outputs do not miss."""

import contextlib

import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from keras import layers

from common.cli import UserError
from common.training.rebuild import rebuild, trimmed
from common.training.weights import load_into, save_h5
from pix2pix_timbre.model import build_discriminator, build_generator
from time_stretching.model import Architecture as Sizes
from time_stretching.model import build_corrector
from trimming.graph import Graph
from trimming.walk import packed
from vae_generation.model import (
    Architecture,
    build_decoder,
    build_encoder,
    build_predictor,
)

EXACT = 1e-6
EXAMPLES = 8
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # to shrink models takes minutes
STEPS, SIDE = 8, 6
ZERO_AT_ZERO = ("linear", "relu", "tanh", "leaky_relu", "gelu", "softsign")
ANY = (*ZERO_AT_ZERO, "sigmoid", "softplus", "softmax", "exponential")


@contextlib.contextmanager
def double_precision():
    """Models made within have weights of 64 bits.

    A normalisation of values that hardly differ multiplies rounding errors: random models may be
    so bad in single precision that two orders of a sum differ by more than EXACT.
    """
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def randomise(model, rng):
    """Give every weight a value that is not zero, moving averages too."""
    for weight in model.weights:
        low, high = (0.5, 1.5) if "variance" in weight.path or "gamma" in weight.path else (-1, 1)
        scale = np.sqrt(np.prod(weight.shape[:-1])) if len(weight.shape) > 1 else 1
        weight.assign(rng.uniform(low, high, weight.shape).astype(np.float32) / scale)
    return model


def examples(model, rng):
    """Inputs of a model: a list of arrays."""
    return [
        rng.integers(0, 5, (3, *tensor.shape[1:]))
        if "int" in tensor.dtype
        else rng.uniform(-1, 1, (3, *(STEPS if n is None else n for n in tensor.shape[1:])))
        for tensor in model.inputs
    ]


def outputs(model, inputs):
    found = model(packed(model, inputs), training=False)
    return [np.asarray(one) for one in keras.tree.flatten(found)]


def silence(graph, units, roles):
    """Set the weights of some units to zero that have these roles."""
    arrays = graph.model.get_weights()
    for slot in graph.slots:
        if slot.role in roles:
            index = [slice(None)] * arrays[slot.weight].ndim
            index[slot.axis] = np.isin(slot.units, units)
            arrays[slot.weight][tuple(index)] = 0
    graph.model.set_weights(arrays)


def check(model, rng, roles, share=0.5, approximate=False):
    """Silence a share of the units, cut them, and compare; the number of weights that went."""
    randomise(model, rng)
    graph = Graph(model, approximate)
    free = np.flatnonzero(~graph.fixed)
    spared = {np.flatnonzero(graph.families == family)[0] for family in set(graph.families[free])}
    units = [unit for unit in free if rng.random() < share and unit not in spared]
    silence(graph, units, roles)
    inputs = examples(model, rng)
    keep = graph.kept(units)
    smaller = graph.cut(keep)
    assert smaller.count_params() == graph.count(keep)
    assert_same_outputs(smaller, model, inputs, EXACT)
    return model.count_params() - smaller.count_params()


def assert_same_outputs(other, model, inputs, tolerance):
    for found, expected in zip(outputs(other, inputs), outputs(model, inputs), strict=True):
        assert expected.std() > 0
        scale = max(1, np.abs(expected).max())
        np.testing.assert_allclose(found / scale, expected / scale, 0, tolerance, equal_nan=False)


class Maker:
    """Draws a random model of known layers."""

    def __init__(self, draw, activations):
        self.draw, self.activations = draw, activations

    def one_of(self, *values):
        return self.draw(st.sampled_from(values))

    def width(self):
        return self.one_of(2, 3, 4, 6)

    def activation(self):
        return self.one_of(*self.activations)

    def after(self, hidden):
        """A layer that keeps the channels."""
        kind = self.one_of("none", "batch", "layer", "group", "activation", "dropout", "prelu")
        if kind == "batch":
            return layers.BatchNormalization()(hidden)
        if kind == "layer":
            return layers.LayerNormalization()(hidden)
        if kind == "group":
            channels = hidden.shape[-1]
            groups = self.one_of(*(n for n in (1, 2, 3, -1) if n == -1 or channels % n == 0))
            return layers.GroupNormalization(groups)(hidden)
        if kind == "activation":
            return layers.Activation(self.activation())(hidden)
        if kind == "dropout":
            return layers.Dropout(0.5)(hidden)
        return (
            layers.PReLU()(hidden) if kind == "prelu" and None not in hidden.shape[1:] else hidden
        )

    def merge(self, hidden, skip):
        """Combine with a tensor from before, of the same places."""
        kind = self.one_of("none", "concatenate", "add", "multiply", "average", "maximum")
        if kind == "concatenate":
            return layers.Concatenate()([hidden, skip])
        if kind == "none" or skip.shape[-1] != hidden.shape[-1]:
            return hidden
        merges = {"add": layers.Add, "multiply": layers.Multiply, "average": layers.Average}
        return merges.get(kind, layers.Maximum)()([hidden, skip])

    def image(self, inputs):
        hidden = inputs
        for _ in range(self.draw(st.integers(1, 4))):
            kind = self.one_of("conv", "transposed", "depthwise", "separable", "nested")
            settings = {"padding": "same", "activation": self.activation()}
            if kind == "conv":
                made = layers.Conv2D(self.width(), 3, **settings)(hidden)
            elif kind == "transposed":
                made = layers.Conv2DTranspose(self.width(), 3, **settings)(hidden)
            elif kind == "depthwise":
                made = layers.DepthwiseConv2D(3, depth_multiplier=self.one_of(1, 2), **settings)(
                    hidden
                )
            elif kind == "separable":
                made = layers.SeparableConv2D(self.width(), 3, depth_multiplier=2, **settings)(
                    hidden
                )
            else:
                block = [layers.Conv2D(self.width(), 3, padding="same", use_bias=False)]
                block += [layers.BatchNormalization(), layers.ReLU()]
                made = keras.Sequential(block)(hidden)
            hidden = self.merge(self.after(made), hidden)
        kind = self.one_of("flatten", "global", "pool")
        if kind == "global":
            return layers.GlobalAveragePooling2D()(hidden)
        if kind == "pool":
            hidden = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(hidden))
        return layers.Flatten()(hidden)

    def sequence(self, inputs):
        hidden = inputs
        for _ in range(self.draw(st.integers(1, 3))):
            kind = self.one_of("conv", "transposed", "gru", "lstm", "simple", "dense", "shared")
            if kind == "conv":
                made = layers.Conv1D(self.width(), 3, padding="causal", dilation_rate=2)(hidden)
            elif kind == "transposed":
                made = layers.Conv1DTranspose(self.width(), 2, padding="same")(hidden)
            elif kind == "gru":
                reset_after = self.one_of(True, False)
                made = layers.GRU(self.width(), return_sequences=True, reset_after=reset_after)(
                    hidden
                )
            elif kind == "lstm":
                made, *states = layers.LSTM(self.width(), return_sequences=True, return_state=True)(
                    hidden
                )
                made = layers.LSTM(made.shape[-1], return_sequences=True)(
                    made, initial_state=states
                )
            elif kind == "simple":
                made = layers.SimpleRNN(self.width(), return_sequences=True)(hidden)
            elif kind == "dense":
                made = layers.Dense(self.width(), self.activation())(hidden)
            else:
                shared = layers.Dense(hidden.shape[-1], "tanh")
                made = shared(shared(hidden))
            hidden = self.merge(self.after(made), hidden)
        if self.one_of(True, False):
            return layers.GRU(self.width())(hidden)
        hidden = layers.Concatenate(axis=1)([hidden, layers.UpSampling1D(2)(hidden)])
        return layers.GlobalMaxPooling1D()(hidden)

    def model(self):
        inputs, branches = [], []
        for kind in self.draw(
            st.lists(st.sampled_from(("image", "steps", "word")), min_size=1, max_size=2)
        ):
            if kind == "image":
                inputs.append(layers.Input((SIDE, SIDE, 2)))
                branches.append(self.image(inputs[-1]))
            elif kind == "steps":
                inputs.append(layers.Input((STEPS, 3)))
                branches.append(self.sequence(inputs[-1]))
            else:
                inputs.append(layers.Input((STEPS,), dtype="int32"))
                branches.append(self.sequence(layers.Embedding(5, self.width())(inputs[-1])))
        hidden = layers.Concatenate()(branches) if len(branches) > 1 else branches[0]
        if self.one_of(True, False):  # through a shape and back, in a nested functional model
            width = self.one_of(3, 4)
            hidden = layers.Dense(6 * width, self.activation())(hidden)
            given = layers.Input(hidden.shape[1:])
            inner = layers.Reshape((3, 2, width))(given)
            inner = self.after(layers.Conv2D(self.width(), 2, padding="same")(inner))
            hidden = keras.Model(given, layers.Flatten()(inner), name="inner")(hidden)
        heads = [layers.Dense(2, name=f"head_{n}")(hidden) for n in range(self.one_of(1, 2))]
        return keras.Model(inputs, heads)


@settings(max_examples=EXAMPLES, phases=PHASES)
@given(st.data())
def test_units_that_no_weight_makes_can_be_cut_from_random_models(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    with double_precision():
        model = Maker(data.draw, ZERO_AT_ZERO).model()
        check(model, rng, ("makes", "scales", "follows"))


@settings(max_examples=EXAMPLES, phases=PHASES)
@given(st.data())
def test_units_that_no_weight_uses_can_be_cut_from_random_models(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    with double_precision():
        check(Maker(data.draw, ANY).model(), rng, ("uses",))


def vae(build):
    return build(Architecture(16, 8, (6, 8), (3, 3), ((2, 2), (2, 1)), 3, condition=2))


KIT = {
    "generator": lambda: build_generator(4),
    "discriminator": lambda: build_discriminator(4),
    "encoder": lambda: vae(build_encoder),
    "decoder": lambda: vae(build_decoder),
    "predictor": lambda: build_predictor(3, 6),
    "corrector": lambda: build_corrector(Sizes(code=5, corrector=(6, 4))),
}


@pytest.mark.parametrize("network", KIT)
def test_silent_units_can_be_cut_from_the_networks_of_the_kit(network):
    roles = ("makes", "scales", "follows") if network != "predictor" else ("uses",)
    assert check(KIT[network](), np.random.default_rng(0), roles) > 0


def test_a_cut_that_matters_changes_the_outputs_and_not_the_model():
    model = randomise(build_predictor(3, 6), np.random.default_rng(0))
    before = model.get_weights()
    graph = Graph(model)
    inputs = examples(model, np.random.default_rng(1))
    smaller = graph.cut(graph.kept(np.flatnonzero(~graph.fixed)[:1]))
    difference = outputs(smaller, inputs)[0] - outputs(model, inputs)[0]
    assert np.abs(difference).max() > 0.01
    for array, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_the_gates_of_a_hidden_unit_go_together():
    model = keras.Sequential([layers.Input((None, 2)), layers.LSTM(5), layers.Dense(1)])
    randomise(model, np.random.default_rng(0))
    graph = Graph(model)
    units = np.flatnonzero(~graph.fixed)
    assert len(units) == 5
    kernel, recurrent, bias, dense, _ = graph.cut_weights(graph.kept(units[[1, 4]]))
    places = [0, 2, 3]
    columns = np.concatenate([np.add(places, 5 * gate) for gate in range(4)])
    whole = model.get_weights()
    np.testing.assert_array_equal(kernel, whole[0][:, columns])
    np.testing.assert_array_equal(recurrent, whole[1][places][:, columns])
    np.testing.assert_array_equal(bias, whole[2][columns])
    np.testing.assert_array_equal(dense, whole[3][places])


def test_what_is_added_up_is_one_choice_and_what_is_joined_is_not():
    given = layers.Input((8,))
    one, two, three = (layers.Dense(4, name=name)(given) for name in ("one", "two", "three"))
    joined = layers.Concatenate()([layers.Add()([one, two]), three])
    graph = Graph(keras.Model(given, layers.Dense(2)(joined)))
    assert np.count_nonzero(~graph.fixed) == 8
    assert graph.count_units() == 12
    assert len(set(graph.families) - {-1}) == 2


def test_a_reshaped_dense_layer_loses_whole_channels():
    model = keras.Sequential(
        [layers.Input((3,)), layers.Dense(12), layers.Reshape((2, 2, 3)), layers.Conv2D(1, 2)]
    )
    graph = Graph(model)
    units = np.flatnonzero(~graph.fixed)
    assert len(units) == 3
    assert list(graph.sizes[units]) == [4, 4, 4]
    smaller = graph.cut(graph.kept(units[:1]))
    assert [layer.output.shape[1:] for layer in smaller.layers] == [(8,), (2, 2, 2), (1, 1, 1)]


def test_layer_normalisation_keeps_its_units_unless_asked():
    model = keras.Sequential(
        [layers.Input((3,)), layers.Dense(6), layers.LayerNormalization(), layers.Dense(1)]
    )
    assert Graph(model).fixed.all()
    graph = Graph(model, approximate=True)
    smaller = graph.cut(graph.kept(np.flatnonzero(~graph.fixed)[:2]))
    assert smaller.layers[1].gamma.shape == (4,)


def unknown():
    return keras.Sequential([layers.Input((4, 3)), layers.Permute((2, 1), name="turned")])


def first():
    convolution = layers.Conv2D(2, 1, data_format="channels_first", name="turned")
    return keras.Sequential([layers.Input((3, 4, 4)), convolution])


def own():
    class Mine(layers.Dense):
        pass

    return keras.Sequential([layers.Input((3,)), Mine(2, name="turned")])


def activated():
    dense = layers.Dense(4, activation=lambda x: x[..., ::-1], name="turned")
    return keras.Sequential([layers.Input((3,)), dense])


def shared():
    dense = layers.Dense(3, name="turned")
    inner = keras.Sequential([layers.Input((3,)), dense], name="inner")
    given = layers.Input((3,))
    return keras.Model(given, inner(dense(given)))


def unsized():
    steps = [layers.Input((None, None, 3)), layers.Reshape((-1, 6), name="turned")]
    return keras.Sequential(steps)


@pytest.mark.parametrize("make", [unknown, first, own, activated, shared, unsized])
def test_what_cannot_be_followed_is_named(make):
    with pytest.raises(UserError, match="turned"):
        Graph(make())


def test_models_without_a_graph_are_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UserError, match="neither a functional model nor a Sequential"):
        Graph(Subclassed(name="mine"))
    with pytest.raises(UserError, match="is not built"):
        Graph(keras.Sequential([layers.Dense(2)], name="mine"))


def test_recorded_sizes_rebuild_what_was_cut_and_nothing_much_larger(tmp_path):
    model = randomise(KIT["decoder"](), np.random.default_rng(0))
    graph = Graph(model)
    keep = graph.kept(np.flatnonzero(~graph.fixed)[::3])
    smaller, settings_ = graph.cut(keep), graph.settings(keep)
    assert "target_shape" in settings_["decoder_reshape"]
    save_h5(smaller, tmp_path / "decoder.h5")
    again = trimmed(KIT["decoder"](), settings_, "config.json")
    load_into(again, tmp_path / "decoder.h5")
    inputs = examples(model, np.random.default_rng(1))
    np.testing.assert_array_equal(outputs(again, inputs), outputs(smaller, inputs))
    assert rebuild(model).count_params() == model.count_params()
    for wrong in (
        {"decoder_dense": {"units": 10**6}},
        {"decoder_dense": {"units": 0}},
        {"decoder_dense": {"units": True}},
        {"decoder_dense": {"activation": "relu"}},
        {"other": {"units": 1}},
        {"decoder_dense": {"units": 7}},  # does not fit the shape that follows
        [1],
        {"decoder_reshape": {"target_shape": [4, 4]}},
    ):
        with pytest.raises(UserError, match=r"config.json: no sizes of decoder"):
            trimmed(KIT["decoder"](), wrong, "config.json")
