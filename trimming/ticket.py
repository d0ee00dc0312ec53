"""Make a run folder of a lottery ticket: the network of a round of trimming.lottery.

    python -m trimming.ticket --model models/keyboard_acoustic_2_guitar_acoustic \\
        --tickets runs/tickets --round 1 --output runs/small

The output folder is like the one of --model, with the smaller network in place of the whole one. It
opens, converts and trains on like it.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from common.cli import existing_folder, number, parser, run, say
from common.training.devices import start_backend
from common.training.run_folder import RunFolder
from common.work.lock import only_run


def build_parser() -> ArgumentParser:
    """Create the parser of the command line."""
    built = parser(__doc__, converts=("model",))
    built.add_argument(
        "--model", type=Path, required=True, help="run folder that trimming.lottery was given"
    )
    built.add_argument(
        "--tickets", type=existing_folder, required=True, help="--output of trimming.lottery"
    )
    built.add_argument(
        "--round",
        type=number(int, 0),
        required=True,
        help="number of the round; 0: the whole network, as the lottery trained it",
    )
    built.add_argument("--output", type=Path, required=True, help="run folder to write")
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    RunFolder(args.model).read_config()
    start_backend("")
    from common.training.ticket import write_ticket

    with only_run(args.output):
        result = write_ticket(args.model, args.tickets, args.round, args.output)
    say(
        f"{args.output}: round {args.round}, {result['weights']:,} weights, error "
        f"{result['score']:.4g} on what was held out"
    )
    return 0


if __name__ == "__main__":
    run(main)
