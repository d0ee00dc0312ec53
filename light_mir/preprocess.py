"""Make examples with exact truth for a task, and write them to a store.

    python -m light_mir.preprocess --task drums --drums_path data/drums \\
        --validation_kits sonic_pi --features_path drums.h5

Notes are sorted by pitch into those to train on and those to validate with, drum hits by their kit;
chord progressions are made anew for either side. Four fifths of the examples are to train on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import (
    Names,
    Parser,
    UserError,
    add_seed_flag,
    counted,
    existing_folder,
    number,
    parser,
    report_skipped,
    run,
    say,
)
from common.files.audio import find_recordings, read_header
from common.work.fill import fill_store
from common.work.jobs import add_job_flags, parse_job_args
from light_mir.examples import WINDOWS, Job, cut, sounds_of
from light_mir.scenes import Sources, make_scene
from light_mir.store import SIDES, Example
from light_mir.tasks import TASKS

_AT_ONCE = 20  # scenes of a job


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("features_path",))
    built.add_argument("--task", required=True, choices=tuple(TASKS), help="task to learn")
    add_source_flags(built)
    built.add_argument(
        "--validation_kits",
        nargs="+",
        default=[],
        action=Names,
        help="kits whose hits are for validation only; needed for drums and onsets",
    )
    built.add_argument("--features_path", required=True, type=Path, help="HDF5 file to write")
    built.add_flag("--examples", 3000, "number of examples, about", type=number(int, 20))
    add_seed_flag(built, "everything that is drawn")
    add_job_flags(built)
    return built


def add_source_flags(built: Parser) -> None:
    """Add the flags of ``Sources``, without the kits for validation."""
    for name, what in (("notes", "notes, named as in NSynth"), ("drums", "hits, in classes")):
        built.add_argument(
            f"--{name}_path", nargs="+", type=existing_folder, default=[], help=f"folders of {what}"
        )
    built.add_argument(
        "--held_out",
        action="store_true",
        help="take the hits that the index of --drums_path marks as held out, and no others",
    )


def sources_of(args: Any) -> Sources:
    """``Sources`` of the flags; ``UserError`` if no folder is named."""
    if not (args.notes_path or args.drums_path):
        raise UserError("--notes_path, --drums_path: name a folder of notes or of drum hits")
    kits = tuple(getattr(args, "validation_kits", ()))
    return Sources(tuple(args.notes_path), tuple(args.drums_path), kits, args.held_out)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = parse_job_args(build_parser(), argv)
    task, sources = TASKS[args.task], sources_of(args)
    for folder in sources.notes:
        for path in find_recordings(folder).files.values():
            read_header(path)  # a note that cannot be read would cost all scenes that draw it
    folder = [*sources.notes, *sources.drums][0]
    jobs = []
    for side, share in zip(SIDES, (0.8, 0.2), strict=True):
        make_scene(task, sounds_of(sources, side), np.random.default_rng(0))  # says what is missing
        scenes = max(round(args.examples * share / WINDOWS[args.task]), 1)
        for start in range(0, scenes, _AT_ONCE):
            seed = args.seed * 1_000_003 + start
            count = min(_AT_ONCE, scenes - start)
            jobs.append(Job(folder, args.task, sources, side, seed, count))
    rows, counts, skipped = fill_store(
        args.features_path,
        Example,
        cut,
        jobs,
        settings={"task": args.task, **task.spectrum._asdict()},
        shape=(task.spectrum.bands, task.frames),
        folders=[*sources.notes, *sources.drums],
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    said = [counted(counts["scenes"], "sound")]
    for side, count in sorted(Counter(row.side for row in rows).items()):
        sources_there = len({row.source for row in rows if row.side == side})
        said.append(f"{counted(count, f'{side} example')} of {counted(sources_there, 'source')}")
    say(f"{args.features_path}: {', '.join(said)}")
    return report_skipped(skipped)


if __name__ == "__main__":
    run(main)
