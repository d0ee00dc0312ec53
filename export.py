"""Export a trained network for other programs: ONNX, LiteRT, or a SavedModel of TensorFlow.

    python export.py --model models/keyboard_acoustic_2_guitar_acoustic --format onnx \\
        --output guitar.onnx

The exported network is run in its own runtime on what the model makes of a recording, and compared
with Keras: a file whose outputs differ by more than 1e-4, or with --quantize by more than 3 % in
the mean, is not kept. Size and time on one core are printed beside those of Keras. The file says
what it is: system, network, codec or scale, licence, versions.

A model of several networks, such as encoder and decoder, is exported one by one: --network.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import UserError, parser, run, say
from common.files.audio import load_audio
from common.music.dataset import checksum
from common.training.devices import start_backend
from common.training.export import (
    PACKAGES,
    QUANTIZATIONS,
    Runner,
    export_network,
    open_exported,
    require_packages,
    written_network,
)
from common.work.lock import only_run

TOLERANCE = 1e-4  # largest difference of a value where nothing is quantised
QUANTISED_TOLERANCE = 0.03  # mean difference over the outputs' mean deviation, where it is
EXAMPLES = 16
_SECONDS = 30  # of the recording that are used
_RECORDING = Path(__file__).parent / "docs" / "example_input.ogg"


class Comparison(NamedTuple):
    """How an exported network compares with Keras.

    Attributes:
        largest: Largest difference of an output's value, over the largest value where that is
            above 1.
        relative: Mean difference over the mean deviation of the values from their mean.
        megabytes, keras_megabytes: Size of the file, and of the weights in float32.
        seconds, keras_seconds: Time of an example on one core, in batches of one.
        drawn: Whether the inputs were random numbers, since the recording does not reach the
            network.
    """

    largest: float
    relative: float
    megabytes: float
    keras_megabytes: float
    seconds: float
    keras_seconds: float
    drawn: bool


def compare(
    network: Any, runner: Runner, inputs: list[np.ndarray], rounds: int = 5
) -> tuple[float, float, float, float]:
    """Outputs and times of a network and its exported form.

    Args:
        network: Keras model.
        runner: As ``common.training.export.open_exported`` returns it.
        inputs: (examples, ...) each.
        rounds: Number of times that both are timed, alternately.

    Returns:
        ``largest``, ``relative``, ``seconds`` and ``keras_seconds`` of a ``Comparison``.
    """

    def by_keras(given):
        outputs = network.predict_on_batch(given if len(given) > 1 else given[0])
        return outputs if isinstance(outputs, (list, tuple)) else [outputs]

    rows = [[array[row : row + 1] for array in inputs] for row in range(len(inputs[0]))]
    pairs = [
        (np.asarray(true, float), np.asarray(found, float))
        for given in rows
        for true, found in zip(by_keras(given), runner(given), strict=True)
    ]
    largest = max(np.abs(true - found).max() for true, found in pairs)
    largest /= max(1.0, *(np.abs(true).max() for true, _ in pairs))
    off = np.mean([np.abs(true - found).mean() for true, found in pairs])
    spread = np.mean([np.abs(true - true.mean()).mean() for true, _ in pairs])
    seconds = {by_keras: [], runner: []}
    for _ in range(rounds):
        for way, times in seconds.items():
            start = time.perf_counter()
            for given in rows[:4]:
                way(given)
            times.append((time.perf_counter() - start) / len(rows[:4]))
    medians = [float(np.median(times)) for times in seconds.values()]
    return float(largest), float(off / max(spread, 1e-12)), medians[1], medians[0]


class Subject(NamedTuple):
    """A network to export, and what it is tried on.

    Attributes:
        network: Keras model.
        running: The same as the model runs it, perhaps faster.
        inputs: (examples, ...) each.
        drawn: Whether they are random numbers.
        about: What an exported file says of itself.
    """

    network: Any
    running: Any
    inputs: list[np.ndarray]
    drawn: bool
    about: dict[str, Any]


def describe(folder: Path, config: dict[str, Any], name: str) -> dict[str, Any]:
    """What an exported file says of itself, beside the shapes of its inputs and outputs.

    Args:
        folder: Of the model. The licence is on its card, or on that of the folder around it.
        config: Content of its ``config.json``.
        name: Of the network's file, whose checksum is noted.
    """
    cards = [place / "README.md" for place in (folder, folder.parent)]
    card = next((path for path in cards if path.is_file()), None)
    lines = card.read_text(encoding="utf-8").splitlines() if card else []
    licence = [line.split("|")[2].strip() for line in lines if line.startswith("| licence |")]
    kept = {"flags", "split", "versions", "script"}
    return {
        **{key: value for key, value in config.items() if key not in kept},
        "system": config.get("system", "pix2pix_timbre"),
        "model": folder.name,
        "network": Path(name).stem,
        "weights": checksum(folder / name),
        "licence": licence[0] if licence else "not stated",
        "versions": config.get("versions", {}),
    }


def subjects(folder: Path, recording: Path = _RECORDING) -> dict[str, Subject]:
    """The networks of a model, tried on a recording: dict from the name of a network.

    Args:
        folder: Run folder of any system.
        recording: What the model is given.

    Raises:
        UserError: As ``common.trained.open_model``.
    """
    from common.trained import networks_of, open_model
    from common.training.run_folder import RunFolder
    from common.training.watching import example_inputs

    networks = networks_of(folder)
    audio, rate = load_audio(recording)
    model = open_model(folder)
    own = {name: getattr(model, Path(name).stem) for name in networks}
    inputs, drawn = example_inputs(own, model, audio[: _SECONDS * rate], rate, EXAMPLES)
    config = RunFolder(folder).read_config()
    return {
        Path(name).stem: Subject(
            own[name],
            running,
            inputs[name],
            name in drawn,
            describe(folder, config, name),
        )
        for name, running in networks.items()
    }


def export_subject(
    subject: Subject, form: str, output: Path, quantize: str | None = None
) -> Comparison:
    """Export a network, and compare it with Keras.

    Args:
        subject: ``Subject``.
        form: Of ``common.training.export.PACKAGES``.
        output: File to write, or folder for a SavedModel.
        quantize: None, float16 or int8.

    Raises:
        UserError: Its outputs differ; the file is removed.
    """
    network = subject.network
    written = written_network(network, form)
    about = subject.about | {
        "inputs": {one.name: list(one.shape) for one in written.inputs},
        "outputs": [list(one.shape) for one in written.outputs],
    }
    export_network(network, output, form, about, quantize=quantize)
    runner = open_exported(output, [one.name for one in written.inputs], threads=1)
    inputs = [  # of a single step, if that is what was written
        array[:, : one.shape[1]] if array.ndim == 3 else array
        for array, one in zip(subject.inputs, written.inputs, strict=True)
    ]
    largest, relative, *seconds = compare(subject.running, runner, inputs)
    if relative > QUANTISED_TOLERANCE if quantize else largest > TOLERANCE:
        shutil.rmtree(output) if output.is_dir() else output.unlink()
        off = f"{100 * relative:.2g} % in the mean" if quantize else f"{largest:g}"
        raise UserError(f"{output}: not kept, since its outputs differ from Keras's by {off}")
    files = [output] if output.is_file() else [path for path in output.rglob("*") if path.is_file()]
    sizes = sum(path.stat().st_size for path in files), 4 * network.count_params()
    return Comparison(largest, relative, *(size / 1e6 for size in sizes), *seconds, subject.drawn)


def export(
    folder: Path,
    form: str,
    output: Path,
    *,
    network: str | None = None,
    quantize: str | None = None,
    recording: Path = _RECORDING,
) -> Comparison:
    """Export a network of a model, and compare it with Keras.

    Args:
        folder: Run folder of any system.
        form: Of ``common.training.export.PACKAGES``.
        output: File to write, or folder for a SavedModel.
        network: Name of its file, such as "decoder"; default the only one.
        quantize: None, float16 or int8.
        recording: What the model is given, for the comparison.

    Raises:
        UserError: As ``common.trained.open_model``; no such network; a file whose outputs differ,
            which is removed.
    """
    known = subjects(folder, recording)
    if network is None and len(known) > 1:
        raise UserError(f"{folder}: has several networks; name one: --network {' or '.join(known)}")
    chosen = network or next(iter(known))
    if chosen not in known:
        raise UserError(f"--network: {folder} has none of this name, but {', '.join(known)}")
    return export_subject(known[chosen], form, output, quantize)


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    built = parser(__doc__)
    built.add_argument("--model", type=Path, required=True, help="run folder of any system")
    built.add_argument("--format", choices=PACKAGES, required=True, help="format to write")
    built.add_argument(
        "--output", type=Path, required=True, help="file to write; a folder for savedmodel"
    )
    built.add_argument(
        "--network", help="network to export, such as decoder (default: the only one)"
    )
    built.add_argument(
        "--quantize",
        choices=QUANTIZATIONS,
        help="bits of the stored weights: half or a quarter of the file (default: float32)",
    )
    built.add_argument(
        "--input",
        type=Path,
        default=_RECORDING,
        help="recording that the model is tried on (default: the example of the README)",
    )
    args = built.parse_args(argv)
    require_packages(args.format)
    if "tensorflow" not in sys.modules:  # which reads this once
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    start_backend("")
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "KERAS_BACKEND: networks are exported from TensorFlow; set it to tensorflow"
        )
    with only_run(args.output.parent):
        found = export(
            args.model,
            args.format,
            args.output,
            network=args.network,
            quantize=args.quantize,
            recording=args.input,
        )
    tried = "on random numbers" if found.drawn else f"on {args.input.name}"
    say(
        f"{args.output}: {found.megabytes:.1f} MB ({found.keras_megabytes:.1f} MB of weights); "
        f"{1000 * found.seconds:.1f} ms an example on one core, Keras "
        f"{1000 * found.keras_seconds:.1f} ms; {tried} it differs from Keras by at most "
        f"{found.largest:.1e}, {100 * found.relative:.2g} % in the mean"
    )
    return 0


if __name__ == "__main__":
    run(main)
