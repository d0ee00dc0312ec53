"""Train one Pix2Pix that converts into any of several instruments, shown which by a style frame.

    python train_multitarget.py --dataset_path features --origin keyboard_acoustic \\
        --target guitar_acoustic string_acoustic synth_lead_synthetic

The generator sees the origin and, as a second channel, a frame of the target instrument playing
another piece. Every piece with every target is an example; styles are drawn anew each epoch. With
several instruments as --origin, it learns to convert any into any. The run folder
(runs/<origin>_2_any) receives what train.py writes, samples by target.
"""

from common.cli import parser, run
from pix2pix_timbre.flags import add_adversarial_flags, add_flags, rates_help, with_default_rates
from pix2pix_timbre.session import Session


def build_parser():
    """Flags of the script."""
    built = parser(__doc__ + rates_help())
    add_flags(built, several=True)
    add_adversarial_flags(built)
    return built


def main(argv=None):
    """Run the script; its exit status."""
    args = with_default_rates(build_parser().parse_args(argv))
    session = Session(
        args, args.gen_lr, args.disc_lr, adversarial_start=args.adversarial_start, styled=True
    )
    return session.run_as_asked()


if __name__ == "__main__":
    run(main)
