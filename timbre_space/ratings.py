"""Ratings of how different instruments sound: tables of several studies, and one that merges them.

A table is a CSV file with the columns a, b, rating and study: two instruments, how different one
listener found them (the larger the number, the more different), and a name of the study. Each
study has its own scale, which is brought to 0 (its smallest rating) to 1 (its largest).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError, missing

FIELDS = ("a", "b", "rating", "study")
_MDS_STEPS = 300


class Rating(NamedTuple):
    """A row of a table."""

    a: str
    b: str
    rating: float
    study: str


class Ratings(NamedTuple):
    """Ratings of all pairs of some instruments, merged.

    Attributes:
        instruments: Names.
        mean: (instruments, instruments) in [0, 1], symmetric, 0 on the diagonal, NaN where a pair
            has no rating.
        deviation: Standard deviation of the ratings of each pair, likewise.
    """

    instruments: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray

    @property
    def rated(self) -> np.ndarray:
        """Pairs of different instruments that have ratings: (instruments, instruments) bool."""
        return np.isfinite(self.mean) & ~np.eye(len(self.instruments), dtype=bool)

    @property
    def uncovered(self) -> list[tuple[str, str]]:
        """Pairs without ratings."""
        rows, columns = np.nonzero(np.triu(~self.rated, 1))
        names = self.instruments
        return [(names[a], names[b]) for a, b in zip(rows, columns, strict=True)]

    def without(self, instrument: str) -> Ratings:
        """The same without all ratings of one instrument."""
        place = self.instruments.index(instrument)
        mean = self.mean.copy()
        mean[place, :] = mean[:, place] = np.nan
        return self._replace(mean=mean)


def read_ratings(path: Path) -> list[Rating]:
    """Read a table; ``UserError`` if it is missing or something in it is no rating."""
    if not Path(path).is_file():
        raise UserError(f"{path}: {missing(path, 'table of ratings')}")
    rows = []
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(line for line in file if not line.startswith("#"))
            if not set(FIELDS) <= set(reader.fieldnames or ()):
                raise UserError(f"{path}: needs the columns {', '.join(FIELDS)}")
            for row in reader:
                rating = Rating(row["a"], row["b"], float(row["rating"]), row["study"])
                if not math.isfinite(rating.rating) or rating.a == rating.b:
                    raise ValueError(f"{rating.a}, {rating.b}, {row['rating']}")
                rows.append(rating)
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{path}: row {len(rows) + 1} is no rating ({error})") from error
    if not rows:
        raise UserError(f"{path}: holds no ratings")
    return rows


def merge(rows: Sequence[Rating], instruments: Sequence[str]) -> Ratings:
    """Bring each study to [0, 1], and merge all ratings of a pair.

    Args:
        rows: List of ``Rating``, with names as in ``instruments`` or without "_acoustic".
        instruments: Names; ratings of others are left out.

    Raises:
        UserError: All ratings of a study are equal, or no pair of the instruments is rated.
    """
    short = {name.removesuffix("_acoustic"): place for place, name in enumerate(instruments)}
    ends = {}
    for row in rows:
        low, high = ends.get(row.study, (row.rating, row.rating))
        ends[row.study] = min(low, row.rating), max(high, row.rating)
    for study, (low, high) in ends.items():
        if low == high:
            raise UserError(f"study {study!r}: all of its ratings are {low:g}")
    found = {}
    for row in rows:
        pair = [
            short.get(name.strip().replace(" ", "_").lower().removesuffix("_acoustic"))
            for name in (row.a, row.b)
        ]
        if None not in pair and pair[0] != pair[1]:
            low, high = ends[row.study]
            found.setdefault(tuple(sorted(pair)), []).append((row.rating - low) / (high - low))
    if not found:
        raise UserError(f"no ratings of {', '.join(instruments)}; name them as the notes are named")
    mean, deviation = (np.full((len(instruments),) * 2, np.nan) for _ in range(2))
    np.fill_diagonal(mean, 0)
    np.fill_diagonal(deviation, 0)
    for (a, b), values in found.items():
        mean[a, b] = mean[b, a] = np.mean(values)
        deviation[a, b] = deviation[b, a] = np.std(values)
    return Ratings(tuple(instruments), mean, deviation)


def scaled_positions(ratings: Ratings, dims: int = 3, seed: int = 0) -> np.ndarray:
    """Metric multidimensional scaling (SMACOF; de Leeuw 1977), unrated pairs left out.

    Args:
        ratings: ``Ratings``.
        dims: Number of dimensions.
        seed: Random seed of the first positions.

    Returns:
        (instruments, dims) whose distances are near the mean ratings; NaN for instruments without
        ratings.
    """
    weights = ratings.rated.astype(float)
    known = weights.any(axis=1)
    weights, targets = (
        array[np.ix_(known, known)] for array in (weights, np.nan_to_num(ratings.mean))
    )
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian)
    points = np.random.default_rng(seed).normal(size=(int(known.sum()), dims))
    for _ in range(_MDS_STEPS):
        distances = np.linalg.norm(points[:, np.newaxis] - points, axis=-1)
        ratio = weights * targets / np.maximum(distances, 1e-9)
        points = inverse @ ((np.diag(ratio.sum(axis=1)) - ratio) @ points)
    placed = np.full((len(known), dims), np.nan)
    placed[known] = points
    return placed


def rank_correlation(values: np.ndarray, others: np.ndarray) -> float:
    """Spearman's rank correlation over the places where both are finite; NaN of a constant."""
    from scipy.stats import spearmanr

    known = np.isfinite(values) & np.isfinite(others)
    values, others = values[known], others[known]
    if len(values) < 2 or np.ptp(values) == 0 or np.ptp(others) == 0:
        return math.nan
    return float(spearmanr(values, others).statistic)


def rank_correlations(distances: np.ndarray, ratings: Ratings) -> dict[str, float]:
    """Spearman's and Kendall's rank correlation of distances with ratings, over rated pairs."""
    from scipy.stats import kendalltau

    pairs = np.triu(ratings.rated, 1)
    given = distances[pairs], ratings.mean[pairs]
    return {
        "spearman": rank_correlation(*given),
        "kendall": float(kendalltau(*given).statistic),
    }


def row_correlation(distances: np.ndarray, ratings: Ratings, place: int) -> float:
    """Spearman's correlation of the distances of one instrument from the others with ratings."""
    others = ratings.rated[place]
    return rank_correlation(distances[place, others], ratings.mean[place, others])
