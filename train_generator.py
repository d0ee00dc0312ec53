"""Train the generator of Pix2Pix alone, by L1, to convert one instrument into another.

    python train_generator.py --dataset_path features --origin keyboard_acoustic \\
        --target guitar_acoustic

The run folder (runs/<origin>_2_<target>) gets the same files as with train.py, except for the
discriminator.
"""

from common.cli import run
from pix2pix_timbre.flags import rates_help
from pix2pix_timbre.session import GeneratorSession

build_parser, train_generator, main = GeneratorSession.script_functions(
    (__doc__ or "") + rates_help()
)

if __name__ == "__main__":
    run(main)
