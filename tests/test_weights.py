"""Weights files: they load in other code, and files that do not fit are named."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

import h5py
import keras
import numpy as np
import pytest

from common.cli import UserError
from common.training.run_folder import RunFolder
from common.training.weights import halve_precision, load_into, save_h5, stand_alone
from pix2pix_timbre.model import build_discriminator, build_generator
from pix2pix_timbre.weights import generator_shape, load_generator

WIDTH = 2
FRAMES = np.random.default_rng(0).uniform(-1, 1, (2, 256, 256, 1)).astype(np.float32)


def trained_looking(model, seed=0):
    """Give every weight, also moving averages, its own value, so that swaps are noticed."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.path.endswith(("kernel", "bias")):
            value = rng.normal(0, 0.1, variable.shape)
        else:
            value = rng.uniform(0.5, 1.5, variable.shape)
        variable.assign(value.astype(np.float32))
    return model


@pytest.fixture(scope="module")
def generator():
    return trained_looking(build_generator(WIDTH))


@pytest.fixture(scope="module")
def outputs(generator):
    found = np.asarray(generator(FRAMES, training=False))
    assert found.std() > 0.05
    return found


@pytest.fixture(scope="module")
def saved(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    discriminator = trained_looking(build_discriminator(WIDTH))
    for network in (generator, discriminator):  # saved as in a training
        save_h5(stand_alone(network), folder / f"{network.name}.h5")
    return folder


def keras_2_generator(width):
    """Build the published generator as in Keras 2: blocks of Sequential, one Concatenate."""
    if find_spec("tf_keras") is None:
        pytest.skip("Keras 2 needs TensorFlow")
    from tf_keras import Model, Sequential, layers

    def block(kind, filters, norm=True, dropout=False, leaky=False):
        steps = [kind(filters, 4, strides=2, padding="same", use_bias=False)]
        steps += [layers.BatchNormalization()] if norm else []
        steps += [layers.Dropout(0.5)] if dropout else []
        return Sequential([*steps, layers.LeakyReLU() if leaky else layers.ReLU()])

    inputs = layers.Input((256, 256, 1))
    hidden, skips = inputs, []
    for index, factor in enumerate((1, 2, 4, 8, 8, 8, 8, 8)):
        hidden = block(layers.Conv2D, width * factor, norm=index > 0, leaky=True)(hidden)
        skips.append(hidden)
    concatenate = layers.Concatenate()
    for index, (factor, skip) in enumerate(zip((8, 8, 8, 8, 4, 2, 1), skips[-2::-1], strict=True)):
        hidden = block(layers.Conv2DTranspose, width * factor, dropout=index < 3)(hidden)
        hidden = concatenate([hidden, skip])
    last = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")
    return Model(inputs, last(hidden))


def test_keras_2_loads_our_weights_into_the_published_structure(saved, outputs):
    theirs = keras_2_generator(WIDTH)
    theirs.load_weights(saved / "generator.h5")
    np.testing.assert_allclose(theirs(FRAMES, training=False), outputs, atol=1e-6)


def test_weights_that_keras_2_saved_load_here_and_tell_their_width(tmp_path):
    theirs = keras_2_generator(3)
    rng = np.random.default_rng(1)
    theirs.set_weights([rng.uniform(0.05, 0.3, array.shape) for array in theirs.get_weights()])
    theirs.save_weights(tmp_path / "generator.h5")
    assert generator_shape(tmp_path / "generator.h5") == (3, 1, 1)
    ours = load_generator(tmp_path / "generator.h5")
    assert ours.count_params() == theirs.count_params()
    assert not ours.trainable_variables
    expected = np.asarray(theirs(FRAMES, training=False))
    np.testing.assert_allclose(ours(FRAMES, training=False), expected, atol=1e-6)


def test_both_networks_load_in_a_process_that_knows_nothing_of_this_project(saved, outputs):
    np.save(saved / "frames.npy", FRAMES)
    script = """
import sys, numpy as np, keras
assert not any(name.split(".")[0] in ("data", "pix2pix_timbre", "common") for name in sys.modules)
frames = np.load("frames.npy")
generator = keras.models.load_model("generator.h5")
np.save("outputs.npy", generator.predict(frames, verbose=0))
discriminator = keras.models.load_model("discriminator.h5")
print(generator.name, discriminator.predict([frames, frames], verbose=0).shape)
"""
    command = [sys.executable, "-I", "-c", script]
    done = subprocess.run(command, cwd=saved, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "generator (2, 16, 16, 1)"
    np.testing.assert_allclose(np.load(saved / "outputs.npy"), outputs, atol=1e-6)


def test_a_saved_generator_comes_back_as_it_was(saved, generator, outputs):
    assert generator_shape(saved / "generator.h5") == (WIDTH, 1, 1)
    loaded = load_generator(saved / "generator.h5")
    for one, other in zip(loaded.get_weights(), generator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(loaded(FRAMES, training=False), outputs, atol=1e-6)


def test_saving_is_silent_and_leaves_one_file_without_optimiser(generator, tmp_path, capfd):
    generator.compile(jit_compile=False)  # as a Predictor does; Keras adds an RMSprop
    save_h5(generator, tmp_path / "generator.h5")
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["generator.h5"]
    with h5py.File(tmp_path / "generator.h5") as file:
        assert "optimizer_weights" not in file
        assert "training_config" not in file.attrs


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_of_mixed_precision_is_saved_as_one_of_float32(tmp_path, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        trained = trained_looking(build_generator(WIDTH))
        copy = stand_alone(trained)
        save_h5(copy, tmp_path / "generator.h5")
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy(before)
    assert_float32_on_one_device(copy)
    loaded = keras.models.load_model(tmp_path / "generator.h5", compile=False)
    down = loaded.get_layer("generator_down_1").layers[0]
    assert (down.compute_dtype, down.variable_dtype) == ("float32", "float32")
    ours = load_generator(tmp_path / "generator.h5")
    np.testing.assert_allclose(loaded(FRAMES), ours(FRAMES), atol=1e-6)
    np.testing.assert_allclose(copy(FRAMES), ours(FRAMES), atol=1e-6)
    for one, other in zip(copy.get_weights(), trained.get_weights(), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)
    assert trained.get_layer("generator_down_1").compute_dtype != "float32"


def every_layer(model):
    """Yield the layers of a network, and those of its blocks."""
    for layer in model.layers:
        yield layer
        yield from every_layer(layer) if hasattr(layer, "layers") else ()


def assert_float32_on_one_device(model):
    layers = list(every_layer(model))
    assert {layer.compute_dtype for layer in [model, *layers]} == {"float32"}
    assert "float16" not in model.to_json()
    normalizations = [
        layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert normalizations
    assert not any(layer.synchronized for layer in normalizations)


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_a_network_stands_alone_without_its_devices_and_computes_the_same(build):
    trained = trained_looking(build(WIDTH))
    inputs = FRAMES if build is build_generator else [FRAMES, FRAMES[::-1]]
    expected = np.asarray(trained(inputs, training=False))
    for layer in every_layer(trained):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    copy = stand_alone(trained)
    assert_float32_on_one_device(copy)
    np.testing.assert_array_equal(copy(inputs, training=False), expected)
    assert copy.name == trained.name
    # a copy: changing one does not change the other
    trained.set_weights([array * 0 for array in trained.get_weights()])
    np.testing.assert_array_equal(copy(inputs, training=False), expected)
    assert trained.get_layer(f"{trained.name}_down_2").layers[1].synchronized


@pytest.mark.parametrize("writer", ["save_h5", "halve_precision", "save_resume"])
def test_a_full_disk_is_an_error_that_leaves_nothing(small_disk, generator, saved, writer):
    write = {
        "save_h5": lambda: save_h5(generator, small_disk / "generator.h5"),
        "halve_precision": lambda: halve_precision(saved / "generator.h5", small_disk / "half.h5"),
        "save_resume": lambda: RunFolder(small_disk).save_resume(generator, 1),
    }[writer]
    with pytest.raises(OSError, match=r"\.h5: cannot be written; is the disk full\?"):
        write()
    assert not list(small_disk.glob("*.h5"))
    assert not list(small_disk.glob(".*"))


def test_half_precision_halves_the_file_and_hardly_changes_the_outputs(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_generator(16)
    save_h5(model, tmp_path / "whole.h5")
    halve_precision(tmp_path / "whole.h5", tmp_path / "half.h5")
    sizes = [(tmp_path / f"{name}.h5").stat().st_size for name in ("whole", "half")]
    assert 0.49 < sizes[1] / sizes[0] < 0.55
    assert generator_shape(tmp_path / "half.h5") == (16, 1, 1)
    found = np.asarray(load_generator(tmp_path / "half.h5")(FRAMES, training=False))
    expected = np.asarray(model(FRAMES, training=False))
    assert 0 < np.abs(found - expected).max() < 2e-5
    halved = keras.models.load_model(tmp_path / "half.h5")
    np.testing.assert_array_equal(halved(FRAMES, training=False), found)


def test_keras_2_loads_weights_in_half_precision(saved, tmp_path):
    halve_precision(saved / "generator.h5", tmp_path / "half.h5")
    theirs, ours = keras_2_generator(WIDTH), load_generator(tmp_path / "half.h5")
    theirs.load_weights(tmp_path / "half.h5")
    found, expected = (np.asarray(one(FRAMES, training=False)) for one in (theirs, ours))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def truncated(saved, path):
    whole = (saved / "generator.h5").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def text(saved, path):
    path.write_text("weights\n")


def empty(saved, path):
    path.write_bytes(b"")


def discriminator(saved, path):
    path.write_bytes((saved / "discriminator.h5").read_bytes())


def other_model(saved, path):
    inputs = keras.Input((4,))
    save_h5(keras.Model(inputs, keras.layers.Dense(2)(inputs)), path)


def other_depth(saved, path):
    """Write another network with as many weighted layers as the generator."""
    layers = [keras.layers.Conv2D(2, 3, padding="same") for _ in range(16)]
    save_h5(keras.Sequential([keras.Input((256, 256, 1)), *layers]), path)


def two_channels(saved, path):
    save_h5(build_generator(WIDTH, channels=2), path)


def not_a_number(saved, path):
    model = build_generator(WIDTH)
    array = model.weights[5].numpy()
    array.flat[3] = np.nan
    model.weights[5].assign(array)
    save_h5(model, path)


def another_hdf5(saved, path):
    with h5py.File(path, "w") as file:
        file["pieces/one"] = np.zeros((10, 256))


def empty_layer_names(saved, path):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"absent"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (truncated, "not a readable .h5 file"),
        (text, "not a readable .h5 file"),
        (empty, "not a readable .h5 file"),
        (another_hdf5, "not a readable .h5 file"),
        (empty_layer_names, "not a readable .h5 file"),
        (discriminator, "holds no Pix2Pix generator"),
        (other_model, "holds no Pix2Pix generator"),
        (other_depth, "weights of another architecture"),
        (two_channels, "takes 2 input channels; use predict_multitarget.py"),
        (not_a_number, "NaN or infinite weights"),
    ],
)
def test_what_is_no_generator_is_one_line_that_names_the_file(saved, tmp_path, make, message):
    path = tmp_path / "given.h5"
    make(saved, path)
    with pytest.raises(UserError) as caught:
        load_generator(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0.02, 0.3, 0.9, 0.99, 0.9999])
def test_a_file_cut_anywhere_is_a_user_error(saved, tmp_path, cut):
    whole = (saved / "generator.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(UserError, match=r"cut\.h5"):
        load_generator(tmp_path / "cut.h5")


def test_damage_inside_a_file_is_a_user_error_or_harmless(saved, tmp_path):
    """Bytes are overwritten at ten places; no other exception may occur."""
    whole = bytearray((saved / "generator.h5").read_bytes())
    rng = np.random.default_rng(3)
    refused = 0
    for start in np.linspace(8, len(whole) - 600, 10).astype(int):
        damaged = whole.copy()
        damaged[start : start + 512] = rng.bytes(512)
        (tmp_path / "damaged.h5").write_bytes(damaged)
        try:
            load_generator(tmp_path / "damaged.h5")
        except UserError:
            refused += 1
    assert refused


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.h5: no such file"):
        load_generator(tmp_path / "absent.h5")


def test_a_generator_for_another_number_of_channels_is_refused(saved):
    with pytest.raises(UserError, match=r"takes 1 input channels; use predict\.py"):
        load_generator(saved / "generator.h5", channels=2)


@pytest.fixture(scope="module", params=["Keras 2", "Keras 3"])
def layout(request, generator, saved, tmp_path_factory):
    """Path of the generator's weights, in one of the layouts."""
    if request.param == "Keras 2":
        return saved / "generator.h5"
    path = tmp_path_factory.mktemp("layout") / "written.weights.h5"
    generator.save_weights(path)
    return path


@pytest.mark.parametrize("name", ["g.h5", "g.weights.h5", "g.hdf5", "g.keras", "my generator"])
def test_either_layout_loads_under_any_name(layout, outputs, tmp_path, name):
    shutil.copy(layout, tmp_path / name)
    assert generator_shape(tmp_path / name) == (WIDTH, 1, 1)
    loaded = load_generator(tmp_path / name)
    np.testing.assert_allclose(loaded(FRAMES, training=False), outputs, atol=1e-6)


def test_shapes_in_the_layout_of_keras_3(tmp_path):
    build_generator(3, channels=2, outputs=2).save_weights(tmp_path / "g.weights.h5")
    assert generator_shape(tmp_path / "g.weights.h5") == (3, 2, 2)
    build_discriminator(WIDTH).save_weights(tmp_path / "d.weights.h5")
    with pytest.raises(UserError, match="holds no Pix2Pix generator"):
        generator_shape(tmp_path / "d.weights.h5")


@pytest.mark.parametrize("name", ["g.keras", "g.h5"])
def test_an_archive_of_keras_is_told_with_the_remedy(generator, tmp_path, name):
    generator.save(tmp_path / "g.keras")
    (tmp_path / "g.keras").rename(tmp_path / name)
    for read in (generator_shape, lambda path: load_into(generator, path)):
        with pytest.raises(UserError, match=rf"{name}: an archive.*h5") as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)
