"""Compare training steps: the eager loop as published, and this kit in float32 and bfloat16.

    python -m benchmarks.training

Every round times each of them, the machine's peak speed in a float32 matrix product, and the input
pipeline, so that other load on the machine affects all of them alike. The figures are medians over
the rounds. The ratio is the time of the eager loop divided by that of the step; of_peak is the
step's operations per second divided by the peak of float32, even if the step computes in bfloat16.

The number of operations of a step counts the same for all: three times the forward pass of the
generator, and eight times that of the discriminator (three each for real and generated pairs, and
two for the generator's gradient: forward, and back to the input). That is 62 GFLOP per frame at
width 64. It counts the forward pass of generated pairs twice, though both can share it: a step
needs 58.7. The eager loop computes about 86, because each of its tapes goes back through the whole
generator; this is part of its slowness, not of the work to be done.
"""

import contextlib
import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.floor import convolution_flops, machine_peak, timed
from common.cli import number, parser, run
from common.report.tables import as_text
from common.training.devices import OneDevice, jit_setting, start_backend
from common.training.session import set_up_keras
from data import BINS, FRAME_COLUMNS

EAGER = "eager loop, float32"
OURS = {"ours, float32": "off", "ours, bfloat16": "bfloat16"}  # name -> mixed precision
RATES = 1e-4, 1e-5  # learning rates of generator and discriminator
WARM_UP = 2  # number of steps that are not timed, the first of which compiles
SIDES = "origin", "target"
PIECES, PIECE_FRAMES = 4, 16
PIPELINE_BATCHES = 16  # per round, because a single batch takes only milliseconds


def eager_step(generator, discriminator):
    """Return the published training step, not compiled: a function of a batch (origin, target).

    Two gradient tapes record one prediction and the discriminator's judgements of prediction and
    target, and each network has its own Adam. Layers and optimisers are those of our Keras.
    """
    import keras
    import tensorflow as tf

    from pix2pix_timbre.losses import discriminator_loss, generator_loss, mean_absolute_error
    from pix2pix_timbre.optimizer import BETA_1

    networks = generator, discriminator
    optimizers = [keras.optimizers.Adam(rate, beta_1=BETA_1) for rate in RATES]

    def step(x, y):
        x, y = tf.constant(x), tf.constant(y)
        tapes = tf.GradientTape(), tf.GradientTape()
        with tapes[0], tapes[1]:
            predicted = generator(x, training=True)
            real = discriminator([x, y], training=True)
            generated = discriminator([x, predicted], training=True)
            gen_mae = mean_absolute_error(y, predicted)
            losses = generator_loss(generated, gen_mae), discriminator_loss(real, generated)
        gradients = [
            tape.gradient(loss, network.trainable_variables)
            for tape, loss, network in zip(tapes, losses, networks, strict=True)
        ]
        for optimizer, gradient, network in zip(optimizers, gradients, networks, strict=True):
            optimizer.apply_gradients(zip(gradient, network.trainable_variables, strict=True))
        return [float(value) for value in (gen_mae, *losses)]  # as published: shown each step

    return step


def make_steps(width):
    """Return a dict from name to training step (function of a batch), and operations per frame."""
    import keras

    from pix2pix_timbre.gan import Pix2Pix
    from pix2pix_timbre.model import build_discriminator, build_generator
    from pix2pix_timbre.optimizer import TwoRateAdam

    steps = {}
    if keras.backend.backend() == "tensorflow":
        set_up_keras(0)
        steps[EAGER] = eager_step(build_generator(width), build_discriminator(width))
    for name, mixed_precision in OURS.items():
        set_up_keras(0, mixed_precision)
        networks = build_generator(width), build_discriminator(width)
        for network in networks:
            OneDevice().prepare(network)
        model = Pix2Pix(*networks)
        model.compile(TwoRateAdam(*RATES), jit_compile=jit_setting())
        steps[name] = model.train_on_batch
    set_up_keras(0)
    flops = 3 * convolution_flops(model.generator) + 8 * convolution_flops(model.discriminator)
    return steps, flops


