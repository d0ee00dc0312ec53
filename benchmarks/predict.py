"""Compare the speed of the full-size generator with the peak speed of the machine.

    python -m benchmarks.predict

The shortest possible time for a frame is the number of operations of its convolutions, divided by
the speed of a large matrix product. The same network is then timed in ONNX Runtime and in LiteRT,
where export.py can write it, in turn with Keras.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.floor import against_floor, convolution_flops
from common.cli import UserError, number, parser, run
from common.training.devices import start_backend
from common.training.export import export_network, open_exported, require_packages
from data import BINS, FRAME_COLUMNS, HOP, SAMPLE_RATE
from pix2pix_timbre.windows import BATCH

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
    for form in ("onnx", "litert"):
        try:
            require_packages(form)
        except UserError as error:
            print(f"{form}: not timed ({error})")
            continue
        times = in_turn(generator, form, 2 * frames - 1, args.rounds)
        print(
            f"{form}: {1000 * times[form] / FRAMES:.1f} ms a frame, Keras "
            f"{1000 * times['keras'] / FRAMES:.1f} ms in turn: "
            f"{times['keras'] / times[form]:.2f} times as fast"
        )
    return 0


def in_turn(generator, form, frames, rounds):
    """Median seconds of the frames in Keras and in another runtime: dict from name to seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator"
        export_network(generator, path, form, {})
        runner = open_exported(path, [generator.inputs[0].name])
        ways = {"keras": generator.predict_on_batch, form: lambda batch: runner([batch])}
        times = {name: [] for name in ways}
        for _ in range(rounds + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                for row in range(0, len(frames), BATCH):
                    way(frames[row : row + BATCH])
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(found[1:])) for name, found in times.items()}  # not the first


if __name__ == "__main__":
    run(main)
