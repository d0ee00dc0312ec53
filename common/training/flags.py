"""Flags that all training scripts have, and parsing of flags that are given in Python."""

import argparse
from typing import Any

from common.cli import Parser, UserError, add_seed_flag, number


def parsed(built: Parser, flags: dict[str, Any]) -> dict[str, Any]:
    """Parse flags that are given by name in Python; the others get their defaults.

    Args:
        built: A ``common.cli.parser`` that is not used for anything else.
        flags: Dict from name to value, as on the command line: a list for several words, True and
            False for switches. None leaves the default.

    Returns:
        Dict from name to value.

    Raises:
        UserError: A flag is unknown or missing, or has an invalid value.
    """

    def refuse(message):
        raise UserError(message)

    built.error = refuse  # instead of ending the process
    words = []
    for name, value in flags.items():
        if isinstance(value, bool):
            if value != built.get_default(name):
                words.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, list | tuple):
            words += [f"--{name}", *map(str, value)]
        elif value is not None:
            words.append(f"--{name}={value}")
    return vars(built.parse_args(words))


def add_training_flags(
    built: Parser,
    *,
    what: str = "frames",
    batch_size: int = 8,
    lr: float | None = None,
    split: bool = True,
    epochs: int = 100,
    validation_split: float = 0.1,
    lr_decay: str = "none",
) -> None:
    """Add the flags of ``common.training.session.TrainingSession``.

    Args:
        built: ``common.cli.parser``.
        what: Elements of a batch, in plural, for help texts.
        batch_size: Default batch size.
        lr: Default learning rate; None if the script has its own flags for learning rates.
        split: Whether the script splits its data; if not, they come split.
        epochs: Default number of epochs.
        validation_split: Default share that is held out for validation.
        lr_decay: Default shape of the learning rate.
    """
    if lr is not None:
        built.add_flag("--lr", lr, "learning rate", type=number(float, 0))
    built.add_argument(
        "--gpu",
        help='GPUs to use, such as 0 or 0,1; "" for the CPU (default: all that the '
        "environment offers)",
    )
    built.add_flag(
        "--epochs",
        epochs,
        "total number of epochs of the run, counted from --epoch_offset",
        type=number(int, 1),
    )
    built.add_flag(
        "--epoch_offset",
        0,
        "number of epochs that the weights in the output folder were already trained for; the run "
        "starts from these weights",
        type=number(int, 0),
    )
    built.add_flag(
        "--batch_size",
        batch_size,
        f"number of {what} in a batch, over all devices together",
        type=number(int, 1),
    )
    if split:
        built.add_flag(
            "--validation_split",
            validation_split,
            "share of the pieces that are held out for validation",
            type=number(float, 0, below=1),
        )
    add_seed_flag(built, "weights, shuffling and dropout")
    built.add_argument(
        "--lr_decay",
        choices=["none", "linear", "cosine"],
        default=lr_decay,
        help="shape in which the learning rates fall to 0 over the run (default: "
        + ("none, as published)" if lr_decay == "none" else f"{lr_decay})"),
    )
    built.add_argument(
        "--ema",
        type=number(float, 0, below=1),
        default=0.0,
        metavar="MOMENTUM",
        help="momentum of moving averages of the weights, such as 0.999; the averages "
        "are then validated and saved (default: 0, no averages, as published)",
    )
    built.add_argument(
        "--mixed_precision",
        choices=["off", "float16", "bfloat16"],
        default="off",
        help="precision of the hidden layers (default: off, which is float32)",
    )
    built.add_argument(
        "--steps_per_epoch",
        type=number(int, 1),
        help=f"number of batches in an epoch (default: one pass through all {what})",
    )
    built.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="continue the run in the output folder, or with --no-resume discard it "
        "(default: continue)",
    )
