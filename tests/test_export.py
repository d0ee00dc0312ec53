"""Exported networks: equal outputs in their runtimes, what the files say, what is refused."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile
from conftest import ROOT
from keras import layers

import export
from common.cli import UserError
from common.files.audio import load_audio
from common.training.export import (
    PACKAGES,
    export_network,
    open_exported,
    read_metadata,
    require_packages,
)
from common.training.run_folder import RunFolder
from common.training.watching import example_inputs, watched
from common.training.weights import save_h5
from pix2pix_timbre.features import CODEC
from pix2pix_timbre.model import build_generator
from pix2pix_timbre.trained import load_model

pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("ai_edge_quantizer")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="networks are exported by TensorFlow"
)
MODEL = ROOT / "models" / "time_stretching"


@pytest.fixture(scope="module")
def network():
    """Two inputs whose order is not that of their names, convolutions and two outputs."""
    keras.utils.set_random_seed(0)
    image, note = keras.Input((8, 8, 1), name="slice"), keras.Input((3,), name="note")
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    x = layers.Conv2DTranspose(12, 3, padding="same")(x)
    x = layers.Concatenate()([layers.Flatten()(x), note])
    return keras.Model([image, note], [layers.Dense(7)(x), layers.Dense(2)(x)])


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    return [rng.standard_normal((5, *shape)).astype(np.float32) for shape in [(8, 8, 1), (3,)]]


@pytest.mark.parametrize(
    ("form", "quantize"),
    [
        ("onnx", None),
        ("onnx", "float16"),
        ("onnx", "int8"),
        ("litert", None),
        ("litert", "float16"),
        ("litert", "int8"),
        ("savedmodel", None),
    ],
)
def test_every_format_computes_what_keras_computes(network, inputs, tmp_path, form, quantize):
    path, tolerance = tmp_path / "exported", {None: 1e-5, "float16": 0.02, "int8": 0.05}[quantize]
    export_network(network, path, form, {"system": "a", "codec": {"hop": 5}}, quantize=quantize)
    assert read_metadata(path) == {"system": "a", "codec": {"hop": 5}}
    runner = open_exported(path, ["slice", "note"], threads=1)
    for count in (1, 5):  # batches of any size
        given = [array[:count] for array in inputs]
        pairs = zip(network(given), runner(given), strict=True)
        for true, found in pairs:
            np.testing.assert_allclose(found, true, atol=tolerance)
    assert [item.name for item in tmp_path.iterdir()] == ["exported"]


def sequences(*, with_state):
    """A network of a GRU over sequences of any length."""
    keras.utils.set_random_seed(1)
    given, state = keras.Input((None, 3), name="given"), keras.Input((4,), name="state")
    recurrent = layers.GRU(4, return_sequences=True, return_state=True, name="recurrent")
    heard, last = recurrent(given, initial_state=state if with_state else None)
    if not with_state:
        return keras.Model(given, layers.Dense(2)(heard))
    return keras.Model([given, state], [layers.Dense(2)(heard), last])


@pytest.mark.parametrize("form", ["onnx", "litert"])
def test_steps_of_a_recurrent_network_make_the_sequence(tmp_path, form):
    network, path = sequences(with_state=True), tmp_path / "exported"
    export_network(network, path, form, {})
    runner = open_exported(path, ["given", "state"], threads=1)
    given = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
    state, found = np.zeros((2, 4), np.float32), []
    expected, last = network([given, state])
    for step in range(5):
        told, state = runner([given[:, step : step + 1], state])
        found.append(told)
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, atol=1e-5)
    np.testing.assert_allclose(state, last, atol=1e-5)


@pytest.mark.parametrize("form", ["onnx", "litert", "savedmodel"])
def test_an_input_named_by_a_word_of_python_gets_an_underscore(tmp_path, form):
    latent, told = keras.Input((3,), name="latent"), keras.Input((2,), name="class")
    network = keras.Model([latent, told], layers.Dense(4)(layers.Concatenate()([latent, told])))
    export_network(network, tmp_path / "exported", form, {})
    given = [np.ones((1, 3), np.float32), np.ones((1, 2), np.float32)]
    (found,) = open_exported(tmp_path / "exported", ["latent", "class_"])(given)
    np.testing.assert_allclose(found, network(given), atol=1e-5)


def test_litert_refuses_a_network_that_hides_its_state(tmp_path):
    with pytest.raises(UserError, match="keeps its state to itself"):
        export_network(sequences(with_state=False), tmp_path / "exported", "litert", {})


def test_numbers_of_codes_are_drawn_within_the_book(tmp_path):
    codes = keras.Input((None,), dtype="int32", name="code")
    network = keras.Model(codes, layers.Embedding(7, 2)(codes))
    found, _ = example_inputs({"a": network}, object(), np.zeros(9, np.float32), 44100, 20)
    assert found["a"][0].dtype == np.int32
    assert set(found["a"][0].ravel()) == set(range(7))
    export_network(network, tmp_path / "exported", "onnx", {})
    (told,) = open_exported(tmp_path / "exported", ["code"])(found["a"])
    np.testing.assert_allclose(told, network(found["a"][0]), atol=1e-6)


def test_a_part_of_a_model_has_the_licence_of_its_card():
    folder = ROOT / "models" / "granular_orchestra" / "sequences"
    about = export.describe(folder, RunFolder(folder).read_config(), "sequence_prior.h5")
    assert about["licence"].startswith("MIT")
    assert about["system"] == "granular.sequences"


@pytest.mark.parametrize("form", ["onnx", "litert"])
def test_int8_files_are_a_quarter(tmp_path, form):
    network = keras.Sequential([keras.Input((256,)), layers.Dense(512), layers.Dense(256)])
    sizes = []
    for quantize in (None, "float16", "int8"):
        export_network(network, tmp_path / "network", form, {}, quantize=quantize)
        sizes.append((tmp_path / "network").stat().st_size)
    assert sizes[1] < 0.55 * sizes[0]
    assert sizes[2] < 0.3 * sizes[0]


def test_an_exported_folder_is_replaced(network, tmp_path):
    for number in range(2):
        export_network(network, tmp_path / "saved", "savedmodel", {"number": number})
    assert read_metadata(tmp_path / "saved") == {"number": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["saved"]


def test_inputs_are_recorded_and_the_network_stays_as_it_was(network, inputs):
    with watched({"a": network}) as seen:
        network.predict_on_batch(inputs)
        network([array[:1] for array in inputs])
    sizes = [[len(array) for array in call] for call in seen["a"]]
    assert [5, 5] in sizes
    assert [1, 1] in sizes
    assert "call" not in vars(network)


def test_a_network_that_the_sound_does_not_reach_gets_random_numbers(network):
    found, drawn = example_inputs({"a": network}, object(), np.zeros(9, np.float32), 44100, 4)
    assert drawn == {"a"}
    assert [array.shape for array in found["a"]] == [(4, 8, 8, 1), (4, 3)]


@pytest.mark.parametrize(
    "name", ["granular_drums", "light_mir_pitch", "time_stretching", "vae_notes_conditional"]
)
def test_a_recording_reaches_the_networks_of_every_system(name, tmp_path):
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 8000)
    soundfile.write(tmp_path / "noise.wav", noise, 16000)
    found = export.subjects(ROOT / "models" / name, tmp_path / "noise.wav")
    assert found
    assert not [network for network, subject in found.items() if subject.drawn]


def test_the_script_exports_one_network_of_a_model(tmp_path, capsys):
    argv = ["--model", str(MODEL), "--format", "onnx", "--output", str(tmp_path / "encoder.onnx")]
    with pytest.raises(UserError, match=r"--network .*encoder"):
        export.main(argv)
    assert not list(tmp_path.iterdir())
    assert export.main([*argv, "--network", "encoder"]) == 0
    out = capsys.readouterr().out
    assert "on example_input.ogg it differs" in out
    about = read_metadata(tmp_path / "encoder.onnx")
    assert about["system"].startswith("time_stretching")
    assert about["network"] == "encoder"
    assert "MIT" in about["licence"]
    with pytest.raises(UserError, match=r"--network: .* has none of this name"):
        export.main([*argv, "--network", "generator"])


@pytest.mark.parametrize(
    ("quantize", "tolerance"), [(None, "TOLERANCE"), ("int8", "QUANTISED_TOLERANCE")]
)
def test_a_file_that_differs_is_not_kept(tmp_path, monkeypatch, quantize, tolerance):
    path = tmp_path / "encoder.tflite"
    monkeypatch.setattr(export, tolerance, -1.0)
    with pytest.raises(UserError, match="not kept"):
        export.export(MODEL, "litert", path, network="encoder", quantize=quantize)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none.onnx: no such file"):
        open_exported(tmp_path / "none.onnx", ["x"])
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"bad.onnx: cannot be opened"):
        open_exported(tmp_path / "bad.onnx", ["x"])
    with pytest.raises(UserError, match=r"bad.onnx: not a network that export.py"):
        read_metadata(tmp_path / "bad.onnx")


def test_missing_packages_and_combinations_are_named(network, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="--quantize"):
        export_network(network, tmp_path / "x", "savedmodel", {}, quantize="int8")
    monkeypatch.setitem(PACKAGES, "onnx", ("no_such_package",))
    with pytest.raises(UserError, match=r"needs no_such_package: .*requirements-export.txt"):
        require_packages("onnx")


def test_predict_converts_alike_in_onnx_runtime_without_keras(tmp_path):
    keras.utils.set_random_seed(0)
    save_h5(build_generator(2), tmp_path / "generator.h5")
    RunFolder(tmp_path).write_config({"codec": CODEC, "system": "pix2pix_timbre"})
    argv = ["predict.py", "--model", tmp_path, "--input", ROOT / "docs" / "example_input.ogg"]
    argv = [sys.executable, *map(str, argv), "--phase", "input", "--output"]
    with pytest.raises(UserError, match=r"generator.onnx: no such file; make it: python export.py"):
        load_model(tmp_path / "generator.h5", runtime="onnx")
    export.export(tmp_path, "onnx", tmp_path / "generator.onnx")
    without_keras = [*argv, tmp_path / "onnx.wav", "--runtime", "onnx"]
    without_keras[1:2] = ["-c", _WITHOUT_KERAS]
    subprocess.run(without_keras, cwd=ROOT, check=True)
    model = load_model(tmp_path / "generator.h5")
    audio, rate = load_audio(ROOT / "docs" / "example_input.ogg", mono=False)
    found, _ = load_audio(tmp_path / "onnx.wav", mono=False)
    np.testing.assert_allclose(found, model.convert(audio, rate, phase="input"), atol=1e-4)
    save_h5(build_generator(2), tmp_path / "generator.h5")
    with pytest.raises(UserError, match="made from other weights"):
        load_model(tmp_path / "generator.h5", runtime="onnx")


_WITHOUT_KERAS = """
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None  # an import fails
import predict
sys.exit(predict.main(sys.argv[1:]))
"""
