"""Networks and loss of the auto-encoder, and weights of other code."""

import json
from importlib.util import find_spec

import h5py
import keras
import numpy as np
import pytest

from common.cli import UserError
from common.latent import interpolate, plane_grid, prior_grid
from common.networks.gaussian import Sampling, kl_divergence
from common.training.weights import save_h5
from vae_generation.condition import Conditions
from vae_generation.continuation import Sequences, tracks_of
from vae_generation.images import Images
from vae_generation.latents import Latents
from vae_generation.model import (
    VAE,
    Architecture,
    build_decoder,
    build_encoder,
    build_predictor,
)
from vae_generation.relative import load_relative
from vae_generation.store import Example

SMALL = Architecture(32, 16, (4, 3), (3, 5), ((2, 2), (2, 1)), 5)
PARAMETERS = {
    "input_shape": [32, 16, 1],
    "conv_filters": [4, 3],
    "conv_kernels": [3, 5],
    "conv_strides": [2, [2, 1]],
    "latent_space_dim": 5,
}


def images(number=3):
    return np.random.default_rng(0).random((number, 32, 16, 1)).astype(np.float32)


def test_the_default_is_the_published_architecture():
    default = Architecture()
    assert default.filters == (512, 256, 128, 64, 32)
    assert default.strides == ((2, 2), (2, 2), (2, 2), (2, 2), (2, 1))
    assert (default.bins, default.frames, default.latent_dim) == (256, 64, 128)
    assert default.bottleneck == (8, 4, 32)


@pytest.mark.parametrize("condition", [0, 4])
def test_shapes_and_names(condition):
    architecture = SMALL._replace(condition=condition)
    encoder, decoder = build_encoder(architecture), build_decoder(architecture)
    extra = [np.zeros((3, condition), np.float32)] if condition else []
    mean, log_variance = encoder([images(), *extra] if extra else images())
    assert mean.shape == log_variance.shape == (3, 5)
    np.testing.assert_array_equal(log_variance, 0)  # the initial variance is 1
    mean = np.asarray(mean)
    decoded = np.asarray(decoder([mean, *extra] if extra else mean))
    assert decoded.shape == (3, 32, 16, 1)
    assert 0 < decoded.min() < decoded.max() < 1
    names = {layer.name for layer in [*encoder.layers, *decoder.layers]}
    for name in ("encoder_conv_layer_2", "encoder_bn_1", "mu", "log_variance", "decoder_dense"):
        assert name in names
    assert {"decoder_conv_transpose_layer_1", "decoder_conv_transpose_layer_2"} < names


@pytest.mark.parametrize("changes", [{"kernels": (3,)}, {"frames": 15}, {"bins": 30}])
def test_parts_that_do_not_fit_are_refused(changes):
    with pytest.raises(UserError, match="--"):
        SMALL._replace(**changes).check()


def test_an_architecture_survives_json():
    assert Architecture.of(json.loads(json.dumps(SMALL._asdict()))) == SMALL


def test_divergence_against_the_closed_form_of_one_dimension():
    mean, deviation = 1.5, 0.3
    found = kl_divergence(np.float32([[mean]]), np.float32([[2 * np.log(deviation)]]))
    expected = np.log(1 / deviation) + (deviation**2 + mean**2) / 2 - 0.5
    assert float(found[0]) == pytest.approx(expected, rel=1e-5)
    assert float(kl_divergence(np.zeros((1, 4)), np.zeros((1, 4)))[0]) == 0


def test_sampling_has_the_mean_and_the_variance():
    mean = np.tile(np.float32([1.0, -2.0]), (20_000, 1))
    log_variance = np.tile(np.float32(np.log([0.25, 4.0])), (20_000, 1))
    drawn = np.asarray(Sampling(seed=1)(mean, log_variance))
    np.testing.assert_allclose(drawn.mean(axis=0), [1, -2], atol=0.05)
    np.testing.assert_allclose(drawn.std(axis=0), [0.5, 2.0], rtol=0.03)


def compiled(**settings):
    keras.utils.set_random_seed(0)
    model = VAE(build_encoder(SMALL), build_decoder(SMALL), **settings)
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    return model


