"""Make a model between two: average a model and one that was trained on from its weights.

    python blend_models.py --model runs/smooth runs/textured --share 0.7 --output runs/blended

A training with a discriminator makes sounds move like true ones, but takes them further from the
true image than the model that it began with. Models on the straight line between the two have part
of the movement, and a much smaller part of the distance. The models may belong to any system.
"""

from pathlib import Path
from typing import Any

from common.cli import UserError, number, parser, run, say
from common.trained import networks_of
from common.training.devices import start_backend
from common.training.run_folder import RunFolder
from common.training.weights import blend_weights
from common.work.lock import only_run


def joint_split(first: dict[str, Any], second: dict[str, Any]) -> dict[str, list[str]]:
    """Recorded split of a model that two trainings went into.

    Args:
        first, second: The recorded splits: dicts from ``training`` and ``held_out`` to names.

    Returns:
        The same: what either was trained on, and the rest of what either held out.
    """
    training = {*first["training"], *second["training"]}
    held_out = {*first["held_out"], *second["held_out"]} - training
    return {"held_out": sorted(held_out), "training": sorted(training)}


def blend(first: Path, second: Path, share: float, output: Path) -> None:
    """Write a run folder with networks between those of two.

    Its ``config.json`` is the second's; the split is that of both, see ``joint_split``.

    Args:
        first, second: Run folders of one system, with networks of the same sizes.
        share: From 0, the first model, to 1, the second.
        output: Folder to write.

    Raises:
        UserError: A folder holds no whole model, or the models differ in more than their weights.
    """
    names = [list(networks_of(folder)) for folder in (first, second)]
    configs = [RunFolder(folder).read_config() for folder in (first, second)]
    systems = [config.get("system", "pix2pix_timbre") for config in configs]
    if systems[0] != systems[1] or names[0] != names[1]:
        raise UserError(f"{second}: not a model of the same kind as {first}")
    if any("/" in name for name in names[0]):
        raise UserError(f"{first}: consists of several runs; blend these one by one")
    for name in names[0]:
        blend_weights(first / name, second / name, share, output / name)
    config = dict(configs[1])
    if all("split" in found for found in configs):
        config["split"] = joint_split(*(found["split"] for found in configs))
    config["blend"] = {"models": [first.name, second.name], "share": share}
    RunFolder(output).write_config(config)


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    built = parser(__doc__, converts=("model",))
    built.add_argument(
        "--model",
        type=Path,
        nargs=2,
        metavar=("FIRST", "SECOND"),
        required=True,
        help="run folders of two models with networks of the same sizes",
    )
    built.add_argument(
        "--share",
        type=number(float, 0, 1),
        default=0.5,
        help="share of the second model, from 0 to 1 (default: 0.5)",
    )
    built.add_argument("--output", type=Path, required=True, help="run folder to write")
    args = built.parse_args(argv)
    start_backend("")
    with only_run(args.output):
        blend(*args.model, args.share, args.output)
    say(f"{args.output}: {args.share:g} of {args.model[1]}, the rest of {args.model[0]}")
    return 0


if __name__ == "__main__":
    run(main)
