"""Measure how long the four decoders of granular synthesis take in training.

    python -m benchmarks.granular

Prints a row for each decoder, in milliseconds: a training step; forward and backward passes of the
decoder with the filtering of noise, the overlap-add and the post-processing; and those of its
network alone. Ratios are those of transposed convolutions to this decoder. Figures are medians over
the rounds, each of which times everything once.
"""

from collections import defaultdict

import numpy as np

from benchmarks.floor import timed
from common.cli import number, parser, run
from common.report.tables import as_text
from common.training.devices import jit_setting, start_backend
from granular.sounds import RATES

MEASURED = "step", "decoder", "network"
WARM_UP = 2  # calls that are not timed, the first of which compiles


def make_calls(decoder, args):
    """Return a dict from ``MEASURED`` to functions without arguments, and the number of weights."""
    import keras
    from keras import ops

    from common.networks.filtered_noise import audio_length
    from common.training.balance import gradient_norms
    from granular.model import (
        Architecture,
        GrainModel,
        Synthesis,
        build_decoder,
        build_encoder,
        build_post,
    )

    grain = RATES[args.sample_rate]
    architecture = Architecture(grain, decoder=decoder, size=args.size).check()
    post = build_post(architecture) if decoder == "filter_post" else None
    networks = build_encoder(architecture), build_decoder(architecture), post
    model = GrainModel(*networks, architecture, floor=1e-5, mel_rate=args.sample_rate)
    model.compile(keras.optimizers.Adam(0.0), jit_compile=jit_setting())
    rng = np.random.default_rng(0)
    shape = args.batch_size, audio_length(args.grains, grain)
    audio = rng.normal(0, 0.1, shape).astype(np.float32)
    noise = ops.convert_to_tensor(rng.uniform(-1, 1, shape).astype(np.float32))
    latents = rng.normal(size=(args.batch_size, args.grains, architecture.latent_dim))
    latents = ops.convert_to_tensor(latents.astype(np.float32))
    points = ops.reshape(latents, (-1, architecture.latent_dim))
    synthesis = Synthesis(model.decoder, post, architecture)
    variables = model.decoder.trainable_variables
    whole = gradient_norms(
        lambda latents, noise: [ops.sum(ops.square(synthesis(latents, noise, training=True)))],
        [*variables, *(post.trainable_variables if post else [])],
    )
    alone = gradient_norms(
        lambda points: [ops.sum(ops.square(model.decoder(points, training=True)))], variables
    )
    functions = (
        lambda: model.train_on_batch(audio, audio),
        lambda: whole(latents, noise),
        lambda: alone(points),
    )
    calls = dict(zip(MEASURED, functions, strict=True))
    return calls, model.decoder.count_params()


def measure(calls, rounds):
    """Return the median milliseconds of each call of each decoder: dict of dicts."""
    taken = defaultdict(list)
    for turn in range(WARM_UP + rounds):
        for decoder, functions in calls.items():
            for name, function in functions.items():
                seconds = timed(function)
                if turn >= WARM_UP:
                    taken[decoder, name].append(1000 * seconds)
    return {
        decoder: {name: float(np.median(taken[decoder, name])) for name in MEASURED}
        for decoder in calls
    }


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_flag(
        "--size", "small", "widths of the networks", choices=("small", "published"), type=str
    )
    built.add_flag(
        "--sample_rate",
        16000,
        "sample rate in Hz, which decides the samples of a grain",
        type=int,
        choices=sorted(RATES),
    )
    built.add_flag("--batch_size", 8, "number of sounds in a batch", type=number(int, 1))
    built.add_flag("--grains", 61, "grains of a sound", type=number(int, 4))
    built.add_flag("--rounds", 5, "number of rounds", type=number(int, 1))
    args = built.parse_args(argv)
    start_backend(None)
    from granular.model import DECODERS

    made = {decoder: make_calls(decoder, args) for decoder in DECODERS}
    found = measure({decoder: calls for decoder, (calls, _) in made.items()}, args.rounds)
    rows = []
    for decoder, (_, weights) in made.items():
        row = {"decoder": decoder, "weights": weights}
        for name in MEASURED:
            row[f"{name}_ms"] = found[decoder][name]
            row[f"{name}_ratio"] = found["transposed"][name] / found[decoder][name]
        rows.append(row)
    print(as_text(rows))
    return 0


if __name__ == "__main__":
    run(main)
