"""Cut units out of the networks of a trained model of any system.

    python -m trimming.trim --model models/keyboard_acoustic_2_guitar_acoustic \\
        --output demo/small_guitar --share 0.3

The output folder is a run folder like the one of --model, and opens, converts and trains on like
it. Afterwards the networks should be trained on, by the training script of the system with
--epoch_offset: for the timbre transfer, train_generator.py. With --widen, all layers get more units
after the cut, copies that leave the outputs as they were, so that a network may become narrow where
it needs little, and wide elsewhere.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from common.cli import UserError, about, number, parser, run, say
from common.latent import VECTORS
from common.training.devices import start_backend
from common.training.run_folder import RunFolder
from common.work.lock import only_run
from trimming.flags import add_dataset_flag, add_flags, settings_of

VALIDATION_SPLIT = 0.1  # by default


def build_parser() -> ArgumentParser:
    """Create the parser of the command line."""
    built = parser(__doc__, converts=("model",))
    built.add_argument("--model", type=Path, required=True, help="run folder of any system")
    built.add_argument("--output", type=Path, required=True, help="run folder to write")
    built.add_argument(
        "--network",
        nargs="+",
        help="names of the networks to trim, such as decoder (default: all of the folder)",
    )
    built.add_argument(
        "--steps",
        type=number(int, 1, 100),
        default=1,
        help="number of steps, each of which scores the units that are left (default: 1)",
    )
    built.add_argument(
        "--widen",
        type=number(float, above=1, high=2),
        help="factor by which layers are widened after the cut, at most 2 (default: they are not)",
    )
    add_flags(built)
    add_dataset_flag(built)
    built.add_argument(
        "--validation_split",
        help="share of the pieces of --dataset_path from which no examples are taken; for models "
        "of the timbre transfer, give that of the training that follows, which holds them out "
        f"(default: {VALIDATION_SPLIT:g})",
        type=number(float, 0, below=1),
    )
    return built


def trim(
    model: Path | str,
    output: Path | str,
    *,
    networks: list[str] | None = None,
    steps: int = 1,
    factor: float | None = None,
    data: Any = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Cut units out of the networks of a run folder, and write a run folder.

    Args:
        model: Run folder.
        output: Folder to write.
        networks: Names of the networks; default all.
        steps: Number of steps.
        factor: Of ``trimming.widen`` after the last step; None for no widening.
        data: Examples; see ``trimming.criteria.unit_scores``.
        settings: Arguments of ``trimming.trimmer.Trimmer``.

    Returns:
        Rows of a table, one for each network that was to be trimmed: dicts of its name, its units,
        weights, operations for an example, of one step where the length is open, and bytes, before
        and after. A network without ``units``, those that can be cut, is copied unchanged, unless
        ``networks`` names it; so are all others, and what else belongs to the run.

    Raises:
        UserError: No such network, nothing to cut, a network to be widened that has been widened
            before, the output already holds a run, or as ``common.trained.open_model``,
            ``Trimmer`` and ``widen``. Nothing is written then.
    """
    from common.trained import networks_of
    from common.training.rebuild import merged
    from common.training.trimmed_run import (
        Trimmed,
        recorded,
        require_no_run,
        widening_of,
        write_run,
    )
    from trimming.cost import count_flops
    from trimming.graph import Graph
    from trimming.trimmer import Trimmer
    from trimming.widening import widened

    model, output = Path(model), Path(output)
    found = networks_of(model)
    if not found:
        raise UserError(f"--model {model}: has no network that can be trimmed")
    require_no_run(output)
    names = {Path(path).stem: path for path in found}
    for name in networks or ():
        if name not in names:
            raise UserError(f"--network {name}: {model} has {', '.join(names)}")
    smaller, rows = {}, {}
    for name, path in names.items():
        if networks and name not in networks:
            continue
        trimmer, sizes = Trimmer(found[path], **settings), {}
        units = trimmer.graph.count_units()
        rows[path] = {"network": name, "units": units, "units_left": units}
        if units or networks:
            before = widening_of(model / path)
            if factor and before:
                raise UserError(
                    f"--widen: {model / path} has been widened before, by {before:g}; give the "
                    "model that it was made from"
                )
            network = found[path]
            for _ in range(steps):
                network = trimmer.step(data)
                sizes = merged(sizes, trimmer.graph.settings(trimmer.keep))
            if factor:
                with about(f"--widen: {name}"):
                    network, wider = widened(network, factor, seed=settings.get("seed", 0))
                sizes = merged(sizes, wider)
            graph = Graph(network, settings.get("approximate", False))
            rows[path]["units_left"] = graph.count_units()
            how = recorded(settings) | {"steps": steps, "widen": factor or before}
            smaller[path] = Trimmed(network, sizes, how)
    if not smaller:
        more = "" if settings.get("approximate") else "; --approximate cuts more"
        raise UserError(f"--model {model}: no network has units that can be cut{more}")
    write_run(model, output, found, smaller)
    for path, row in rows.items():
        whole = found[path]
        small = smaller[path].network if path in smaller else whole
        for key, measure in (("weights", lambda one: one.count_params()), ("flops", count_flops)):
            row |= {key: measure(whole), f"{key}_left": measure(small)}
        row |= {"bytes": (model / path).stat().st_size}
        row |= {"bytes_left": (output / path).stat().st_size}
    return list(rows.values())


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    RunFolder(args.model).read_config()
    start_backend(args.gpu)
    from common.report.tables import as_text

    if args.dataset_path is None and args.validation_split is not None:
        raise UserError(
            "--validation_split: chooses among the pieces of --dataset_path, which is missing"
        )
    with only_run(args.output):
        split = VALIDATION_SPLIT if args.validation_split is None else args.validation_split
        settings, examples = settings_of(args, validation_split=split)
        data = examples and examples.training
        how = {"networks": args.network, "steps": args.steps, "factor": args.widen}
        rows = trim(args.model, args.output, data=data, **how, **settings)
    print(as_text(rows))
    for row in rows:
        if not row["units"]:
            say(f"{row['network']}: has no units that can be cut; copied unchanged")
    wanted = (1 - args.share) ** args.steps
    for row in rows:
        left = row["weights_left"] / row["weights"]
        if row["units"] and not args.widen and left > wanted:
            say(
                f"{row['network']}: {left:.2%} of the weights are left, not {wanted:.2%}, since "
                "every layer keeps some units (see --least_units)"
            )
    cut = {row["network"] for row in rows if row["units"]}
    if "encoder" in cut and (args.output / VECTORS).is_file():
        say(
            f"{args.output / VECTORS}: describes the encoder before it was cut; training on writes "
            "it again"
        )
    say(
        f"{args.output}: trimmed; a network that has just been cut is worse until it is trained "
        "again; its weights are float32, which ship_model.py halves"
    )
    return 0


if __name__ == "__main__":
    run(main)
