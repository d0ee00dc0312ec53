"""Flags that several scripts of time stretching share."""

from common.cli import Parser, add_features_flag, number
from common.training.flags import add_training_flags

CLIP_NORM = 0.5  # largest norm of gradients, as published


def add_onsets_flag(built: Parser, published: str = "") -> None:
    """Add ``--onsets``, "place" or "leave".

    Args:
        built: Parser.
        published: Text for the help after the default.
    """
    built.add_argument(
        "--onsets",
        choices=["place", "leave"],
        default="place",
        help="treatment of attacks: place puts them where they belong, leave "
        f"leaves them to the phase vocoder, as librosa does ({published}default: "
        "place)",
    )


def add_window_flags(built: Parser, lr: float) -> None:
    """Add the flags of a training on windows of a store.

    Args:
        built: Parser.
        lr: Default learning rate.
    """
    add_features_flag(built, "time_stretching")
    built.add_flag(
        "--columns",
        96,
        "length of a training window in columns, 31.25 per second",
        type=number(int, 1),
    )
    add_training_flags(built, what="windows", batch_size=16, lr=lr)
