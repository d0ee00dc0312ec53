"""Train one Pix2Pix that converts into any of several instruments, chosen by a style frame.

    python train_multitarget.py --dataset_path features --origin keyboard_acoustic \\
        --target guitar_acoustic string_acoustic synth_lead_synthetic

The generator sees the origin and, as a second channel, the style: a frame of the target instrument
playing another piece. Every piece is an example for every target; styles are drawn anew each epoch.
With several instruments as --origin, it learns to convert any of them. The run folder
(runs/<origin>_2_any) gets the same files as with train.py, with samples for each target.
"""

from common.cli import run
from pix2pix_timbre.flags import rates_help
from pix2pix_timbre.session import MultitargetSession

build_parser, train_multitarget, main = MultitargetSession.script_functions(
    (__doc__ or "") + rates_help()
)

if __name__ == "__main__":
    run(main)
