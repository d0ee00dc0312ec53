"""Draw how the error of the tickets grows while weights go, from the tables of several tasks.

python -m light_mir.picture --model models/light_mir_* --output light_mir/tickets.png
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import Parser, UserError, existing_folder, parser, run
from common.report.plots import curves, save_figure
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


def plot_tickets(path: Path, tables: dict[str, Sequence[dict[str, Any]]]) -> None:
    """Draw the error multiplier against the share of the weights, for each task.

    Args:
        path: PNG file.
        tables: Dict from the name of a task to rows of ``table_of``.
    """
    figure, axes = curves(list(tables), "share of the weights", (3.6, 3.4), "error multiplier")
    for axis, rows in zip(axes, tables.values(), strict=True):
        whole = max(rows[0]["error"], 1e-9)
        left = [row["left"] for row in rows]
        axis.fill_between(
            left, [row["least"] / whole for row in rows], [row["most"] / whole for row in rows],
            alpha=0.25, lw=0, label="seeds",
        )  # fmt: skip
        axis.plot(left, [row["multiplier"] for row in rows], ".-", label="mean of the tickets")
        found = [row for row in rows if row["scratch"] is not None]
        if found:
            axis.plot(
                [row["left"] for row in found], [row["scratch"] / whole for row in found],
                "s", color="C1", ms=4, label="from scratch",
            )  # fmt: skip
        axis.axhline(1, color="grey", lw=0.8)
        axis.axvline(0.1, color="grey", lw=0.8, ls=":")
        axis.set(xscale="log", yscale="log")
        high = max(row["most"] / whole for row in rows)
        marks = (1, 10, 100) if high > 5 else (0.8, 1, 1.2, 1.5, 2, 3)
        marks = [one for one in marks if one <= 1.2 * high]
        axis.set_yticks(marks, [f"{one:g}" for one in marks])
        ticks = [tick for tick in (1, 0.5, 0.2, 0.1, 0.05, 0.02) if tick >= 0.9 * min(left)]
        axis.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axis.minorticks_off()
        axis.invert_xaxis()
    axes[0].legend(fontsize=7)
    save_figure(figure, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    tables = {open_run(one, "light_mir")["task"]: read_table(one) for one in args.model}
    plot_tickets(args.output, tables)
    return 0


if __name__ == "__main__":
    run(main)
