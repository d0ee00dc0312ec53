"""Turn recordings into one store of spectrograms, optionally with stretched versions.

    python -m time_stretching.preprocess --audio_path audios --features_path music.h5

Each audio file below --audio_path is converted to mono, 16 kHz and a common level, and stored. For
train_corrector --pairs vocoder it is also stored as stretched by the phase vocoder: at the given
--rates (published: 0.25 0.5 1 1.5 2 2.5), and at as many random rates between 0.25 and 4 as
--random_rates says, every octave equally often. Silent files are left out and counted. Renderings
of the same MIDI file, recognised by the names that synthesize_audios.py gives
(<instrument>/<piece>[~<variation>]), stay together when a training holds out pieces.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import (
    Parser,
    add_seed_flag,
    counted,
    number,
    parser,
    printable,
    report_skipped,
    run,
)
from common.files.audio import SILENT_PEAK, peak
from common.work.fill import add_fill_flags, fill_store, find_recordings, left_out
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from time_stretching.flags import add_onsets_flag
from time_stretching.methods import LEVEL, stretch
from time_stretching.resize import HIGHEST, LOWEST, draw_rates
from time_stretching.spectrogram import HOP, SAMPLE_RATE, TRANSFORM, WIDE
from time_stretching.store import SETTINGS, SHAPE, Recording


class Task(NamedTuple):
    """An audio file, its name in the store, and how to stretch it."""

    path: Path
    name: str
    rates: tuple[float, ...]
    seconds: float
    onsets: bool


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "recordings", several=False)
    built.add_argument(
        "--rates",
        type=number(float, LOWEST, HIGHEST),
        nargs="+",
        default=[],
        metavar="RATE",
        help="rates at which every recording is also stored stretched (default: none)",
    )
    built.add_flag(
        "--random_rates",
        0,
        "number of random rates at which each recording is also stored stretched",
        type=number(int, 0),
        metavar="NUMBER",
    )
    built.add_flag(
        "--max_seconds",
        600.0,
        "length up to which a recording is used, in seconds",
        type=number(float, above=0),
    )
    add_onsets_flag(built, "published: leave; ")
    add_seed_flag(built, "the rates of --random_rates")
    add_job_flags(built)
    return built


def spectrogram(audio: np.ndarray) -> np.ndarray:
    """Image of audio (samples,) at SAMPLE_RATE in the scale ``WIDE``: (BINS, columns) float16."""
    return WIDE.image(np.abs(TRANSFORM.forward(audio))).astype(np.float16)


def cut(task: Task) -> tuple[list[tuple[Recording, np.ndarray]], dict[str, int]]:
    """Compute the images of one file for ``fill_store``; none if it is silent."""
    audio, _ = load_audio(task.path, sample_rate=SAMPLE_RATE)
    audio = audio[: round(task.seconds * SAMPLE_RATE)]
    loudest = peak(audio)
    if loudest < SILENT_PEAK:
        return [], {"silent": 1}
    audio = audio * (LEVEL / np.float32(loudest))
    found = [(Recording(task.name, 1.0), spectrogram(audio))]
    for rate in task.rates:
        stretched = stretch(audio, SAMPLE_RATE, rate, "vocoder", onsets=task.onsets)
        found.append((Recording(task.name, rate), spectrogram(stretched)))
    return found, {}


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = parse_job_args(build_parser(), argv)
    recordings, foreign = find_recordings([args.audio_path])
    tasks = [
        Task(
            path,
            name,
            tuple(dict.fromkeys([*args.rates, *draw_rates(name, args.random_rates, args.seed)])),
            args.max_seconds,
            args.onsets == "place",
        )
        for path, name in recordings
    ]
    rows, counts, skipped = fill_store(
        args.features_path,
        Recording,
        cut,
        tasks,
        settings=SETTINGS,
        shape=SHAPE,
        folders=[args.audio_path],
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    seconds = sum(row.columns for row in rows) * HOP / SAMPLE_RATE
    originals = len({row.name for row in rows})
    said = [counted(originals, "recording"), f"{len(rows) - originals:,} stretched"]
    said += left_out(counts, silent="silent recording")
    print(f"{printable(args.features_path)}: {', '.join(said)}; {seconds / 60:.1f} minutes")
    return report_skipped([*foreign, *skipped])


if __name__ == "__main__":
    run(main)
