"""Lotteries of several seeds: their rounds, and the error while weights go."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError
from common.report.plots import curves, save_figure

TICKET, SCRATCH = "ticket", "scratch"
# settings of lotteries that earlier versions did not have, and so did not record
FORMER = {"rewind": "weights", "distil": 0.0, "teacher": "None"}


def read_rounds(folder: Path) -> list[dict[str, Any]]:
    """Rows of ``rounds.csv`` of a lottery; ``UserError`` if there is none."""
    try:
        with (folder / "rounds.csv").open(newline="") as file:
            rows = [
                {name: text if name == "kind" else float(text) for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
        rows[0]["weights"], rows[0]["score"], rows[0]["round"]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise UserError(
            f"{folder}/rounds.csv: no rounds of a lottery in it; name the folder of one"
        ) from error
    return rows


def read_settings(folder: Path) -> dict[str, Any]:
    """Settings of a lottery by ``lottery.json``; ``UserError`` if there is none."""
    path = folder / "lottery.json"
    try:
        settings = FORMER | json.loads(path.read_text(encoding="utf-8"))
        # an earlier version recorded its path
        return settings | {"teacher": Path(settings["teacher"]).name}
    except FileNotFoundError as error:
        inner = min(folder.glob(f"*/{path.name}"), default=None)
        remedy = "name the folder of a lottery"
        if inner:
            remedy = f"name a folder within it, such as {inner.parent}"
        raise UserError(f"{folder}: holds no rounds of a lottery; {remedy}") from error
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); take another copy") from error


def group_lotteries(folders: Sequence[Path]) -> list[tuple[dict[str, Any], list[Path]]]:
    """Put lotteries together that differ in the seed alone.

    Args:
        folders: Folders of the rounds.

    Returns:
        List of ``(settings, folders)``, in the order in which they are given first.

    Raises:
        UserError: Settings are missing, or two folders of a group have the same seed.
    """
    groups, seeds = [], []
    for folder in folders:
        settings = read_settings(folder)
        seed = settings.pop("seed", None)
        settings.pop("examples", None)  # their order is drawn by the seed
        place = next((i for i, (known, _) in enumerate(groups) if known == settings), None)
        if place is None:
            groups.append((settings, [folder]))
            seeds.append([seed])
            continue
        if seed is not None and seed in seeds[place]:
            raise UserError(
                f"{folder}: another folder has the same settings and seed {seed}, too; leave one "
                "out"
            )
        groups[place][1].append(folder)
        seeds[place].append(seed)
    return groups


def table_of(lotteries: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Mean, smallest and largest error of each round over the seeds, and of networks from scratch.

    Args:
        lotteries: Rows of ``read_rounds``, of one seed each.

    Returns:
        Rows: ``round``, ``weights`` and ``left`` (means), ``error``, ``least``, ``most``,
        ``multiplier`` of the mean error of the whole networks, ``scratch`` (mean error of networks
        of the same size that were trained from scratch, or None).
    """
    known = [
        {(row["kind"], int(row["round"])): row for row in rows if row["kind"] in (TICKET, SCRATCH)}
        for rows in lotteries
    ]
    rounds = sorted({place for one in known for kind, place in one if kind == TICKET})
    table = []
    for place in rounds:
        tickets = [one[TICKET, place] for one in known if (TICKET, place) in one]
        if len(tickets) < len(known):
            break  # a lottery that is not finished
        scratch = [one[SCRATCH, place]["score"] for one in known if (SCRATCH, place) in one]
        errors = [row["score"] for row in tickets]
        row = {"round": place}
        row |= {
            name: float(np.mean([row[name] for row in tickets])) for name in ("weights", "left")
        }
        row |= {"error": float(np.mean(errors)), "least": min(errors), "most": max(errors)}
        row["multiplier"] = row["error"] / max(table[0]["error"] if table else row["error"], 1e-9)
        table.append(row | {"scratch": float(np.mean(scratch)) if scratch else None})
    return table


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
        ticks = [tick for tick in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01) if tick >= 0.9 * min(left)]
        axis.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axis.tick_params(axis="x", labelsize=7)
        axis.minorticks_off()
        axis.invert_xaxis()
    axes[0].legend(fontsize=7)
    save_figure(figure, path)
