"""Cut recordings of one instrument into phrases, and write them to a store.

    python -m vq_timbre.preprocess --audio_path phrases/violin --features_path violin.h5

A phrase is what lies between rests of a quarter of a second or more; longer ones are divided after
20 s. Each recording is brought to the same peak, and its channels are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from common.cli import Parser, counted, parser, printable, report_skipped, run
from common.files.audio import SILENT_PEAK, fit_length, peak
from common.work.fill import (
    Filled,
    Recording,
    add_fill_flags,
    fill_store,
    find_recordings,
    left_out,
)
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from vq_timbre.frames import HOP, RATES, hops_of
from vq_timbre.store import Phrase

_REST_DB = -50.0  # level of a hop below the peak of the recording
_REST_SECONDS, _LONGEST_SECONDS, _SHORTEST_SECONDS = 0.25, 20.0, 0.2


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "recordings of one instrument or voice, one note at a time")
    built.add_flag(
        "--sample_rate", RATES[0], "sample rate in Hz; 22050 as published", type=int, choices=RATES
    )
    add_job_flags(built)
    return built


def phrases_of(hops: np.ndarray, rate: int) -> Iterator[slice]:
    """Find what lies between rests.

    Args:
        hops: Whole hops (hops, HOP), with a peak of about 1.
        rate: Hz.

    Yields:
        Slices of hops.
    """
    sounding = np.square(hops).mean(axis=1) > 10 ** (_REST_DB / 10)
    rest, longest, shortest = (
        max(round(seconds * rate / HOP), 1)
        for seconds in (_REST_SECONDS, _LONGEST_SECONDS, _SHORTEST_SECONDS)
    )
    places = np.flatnonzero(sounding)
    for run_of in np.split(places, np.flatnonzero(np.diff(places) > rest) + 1):
        if run_of.size >= shortest:
            for start in range(run_of[0], run_of[-1] + 1, longest):
                yield slice(start, min(start + longest, run_of[-1] + 1))


def cut_recording(
    recording: Recording, sample_rate: int
) -> tuple[list[tuple[Phrase, np.ndarray]], dict[str, int]]:
    """Phrases of one file, for ``fill_store``.

    Args:
        recording: File of a recording.
        sample_rate: Hz.

    Returns:
        ``(items, counts)``: list of (``Phrase``, image (HOP, hops)); counts of ``recordings``, of
        ``silent`` ones, and of all ``hops``.
    """
    audio, rate = load_audio(recording.path, sample_rate=sample_rate)
    loudest = peak(audio)
    if loudest < SILENT_PEAK:
        return [], {"silent": 1}
    hops = hops_of(audio.size)
    audio = fit_length(audio / loudest, hops * HOP).reshape(hops, HOP)
    items = [
        (Phrase(recording.name, number), audio[place].T)
        for number, place in enumerate(phrases_of(audio, rate))
    ]
    return items, {"recordings": 1, "hops": hops}


def fill_phrases(
    path: Path,
    folders: Sequence[Path],
    sample_rate: int,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
) -> tuple[Filled, list]:
    """Write the store of the recordings in some folders.

    Returns:
        ``(filled, foreign)``: ``common.work.fill.Filled``, and the recordings in formats that
        cannot be read.

    Raises:
        UserError: No recordings, or none that sounds.
    """
    recordings, foreign = find_recordings(folders)
    filled = fill_store(
        path,
        Phrase,
        partial(cut_recording, sample_rate=sample_rate),
        recordings,
        settings={"sample_rate": sample_rate},
        shape=(HOP, None),
        folders=folders,
        jobs=jobs,
        scheduler=scheduler,
    )
    return filled, foreign


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = parse_job_args(build_parser(), argv)
    filled, foreign = fill_phrases(
        args.features_path,
        args.audio_path,
        args.sample_rate,
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    hops, counts = sum(row.columns for row in filled.rows), filled.counts
    said = [
        f"{counted(len(filled.rows), 'phrase')} of {counted(counts['recordings'], 'recording')}"
    ]
    said.append(f"{hops * HOP / args.sample_rate / 60:.1f} minutes")
    said.append(f"{1 - hops / counts['hops']:.0%} rests left out")
    said += left_out(counts, silent="silent recording")
    print(f"{printable(args.features_path)}: {', '.join(said)}")
    return report_skipped([*foreign, *filled.skipped])


if __name__ == "__main__":
    run(main)
