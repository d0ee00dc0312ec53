"""Train a network, cut units out of it, rewind the others, and train again: lottery tickets.

    python -m trimming.lottery --model models/keyboard_acoustic_2_guitar_acoustic \\
        --dataset_path demo/features --output runs/tickets --rounds 4 --epochs 2

Each round removes --share of the weights, and sets the others back to what they were after
--rewind_epoch (Frankle and Carbin 2019; for whole units, 2007.16170). With --rewind learning_rate,
a round goes on with the weights of the one before instead (Renda, Frankle and Carbin 2020). The
output folder gets the network of each round, rounds.csv, and pictures. Rounds that are finished are
not repeated; `trimming.ticket` makes a run folder of one. With --distil, the smaller networks also
learn from the outputs of the whole one (Hinton et al. 2015), or of a --teacher. Where 80, 90 and
99 % of the weights are gone, --controls train what a ticket should be compared with:

  random         as many units in each layer, chosen at random, at their early weights
  reinitialised  the units of the ticket at new weights
  scratch        a network of the same number of weights, all layers equally smaller, at new ones
  masked         the whole network with the smallest weights of each kernel held at zero, about as
                 many in all as a ticket lacks

A control is trained once, with --rewind learning_rate as many times as its ticket has been.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from common.cli import UserError, number, parser, run, say
from common.training.devices import start_backend
from common.training.run_folder import RunFolder
from common.work.lock import only_run
from common.work.memory import keep_freed_memory
from trimming.flags import (
    add_dataset_flag,
    add_flags,
    add_round_flags,
    require_rewind,
    settings_of,
)


def build_parser() -> ArgumentParser:
    """Flags of the script."""
    built = parser(__doc__, converts=("model",))
    built.add_argument(
        "--model", type=Path, required=True, help="run folder whose network is trained and trimmed"
    )
    built.add_argument("--output", type=Path, required=True, help="folder of the rounds")
    add_round_flags(built)
    built.add_flag("--steps_per_epoch", 200, "batches of an epoch", type=number(int, 1))
    built.add_flag("--lr", 1e-3, "learning rate, which falls to 0", type=number(float, above=0))
    built.add_flag(
        "--begin",
        "trained",
        "weights before the first training: those of the model, or new ones",
        choices=("trained", "untrained"),
    )
    built.add_flag(
        "--distil",
        0.0,
        "weight of a teacher's output in each target of the smaller networks; the rest is the true "
        "target",
        type=number(float, 0, 1),
    )
    built.add_argument(
        "--teacher",
        type=Path,
        help="run folder of the network that teaches the smaller ones (default: the whole network, "
        "as round 0 has trained it)",
    )
    built.add_flag(
        "--validation_split",
        0.3,
        "share of the pieces that is held out",
        type=number(float, above=0, below=1),
    )
    add_flags(built)
    add_dataset_flag(built)
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    require_rewind(args)
    if args.dataset_path is None:
        raise UserError("--dataset_path: name the data to train on")
    if args.teacher and not args.distil:
        raise UserError("--teacher: teaches nothing without --distil; give that as well")
    RunFolder(args.model).read_config()
    keep_freed_memory()
    start_backend(args.gpu)

    from common.training.rebuild import rebuild, thaw
    from common.training.trimmed_run import only_network
    from trimming.distillation import Distilled
    from trimming.report import rounds_text
    from trimming.rounds import lottery
    from trimming.training import fitting

    how = {"validation_split": args.validation_split, "batch_size": args.batch_size}
    settings, examples = settings_of(args, **how, steps=args.steps_per_epoch)
    if examples.validation is None:
        raise UserError("--validation_split: no piece is held out; raise it")
    _, network = only_network(args.model, "--model")
    _, teacher = only_network(args.teacher, "--teacher") if args.teacher else (None, None)
    if teacher:
        one, other = ((net.input_shape, net.output_shape) for net in (teacher, network))
        if one != other:
            raise UserError(
                f"{args.teacher}: maps {one[0]} to {one[1]}, and {args.model} {other[0]} to "
                f"{other[1]}; choose another teacher"
            )

    def make_model():
        made = thaw(rebuild(network))
        if args.begin == "trained":
            made.set_weights(network.get_weights())
        return made

    def training(examples):
        return fitting(examples, args.epochs, args.lr, verbose="auto")

    def teach(whole):
        taught = Distilled(examples.training, teacher or whole, args.distil)
        return training(examples._replace(training=taught))

    with only_run(args.output):
        rows = lottery(
            make_model,
            training(examples),
            rounds=args.rounds,
            rewind_epoch=args.rewind_epoch,
            rewind=args.rewind,
            folder=args.output,
            data=examples.training,
            controls=args.controls,
            seconds=examples.seconds,
            teach=teach if args.distil else None,
            about=_about(args),
            **settings,
        )
    print(rounds_text(rows))
    say(f"{args.output}: rounds.csv, rounds.png, widths.png, pareto.png")
    return 0


def _about(args):
    """What the rounds depend on beside the settings of the trimming."""
    names = ("epochs", "steps_per_epoch", "batch_size", "lr", "begin", "validation_split", "distil")
    about = {name: getattr(args, name) for name in names}
    paths = {name: getattr(args, name) for name in ("model", "dataset_path", "teacher")}
    return about | {name: str(path and path.resolve().name) for name, path in paths.items()}


if __name__ == "__main__":
    run(main)
