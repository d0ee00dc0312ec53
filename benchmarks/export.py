"""Export the networks of the included models, and compare them with Keras.

    python -m benchmarks.export

One row per network and format: size, time of an example on one core beside that of Keras, measured
alternately, and how far the outputs differ on what the model makes of the README's example.
"""

import os
import tempfile
from pathlib import Path

from common.cli import parser, run, say
from common.trained import MODELS, networks_of
from common.training.devices import start_backend

KINDS = (
    ("onnx", None),
    ("onnx", "float16"),
    ("onnx", "int8"),
    ("litert", None),
    ("litert", "float16"),
    ("savedmodel", None),
)


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_argument(
        "--model", type=Path, nargs="+", help="run folders (default: all included models)"
    )
    args = built.parse_args(argv)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    start_backend("")
    from export import export

    columns = "model network format MB ms Keras_ms speed-up largest_difference mean_%"
    say(f"| {' | '.join(columns.split()).replace('_', ' ')} |")
    say("|---|---|---|---|---|---|---|---|---|")
    for folder in args.model or sorted(path.parent for path in MODELS.glob("*/config.json")):
        for name in map(Path, networks_of(folder)):
            for form, quantize in KINDS:
                with tempfile.TemporaryDirectory() as place:
                    found = export(
                        folder, form, Path(place) / "network", network=name.stem, quantize=quantize
                    )
                cells = (
                    folder.name,
                    name.stem,
                    f"{form} {quantize or ''}".strip(),
                    f"{found.megabytes:.1f}",
                    f"{1000 * found.seconds:.2f}",
                    f"{1000 * found.keras_seconds:.2f}",
                    f"{found.keras_seconds / found.seconds:.2f}",
                    f"{found.largest:.0e}",
                    f"{100 * found.relative:.2g}" + (" (random inputs)" if found.drawn else ""),
                )
                say(f"| {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    run(main)
