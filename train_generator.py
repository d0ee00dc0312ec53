"""Train the generator of Pix2Pix alone, by L1, to convert one instrument into another.

    python train_generator.py --dataset_path features --origin keyboard_acoustic \\
        --target guitar_acoustic

The run folder (runs/<origin>_2_<target>) gets the same files as with train.py, except for the
discriminator.
"""

from common.cli import run
from pix2pix_timbre.flags import rates_help
from pix2pix_timbre.session import GeneratorSession


def build_parser():
    """Flags of the script."""
    return GeneratorSession.build_parser(__doc__ + rates_help())


def train_generator(**flags):
    """Train from Python, by the script's flags as keyword arguments; the path of the run folder."""
    return GeneratorSession.train_with(flags)


def main(argv=None):
    """Run the script; its exit status."""
    return GeneratorSession(**vars(build_parser().parse_args(argv))).train()


if __name__ == "__main__":
    run(main)
