"""One GAN training step against its arithmetic floor.

    python -m benchmarks.train_step --width 64

Forward and backward pass cost three times the forward pass of the generator. The discriminator
runs three times (real, generated, generated with frozen weights): three forward passes, four
backward parts to its weights and inputs, and one to the input of the frozen pass.
"""

import numpy as np

from benchmarks.floor import against_floor, convolution_flops
from common.cli import number, parser, run
from common.training import jit_setting, set_up_keras, start_backend
from data import BINS, FRAME_COLUMNS


def main(argv=None):
    """Run the benchmark; exit status 0."""
    built = parser(__doc__)
    built.add_argument("--width", type=number(int, 1), default=64)
    built.add_argument("--batch_size", type=number(int, 1), default=8)
    built.add_argument("--rounds", type=number(int, 1), default=5)
    built.add_argument("--steps", type=number(int, 1), default=2, help="per round")
    built.add_argument("--mixed_precision", choices=["off", "bfloat16"], default="off")
    args = built.parse_args(argv)
    start_backend(None)

    from pix2pix_timbre.gan import Pix2Pix
    from pix2pix_timbre.model import build_discriminator, build_generator

    set_up_keras(0, args.mixed_precision)
    model = Pix2Pix(build_generator(args.width), build_discriminator(args.width))
    model.compile_adam(1e-4, 1e-5, jit_compile=jit_setting())
    flops = args.batch_size * (
        3 * convolution_flops(model.generator) + 8 * convolution_flops(model.discriminator)
    )
    shape = (args.batch_size, BINS, FRAME_COLUMNS, 1)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)

    def steps():
        for _ in range(args.steps):
            model.train_on_batch(x, y)

    steps()  # compiled here, not below
    seconds = against_floor(steps, args.steps * flops, args.rounds) / args.steps
    print(f"one step of {args.batch_size} frames: {flops / 1e9:.0f} GFLOP, {seconds:.3f} s")
    return 0


if __name__ == "__main__":
    run(main)
