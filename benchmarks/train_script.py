"""Compare a whole training by ``train.py`` with a bare loop over the same training step.

    python -m benchmarks.train_script --width 16

Each round times the second epoch of a training that ``train.py`` does in a process of its own, then
a loop that calls the same compiled step on batches that are in memory already. So the ratio is what
reading and cutting the frames, the callbacks, the history and the state of each epoch cost. It also
prints the page faults of both for each step: many of them mean that memory is given back to the
system and taken from it again in every step.
"""

import csv
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.floor import timed
from benchmarks.training import SIDES, random_frames, write_random_stores
from common.cli import UserError, number, parser, run
from common.report.tables import as_text
from common.training.devices import OneDevice, jit_setting, start_backend
from common.training.session import set_up_keras

SCRIPT, LOOP = "train.py, second epoch", "bare loop"
RATES = "5e-5", "5e-6"
WARM_UP = 3  # steps of the loop that are not timed: the first one compiles


def faults(who):
    """Return the number of page faults so far that needed no reading from a disk."""
    return resource.getrusage(who).ru_minflt


def train(folder, output, args):
    """Run ``train.py`` for two epochs.

    Returns:
        ``(seconds, faults)`` for each step: seconds of the second epoch, faults of the whole run.
    """
    words = [sys.executable, str(Path(__file__).parents[1] / "train.py"), "--dataset_path", folder]
    words += ["--origin", SIDES[0], "--target", SIDES[1], "--output", output, "--dropout", "0"]
    words += ["--width", args.width, "--batch_size", args.batch_size, "--offsets", "random"]
    words += ["--gen_lr", RATES[0], "--disc_lr", RATES[1], "--validation_split", "0"]
    words += ["--epochs", "2", "--steps_per_epoch", args.steps]
    before = faults(resource.RUSAGE_CHILDREN)
    done = subprocess.run(list(map(str, words)), check=False, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"train.py failed: {done.stderr.strip().splitlines()[-1]}")
    with (output / "history.csv").open(encoding="utf-8", newline="") as file:
        *_, last = csv.DictReader(file)
    count = faults(resource.RUSAGE_CHILDREN) - before
    return float(last["seconds"]) / args.steps, count / (2 * args.steps)


def make_loop(args):
    """Return a function that does as many steps as an epoch has."""
    from pix2pix_timbre.gan import Pix2Pix
    from pix2pix_timbre.model import build_discriminator, build_generator
    from pix2pix_timbre.optimizer import TwoRateAdam

    set_up_keras(0)
    networks = build_generator(args.width, 1, 0), build_discriminator(args.width)
    for network in networks:
        OneDevice().prepare(network)
    model = Pix2Pix(*networks)
    model.compile(TwoRateAdam(*map(float, RATES)), jit_compile=jit_setting())
    with random_frames(args.batch_size) as frames:
        batches = [frames[index] for index in range(len(frames))]

    def loop(steps=args.steps):
        for index in range(steps):
            model.train_on_batch(*batches[index % len(batches)])

    loop(WARM_UP)
    return loop


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_flag(
        "--width", 16, "number of filters in the first block of the networks", type=number(int, 1)
    )
    built.add_flag("--batch_size", 8, "number of frames in a batch", type=number(int, 1))
    built.add_flag("--steps", 40, "number of steps of an epoch", type=number(int, 1))
    built.add_flag(
        "--rounds", 3, "number of rounds, of which medians are taken", type=number(int, 1)
    )
    args = built.parse_args(argv)
    start_backend(None)
    loop, rows = make_loop(args), {SCRIPT: [], LOOP: []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_random_stores(folder)
        for index in range(args.rounds):
            rows[SCRIPT].append(train(folder, folder / f"run_{index}", args))
            before = faults(resource.RUSAGE_SELF)
            seconds = timed(loop) / args.steps
            count = (faults(resource.RUSAGE_SELF) - before) / args.steps
            rows[LOOP].append((seconds, count))
    table = [
        {
            "training": name,
            "seconds a step": statistics.median(seconds for seconds, _ in measured),
            "page faults a step": round(statistics.median(count for _, count in measured)),
        }
        for name, measured in rows.items()
    ]
    print(as_text(table))
    ratios = [script[0] / bare[0] for script, bare in zip(*rows.values(), strict=True)]
    print(f"train.py over the bare loop: {statistics.median(ratios):.2f}")
    return 0


if __name__ == "__main__":
    run(main)