@contextlib.contextmanager
def random_frames(batch_size):
    """Make the input pipeline of ``train.py --offsets random``, on random images, without end."""
    from pix2pix_timbre.features import FeatureStore
    from pix2pix_timbre.pairs import PairedFrames, split_pairs

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        stores = [opened.enter_context(FeatureStore(path)) for path in write_random_stores(folder)]
        pairs, _, _ = split_pairs(*stores, 0)
        yield PairedFrames(
            pairs, batch_size, random_offsets=True, shuffle=True, steps=PIPELINE_BATCHES
        )


def write_random_stores(folder):
    """Write features of random images; return the paths of ``origin.h5`` and ``target.h5``."""
    from pix2pix_timbre.features import write_store

    rng = np.random.default_rng(0)
    paths = [Path(folder) / f"{side}.h5" for side in SIDES]
    for path in paths:
        images = rng.random((PIECES, PIECE_FRAMES * FRAME_COLUMNS, BINS), np.float32)
        write_store(path, enumerate_pieces(images.astype(np.float16)), path.stem)
    return paths


def enumerate_pieces(images):
    """Yield pairs (name, image)."""
    return ((f"piece_{index}", image) for index, image in enumerate(images))


def measure(steps, frames, rounds, count):
    """Time each step, a ``batch`` of the pipeline and the ``peak``: a dict of seconds per round."""
    batches = [frames[index % len(frames)] for index in range(count)]
    for step in steps.values():
        for _ in range(WARM_UP):
            step(*batches[0])

    def train(step):
        for batch in batches:
            step(*batch)

    def draw():
        frames.epoch += 1  # the cost includes drawing the windows of an epoch
        for index in range(len(frames)):
            frames[index]

    return [
        {
            "peak": machine_peak(),
            "batch": timed(draw) / len(frames),
            **{name: timed(lambda step=step: train(step)) / count for name, step in steps.items()},
        }
        for _ in range(rounds)
    ]


def table(names, measured, flops):
    """Return the rows of the printed table.

    Args:
        names: Names of the steps.
        measured: Result of ``measure``.
        flops: Operations per step.
    """
    rows = []
    for name in names:
        seconds = [one[name] for one in measured]
        ratios = [one[EAGER] / one[name] for one in measured if EAGER in one]
        rows.append(
            {
                "step": name,
                "seconds": statistics.median(seconds),
                "min": min(seconds),
                "max": max(seconds),
                "steps/s": 1 / statistics.median(seconds),
                "ratio": statistics.median(ratios) if ratios else "-",
                "of_peak": statistics.median(flops / one[name] / one["peak"] for one in measured),
            }
        )
    return rows


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_flag(
        "--width", 64, "number of filters in the first block of the networks", type=number(int, 1)
    )
    built.add_flag("--batch_size", 8, "number of frames in a batch", type=number(int, 1))
    built.add_flag(
        "--rounds", 5, "number of rounds, of which medians are taken", type=number(int, 1)
    )
    built.add_flag("--steps", 2, "number of steps of each kind in a round", type=number(int, 1))
    args = built.parse_args(argv)
    start_backend(None)
    steps, flops = make_steps(args.width)
    if EAGER not in steps:
        print(f"{EAGER}: skipped, it needs TensorFlow")
    with random_frames(args.batch_size) as frames:
        measured = measure(steps, frames, args.rounds, args.steps)
    print(as_text(table(steps, measured, args.batch_size * flops)))
    peak = statistics.median(one["peak"] for one in measured)
    print(f"operations: {flops / 1e9:.4g} GFLOP a frame, {args.batch_size} frames a step")
    print(f"peak: {peak / 1e9:.1f} GFLOP/s in a float32 matrix product")
    batch = statistics.median(one["batch"] for one in measured)
    print(f"input pipeline: {1000 * batch:.2f} ms a batch")
    for name in OURS:
        share = statistics.median(one["batch"] / one[name] for one in measured)
        print(f"input pipeline over {name}: {100 * share:.2f} %")
    return 0


if __name__ == "__main__":
    run(main)
