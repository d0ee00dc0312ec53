"""Choose the lightest network that a lottery left without loss of accuracy.

    python -m light_mir.light --model runs/drums --tickets tickets/drums_* --output runs/light_drums

Each folder of --tickets holds the rounds of `trimming.lottery` from another seed, with all other
settings the same. Errors are those on the validation side, of which the mean over the seeds counts.
The output is a run folder with the network of the chosen round, of the seed with the smallest error
there, and tickets.csv, which `light_mir.picture` draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import Parser, UserError, about, existing_folder, number, parser, run, say
from common.files.text import write_rows
from common.report.tables import as_text
from common.report.tickets import TICKET, group_lotteries, read_rounds, table_of
from common.trained import open_run
from common.training.devices import start_backend
from common.work.lock import only_run


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, converts=("model", "tickets"))
    built.add_argument("--model", type=Path, required=True, help="run folder of the whole network")
    built.add_argument(
        "--tickets", type=existing_folder, nargs="+", required=True, help="folders of the rounds"
    )
    built.add_argument("--output", type=Path, required=True, help="run folder to write")
    built.add_flag(
        "--points",
        0.0,
        "how many percentage points larger the mean error may be than that of the whole networks",
        type=number(float, 0),
    )
    built.add_argument("--round", type=number(int, 0), help="take this round (default: choose)")
    return built


def choose(table: Sequence[dict[str, Any]], points: float = 0.0) -> int:
    """Last round whose mean error is at most so many percentage points above that of round 0.

    Raises:
        UserError: There are no rounds.
    """
    if not table:
        raise UserError("--tickets: no round that all of them have; let the lotteries go on")
    most = table[0]["error"] + points / 100 + 1e-9
    return max(row["round"] for row in table if row["error"] <= most)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    open_run(args.model, "light_mir")
    with about("--tickets"):
        groups = group_lotteries(args.tickets)
        if len(groups) > 1:
            (one, _), (other, folders), *_ = groups
            names = sorted(name for name in one | other if one.get(name) != other.get(name))
            raise UserError(
                f"{folders[0]}: differs from {args.tickets[0]} in {', '.join(names)}; give "
                "lotteries that differ in the seed alone"
            )
    lotteries = [read_rounds(folder) for folder in args.tickets]
    table = table_of(lotteries)
    chosen = choose(table, args.points) if args.round is None else args.round
    if chosen >= len(table):
        raise UserError(f"--round {chosen}: the last one of all seeds is {len(table) - 1}")
    scores = [
        next(row["score"] for row in rows if (row["kind"], row["round"]) == (TICKET, chosen))
        for rows in lotteries
    ]
    source = args.tickets[int(np.argmin(scores))]
    start_backend("")
    from common.training.ticket import write_ticket

    with only_run(args.output):
        write_ticket(args.model, source, chosen, args.output)
        write_rows(args.output / "tickets.csv", table)
    print(as_text([{k: "" if v is None else v for k, v in row.items()} for row in table]))
    row = table[chosen]
    say(
        f"{args.output}: round {chosen}, {100 * row['left']:.1f} % of the weights, error "
        f"{row['error']:.4f} where the whole networks have {table[0]['error']:.4f}"
    )
    return 0


if __name__ == "__main__":
    run(main)
