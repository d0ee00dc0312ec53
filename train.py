"""Train Pix2Pix to convert one instrument into another.

    python train.py --dataset_path features --origin keyboard_acoustic --target guitar_acoustic

After each epoch, the run folder (runs/<origin>_2_<target>) gets history.csv and history.png,
generator.h5 and discriminator.h5, and a validation piece as picture and audio. An interrupted run
continues after its last finished epoch when the same command is given again.
"""

from common.cli import run
from pix2pix_timbre.flags import rates_help
from pix2pix_timbre.session import Session

build_parser, train, main = Session.script_functions((__doc__ or "") + rates_help())

if __name__ == "__main__":
    run(main)
