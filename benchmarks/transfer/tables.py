"""Tables of the benchmark: means over excerpts, and distances of all sounds together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np

from benchmarks.transfer.measures import MEASURES
from benchmarks.transfer.systems import SYSTEMS, TRUTH
from common.report.tables import Term

SPEED, LATENCY = "times real time", "latency"
SHARE = "F1/truth"  # of the means, as there are excerpts of which nothing is heard
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
SUBJECTS = {
    "Notes": (SHARE, "DPD", "DPD circular", "JD", "f0", "f0 right"),
    "Distance from the truth": (
        *("LSD", "LSD-4096", "multi-scale", "MFCC cosine", "loudness"),
        *(FAD, PATCHES),
    ),
    "Heard as the target, movement, cost": (
        *("texture judge", "cepstra judge", "flux", "onsets"),
        *(SPEED, LATENCY),
    ),
}
Row = dict[str, Any]


def summary(rows: Iterable[Row], key: str, distances: dict[tuple[str, str], Row]) -> list[Row]:
    """Means of the measures of each system over the excerpts of a group.

    Args:
        rows: Results, with the F1 of their notes.
        key: Name of what excerpts are grouped by, "group" or "target".
        distances: Dict from (group, system) to distances over all excerpts of the group.

    Returns:
        A row for each group, in the order of the rows, and system, in that of ``SYSTEMS``.
    """
    gathered = defaultdict(list)
    for row in rows:
        gathered[row[key], row["system"]].append(row)
    notes = {
        pair: float(np.mean([row["F1"] for row in given if "F1" in row] or [np.nan]))
        for pair, given in gathered.items()
    }
    found = []
    groups = list(dict.fromkeys(group for group, _ in gathered))
    for group, system in product(groups, SYSTEMS):
        if (group, system) not in gathered:
            continue
        given = gathered[group, system]
        means = {
            name: float(np.mean(values))
            for name in TERMS
            if (values := [row[name] for row in given if name in row])
        }
        share = notes[group, system] / (notes.get((group, TRUTH)) or np.nan)
        if np.isfinite(share):
            means[SHARE] = share
        found.append(
            {key: group, "system": system, "excerpts": len(given)}
            | means
            | distances.get((group, system), {})
        )
    return [{name: row[name] for name in _ordered(found) if name in row} for row in found]


def _ordered(rows):
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name not in TERMS] + [name for name in TERMS if name in names]


def by_subject(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """A table for each of ``SUBJECTS`` of the rows of ``summary``: dict from subject to rows."""
    found = {}
    for subject, names in SUBJECTS.items():
        known = [name for name in names if any(name in row for row in rows)]
        leading = [name for name in rows[0] if name not in TERMS]
        found[subject] = [{name: row.get(name, "") for name in (*leading, *known)} for row in rows]
    return found


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
