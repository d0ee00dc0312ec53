"""Draw how the error of the tickets grows while weights go, from the tables of several tasks.

python -m light_mir.picture --model models/light_mir_* --output light_mir/tickets.png
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from common.cli import Parser, UserError, existing_folder, parser, run
from common.report.tickets import plot_tickets
from common.trained import open_run


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, converts=())
    built.add_argument(
        "--model", type=existing_folder, nargs="+", required=True, help="folders of `light`"
    )
    built.add_argument("--output", type=Path, required=True, help="PNG file to write")
    return built


def read_table(folder: Path) -> list[dict[str, float | None]]:
    """Rows of ``tickets.csv``, as ``light_mir.light.table_of`` makes them; may raise UserError."""
    try:
        with (folder / "tickets.csv").open(newline="") as file:
            rows = [
                {name: float(text) if text else None for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
        rows[0]["left"], rows[0]["scratch"], rows[0]["most"]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise UserError(f"{folder}/tickets.csv: no table of light_mir.light in it") from error
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    tables = {open_run(one, "light_mir")["task"]: read_table(one) for one in args.model}
    plot_tickets(args.output, tables)
    return 0


if __name__ == "__main__":
    run(main)
