"""Networks for other programs: as ONNX, LiteRT or SavedModel, and the runtimes of these formats."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import UserError
from common.files.atomic import hidden_beside
from common.training.rebuild import rebuild
from common.training.weights import stand_alone

if TYPE_CHECKING:
    import keras

# What writes and runs each format, beside TensorFlow.
PACKAGES = {
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "litert": ("ai_edge_litert", "ai_edge_quantizer"),
    "savedmodel": (),
}
QUANTIZATIONS = ("float16", "int8")
_METADATA = "metadata.json"
_OPSET = 17
_ONNX_DEVICE = "CPUExecutionProvider"
_FEW = 1024  # weights; smaller arrays stay in float32
Runner = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def require_packages(form: str) -> None:
    """Raise ``UserError`` unless the packages of a format are installed.

    Args:
        form: Of ``PACKAGES``.
    """
    missing = [name for name in ("tensorflow", *PACKAGES[form]) if find_spec(name) is None]
    if missing:
        raise UserError(
            f"--format {form} needs {', '.join(missing)}: "
            "python -m pip install -r requirements-export.txt"
        )


def export_network(
    network: keras.Model,
    path: Path | str,
    form: str,
    metadata: dict[str, Any],
    *,
    quantize: str | None = None,
) -> None:
    """Write a network in the format of another runtime; the file is complete or absent.

    Names of the inputs are those of the network. The size of batches stays open.

    Args:
        network: Keras model of stock layers.
        path: File to write, or folder for a SavedModel. One that exists is replaced.
        form: Of ``PACKAGES``.
        metadata: What the file says of itself, of types that JSON has.
        quantize: Of ``QUANTIZATIONS``: the weights are stored in 16 or 8 bits. SavedModel has
            neither.

    Raises:
        UserError: Packages are missing, or the format has no such quantisation.
    """
    require_packages(form)
    if quantize and form == "savedmodel":
        raise UserError("--quantize: a SavedModel is not quantised; choose onnx or litert")
    plain = written_network(network, form)
    zeros = [np.zeros([size or 1 for size in one.shape], one.dtype) for one in plain.inputs]
    plain(zeros if len(zeros) > 1 else zeros[0])  # Keras exports what has been called
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = {"onnx": _write_onnx, "litert": _write_litert, "savedmodel": _write_savedmodel}[form]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part.") as folder:
        made = Path(folder) / path.name
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")  # of the converters, about versions of NumPy
            writer(plain, made, json.dumps(metadata, sort_keys=True), quantize)
        if path.is_dir():
            old = hidden_beside(path, "old")
            path.rename(old)
            made.rename(path)
            shutil.rmtree(old)
        else:
            made.replace(path)


def written_network(network: keras.Model, form: str) -> keras.Model:
    """The network that is written in a format: without what this machine's training or speed added.

    LiteRT has no loops for recurrent layers. In that format, a network of sequences of any length
    that takes its state and returns it becomes that of one step.

    Args:
        network: Keras model of stock layers.
        form: Of ``PACKAGES``.

    Raises:
        UserError: A recurrent layer that keeps its state to itself, for LiteRT.
    """
    plain = stand_alone(network)
    recurrent = [
        layer.name for layer in plain.layers if type(layer).__name__ in ("GRU", "LSTM", "SimpleRNN")
    ]
    if form != "litert" or not recurrent:
        return _with_names(plain)
    settings = {name: {"unroll": True} for name in recurrent}
    sequences = [one for one in plain.inputs if len(one.shape) == 3 and one.shape[1] is None]
    if sequences and not (len(plain.inputs) > len(sequences) and len(plain.outputs) > 1):
        raise UserError(
            f"--format litert: {network.name} keeps its state to itself, and LiteRT has no loops; "
            "choose onnx or savedmodel"
        )
    for one in sequences:
        settings[one.name] = {"batch_shape": (None, 1, one.shape[2])}
    step = rebuild(plain, settings)
    step.set_weights(plain.get_weights())
    return _with_names(step)


def _with_names(network):
    """The network, whose inputs that are named by words of Python get an underscore behind them.

    TensorFlow makes parameters of functions of them.
    """
    from keras import Input, Model

    names = [f"{one.name}_" if iskeyword(one.name) else one.name for one in network.inputs]
    if names == [one.name for one in network.inputs]:
        return network
    given = [
        Input(one.shape[1:], dtype=one.dtype, name=name)
        for one, name in zip(network.inputs, names, strict=True)
    ]
    return Model(given, network(given), name=network.name)


def _write_onnx(network, path, metadata, quantize):
    import onnx

    network.export(path, format="onnx", verbose=False, opset_version=_OPSET)
    model = onnx.load(path)
    if quantize == "int8":
        _store_as_int8(model.graph)
    if quantize == "float16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        model = convert_float_to_float16(model, keep_io_types=True)
    onnx.helper.set_model_props(model, {"metadata": metadata})
    onnx.save(model, path)


def _store_as_int8(graph):
    """Replace the large weights of an ONNX graph by integers of 8 bits with a scale per channel.

    The runtime turns them into float32 again, once, when the file is opened.
    """
    from onnx import helper, numpy_helper

    # axis of the output channels, of the operations with most of the weights
    axes = {"Conv": 0, "ConvTranspose": 1, "MatMul": -1, "Gemm": -1}
    users = {name: node for node in graph.node for name in node.input[1:2]}
    for weight in list(graph.initializer):
        node = users.get(weight.name)
        array = numpy_helper.to_array(weight)
        if node is None or node.op_type not in axes or array.size < _FEW:
            continue
        axis = axes[node.op_type] % array.ndim
        others = tuple(set(range(array.ndim)) - {axis})
        scale = np.maximum(np.abs(array).max(axis=others), 1e-12).astype(np.float32) / 127
        levels = array / np.expand_dims(scale, others)
        parts = {"levels": np.rint(levels).astype(np.int8), "scale": scale}
        for name, part in parts.items():
            graph.initializer.append(numpy_helper.from_array(part, f"{weight.name}_{name}"))
        given = [f"{weight.name}_{name}" for name in parts]
        node = helper.make_node("DequantizeLinear", given, [weight.name], axis=axis)
        graph.node.insert(0, node)
        graph.initializer.remove(weight)


def _write_litert(network, path, metadata, quantize):
    import tensorflow as tf

    options = {}
    if quantize == "float16":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
        options["target_spec"] = {"supported_types": [tf.float16]}
    made = path.with_suffix(".tflite")  # Keras wants the suffix
    network.export(made, format="litert", verbose=False, **options)
    if quantize == "int8":
        _store_in_8_bits(made)
    # files that belong to a LiteRT model are a ZIP archive behind it
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(_METADATA, metadata)
    made.replace(path)


def _store_in_8_bits(path):
    """Store the weights of a LiteRT file in 8 bits, to be computed with in float32.

    TensorFlow's own converter makes networks that also compute with 8 bits: more than ten times as
    slow with transposed convolutions, and four times as far from Keras.
    """
    from ai_edge_quantizer import quantizer, recipe

    made = quantizer.Quantizer(str(path), recipe.weight_only_wi8_afp32())
    with contextlib.redirect_stderr(io.StringIO()):  # it draws a progress bar
        found = made.quantize()
    path.write_bytes(found.quantized_model)


def _write_savedmodel(network, path, metadata, quantize):
    network.export(path, format="tf_saved_model", verbose=False)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / _METADATA).write_text(metadata, encoding="utf-8")


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Read what an exported file says of itself.

    Raises:
        UserError: Not a file of ``export_network``.
    """
    path = Path(path)
    try:
        if path.is_dir():
            text = (path / "assets.extra" / _METADATA).read_text(encoding="utf-8")
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                text = archive.read(_METADATA).decode()
        else:
            import onnxruntime

            session = onnxruntime.InferenceSession(path, providers=[_ONNX_DEVICE])
            text = session.get_modelmeta().custom_metadata_map["metadata"]
        return json.loads(text)
    except Exception as error:  # each format fails in its own way, ONNX with errors of protobuf
        raise UserError(f"{path}: not a network that export.py has written ({error})") from error


