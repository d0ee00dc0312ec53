"""Tables of the benchmark: means over excerpts, and distances of all sounds together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.transfer.measures import MEASURES
from benchmarks.transfer.systems import SYSTEMS, TRUTH
from common.report.tables import Term

SPEED, LATENCY = "times real time", "latency"
FAD, PATCHES = "FAD-musicnn", "FD-patches"
TERMS = {
    **MEASURES,
    FAD: Term(
        "Frechet distance from the truth on the features of musicnn (Pons and Serra 2019); for the "
        "true target that of its halves from each other, the floor",
        "lower",
    ),
    PATCHES: Term("the same on patches of 0.19 s of log-mel levels", "lower"),
    SPEED: Term("seconds of sound made in a second of one core", "higher"),
    LATENCY: Term(
        "seconds by which the result lags behind a stream, without the time to compute; of systems "
        "that convert streams",
        "lower",
    ),
}
Row = dict[str, Any]


def with_shares(rows: Sequence[Row]) -> list[Row]:
    """Rows of results with ``F1/truth``, where the truth of their excerpt has an F1 above 0."""
    truths = {row["excerpt"]: row.get("F1") for row in rows if row["system"] == TRUTH}
    return [
        row | {"F1/truth": row["F1"] / truths[row["excerpt"]]}
        if "F1" in row and truths.get(row["excerpt"])
        else dict(row)
        for row in rows
    ]


def summary(rows: Iterable[Row], key: str, distances: dict[tuple[str, str], Row]) -> list[Row]:
    """Means of the measures of each system over the excerpts of a group.

    Args:
        rows: Of ``with_shares``.
        key: Name of what excerpts are grouped by, "group" or "target".
        distances: Dict from (group, system) to distances over all excerpts of the group.

    Returns:
        A row for each group and system, in the order of ``SYSTEMS``.
    """
    gathered = defaultdict(list)
    for row in rows:
        gathered[row[key], row["system"]].append(row)
    found = []
    for group, system in sorted(gathered, key=lambda pair: (pair[0], list(SYSTEMS).index(pair[1]))):
        given = gathered[group, system]
        means = {
            name: float(np.mean(values))
            for name in TERMS
            if (values := [row[name] for row in given if name in row])
        }
        found.append(
            {key: group, "system": system, "excerpts": len(given)}
            | means
            | distances.get((group, system), {})
        )
    return [{name: row[name] for name in _ordered(found) if name in row} for row in found]


def _ordered(rows):
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name not in TERMS] + [name for name in TERMS if name in names]


def as_markdown(rows: Sequence[Row]) -> str:
    """Rows as a table of Markdown, numbers with three significant digits."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names)]
    lines += [[_shown(row.get(name, "")) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value):
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
