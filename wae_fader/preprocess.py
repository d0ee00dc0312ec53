"""Make images of whole notes and write them to a store.

    python -m wae_fader.preprocess --audio_path data/orchestra --features_path notes.h5
    python -m wae_fader.preprocess --audio_path library --styles folders --features_path notes.h5

A style is the instrument of a note, its technique (as examples.json of the folder says), or the
first folder below --audio_path that its file lies in. Files are named as in NSynth
(<instrument>_<preset>-<pitch>-<velocity>.wav); those of --styles folders may have other names that
tell the pitch, such as A4.wav. Others are left out and counted, as are notes below C0 or above B8.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import Names, Parser, UserError, counted, parser, report_skipped, run, say
from common.files.audio import is_silent
from common.music.names import parse_note
from common.music.nsynth import read_examples
from common.music.sample_names import read_name
from common.networks.conditions import NoteConditions
from common.work.fill import add_fill_flags, fill_store, find_recordings, left_out
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from wae_fader.images import SIZES, NoteImages
from wae_fader.store import Note

STYLES = ("instruments", "techniques", "folders")


class Task(NamedTuple):
    """A note's file, what is known of it, and how its image is made."""

    path: Path
    note: Note
    images: NoteImages


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "notes", several=False)
    built.add_flag("--styles", STYLES[0], "what makes a style", choices=STYLES)
    built.add_argument(
        "--take", nargs="+", action=Names, metavar="STYLE", help="styles to take (default: all)"
    )
    built.add_flag(
        "--size",
        "small",
        "2.1 s at 16 kHz in 192 Mel bands and 64 columns; published: 1.57 s at 22,050 Hz in 500 "
        "bands and 128 columns",
        choices=tuple(SIZES),
    )
    add_job_flags(built)
    return built


def describe(name: str, styles: str, techniques: dict[str, str]) -> Note | None:
    """The ``Note`` of a file, its level not known yet; None if its name does not tell it.

    Args:
        name: Path below the folder of notes, without suffix.
        styles: One of ``STYLES``.
        techniques: Dict from the name of a note to its technique.
    """
    note = parse_note(name)
    folder, _, stem = name.partition("/")
    if styles == "folders":
        try:
            pitch = note.pitch if note else read_name(stem).pitch
        except UserError:  # several pitches
            return None
        known = bool(stem) and pitch is not None
        return (
            Note(name, note.instrument if note else folder, folder, pitch, 0.0) if known else None
        )
    style = note and (
        note.instrument if styles == "instruments" else techniques.get(Path(name).name)
    )
    return Note(name, note.instrument, style, note.pitch, 0.0) if style else None


def make_image(task: Task) -> tuple[list[tuple[Note, np.ndarray]], dict[str, int]]:
    """Image of one file, for ``fill_store``.

    Returns:
        ``(items, counts)``: list of one (``Note``, image), or of none for a silent note, which is
        counted.
    """
    audio, _ = load_audio(task.path, sample_rate=task.images.sample_rate)
    audio = audio[: task.images.samples]
    if is_silent(audio):
        return [], {"silent": 1}
    image, level = task.images.image(audio)
    return [(task.note._replace(level=float(level)), image)], {}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = parse_job_args(build_parser(), argv)
    recordings, foreign = find_recordings([args.audio_path])
    techniques = {}
    if args.styles == "techniques":
        examples = read_examples(args.audio_path)
        techniques = {name: entry.get("technique") for name, entry in examples.items()}
        if not any(techniques.values()):
            raise UserError(
                f"{args.audio_path}: no examples.json in it that tells techniques; use --styles "
                "folders"
            )
    files = {recording.name: recording.path for recording in recordings}
    described = [describe(name, args.styles, techniques) for name in files]
    known = [note for note in described if note]
    styles = {note.style for note in known}
    for style in args.take or ():
        if style not in styles:
            raise UserError(f"--take {style}: no such style; there are {', '.join(sorted(styles))}")
    taken = [note for note in known if not args.take or note.style in args.take]
    chosen = [note for note in taken if NoteConditions.reaches(note.pitch)]
    if not chosen:
        raise UserError(f"{args.audio_path}: no file that tells a style and a pitch from C0 to B8")
    images = SIZES[args.size].check()
    rows, counts, skipped = fill_store(
        args.features_path,
        Note,
        make_image,
        [Task(files[note.source], note, images) for note in chosen],
        settings=images._asdict(),
        shape=(images.bins, images.frames),
        folders=[args.audio_path],
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    said = [counted(len(rows), "note"), counted(len({row.style for row in rows}), "style")]
    counts["beyond"], counts["unnamed"] = len(taken) - len(chosen), described.count(None)
    said += left_out(
        counts,
        silent="silent note",
        beyond=("note out of reach", "notes out of reach"),
        unnamed=("file that tells no style or pitch", "files that tell no style or pitch"),
    )
    say(f"{args.features_path}: {', '.join(said)}")
    return report_skipped([*foreign, *skipped])


if __name__ == "__main__":
    run(main)
