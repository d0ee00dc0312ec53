"""Flags that the scripts of the trimming share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import UserError, add_gpu_flag, add_seed_flag, number

if TYPE_CHECKING:
    from common.trained import Examples

CRITERIA = (
    *("magnitude", "gradient_max", "gradient_min", "activation", "normalisation"),
    *("information_target", "information_input", "random"),
)
WITHOUT_EXAMPLES = ("magnitude", "normalisation", "random")
SCOPES = ("local", "global", "global_then_local")
CONTROLS = ("random", "reinitialised", "scratch", "masked")
LEAST_UNITS = 4  # that a layer keeps by default
SCALES = ("max", "dimension", "none")


def add_flags(built: ArgumentParser) -> None:
    """Add the flags of ``trimming.trimmer.Trimmer``, and of the examples that criteria need."""
    built.add_flag(
        "--criterion", "magnitude", "what tells the importance of a unit", choices=CRITERIA
    )
    built.add_flag(
        "--scope",
        "global",
        "where units compete: within their layer, everywhere, or "
        "everywhere until 90 %% of the weights are gone",
        choices=SCOPES,
    )
    built.add_flag(
        "--scale",
        "max",
        "by what scores are divided before layers are compared: the "
        "largest of the layer, or the number of weights of a unit",
        choices=SCALES,
    )
    built.add_flag(
        "--share",
        0.3,
        "share of the weights that a step removes",
        type=number(float, above=0, below=1),
    )
    built.add_flag(
        "--least_units",
        LEAST_UNITS,
        "number of units that every layer keeps, if it has as many",
        type=number(int, 1),
    )
    built.add_argument(
        "--approximate",
        action="store_true",
        help="also cut units that a layer normalisation sees together, which changes what it makes "
        "of the others until they are trained on",
    )
    built.add_argument(
        "--dataset_path",
        type=Path,
        help="folder of features that examples are taken from, for models of the timbre transfer",
    )
    add_seed_flag(built, "what is drawn")
    add_gpu_flag(built)


def settings_of(args: Namespace, **how: Any) -> tuple[dict[str, Any], Examples | None]:
    """Read the flags.

    Args:
        args: Values of the flags, and of ``--model``.
        how: Settings of ``common.trained.open_examples``.

    Returns:
        ``(settings, examples)``: arguments of ``trimming.trimmer.Trimmer``; examples of the model,
        or None without ``--dataset_path``.

    Raises:
        UserError: The criterion needs examples, or they do not fit the model.
    """
    names = ("criterion", "scope", "scale", "share", "least_units")
    settings = {name: getattr(args, name) for name in names}
    settings |= {"approximate": args.approximate, "seed": args.seed}
    if args.dataset_path is None:
        if args.criterion not in WITHOUT_EXAMPLES:
            raise UserError(f"--criterion {args.criterion}: needs examples; give --dataset_path")
        return settings, None
    from common.trained import open_examples

    examples = open_examples(args.model, args.dataset_path, seed=args.seed, **how)
    return settings | {"loss": examples.loss}, examples
