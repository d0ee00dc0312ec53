"""Turn recordings into a store of levels of mel bands and loudness.

    python -m latent_exploration.continuous.preprocess --audio_path phrases --features_path s.h5

Levels are those of the recordings. Rests of more than a quarter of a second are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.cli import Parser, counted, parser, printable, report_skipped, run
from common.files.audio import is_silent
from common.work.fill import Recording, add_fill_flags, fill_store, find_recordings, left_out
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from latent_exploration.continuous.frames import HOP, PAIR, RATE, Frames, analyse, padded
from latent_exploration.continuous.store import ROWS, Piece, stacked

_FAINTEST = 0.25  # loudness of a rest: -60 dB
_REST = round(0.25 * RATE / (PAIR * HOP))  # pairs of hops


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "recordings")
    add_job_flags(built)
    return built


def between_rests(loudness: np.ndarray) -> list[slice]:
    """Where something sounds: slices of pairs, without longer rests."""
    places = np.flatnonzero(loudness > _FAINTEST)
    parts = np.split(places, np.flatnonzero(np.diff(places) > _REST) + 1)
    return [slice(part[0], part[-1] + 1) for part in parts if part.size > 2]


def cut(recording: Recording) -> tuple[list[tuple[Piece, np.ndarray]], dict[str, int]]:
    """Pieces of one file, for ``fill_store``."""
    audio, _ = load_audio(recording.path, sample_rate=RATE)
    if is_silent(audio):
        return [], {"silent": 1}
    levels, loudness = analyse(padded(audio))
    items = []
    for number, part in enumerate(between_rests(loudness)):
        both = slice(PAIR * part.start, PAIR * part.stop)
        image = stacked(Frames(levels[both], loudness[part]))
        items.append((Piece(recording.name, number), image))
    return items, {"recordings": 1}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = parse_job_args(build_parser(), argv)
    recordings, foreign = find_recordings(args.audio_path)
    rows, counts, skipped = fill_store(
        args.features_path,
        Piece,
        cut,
        recordings,
        settings={"sample_rate": RATE, "hop": HOP, "levels": "dB"},
        shape=(ROWS, None),
        folders=args.audio_path,
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    minutes = sum(row.columns for row in rows) * PAIR * HOP / RATE / 60
    said = [f"{counted(len(rows), 'piece')} of {counted(counts['recordings'], 'recording')}"]
    said += [f"{minutes:.1f} minutes", *left_out(counts, silent="silent recording")]
    print(f"{printable(args.features_path)}: {', '.join(said)}")
    return report_skipped([*foreign, *skipped])


if __name__ == "__main__":
    run(main)