def test_the_loss_is_the_sum_of_its_parts():
    model = compiled(weight=1000.0)
    model.beta.assign(0.5)
    scores = model.evaluate((images(),), images(), verbose=0, return_dict=True)
    mean, log_variance = model.encoder(images())
    decoded = model.decoder(mean)
    reconstruction = np.mean((images() - np.asarray(decoded)) ** 2)
    kl = np.asarray(kl_divergence(np.asarray(mean), np.asarray(log_variance))).mean()
    assert scores["reconstruction"] == pytest.approx(reconstruction, rel=1e-4)
    assert scores["kl"] == pytest.approx(kl, rel=1e-4)
    assert scores["loss"] == pytest.approx(1000 * reconstruction + 0.5 * kl, rel=1e-4)
    model.attraction.assign(7.0)
    drawn = model.evaluate((images(),), images(), verbose=0, return_dict=True)
    assert 0 < drawn["mmd"] < 2
    expected = 1000 * reconstruction + 0.5 * kl + 7 * drawn["mmd"]
    assert drawn["loss"] == pytest.approx(expected, rel=1e-4)


def test_the_attraction_draws_the_means_to_the_prior():
    model = compiled(weight=1e-3)
    model.beta.assign(0)
    model.attraction.assign(10)
    model.encoder.get_layer("mu").bias.assign([3.0] * 5)
    many = images(64)
    history = model.fit((many,), many, batch_size=64, epochs=60, verbose=0).history
    assert history["mmd"][-1] < 0.5 * history["mmd"][0]


def test_training_learns_to_reconstruct():
    model = compiled(weight=1e4)
    # two kinds of images: even a few numbers tell them apart
    rows = np.zeros((8, 32, 16, 1), np.float32)
    rows[:4, :16] = 1
    rows[4:, 16:] = 1
    history = model.fit((rows,), rows, epochs=150, verbose=0).history
    assert history["reconstruction"][-1] < 0.1 * np.var(rows)


def test_saved_networks_open_without_this_project(tmp_path):
    encoder = build_encoder(SMALL)
    save_h5(encoder, tmp_path / "encoder.h5")
    again = keras.models.load_model(tmp_path / "encoder.h5", compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in again.layers} == {"keras"}
    for first, second in zip(encoder(images()), again(images()), strict=True):
        np.testing.assert_array_equal(first, second)


def relative_weights(path, *, variational=True):
    """Write weights as the other code's ``save_weights`` does in Keras 2; return the model."""
    from tf_keras import Model, layers

    def block(hidden, layer, name, number):
        hidden = layers.ReLU(name=f"{name}_relu_{number}")(layer(hidden))
        return layers.BatchNormalization(name=f"{name}_bn_{number}")(hidden)

    inputs = layers.Input((32, 16, 1), name="encoder_input")
    hidden = inputs
    for number, (filters, kernel, stride) in enumerate(((4, 3, 2), (3, 5, (2, 1))), start=1):
        layer = layers.Conv2D(
            filters, kernel, strides=stride, padding="same", name=f"encoder_conv_layer_{number}"
        )
        hidden = block(hidden, layer, "encoder", number)
    hidden = layers.Flatten()(hidden)
    names = ("mu", "log_variance") if variational else ("encoder_output",)
    outputs = [layers.Dense(5, name=name)(hidden) for name in names]
    encoder = Model(inputs, outputs if variational else outputs[0], name="encoder")
    given = layers.Input((5,), name="decoder_input")
    hidden = layers.Reshape((8, 8, 3))(layers.Dense(8 * 8 * 3, name="decoder_dense")(given))
    layer = layers.Conv2DTranspose(
        3, 5, strides=(2, 1), padding="same", name="decoder_conv_transpose_layer_1"
    )
    hidden = block(hidden, layer, "decoder", 1)
    hidden = layers.Conv2DTranspose(
        1, 3, strides=2, padding="same", name="decoder_conv_transpose_layer_2"
    )(hidden)
    decoder = Model(
        given, layers.Activation("sigmoid", name="sigmoid_layer")(hidden), name="decoder"
    )
    rng = np.random.default_rng(1)
    for model in (encoder, decoder):
        model.set_weights([rng.uniform(0.2, 0.6, one.shape) for one in model.get_weights()])
    code = encoder(inputs)
    whole = Model(inputs, decoder(code[0] if variational else code), name="autoencoder")
    whole.save_weights(path)
    return encoder, decoder


