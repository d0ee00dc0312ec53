"""Copy a trained model for shipping: without its resume states, its weights as float16.

python -m time_stretching.ship --model runs/stretch --output models/time_stretching
"""

import shutil
from pathlib import Path

from common.cli import UserError, parser, run
from common.files.text import write_json
from common.training.devices import start_backend
from common.training.run_folder import RunFolder
from common.training.weights import halve_precision
from time_stretching.trained import CORRECTOR, load_stretcher

_PATHS = ("features_path", "model", "output")  # flags that say where something lay


def main(argv=None):
    """Run the script; exit status 0."""
    built = parser(__doc__)
    built.add_argument("--model", type=Path, required=True, help="run folder")
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    args = built.parse_args(argv)
    if args.output.resolve() == args.model.resolve():
        raise UserError(f"--output {args.output}: is the model itself; name another folder")
    start_backend("")
    load_stretcher(args.model)  # nothing is written of a model that is not whole
    total = 0
    for part, names in ((Path(), ("encoder", "decoder")), (Path(CORRECTOR), ("corrector",))):
        source, target = args.model / part, args.output / part
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            halve_precision(source / f"{name}.h5", target / f"{name}.h5")
            total += (target / f"{name}.h5").stat().st_size
        config = RunFolder(source).read_config()
        for flag in _PATHS:
            if flag in config["flags"]:
                config["flags"][flag] = Path(config["flags"][flag]).name
        write_json(target / "config.json", config)
        for name in ("history.csv", "history.png"):
            shutil.copyfile(source / name, target / name)
    print(f"{args.output}: {total / 1e6:.1f} MB of weights")
    return 0


if __name__ == "__main__":
    run(main)
