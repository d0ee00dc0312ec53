"""Export the networks of the included models in all formats, and compare them with Keras.

    python -m benchmarks.export

One row per network and format: size, time of an example on one core beside that of Keras, measured
alternately, and how far the outputs differ on what the model makes of the README's example. What
cannot be exported is listed with the reason. A file that does not say of itself which system, model
and network it is, its licence, its weights' checksum, and the versions that trained it, ends the
run.
"""

import os
import tempfile
from pathlib import Path

from common.cli import UserError, one_line, parser, run, say
from common.trained import MODELS
from common.training.devices import start_backend

KINDS = (
    ("onnx", None),
    ("onnx", "float16"),
    ("onnx", "int8"),
    ("litert", None),
    ("litert", "float16"),
    ("litert", "int8"),
    ("savedmodel", None),
)
SAID = ("system", "model", "network", "weights", "versions", "inputs", "outputs")


def model_folders() -> list[Path]:
    """Folders of the included models, and of the models that are parts of them."""
    folders = {path.parent for path in MODELS.rglob("config.json")}
    # the correctors of time stretching are networks of the models around them
    return sorted(path for path in folders if path.name != "corrector")


def check_metadata(path: Path) -> None:
    """Raise ``UserError`` if an exported file does not say what it is."""
    from common.training.export import read_metadata

    said = read_metadata(path)
    missing = [name for name in SAID if not said.get(name)]
    if said.get("licence", "not stated") == "not stated":
        missing.append("licence")
    if missing:
        raise UserError(f"{path}: says nothing of {', '.join(missing)}")


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_argument(
        "--model", type=Path, nargs="+", help="run folders (default: all included models)"
    )
    args = built.parse_args(argv)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    start_backend("")
    from export import subjects

    columns = "model network format MB ms Keras_ms speed-up largest_difference mean_%"
    say(f"| {' | '.join(columns.split()).replace('_', ' ')} |")
    say("|---|---|---|---|---|---|---|---|---|")
    refused = []
    for folder in args.model or model_folders():
        title = folder.relative_to(MODELS).as_posix() if MODELS in folder.parents else folder.name
        for name, subject in subjects(folder).items():
            for form, quantize in KINDS:
                kind = f"{form} {quantize or ''}".strip()
                try:
                    cells = measure(subject, form, quantize)
                except UserError as error:
                    refused.append(f"{title}, {name}, {kind}: {one_line(error)}")
                    continue
                print(f"| {' | '.join((title, name, kind, *cells))} |", flush=True)
    for line in refused:
        say(line)
    return 0


def measure(subject, form, quantize):
    """Export a network in a temporary folder: the cells of its row."""
    from export import export_subject

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "network"
        found = export_subject(subject, form, path, quantize)
        check_metadata(path)
    return (
        f"{found.megabytes:.2f}",
        f"{1000 * found.seconds:.2f}",
        f"{1000 * found.keras_seconds:.2f}",
        f"{found.keras_seconds / found.seconds:.2f}",
        f"{found.largest:.0e}",
        f"{100 * found.relative:.2g}" + (" (random inputs)" if found.drawn else ""),
    )


if __name__ == "__main__":
    run(main)
