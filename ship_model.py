"""Make a small copy of a trained model to give away: no resume states, weights as float16.

    python ship_model.py --model runs/stretch --output models/time_stretching

The model may belong to any system. Curves, latent vectors and other small files of the run are
copied unchanged; samples and files that are only needed to resume the training are left out.
"""

import shutil
from pathlib import Path

from common.cli import parser, run, say
from common.files.text import write_json
from common.trained import open_model
from common.training.devices import start_backend
from common.training.run_folder import KEPT, RunFolder
from common.training.weights import halve_precision
from common.work.lock import only_run

_LEFT_OUT = ("discriminator.h5",)  # nothing but a training needs it
_PATHS = ("input", "model", "output")  # flags


def copy_run(source: Path, target: Path) -> int:
    """Copy a run folder, and those of the networks in it.

    Args:
        source: Run folder.
        target: Folder to write.

    Returns:
        Bytes of weights.
    """
    config = RunFolder(source).read_config()
    target.mkdir(parents=True, exist_ok=True)
    total = 0
    for path in sorted(source.glob("*.h5")):
        if path.name not in (*_LEFT_OUT, *KEPT) and not path.name.endswith(".weights.h5"):
            halve_precision(path, target / path.name)
            total += (target / path.name).stat().st_size
    for name in KEPT:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    for flag, value in config["flags"].items():  # where something lay says nothing elsewhere
        if isinstance(value, str) and (flag.endswith("_path") or flag in _PATHS):
            config["flags"][flag] = Path(value).name
    write_json(target / "config.json", config)
    for part in sorted(source.iterdir()):
        if (part / "config.json").is_file():
            total += copy_run(part, target / part.name)
    return total


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    built = parser(__doc__, converts=("model",))
    built.add_argument("--model", type=Path, required=True, help="run folder of any system")
    built.add_argument(
        "--output", type=Path, required=True, help="folder to write the small copy into"
    )
    args = built.parse_args(argv)
    start_backend("")
    open_model(args.model)  # nothing is written of a model that is not whole
    with only_run(args.output):
        total = copy_run(args.model, args.output)
    say(f"{args.output}: {total / 1e6:.1f} MB of weights")
    return 0


if __name__ == "__main__":
    run(main)
