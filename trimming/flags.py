"""Flags that the scripts of the trimming share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from common.cli import UserError, add_gpu_flag, add_seed_flag, existing_folder, number

if TYPE_CHECKING:
    from common.trained import Examples

CRITERIA = (
    *("magnitude", "gradient_max", "gradient_min", "activation", "normalisation"),
    *("information_target", "information_input", "random"),
)
WITHOUT_EXAMPLES = ("magnitude", "normalisation", "random")
SCOPES = ("local", "global", "global_then_local")
CONTROLS = ("random", "reinitialised", "scratch", "masked")
CONTROL_AT = (0.8, 0.9, 0.99)  # shares of the weights that are gone
LEAST_UNITS = 4  # that a layer keeps by default
SCALES = ("max", "dimension", "none")
TRIMMER_SETTINGS = ("criterion", "scope", "scale", "share", "least_units", "approximate")
REWINDS = ("weights", "learning_rate")


def is_reached(share: float, left: float) -> bool:
    """Whether a share of CONTROL_AT is gone, if so much is left; half a percent may be missing."""
    return 1 - left >= share - 0.005


def add_flags(
    built: ArgumentParser,
    *,
    criterion: str = "magnitude",
    share: float = 0.3,
    least_units: int = LEAST_UNITS,
) -> None:
    """Add the flags of ``trimming.trimmer.Trimmer``, and of the seed and the devices.

    Args:
        built: ``common.cli.parser``.
        criterion, share, least_units: Defaults.
    """
    built.add_flag(
        "--criterion", criterion, "what tells the importance of a unit", choices=CRITERIA
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
        "largest of the layer, or the number of weights of a unit; without effect if the scope is "
        "local",
        choices=SCALES,
    )
    built.add_flag(
        "--share",
        share,
        "share of the weights that a step removes",
        type=number(float, above=0, below=1),
    )
    built.add_flag(
        "--least_units",
        least_units,
        "number of units that every layer keeps, if it has as many",
        type=number(int, 1),
    )
    built.add_argument(
        "--approximate",
        action="store_true",
        help="also cut units that a layer normalisation, or a group normalisation with one group, "
        "sees together, which changes what it makes of the others until they are trained on",
    )
    add_seed_flag(built, "what is drawn")
    add_gpu_flag(built)


def add_dataset_flag(built: ArgumentParser) -> None:
    """Add the flag of the data that ``settings_of`` takes examples from."""
    built.add_argument(
        "--dataset_path",
        type=existing_folder,
        help="features that examples are taken from, for models of the timbre transfer and of "
        "light_mir",
    )


def add_round_flags(built: ArgumentParser, rounds: int = 10, epochs: int = 10) -> None:
    """Add the flags of ``trimming.rounds.lottery``: rounds, epochs and controls.

    Args:
        built: ``common.cli.parser``.
        rounds, epochs: Defaults.
    """
    built.add_flag("--rounds", rounds, "number of rounds after the first", type=number(int, 0, 100))
    built.add_flag("--epochs", epochs, "epochs of each training", type=number(int, 1))
    built.add_flag("--batch_size", 8, "examples of a batch", type=number(int, 1))
    built.add_flag(
        "--rewind_epoch",
        1,
        "epoch of the first training whose weights are kept; 0 for those before it",
        type=number(int, 0),
    )
    built.add_flag(
        "--rewind",
        "weights",
        "what is set back before a round is trained: weights, to those of --rewind_epoch, or the "
        "learning rate alone, so that a round goes on with the weights of the one before",
        choices=REWINDS,
    )
    built.add_argument(
        "--controls",
        nargs="*",
        choices=CONTROLS,
        default=[],
        help="further networks to train for comparison",
    )


def require_rewind(args: Namespace) -> None:
    """Raise ``UserError`` if tickets would be set back to an epoch that there is not."""
    if args.rewind_epoch > args.epochs:
        raise UserError(f"--rewind_epoch {args.rewind_epoch}: beyond --epochs {args.epochs}")


def trimmer_settings(args: Namespace) -> dict[str, Any]:
    """Arguments of ``trimming.trimmer.Trimmer`` by the flags of ``add_flags``, without the loss."""
    return {name: getattr(args, name) for name in (*TRIMMER_SETTINGS, "seed")}


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
    settings = trimmer_settings(args)
    if args.dataset_path is None:
        if args.criterion not in WITHOUT_EXAMPLES:
            raise UserError(f"--criterion {args.criterion}: needs examples; give --dataset_path")
        return settings, None
    from common.trained import open_examples

    examples = open_examples(args.model, args.dataset_path, seed=args.seed, **how)
    return settings | {"loss": examples.loss}, examples
