"""Compare the speed of the full-size generator with the peak speed of the machine.

    python -m benchmarks.predict

The shortest possible time for a frame is the number of operations of its convolutions, divided by
the speed of a large matrix product.
"""

import numpy as np

from benchmarks.floor import against_floor, convolution_flops
from common.cli import number, parser, run
from common.training.devices import start_backend
from data import BINS, FRAME_COLUMNS, HOP, SAMPLE_RATE

FRAMES = 16


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_flag(
        "--width", 64, "number of filters in the first block of the generator", type=number(int, 1)
    )
    built.add_flag(
        "--rounds", 9, "number of rounds, of which medians are taken", type=number(int, 1)
    )
    built.add_argument(
        "--mixed_precision",
        choices=["off", "bfloat16"],
        default="off",
        help="precision of the hidden layers (default: off, which is float32)",
    )
    args = built.parse_args(argv)
    start_backend(None)

    from common.training.session import set_up_keras
    from pix2pix_timbre.model import build_generator
    from pix2pix_timbre.trained import Predictor

    set_up_keras(0, args.mixed_precision)
    generator = build_generator(args.width)
    predict = Predictor(generator)
    frames = np.random.default_rng(0).random((FRAMES, BINS, FRAME_COLUMNS, 1), np.float32)
    predict(frames)  # compiles, so that the timed calls do not
    flops = convolution_flops(generator)
    seconds = against_floor(lambda: predict(frames), FRAMES * flops, args.rounds) / FRAMES
    frame_seconds = FRAME_COLUMNS * HOP / SAMPLE_RATE
    print(f"one frame: {flops / 1e9:.1f} GFLOP, {1000 * seconds:.1f} ms")
    print(f"{frame_seconds / seconds:.0f} times real time without overlap")
    return 0


if __name__ == "__main__":
    run(main)
