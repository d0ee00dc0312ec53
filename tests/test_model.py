"""Generator and discriminator: the published architecture, in numbers."""

import keras
import numpy as np
import pytest

from pix2pix_timbre.model import build_discriminator, build_generator

SHAPE = (256, 256, 1)


@pytest.fixture
def mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def published():
    return build_generator()


def layers_of(model, kind):
    return [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, kind)]


def test_the_published_generator_has_54_419_713_parameters_in_18_layers(published):
    assert published.count_params() == 54_419_713
    assert len(published.layers) == 18
    assert published.input_shape == published.output_shape == (None, *SHAPE)
    kinds = [type(layer).__name__ for layer in published.layers]
    assert kinds.count("Sequential") == 15
    assert kinds.count("Concatenate") == 1


def test_one_concatenate_serves_all_seven_skips(published):
    (concatenate,) = layers_of(published, keras.layers.Concatenate)
    assert len(concatenate._inbound_nodes) == 7


def test_the_slopes_strides_and_kernels_are_the_published_ones(published):
    slopes = {layer.negative_slope for layer in layers_of(published, keras.layers.LeakyReLU)}
    assert slopes == {0.3}
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    convolutions = layers_of(published, kinds)
    assert len(convolutions) == 16
    assert {layer.strides for layer in convolutions} == {(2, 2)}
    assert {layer.kernel_size for layer in convolutions} == {(4, 4)}
    assert [layer.use_bias for layer in convolutions] == [False] * 15 + [True]
    assert len(layers_of(published, keras.layers.BatchNormalization)) == 14


def test_the_weights_start_from_a_normal_distribution_of_deviation_0_02(published):
    kernel = published.get_layer("generator_down_5").weights[0].numpy()
    assert abs(kernel.mean()) < 1e-4
    assert kernel.std() == pytest.approx(0.02, rel=0.01)
    # of a normal distribution 4.55 % lie beyond two deviations; of a truncated one, none
    assert (np.abs(kernel) > 0.04).mean() == pytest.approx(0.0455, rel=0.05)


@pytest.mark.parametrize("width", [1, 2, 16, 64])
def test_every_block_scales_with_the_width(width):
    """Kernels between blocks grow with the square of the width; first, last and norms with it."""
    kernels = 16 * (2 + 8 + 32 + 4 * 64) + 16 * (64 + 3 * 128 + 64 + 16 + 4)
    edges, norms = 16 * (1 + 2), 4 * (2 + 4 + 5 * 8) + 4 * (4 * 8 + 4 + 2 + 1)
    expected = kernels * width**2 + (edges + norms) * width + 1
    assert build_generator(width).count_params() == expected


def test_dropout_is_in_the_first_three_up_blocks_at_the_rate_asked_for():
    model = build_generator(2, dropout=0.25)
    found = {
        layer.name: [inner.rate for inner in layers_of(layer, keras.layers.Dropout)]
        for layer in model.layers
        if hasattr(layer, "layers")
    }
    dropping = {name: rates for name, rates in found.items() if rates}
    assert dropping == {f"generator_up_{step}": [0.25] for step in (1, 2, 3)}


def test_dropout_acts_in_training_only():
    frames = np.random.default_rng(0).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = build_generator(2, dropout=0.5)
    one, other = (np.asarray(model(frames, training=False)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    one, other = (np.asarray(model(frames, training=True)) for _ in range(2))
    assert not np.array_equal(one, other)
    model = build_generator(2, dropout=0.0)
    one, other = (np.asarray(model(frames, training=True)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_the_output_is_float32_in_minus_one_to_one_under_mixed_precision(mixed_bfloat16):
    frames = np.random.default_rng(0).uniform(-1, 1, (1, *SHAPE)).astype(np.float32)
    generator, discriminator = build_generator(2), build_discriminator(2)
    assert generator.get_layer("generator_down_2").compute_dtype == "bfloat16"
    predicted = generator(frames)
    assert keras.backend.standardize_dtype(predicted.dtype) == "float32"
    logits = discriminator([frames, frames])
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert np.abs(np.asarray(predicted)).max() <= 1


def test_the_discriminator_judges_16_by_16_patches_of_a_pair():
    model = build_discriminator(4)
    assert model.output_shape == (None, 16, 16, 1)
    assert [tensor.shape for tensor in model.inputs] == [(None, *SHAPE)] * 2
    rng = np.random.default_rng(0)
    origin, target, other = rng.uniform(-1, 1, (3, 1, *SHAPE)).astype(np.float32)
    logits = np.asarray(model([origin, target]))
    assert not np.allclose(logits, np.asarray(model([origin, other])), atol=1e-6)
    assert not np.allclose(logits, np.asarray(model([other, target])), atol=1e-6)


def test_a_patch_sees_its_neighbourhood_only():
    """The receptive field: kernel 4, stride 2, four times, then kernel 4: 94 pixels."""
    model = build_discriminator(4)
    frames = np.random.default_rng(0).uniform(-1, 1, (1, *SHAPE)).astype(np.float32)
    changed = frames.copy()
    changed[:, :8, :8] = 0
    difference = np.asarray(model([frames, changed]) - model([frames, frames]))[0, :, :, 0]
    reached = np.argwhere(difference != 0)
    assert len(reached)
    assert reached.max() <= 3


def test_every_layer_and_weight_has_a_name_of_its_network():
    for model in (build_generator(2), build_discriminator(2)):
        assert all(layer.name.startswith(model.name) for layer in model.layers)
        assert all(weight.path.startswith(model.name) for weight in model.weights)
        paths = [weight.path for weight in model.weights]
        assert len(set(paths)) == len(paths)


def test_a_second_channel_enlarges_the_first_kernel_only():
    one, two = build_generator(2), build_generator(2, channels=2)
    assert two.input_shape == (None, 256, 256, 2)
    assert two.count_params() - one.count_params() == 4 * 4 * 1 * 2
