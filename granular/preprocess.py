"""Prepare sounds of several classes, and write them to a store.

    python -m granular.preprocess --audio_path data/drums --features_path drums.h5

Files named as notes of NSynth (<instrument>_<preset>-<pitch>-<velocity>.wav) have the class of
their instrument, and their pitch is told to the network; others have the class of their folder.
Sounds are made equally long, 1.02 s, and equally loud. Silent files, files in no folder of a
class, and files that an index.json marks as held out are left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from common.cli import Parser, counted, number, parser, printable, report_skipped, run
from common.music.dataset import INDEX, read_index
from common.work.fill import Recording, add_fill_flags, fill_store, find_recordings, left_out
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from granular.sounds import RATES, Grains, Sound


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "sounds")
    rates = sorted(RATES)
    built.add_flag("--sample_rate", rates[0], "sample rate in Hz", type=int, choices=rates)
    built.add_argument(
        "--grain",
        type=number(int, 64),
        metavar="SAMPLES",
        help="samples of a grain, a multiple of 64; short ones keep attacks and short decays "
        f"(default, as published: {', '.join(f'{RATES[rate]} at {rate} Hz' for rate in rates)})",
    )
    add_job_flags(built)
    return built


def prepare(
    recording: Recording, grains: Grains
) -> tuple[list[tuple[Sound, np.ndarray]], dict[str, int]]:
    """The sound of one file, for ``fill_store``.

    Args:
        recording: File of a sound.
        grains: How it is made equally long and loud.

    Returns:
        ``(items, counts)``: list of (``Sound``, (1, samples)); counts of what was left out, files
        without a class (``unnamed``) and ``silent`` ones.
    """
    row = Sound.of(recording.name)
    if row is None:
        return [], {"unnamed": 1}
    audio, _ = load_audio(recording.path, sample_rate=grains.sample_rate)
    sound = grains.prepare(audio)
    return ([], {"silent": 1}) if sound is None else ([(row, sound[np.newaxis])], {})


def marked_paths(folders: Sequence[Path]) -> set[Path]:
    """Paths of the files that the index of their folder marks as held out."""
    return {
        folder / name
        for folder in folders
        if (folder / INDEX).is_file()
        for name, entry in read_index(folder).files.items()
        if entry.get("held_out")
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = parse_job_args(build_parser(), argv)
    grains = Grains.of_rate(args.sample_rate, args.grain).check()
    marked = marked_paths(args.audio_path)
    recordings, foreign = find_recordings(args.audio_path)
    rows, counts, skipped = fill_store(
        args.features_path,
        Sound,
        partial(prepare, grains=grains),
        [recording for recording in recordings if recording.path not in marked],
        settings=grains._asdict(),
        shape=(1, grains.samples),
        folders=args.audio_path,
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    counts["marked"] = len(marked & {recording.path for recording in recordings})
    said = [
        f"{counted(len(rows), 'sound')} of "
        f"{counted(len({row.label for row in rows}), 'class', 'classes')}"
    ]
    said += left_out(
        counts,
        silent="silent file",
        unnamed=("file in no folder of a class", "files in no folder of a class"),
        marked=("file marked as held out", "files marked as held out"),
    )
    print(f"{printable(args.features_path)}: {', '.join(said)}")
    return report_skipped([*foreign, *skipped])


if __name__ == "__main__":
    run(main)
