"""Compare the speed of random_cnn_style with the machine's peak, and measure its memory.

    python -m benchmarks.random_cnn_style

In each round, times the losses and their gradients for 10 seconds of noise (content and style are
other noise) and a large matrix product by the same backend.
"""

import numpy as np

from benchmarks.floor import against_floor
from benchmarks.memory import peak_memory
from common.cli import add_gpu_flag, number, parser, run
from common.training.devices import start_backend


def build_parser():
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_flag("--seconds", 10.0, "length of the sound in seconds", type=number(float, above=0))
    built.add_flag("--filters", 4096, "number of filters of the random layer", type=number(int, 1))
    built.add_flag(
        "--rounds", 5, "number of rounds, of which medians are taken", type=number(int, 1)
    )
    add_gpu_flag(built)
    return built


def operations(columns, rows, weights):
    """Count floating-point operations of losses and gradient, two per multiplication and addition.

    Args:
        columns: Number of columns of the features.
        rows: Number of rows of the style's factor.
        weights: Shape of the network: (kernel, bins, filters).
    """
    convolution = 2 * columns * int(np.prod(weights))
    gram = 2 * columns * (columns + rows) * weights[-1]
    return 2 * (convolution + gram)  # forward and back


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    args = build_parser().parse_args(argv)
    start_backend(args.gpu)
    from keras import ops

    from random_cnn_style.network import KERNEL, features, random_weights
    from random_cnn_style.objective import Objective, Targets
    from random_cnn_style.spectrogram import SAMPLE_RATE, TRANSFORMS, column_count

    bins = TRANSFORMS["stft"].bins
    columns = column_count(round(args.seconds * SAMPLE_RATE))
    weights = ops.convert_to_tensor(random_weights(bins, args.filters, KERNEL))
    rng = np.random.default_rng(0)
    noise = [np.abs(rng.standard_normal((columns, bins), np.float32)) for _ in range(3)]
    content, style = (
        ops.convert_to_numpy(features(ops.convert_to_tensor(part), weights)) for part in noise[:2]
    )
    targets = Targets(weights, content, style / np.float32(np.sqrt(len(style))))
    objective = Objective([targets], 1.0)
    objective(noise[2])  # compiles
    flops = operations(len(content), len(style), tuple(weights.shape))
    print(f"operations: {flops / 1e9:.1f} GFLOP an evaluation, {args.seconds:g} s of sound")
    seconds = against_floor(lambda: objective(noise[2]), flops, args.rounds)
    losses, slopes = objective.seconds
    print(f"evaluation: {seconds:.2f} s, {flops / 1e9 / seconds:.0f} GFLOP/s")
    print(
        f"split: losses {losses / (losses + slopes):.0%}, slopes {slopes / (losses + slopes):.0%}"
    )
    print(f"300 iterations: {300 * seconds / 60:.1f} minutes")
    print(f"memory: {peak_memory() / 2**30:.2f} GiB at its highest")
    return 0


if __name__ == "__main__":
    run(main)
