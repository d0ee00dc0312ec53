"""Train the generator of Pix2Pix alone, by L1, to convert one instrument into another.

    python train_generator.py --dataset_path features --origin keyboard_acoustic \\
        --target guitar_acoustic

The run folder (runs/<origin>_2_<target>) receives what train.py writes, but for the discriminator.
"""

from common.cli import UserError, number, parser, run
from pix2pix_timbre.flags import add_flags, published_rates, rates_help
from pix2pix_timbre.session import Session


def build_parser():
    """Flags of the script."""
    built = parser(__doc__ + rates_help())
    add_flags(built)
    built.add_argument("--lr", type=number(float, 0), help="learning rate")
    built.add_argument(
        "--with_phase",
        action="store_true",
        help="convert magnitude and phase as two channels (needs features made --with_phase)",
    )
    return built


def main(argv=None):
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.lr is None:
        args.lr = published_rates(args)[0]
    if args.with_phase and args.augment:
        raise UserError("--augment: the effects change magnitudes only; leave out --with_phase")
    return Session(args, args.lr, with_phase=args.with_phase).run_as_asked()


if __name__ == "__main__":
    run(main)
