"""Cut units out of the networks of a trained model of any system.

    python -m trimming.trim --model models/keyboard_acoustic_2_guitar_acoustic \\
        --output demo/small_guitar --share 0.3

The output folder is a run folder like the one of --model, and opens, converts and trains on like
it. Afterwards the networks should be trained on: with train_generator.py --epoch_offset for
the timbre transfer.
"""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from common.cli import UserError, number, parser, run, say
from common.files.text import write_json
from common.training.devices import start_backend
from common.training.run_folder import RunFolder
from common.work.lock import only_run
from trimming.flags import add_dataset_flag, add_flags, settings_of


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
    add_flags(built)
    add_dataset_flag(built)
    return built


def trim(
    model: Path | str,
    output: Path | str,
    *,
    networks: list[str] | None = None,
    steps: int = 1,
    data: Any = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Cut units out of the networks of a run folder, and write a run folder.

    Args:
        model: Run folder.
        output: Folder to write.
        networks: Names of the networks; default all.
        steps: Number of steps.
        data: Examples; see ``trimming.criteria.unit_scores``.
        settings: Arguments of ``trimming.trimmer.Trimmer``.

    Returns:
        Rows of a table: dicts of the name of a network, its units, weights, operations for an
        example, and bytes, before and after.

    Raises:
        UserError: No such network, or as ``common.trained.open_model`` and ``Trimmer``.
    """
    from common.trained import networks_of
    from common.training.rebuild import thaw
    from common.training.weights import save_h5, stand_alone
    from trimming.cost import count_flops
    from trimming.trimmer import Trimmer

    found = networks_of(model)
    names = {Path(path).stem: path for path in found}
    for name in networks or ():
        if name not in names:
            raise UserError(f"--network {name}: {model} has {', '.join(names)}")
    rows = []
    for name, path in names.items():
        copied = Path(output) / path
        if networks and name not in networks:
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(model) / path, copied)
            continue
        trimmer, sizes = Trimmer(found[path], **settings), {}
        row = {"network": name, "units": trimmer.graph.count_units()}
        for _ in range(steps):
            trimmer.step(data)
            sizes |= trimmer.graph.settings(trimmer.keep)
        small = stand_alone(thaw(trimmer.model))
        save_h5(small, copied)
        row |= {"units_left": trimmer.graph.count_units(trimmer.keep)}
        for key, measure in (("weights", lambda one: one.count_params()), ("flops", count_flops)):
            row |= {key: measure(found[path]), f"{key}_left": measure(small)}
        row |= {"bytes": (Path(model) / path).stat().st_size, "bytes_left": copied.stat().st_size}
        rows.append(row)
        _record(Path(model) / path, copied, name, sizes, settings | {"steps": steps})
    for path in found:  # folders of a system without a trimmed network, such as a corrector's
        place = (Path(output) / path).with_name("config.json")
        if not place.is_file():
            write_json(place, RunFolder((Path(model) / path).parent).read_config())
    return rows


def _record(source, copied, name, sizes, settings):
    """Say in ``config.json`` what a network was trimmed to."""
    folder = RunFolder(copied.parent)
    known = folder if (copied.parent / "config.json").is_file() else RunFolder(source.parent)
    config = known.read_config()
    before = config.get("trimmed", {})
    config["trimmed"] = before | {name: before.get(name, {}) | sizes}
    config["trimming"] = config.get("trimming", {}) | {name: settings}
    folder.write_config(config)


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    RunFolder(args.model).read_config()
    start_backend(args.gpu)
    from common.report.tables import as_text

    with only_run(args.output):
        settings, examples = settings_of(args)
        data = examples and examples.training
        how = {"networks": args.network, "steps": args.steps, "data": data}
        rows = trim(args.model, args.output, **how, **settings)
    print(as_text(rows))
    say(f"{args.output}: trimmed; train it on, for it has lost what it did with the units")
    return 0


if __name__ == "__main__":
    run(main)
