"""The table and the pictures of a lottery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from common.files.text import write_rows
from common.report.plots import curves, new_figure, save_figure
from common.report.tables import as_text
from trimming.cost import BOARDS

_SHOWN = (
    *("kind", "round", "weights", "flops", "bytes", "memory", "latency_ms", "score", "multiplier"),
    *("test", "test_multiplier"),
)
_MARKS = {"random": "x", "reinitialised": "^", "scratch": "s", "masked": "v"}


def write_report(
    folder: Path, rows: list[dict[str, Any]], widths: list[dict[str, int]], seconds: float | None
) -> None:
    """Write ``rounds.csv``, ``rounds.png``, ``widths.png`` and ``pareto.png``.

    Args:
        folder: Output folder.
        rows: As ``trimming.rounds.lottery`` returns them.
        widths: For each round, a dict from the path of a layer to its number of units.
        seconds: Length of the sound that an example stands for, or None.
    """
    write_rows(folder / "rounds.csv", rows)
    _plot_rounds(folder / "rounds.png", rows)
    _plot_widths(folder / "widths.png", widths)
    _plot_pareto(folder / "pareto.png", rows, seconds)


def rounds_text(rows: list[dict[str, Any]]) -> str:
    """The most important columns of rows as of ``trimming.rounds.lottery``, for a terminal."""
    return as_text([{name: row[name] for name in _SHOWN if name in row} for row in rows])


def _kinds(rows):
    kinds = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row)
    return kinds


def _draw(axis, kinds, x, y):
    for kind, found in kinds.items():
        style = {"marker": _MARKS.get(kind, "."), "linestyle": "none" if kind in _MARKS else "-"}
        axis.plot([x(row) for row in found], [row[y] for row in found], label=kind, **style)


def _plot_rounds(path, rows):
    """The error against the compression."""
    figure, (axis,) = curves(["error of the tickets"], "compression (weights of the whole network)")
    _draw(axis, _kinds(rows), lambda row: 1 / row["left"], "multiplier")
    axis.axhline(1, color="grey", lw=0.8)
    axis.set(xscale="log", ylabel="error / error of the whole network")
    ticks = [1, 2, 5, 10, 20, 50, 100]
    ticks = [tick for tick in ticks if tick < 1.1 / min(row["left"] for row in rows)]
    axis.set_xticks(ticks, [f"{tick}x" for tick in ticks])
    axis.minorticks_off()
    axis.legend()
    save_figure(figure, path)


def _plot_widths(path, widths):
    """Units of each layer, a column for each round, as the share that is left."""
    names = list(widths[0])
    shares = np.array([[one[name] / widths[0][name] for one in widths] for name in names])
    height = max(3, 0.25 * len(names) + 1)
    figure, axes = new_figure(1, 1, (max(5, 0.5 * len(widths) + 4), height))
    axis = axes[0, 0]
    drawn = axis.imshow(shares, aspect="auto", vmin=0, vmax=1, cmap="viridis")
    for row, name in enumerate(names):
        for column, one in enumerate(widths):
            colour = "white" if shares[row, column] < 0.6 else "black"
            axis.text(column, row, one[name], ha="center", va="center", fontsize=7, color=colour)
    axis.set_xticks(range(len(widths)))
    axis.set_yticks(range(len(names)), [name.split("/")[-1] for name in names], fontsize=7)
    axis.set(xlabel="round", title="units of each layer")
    figure.colorbar(drawn, label="share that is left")
    save_figure(figure, path)


def _plot_pareto(path, rows, seconds):
    """The error against what a network costs, and what boards offer."""
    rate = 1 / seconds if seconds else 1
    unit = "floating-point operations for a second of sound" if seconds else "operations"
    titles = ["operations", "storage", "memory, as computed"]
    figure, axes = curves(titles, "", size=(5.5, 4), y_label="error")
    costs = [lambda row: rate * row["flops"], lambda row: row["bytes"], lambda row: row["memory"]]
    offers = [[one.flops for one in BOARDS] if seconds else []]
    offers += [[one.storage for one in BOARDS], [one.memory for one in BOARDS]]
    for axis, cost, offer, label in zip(axes, costs, offers, (unit, "bytes", "bytes"), strict=True):
        _draw(axis, _kinds(rows), cost, "score")
        front = _front([(cost(row), row["score"]) for row in rows])
        axis.step(*zip(*front, strict=True), where="post", color="black", lw=0.8, label="front")
        axis.set(xscale="log", xlabel=label)
        _label_powers(axis)
        low, high = axis.get_xlim()
        for board, value in zip(BOARDS, offer, strict=False):
            if low / 30 < value < high * 3:
                axis.axvline(value, color="grey", ls=":", lw=0.8)
                axis.text(
                    value,
                    0.98,
                    board.name,
                    rotation=90,
                    fontsize=7,
                    va="top",
                    ha="right",
                    transform=axis.get_xaxis_transform(),
                )
    axes[0].legend(fontsize=8)
    save_figure(figure, path)


def _label_powers(axis):
    """Label a logarithmic axis by 1, 2 and 5 times 1,000 and the like."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axis.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(axis="x", labelsize=8, labelrotation=45)


def _front(points):
    """Points than which no other is both cheaper and better, from the cheapest."""
    front = []
    for cost, score in sorted(points):
        if not front or score < front[-1][1]:
            front.append((cost, score))
    return front