def open_exported(path: Path | str, names: Sequence[str], threads: int | None = None) -> Runner:
    """Open an exported network in the runtime of its format.

    Args:
        path: As written by ``export_network``.
        names: Names of the network's inputs, in order.
        threads: Number of processor threads; default all. A SavedModel takes those of TensorFlow.

    Returns:
        Function from a list of inputs (batch, ...) to a list of outputs, in the network's order.

    Raises:
        UserError: The file is missing or damaged, or its runtime is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file; write it with export.py")
    form = "savedmodel" if path.is_dir() else "litert" if zipfile.is_zipfile(path) else "onnx"
    opener = {"onnx": _open_onnx, "litert": _open_litert, "savedmodel": _open_savedmodel}[form]
    try:
        return opener(path, list(names), threads)
    except ImportError as error:
        raise UserError(f"{path}: {error.name} is not installed") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: cannot be opened ({str(error).splitlines()[0]})") from error


def _open_onnx(path, names, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[_ONNX_DEVICE])
    except Exception as error:  # classes of its own, which have only this one in common
        raise ValueError(str(error)) from error
    return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))


def _open_litert(path, names, threads):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    runner = interpreter.get_signature_runner()

    def run(inputs):
        found = runner(**dict(zip(names, inputs, strict=True)))
        return [found[name] for name in sorted(found, key=_number)]

    return run


def _open_savedmodel(path, names, threads):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    run_them = loaded.signatures["serving_default"]

    def run(inputs, keep_alive=loaded):
        found = run_them(**{n: tf.constant(x) for n, x in zip(names, inputs, strict=True)})
        return [found[name].numpy() for name in sorted(found, key=_number)]

    return run


def _number(name):
    """Place of an output among output_0, output_1, ..., output_10."""
    return int(name.rpartition("_")[2])