@pytest.mark.skipif(find_spec("tf_keras") is None, reason="Keras 2 is not installed")
@pytest.mark.parametrize("variational", [True, False])
def test_weights_of_the_relative_load(tmp_path, variational):
    expected = relative_weights(tmp_path / "weights.h5", variational=variational)
    (tmp_path / "parameters.json").write_text(json.dumps(PARAMETERS))
    encoder, decoder = load_relative(tmp_path / "weights.h5", tmp_path / "parameters.json")
    code, wanted = (
        np.asarray(model(images())[0] if variational else model(images()))
        for model in (encoder, expected[0])
    )
    np.testing.assert_allclose(code, wanted, rtol=1e-4)
    latent = np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_allclose(decoder(latent), expected[1](latent), atol=1e-5)
    with pytest.raises(UserError, match="parameters"):
        load_relative(tmp_path / "weights.h5", PARAMETERS | {"conv_filters": [4, 2]})


def test_what_the_relative_did_not_write_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_relative(tmp_path / "none.h5", PARAMETERS)
    with pytest.raises(UserError, match="latent_space_dim"):
        load_relative(tmp_path / "none.h5", {"input_shape": [1, 1, 1]})
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a readable"):
        load_relative(tmp_path / "bad.h5", PARAMETERS)
    (tmp_path / "bad.json").write_text("[")
    with pytest.raises(UserError, match="JSON"):
        load_relative(tmp_path / "bad.h5", tmp_path / "bad.json")


CONDITIONS = Conditions(("guitar_acoustic", "string_acoustic", "synth_lead_synthetic"), 40, 80)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("guitar, C4, loud", ("guitar_acoustic", 60, 100)),
        ("strings A3", ("string_acoustic", 57, 80)),
        ("45 synth_lead_synthetic soft", ("synth_lead_synthetic", 45, 40)),
        ("guitar 50 101", ("guitar_acoustic", 50, 101)),
    ],
)
def test_notes_in_words(text, note):
    assert CONDITIONS.parse(text) == note


@pytest.mark.parametrize("text", ["tuba C4", "guitar", "C4", "guitar C9", "guitar C4 p pp", ""])
def test_notes_that_cannot_be_played_are_refused(text):
    with pytest.raises(UserError):
        CONDITIONS.parse(text)


def test_a_piano_is_a_keyboard():
    conditions = Conditions(("guitar_acoustic", "keyboard_acoustic"), 40, 80)
    assert conditions.parse("Pianos, C4")[0] == "keyboard_acoustic"


def test_condition_vectors_say_instrument_pitch_and_velocity():
    (vector,) = CONDITIONS.vectors([("string_acoustic", 41, 127)])
    assert vector.shape == (CONDITIONS.length,) == (3 + 41 + 1,)
    assert list(np.flatnonzero(vector)) == [1, 4, 44]
    example = Example("x", 0.0, "string_acoustic", 41, 127)
    np.testing.assert_array_equal(CONDITIONS.vectors([example])[0], vector)
    with pytest.raises(UserError, match="--conditional"):
        Conditions.of([Example("recording")])


def test_interpolation_ends_where_it_should_and_keeps_the_length():
    first, second = np.array([3.0, 0.0]), np.array([0.0, 1.0])
    way = interpolate(first, second, 5)
    np.testing.assert_allclose(way[[0, -1]], [first, second], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), np.linspace(3, 1, 5))
    np.testing.assert_allclose(interpolate(first, 2 * first, 3)[1], [4.5, 0])
    np.testing.assert_allclose(interpolate(first, 0 * first, 3)[1], [1.5, 0])


def latents(mean, examples=None):
    mean = np.asarray(mean, np.float32)
    given = examples or [Example(str(index)) for index in range(len(mean))]
    return Latents(mean, np.full_like(mean, -4.0), given)


def test_units_that_never_move_are_not_active():
    rng = np.random.default_rng(0)
    mean = np.stack([rng.normal(size=500), rng.normal(0, 0.05, 500)], axis=-1)
    assert latents(mean).active_units().tolist() == [True, False]


