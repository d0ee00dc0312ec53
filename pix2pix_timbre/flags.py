"""Flags of the training scripts and their published defaults."""

from collections.abc import Sequence
from pathlib import Path

from common.cli import Names, Parser, number, on_off
from common.training.flags import add_training_flags
from pix2pix_timbre.augment import KINDS, ORIGIN_KINDS

# Generator and discriminator learning rates of the published trainings, by (origin, target).
LEARNING_RATES = {
    ("keyboard_acoustic", "guitar_acoustic"): (5e-5, 5e-6),
    ("keyboard_acoustic", "string_acoustic"): (1e-5, 1e-5),
    ("keyboard_acoustic", "synth_lead_synthetic"): (1e-4, 1e-5),
    ("keyboard_acoustic", "any"): (1e-5, 5e-6),
}
OTHER_PAIRS = (5e-5, 5e-6)  # not published: the rates of the first pair
LAMBDA = 100  # weight of the L1 loss, as published


def side(instruments: Sequence[str] | str) -> str:
    """Name of one side of a training: its instrument, or "any" for several."""
    if isinstance(instruments, str):
        return instruments
    return instruments[0] if len(instruments) == 1 else "any"


def published_rates(
    origin: Sequence[str] | str, target: Sequence[str] | str
) -> tuple[float, float]:
    """Default learning rates of generator and discriminator for the instruments of both sides."""
    return LEARNING_RATES.get((side(origin), side(target)), OTHER_PAIRS)


def rates_help() -> str:
    """Text about the default learning rates for the end of a script's help."""
    published = "".join(
        f"    {origin} to {target}: {gen:g} and {disc:g}\n"
        for (origin, target), (gen, disc) in LEARNING_RATES.items()
    )
    return (
        f"\nDefault learning rates of generator and discriminator:\n\n{published}"
        f"    other pairs: {OTHER_PAIRS[0]:g} and {OTHER_PAIRS[1]:g}\n"
    )


def add_adversarial_flags(built: Parser) -> None:
    """Add the flags of a training with generator and discriminator."""
    built.add_argument(
        "--gen_lr",
        type=number(float, 0),
        help="learning rate of the generator (default: see below)",
    )
    built.add_argument(
        "--disc_lr",
        type=number(float, 0),
        help="learning rate of the discriminator (default: see below)",
    )
    built.add_flag(
        "--l1_weight",
        LAMBDA,
        "weight of the L1 loss beside the adversarial loss of the generator",
        type=number(float, 0),
    )
    built.add_argument(
        "--adversarial_start",
        type=number(int, 0),
        default=0,
        metavar="STEP",
        help="step at which the discriminator joins; before it, the generator trains "
        "by L1 alone (default: 0, as published)",
    )


def add_generator_flags(built: Parser) -> None:
    """Add the flags of a training of the generator alone."""
    built.add_argument(
        "--lr", type=number(float, 0), help="learning rate (default: that of the generator below)"
    )
    built.add_argument(
        "--with_phase",
        action="store_true",
        help="convert magnitude and phase together, as two channels (needs features "
        "made with compute_features.py --with_phase)",
    )


def add_flags(built: Parser, *, several: bool = False) -> None:
    """Add the flags that all training scripts of this system have.

    Args:
        built: ``common.cli.parser``.
        several: Whether --origin and --target take several instruments.
    """
    built.add_argument(
        "--dataset_path",
        required=True,
        type=Path,
        help="folder of features made by compute_features.py",
    )
    taken = {"action": Names, "nargs": "+", "metavar": "NAME"} if several else {}
    what = "instruments" if several else "instrument"
    built.add_argument("--origin", required=True, help=f"{what} to convert from", **taken)
    built.add_argument("--target", required=True, help=f"{what} to convert to", **taken)
    add_training_flags(built)
    built.add_argument(
        "--findlr",
        type=on_off,
        nargs="?",
        const=True,
        default=False,
        help="search for good learning rates instead of training",
    )
    built.add_argument(
        "--width",
        type=number(int, 1, 256),
        default=64,
        help="number of filters in the first block of the networks (default: 64, as published)",
    )
    built.add_argument(
        "--dropout",
        type=number(float, 0, below=1),
        default=0.5,
        help="dropout rate of the generator's first three up blocks (default: 0.5, as published)",
    )
    built.add_flag(
        "--difference_weight",
        0.0,
        "weight of the L1 distance of the changes from column to column, relative to that of the "
        "columns; sharpens attacks",
        type=number(float, 0),
    )
    built.add_flag(
        "--offsets",
        "regular",
        "where training frames are cut: at multiples of 256 columns, or anywhere",
        choices=["regular", "random"],
    )
    built.add_argument(
        "--augment",
        choices=KINDS,
        nargs="+",
        default=[],
        help="effects on the training pairs, drawn anew for each frame and the same "
        "for origin and target (default: none, as published)",
    )
    built.add_argument(
        "--augment_origin",
        choices=ORIGIN_KINDS,
        nargs="+",
        default=[],
        help="effects on the origin alone, for instruments and rooms that the training "
        "material lacks (default: none, as published)",
    )
    built.add_argument(
        "--output",
        type=Path,
        help='run folder (default: runs/<origin>_2_<target>, with "any" for several instruments)',
    )
    built.add_argument(
        "--audios_path",
        type=Path,
        help="folder of the audios that the features were made from, whose phase is "
        "used for the listening samples (default: the phase is estimated)",
    )
