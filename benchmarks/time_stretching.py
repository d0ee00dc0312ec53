"""Measure the five methods of time stretching: computing time, and errors on known sounds.

    python -m benchmarks.time_stretching --input song.wav

Prints a row for each method and rate: computing time per second of input (median over rounds), and
the errors on known sounds that ``time_stretching.evaluate`` explains. The command ``rubberband`` is
measured as well if it is installed; its time includes the start of the program.
"""

import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from common.cli import number, parser, run
from common.report.tables import as_text
from common.trained import add_model_flag
from common.training.devices import start_backend
from data import load_audio, write_audio
from time_stretching.evaluate import known_sounds
from time_stretching.methods import METHODS, stretch
from time_stretching.resize import HIGHEST, LOWEST

RUBBERBAND = "rubberband"
RATES = (0.5, 0.75, 1.0, 1.5, 2.0)


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_argument("--input", type=Path, required=True, help="recording to stretch")
    add_model_flag(built, "time_stretching")
    built.add_argument(
        "--rates",
        nargs="+",
        type=number(float, LOWEST, HIGHEST),
        default=list(RATES),
        help=f"rates to measure (default: {' '.join(f'{rate:g}' for rate in RATES)})",
    )
    built.add_flag(
        "--rounds", 3, "number of rounds, of which medians are taken", type=number(int, 1)
    )
    args = built.parse_args(argv)
    audio, sample_rate = load_audio(args.input, sample_rate=None, mono=False)
    start_backend(None)
    from time_stretching.trained import load_stretcher

    trained = load_stretcher(args.model)
    ways = {name: partial(stretch, method=name, trained=trained) for name in METHODS}
    if shutil.which(RUBBERBAND):
        ways[RUBBERBAND] = by_rubberband
    rows = []
    for rate in args.rates:
        for name, way in ways.items():
            spent = []
            for _ in range(args.rounds):
                began = time.perf_counter()
                way(audio, sample_rate, rate)
                spent.append(time.perf_counter() - began)
            seconds = float(np.median(spent)) * sample_rate / audio.shape[-1]
            known = known_sounds(way, rate)
            rows.append({"method": name, "rate": f"{rate:g}", "seconds": seconds, **known})
    print(as_text(rows))
    return 0


def by_rubberband(audio, sample_rate, rate):
    """Stretch an audio by the command ``rubberband`` at its best setting."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = (Path(folder) / name for name in ("given.wav", "made.wav"))
        write_audio(given, audio, sample_rate, "FLOAT")
        command = [RUBBERBAND, "--fine", "--quiet", "--time", f"{1 / rate:.9f}", given, made]
        subprocess.run(command, check=True, capture_output=True)
        return load_audio(made, sample_rate=None, mono=audio.ndim == 1)[0]


if __name__ == "__main__":
    run(main)
