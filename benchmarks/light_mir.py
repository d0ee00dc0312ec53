"""Measure how much faster than real time light models hear a recording, on one core.

    python -m benchmarks.light_mir --input docs/example_input.ogg

Prints a row for each model: weights, and the length of the recording over the time that reading,
resampling, images and network take together (median over rounds; opening the model is not counted).
The recording is repeated until it lasts --seconds.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from common.cli import number, parser, run
from common.report.tables import as_text
from common.trained import MODELS
from common.training.devices import start_backend
from data import load_audio, write_audio


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__, writes=())
    built.add_argument("--input", type=Path, required=True, help="recording to hear")
    built.add_argument(
        "--model",
        type=Path,
        nargs="+",
        default=sorted(MODELS.glob("light_mir_*")),
        help="run folders (default: models/light_mir_*)",
    )
    built.add_flag("--seconds", 300.0, "length to be heard", type=number(float, above=0))
    built.add_flag("--rounds", 3, "number of rounds", type=number(int, 1))
    args = built.parse_args(argv)
    if hasattr(os, "sched_setaffinity"):  # before the backend counts the cores
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    audio, rate = load_audio(args.input)
    audio = np.tile(audio, int(np.ceil(args.seconds * rate / len(audio))))
    start_backend("")
    from light_mir.trained import load_trained

    models = [(folder.name, load_trained(folder)) for folder in args.model]
    taken = {name: [] for name, _ in models}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.wav"
        write_audio(path, audio, rate)
        for turn in range(args.rounds + 1):
            for name, trained in models:
                begin = time.perf_counter(), time.process_time()
                for _ in trained.find_in_file(path):
                    pass
                if turn:  # the first one compiles
                    now = time.perf_counter(), time.process_time()
                    taken[name].append([now[0] - begin[0], now[1] - begin[1]])
    length = len(audio) / rate
    rows = []
    for name, trained in models:
        wall, core = length / np.median(taken[name], axis=0)
        rows.append(
            {
                "model": name,
                "weights": trained.network.count_params(),
                "real time": round(float(wall)),
                "by time of the core": round(float(core)),
            }
        )
    print(f"{length:.0f} s of sound on one core")
    print(as_text(rows))
    return 0


if __name__ == "__main__":
    run(main)
