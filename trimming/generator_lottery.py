"""Lottery tickets of small generative models: WaveNet, SING and DDSP, on notes named as in NSynth.

    python -m trimming.generator_lottery --model ddsp --audio_path data/orchestra \\
        --output runs/ddsp_0

First, networks of all --widths are trained. The smallest one whose error on the validation notes is
within 2 % of the best goes on: rounds of `trimming.lottery` follow in its folder, such as
runs/ddsp_0/width_68. Rounds that are finished are not repeated. A further seed needs one width
only. `trimming.seeds` makes a table of several seeds and models.

Errors are those on validation notes, by which epochs and widths are chosen, and on test notes, by
which nothing is: for wavenet the cross entropy of the next sample in nats, for sing the
log-spectral distance in dB, for ddsp the multi-scale spectral distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import Parser, existing_folder, number, parser, run, say
from common.files.text import write_rows
from common.report.tables import as_text
from common.training.devices import start_backend
from common.work.lock import only_run
from common.work.memory import keep_freed_memory
from trimming.flags import add_flags, add_round_flags, require_rewind, trimmer_settings
from trimming.generators import GENERATORS, open_generator

WITHIN = 1.02  # of the error of the best width


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, converts=("audio_path",))
    built.add_argument("--model", required=True, choices=GENERATORS, help="kind of the model")
    built.add_argument(
        "--audio_path", type=existing_folder, required=True, help="folder of notes, as of NSynth"
    )
    built.add_argument("--output", type=Path, required=True, help="folder of the rounds")
    built.add_argument(
        "--widths", type=number(int, 4), nargs="+", help=_default("widths to choose from", "widths")
    )
    add_round_flags(built, rounds=6, epochs=8)
    built.add_argument(
        "--steps_per_epoch", type=number(int, 1), help=_default("batches of an epoch", "steps")
    )
    built.add_argument(
        "--lr",
        type=number(float, above=0),
        help=_default("learning rate, which falls to 0", "lr"),
    )
    add_flags(built, criterion="gradient_max", share=0.553, least_units=1)
    return built


def _default(what, name):
    """Help text with the defaults of all models."""
    values = {model: getattr(training, name) for model, training in GENERATORS.items()}
    shown = {
        model: " ".join(f"{one:g}" for one in (value if isinstance(value, tuple) else [value]))
        for model, value in values.items()
    }
    return f"{what} (default: {', '.join(f'{model} {text}' for model, text in shown.items())})"


def choose_width(rows: Sequence[dict[str, Any]]) -> int:
    """The smallest width whose error is within 2 % of the best.

    Args:
        rows: Dicts of ``width`` and ``error``.
    """
    best = min(row["error"] for row in rows)
    return min(row["width"] for row in rows if row["error"] <= WITHIN * best)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    require_rewind(args)
    defaults = GENERATORS[args.model]
    widths = sorted({*(args.widths or defaults.widths)})
    steps, lr = args.steps_per_epoch or defaults.steps, args.lr or defaults.lr
    keep_freed_memory()
    start_backend(args.gpu)

    from common.trained import Examples
    from trimming.generators.notes import ArrayBatches, read_sides
    from trimming.report import rounds_text
    from trimming.rounds import lottery
    from trimming.training import error_of, fitting

    generator, sides = open_generator(args.model), read_sides(args.audio_path)
    say(
        f"{args.audio_path}: {len(sides.training)} notes to train on, {len(sides.validation)} to "
        f"validate, {len(sides.test)} to test; {sides.silent} silent ones left out"
    )
    found = [generator.arrays(side) for side in sides[:3]]
    how = {"shuffle": True, "steps": steps, "seed": args.seed}
    training = ArrayBatches(*found[0], args.batch_size, **how)
    validation, test = (ArrayBatches(*arrays, args.batch_size) for arrays in found[1:])
    examples = Examples(training, validation, generator.loss, generator.SECONDS, generator.error)
    settings = trimmer_settings(args) | {"loss": examples.loss}
    names = ("model", "epochs", "batch_size")
    about = {name: getattr(args, name) for name in names}
    about |= {"steps_per_epoch": steps, "lr": lr, "notes": len(sides.training)}
    about["audio_path"] = args.audio_path.resolve().name

    def rounds_of(width, **how):
        return lottery(
            lambda: generator.build(width),
            fitting(examples, args.epochs, lr, verbose=2),
            rewind_epoch=args.rewind_epoch,
            rewind=args.rewind,
            folder=args.output / f"width_{width}",
            data=training,
            seconds=examples.seconds,
            test=lambda model: error_of(model, examples._replace(validation=test)),
            about=about | {"width": width},
            **settings,
            **how,
        )

    with only_run(args.output):
        width = widths[0]
        if len(widths) > 1:
            table = []
            for one in widths:
                training.epoch = 0
                (row,) = rounds_of(one, rounds=0, reported=False)
                table.append({"width": one, "weights": row["weights"], "error": row["score"]})
                table[-1] |= {"test": row["test"]}
            write_rows(args.output / "widths.csv", table)
            print(as_text(table))
            width = choose_width(table)
        training.epoch = 0
        rows = rounds_of(width, rounds=args.rounds, controls=args.controls)
    print(rounds_text(rows))
    folder = args.output / f"width_{width}"
    say(f"{folder}: rounds.csv, rounds.png, widths.png, pareto.png")
    return 0


if __name__ == "__main__":
    run(main)