def test_draws_lie_where_the_training_set_lies():
    found = latents([[5, 5], [-5, 5]]).sample(2000, np.random.default_rng(0))
    nearest = np.abs(found - np.sign(found) * 5)
    assert nearest.std() == pytest.approx(np.exp(-2) * np.sqrt(1 - 2 / np.pi), rel=0.1)
    still = latents([[5, 5]]).sample(3, np.random.default_rng(0), temperature=0)
    np.testing.assert_array_equal(still, 5)


def test_latents_survive_their_file(tmp_path):
    some = latents([[1, 2], [3, 4]], [Example("ä/b", 0.5, "guitar", 60, 80), Example("c")])
    some.save(tmp_path / "latents.h5")
    again = Latents.load(tmp_path / "latents.h5")
    np.testing.assert_array_equal(again.mean, some.mean)
    assert again.examples == some.examples
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    for name in ("other.h5", "none.h5"):
        with pytest.raises(UserError):
            Latents.load(tmp_path / name)


def test_a_plane_is_gone_through_row_by_row_from_above():
    mean = np.random.default_rng(0).uniform(-1, 1, (5000, 2))
    points = plane_grid(mean, 3)
    expected = [(-1, 1), (0, 1), (1, 1), (-1, 0), (0, 0), (1, 0), (-1, -1), (0, -1), (1, -1)]
    np.testing.assert_allclose(points, 0.96 * np.array(expected), atol=0.03)


def test_a_plane_is_divided_by_its_prior():
    normal = np.random.default_rng(0).standard_normal((200_000, 2))
    points = prior_grid(4)
    assert points.shape == (16, 2)
    # cells whose borders are half-way in probability hold equally many points
    strips = np.searchsorted(np.unique(points[:, 0]), normal[:, 0])
    np.testing.assert_allclose(
        np.bincount(strips) / len(normal), [1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8], atol=0.005
    )
    assert points[0] == pytest.approx([-1.15, 1.15], abs=0.001)  # upper left
    assert points[-1] == pytest.approx([1.15, -1.15], abs=0.001)


def test_images_come_in_an_order_that_is_drawn_once_an_epoch(monkeypatch):
    class Numbers:
        def read(self, indices):
            return np.asarray(indices)

    draws = []
    generator = np.random.default_rng
    monkeypatch.setattr(
        np.random, "default_rng", lambda seed: draws.append(seed) or generator(seed)
    )
    data = Images(Numbers(), range(10, 20), 4, shuffle=True, steps=5, seed=3)
    found = np.concatenate([data[index][1] for index in range(5)])
    assert draws == [[3, 0]]
    rounds = generator([3, 0]).permuted(np.tile(np.arange(10), (2, 1)), axis=1)
    np.testing.assert_array_equal(found, 10 + rounds.ravel())
    data.epoch = 1
    again = np.concatenate([data[index][1] for index in range(5)])
    assert sorted(again) == sorted(found)
    assert again.tolist() != found.tolist()


def test_tracks_follow_the_time_and_end_at_gaps():
    starts = [2.0, 0.0, 1.0, 4.0, 5.0]
    examples = [Example("piece", start) for start in starts] + [Example("note", 0, "x", 60, 80)]
    mean = np.array([[start] for start in starts] + [[9.0]])
    (parts,) = tracks_of(latents(mean, examples), 1.0).values()
    assert [part.ravel().tolist() for part in parts] == [[0, 1, 2], [4, 5]]


def test_sequences_are_shifted_by_one():
    track = np.arange(40, dtype=np.float32)[:, np.newaxis]
    data = Sequences([track, track[:4]], 8, 4, shuffle=True, seed=1)
    for index in range(len(data)):
        now, following = data[index]
        assert now.shape[1:] == (8, 1)
        np.testing.assert_array_equal(following - now, 1)
    first = [data[index][0] for index in range(len(data))]
    data.epoch = 1
    assert any(not np.array_equal(data[index][0], first[index]) for index in range(len(data)))


def test_the_predictor_looks_back_only():
    network = build_predictor(3, units=4)
    given = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32)
    changed = given.copy()
    changed[:, 4:] = 0
    first, second = (np.asarray(network(values)) for values in (given, changed))
    assert first.shape == (1, 6, 6)
    np.testing.assert_allclose(first[:, :4], second[:, :4], rtol=1e-5)
