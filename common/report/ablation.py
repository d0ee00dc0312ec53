"""Ablations: the same training with parts left out, each with several seeds."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import Parser, number


class Spread(NamedTuple):
    """Mean and standard deviation of a figure over the seeds; in words "0.490 ± 0.031".

    Attributes:
        mean: Mean.
        deviation: Standard deviation of the population.
    """

    mean: float
    deviation: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


def add_ablation_flags(built: Parser, variants: Mapping[str, Any], epochs: int, steps: int) -> None:
    """Add the flags of an evaluation that trains the models of an ablation first.

    Args:
        built: ``common.cli.parser``.
        variants: Their names are told in the help text.
        epochs, steps: Default length of the trainings.
    """
    built.add_argument(
        "--ablation",
        type=Path,
        help=f"folder of models to train, as far as they are not there: {', '.join(variants)}",
    )
    built.add_argument(
        "--variants",
        nargs="+",
        choices=list(variants),
        default=list(variants),
        metavar="NAME",
        help="which of these models (default: all)",
    )
    built.add_flag(
        "--seeds", 1, "number of trainings of each of these, with seeds from 0", type=number(int, 1)
    )
    built.add_flag("--epochs", epochs, "epochs of these trainings", type=number(int, 1))
    built.add_flag("--steps_per_epoch", steps, "batches of an epoch of these", type=number(int, 1))


def train_variants(
    train: Callable[..., Path],
    variants: Mapping[str, Mapping[str, Any]],
    args: argparse.Namespace,
    **flags: Any,
) -> dict[str, list[Path]]:
    """Train the models of an ablation; trainings that are finished are left as they are.

    Args:
        train: The function of that name of a training script.
        variants: Dict from the name of a model to the flags in which it differs.
        args: Flags of ``add_ablation_flags``, and ``features_path``. The run folders become
            ``<name>_<seed>`` in ``args.ablation``.
        flags: What else is the same for all. The learning rate falls from 0.003 by default.

    Returns:
        Dict from name to run folders.
    """
    same = {"lr": 3e-3, "lr_decay": "cosine", **flags}
    for name in ("features_path", "epochs", "steps_per_epoch"):
        same[name] = getattr(args, name)
    return {
        name: [
            train(output=args.ablation / f"{name}_{seed}", seed=seed, **{**same, **changes})
            for seed in range(args.seeds)
        ]
        for name, changes in variants.items()
        if name in args.variants
    }


def over_seeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row of a table for rows of the same columns: a ``Spread`` of each, of one row the values.

    Columns of text are those of the first row.
    """
    if len(rows) == 1:
        return dict(rows[0])
    found = {}
    for name, value in rows[0].items():
        if isinstance(value, str):
            found[name] = value
        else:
            values = [row[name] for row in rows]
            found[name] = Spread(float(np.mean(values)), float(np.std(values)))
    return found


def training_minutes(folder: Path) -> float:
    """Minutes that a training took, by the ``history.csv`` of its run folder; NaN without one."""
    path = folder / "history.csv"
    if not path.is_file():
        return float("nan")
    with path.open(encoding="utf-8", newline="") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file)) / 60
