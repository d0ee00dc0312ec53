"""Prediction by the full-size generator against its arithmetic floor.

    python -m benchmarks.predict

The floor of one frame is the operations of its convolutions over the peak of a matrix product.
Floor and prediction are measured in turn, and the median of the ratios is printed, since machines
are noisy.
"""

import statistics

import numpy as np

from benchmarks.floor import convolution_flops, machine_peak, timed
from common.cli import number, parser, run
from common.training import start_backend
from data import BINS, FRAME_COLUMNS, HOP, SAMPLE_RATE

FRAMES = 16


def main(argv=None):
    """Run the benchmark; exit status 0."""
    built = parser(__doc__)
    built.add_argument("--width", type=number(int, 1), default=64)
    built.add_argument("--rounds", type=number(int, 1), default=9)
    built.add_argument("--mixed_precision", choices=["off", "bfloat16"], default="off")
    args = built.parse_args(argv)
    start_backend(None)

    from common.training import set_up_keras
    from pix2pix_timbre.convert import Predictor
    from pix2pix_timbre.model import build_generator

    set_up_keras(0, args.mixed_precision)
    generator = build_generator(args.width)
    predict = Predictor(generator)
    frames = np.random.default_rng(0).random((FRAMES, BINS, FRAME_COLUMNS, 1), np.float32)
    predict(frames)  # compiled here, not below
    flops = convolution_flops(generator)
    ratios, seconds = [], []
    for _ in range(args.rounds):
        floor = flops / machine_peak()
        seconds.append(timed(lambda: predict(frames)) / FRAMES)
        ratios.append(seconds[-1] / floor)
    frame_seconds = FRAME_COLUMNS * HOP / SAMPLE_RATE
    typical = statistics.median(seconds)
    print(f"one frame: {flops / 1e9:.1f} GFLOP, {1000 * typical:.1f} ms")
    print(f"{frame_seconds / typical:.0f} times real time without overlap")
    print(
        f"time over floor: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to "
        f"{max(ratios):.2f} in {args.rounds} rounds"
    )
    return 0


if __name__ == "__main__":
    run(main)
