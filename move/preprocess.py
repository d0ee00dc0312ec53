"""Cut notes into slices of 125 ms and write them to a store.

    python -m move.preprocess --audio_path data/notes --features_path slices.h5

Files have to be named as in NSynth (<instrument>_<preset>-<pitch>-<velocity>.wav or .flac); others
are left out and counted, as are slices more than 60 dB below the loudest one of their note, and
notes below C0 or above B8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from common.cli import Parser, counted, number, parser, printable, report_skipped, run
from common.files.audio import is_silent
from common.music.names import parse_note
from common.networks.conditions import NoteConditions
from common.work.fill import Recording, add_fill_flags, fill_store, find_recordings, left_out
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from move.slices import COLUMNS, FAINT, RATES, Slices, cut
from move.store import Slice


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "notes")
    built.add_flag(
        "--shift",
        0,
        "whole semitones by which notes are also moved at most, down and up, by resampling: so an "
        "instrument has examples of pitches that it has no note of, or that are held out",
        type=number(int, 0, 12),
    )
    built.add_flag(
        "--sample_rate", RATES[0], "sample rate in Hz; 22050 as published", type=int, choices=RATES
    )
    add_job_flags(built)
    return built


def cut_note(
    recording: Recording, slices: Slices, shift: int = 0
) -> tuple[list[tuple[Slice, np.ndarray]], dict[str, int]]:
    """Slices of one file, for ``fill_store``.

    Args:
        recording: File of a note.
        slices: How to cut it.
        shift: Semitones by which the note is also moved at most.

    Returns:
        ``(items, counts)``: list of (``Slice``, image); counts of ``notes``, and of what was left
        out: files with other names (``unnamed``), notes out of reach (``beyond``), ``silent`` ones
        and ``faint`` slices.
    """
    note = parse_note(recording.name)
    if note is None:
        return [], {"unnamed": 1}
    if not NoteConditions.reaches(note.pitch):
        return [], {"beyond": 1}
    items, faint = [], 0
    for step in range(-shift, shift + 1):
        if not NoteConditions.reaches(note.pitch + step):
            continue
        # at another rate, what is read plays faster or slower
        rate = round(slices.sample_rate / 2 ** (step / 12))
        audio, _ = load_audio(recording.path, sample_rate=rate)
        if is_silent(audio):
            return [], {"silent": 1}
        image, peak = slices.image(audio)
        names = recording.name, note.instrument, note.pitch + step, note.velocity
        level = 20 * math.log10(peak)
        images = cut(image, hop=COLUMNS)
        loud = [number for number, image in enumerate(images) if image.max() > FAINT]
        items += [(Slice(*names, number, level, step), images[number]) for number in loud]
        faint += len(images) - len(loud)
    return items, {"notes": 1, "faint": faint}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = parse_job_args(build_parser(), argv)
    slices = Slices(args.sample_rate).check()
    recordings, foreign = find_recordings(args.audio_path)
    rows, counts, skipped = fill_store(
        args.features_path,
        Slice,
        partial(cut_note, slices=slices, shift=args.shift),
        recordings,
        settings=slices._asdict(),
        shape=(slices.bins, COLUMNS),
        folders=args.audio_path,
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    said = [f"{counted(len(rows), 'slice')} of {counted(counts['notes'], 'note')}"]
    said.append(counted(len({row.instrument for row in rows}), "instrument"))
    said += left_out(
        counts,
        faint="faint slice",
        silent="silent note",
        beyond=("note out of reach", "notes out of reach"),
        unnamed=("file not named as a note", "files not named as notes"),
    )
    print(f"{printable(args.features_path)}: {', '.join(said)}")
    return report_skipped([*foreign, *skipped])


if __name__ == "__main__":
    run(main)
