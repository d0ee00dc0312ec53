"""Train Pix2Pix to convert one instrument into another.

    python train.py --dataset_path features --origin keyboard_acoustic --target guitar_acoustic

The run folder (runs/<origin>_2_<target>) receives after each epoch history.csv and history.png,
generator.h5 and discriminator.h5, and a validation piece as picture and audio. A run that was
interrupted goes on with its last finished epoch.
"""

from common.cli import parser, run
from pix2pix_timbre.flags import add_adversarial_flags, add_flags, rates_help, with_default_rates
from pix2pix_timbre.session import Session


def build_parser():
    """Flags of the script."""
    built = parser(__doc__ + rates_help())
    add_flags(built)
    add_adversarial_flags(built)
    return built


def main(argv=None):
    """Run the script; its exit status."""
    args = with_default_rates(build_parser().parse_args(argv))
    session = Session(args, args.gen_lr, args.disc_lr, adversarial_start=args.adversarial_start)
    return session.run_as_asked()


if __name__ == "__main__":
    run(main)
