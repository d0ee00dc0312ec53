"""Export the networks of the included models in all formats, and compare them with Keras.

    python -m benchmarks.export

One row per network and format: size, time of an example on one core beside that of Keras, measured
alternately, and how far the outputs differ on what the model makes of the README's example. A table
with one row per network follows. What cannot be exported is listed with the reason. So is a file
that does not say of itself which system, model and network it is, its licence, the checksum of its
weights, and the versions that trained it.
"""

import os
import tempfile
from pathlib import Path

from common.cli import UserError, one_line, parser, run, say
from common.trained import MODELS
from common.training.devices import start_backend

KINDS = {
    f"{form}-{quantize}" if quantize else form: (form, quantize)
    for form, quantize in (
        *(("onnx", None), ("onnx", "float16"), ("onnx", "int8")),
        *(("litert", None), ("litert", "float16"), ("litert", "int8")),
        ("savedmodel", None),
    )
}
COLUMNS = (
    *("model", "network", "format", "MB", "ms", "ms, Keras", "speed-up"),
    *("largest difference", "mean difference, %"),
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
    built.add_argument(
        "--formats",
        nargs="+",
        choices=KINDS,
        default=list(KINDS),
        help="formats to write (default: all)",
    )
    args = built.parse_args(argv)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    start_backend("")
    from export import subjects

    say(f"| {' | '.join(COLUMNS)} |")
    say("|---" * len(COLUMNS) + "|")
    rows, refused = [], []
    for folder in args.model or model_folders():
        title = folder.resolve().as_posix().removeprefix(f"{MODELS}/")
        for name, subject in subjects(folder).items():
            for kind in args.formats:
                try:
                    cells = measure(subject, *KINDS[kind])
                except UserError as error:
                    refused.append(f"{title}, {name}, {kind}: {one_line(error)}")
                    continue
                rows.append(dict(zip(COLUMNS, (title, name, kind, *cells), strict=True)))
                print(f"| {' | '.join(rows[-1].values())} |", flush=True)
    print()
    for line in [*compact(rows), "", *refused]:
        say(line)
    return 0


def compact(rows):
    """Lines of a table of Markdown with one row for each network.

    Args:
        rows: Dicts from ``COLUMNS`` to text.
    """
    names = ["model, network", "MB", "ms, Keras"]
    names += [f"{kind}: {'mean %' if '-' in kind else 'ms, difference'}" for kind in KINDS]
    lines = [names, ["---"] * len(names)]
    for network in dict.fromkeys((row["model"], row["network"]) for row in rows):
        own = {row["format"]: row for row in rows if (row["model"], row["network"]) == network}
        first = next(iter(own.values()))
        line = [", ".join(network), first["MB"], first["ms, Keras"]]
        for kind in KINDS:
            if kind not in own:
                line.append("-")
            elif "-" in kind:
                line.append(own[kind]["mean difference, %"].partition(" ")[0])
            else:
                line.append(f"{own[kind]['ms']}, {own[kind]['largest difference']}")
        lines.append(line)
    return [f"| {' | '.join(line)} |" for line in lines]


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
