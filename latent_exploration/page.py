"""Play a model in a browser, on a page of this machine alone.

    python -m latent_exploration.page --input recordings

Prints an address to open. The page shows a map of sounds, one colour for each instrument: press and
drag to hear what lies there and between. Below are sliders for the principal axes, curves to draw,
presets, and a recorder. The recordings of --input make the map; of many, some are taken. Only this
machine can reach the server, and only with the token in the address. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from common.cli import (
    Parser,
    UserError,
    number,
    one_line,
    parser,
    report_others,
    report_skipped,
    run,
    say,
)
from common.files.audio import fit_length
from common.music.names import parse_note
from common.music.titles import instrument_title, note_title
from latent_exploration.explorer import Explorer, Sound
from latent_exploration.scripts import add_model_flags, find_sounds, open_session, read_sound
from latent_exploration.server import Server

SOUNDS = Path(__file__).parent.parent / "data" / "orchestra" / "audio"
MODEL = "granular_orchestra"
_LENGTHS = 1.0, 2.0, 4.0  # seconds that the page offers


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--input",
        type=Path,
        nargs="+",
        default=[SOUNDS],
        help="recordings, or folders of them (default: data/orchestra)",
    )
    built.add_flag("--count", 60, "largest number of sounds", type=number(int, 1, 2000))
    built.add_flag(
        "--seconds", 2.0, "length of a sound that is looked at", type=number(float, 0.5, 10)
    )
    built.add_flag("--port", 8765, "port; 0 for any that is free", type=number(int, 0, 65_535))
    add_model_flags(built, default=MODEL)
    return built


def some_of(files: Sequence[Path], count: int) -> list[Path]:
    """At most a number of files, from all over their sorted list."""
    files = sorted(files)
    return files[:: -(-len(files) // count)]


def titled(path: Path) -> tuple[str, str]:
    """Name and kind of a recording: of notes the instrument, else the name of the file."""
    note = parse_note(path.stem)
    if note is None:
        return path.stem, path.stem
    return note_title(note.instrument, note.pitch, note.velocity), instrument_title(note.instrument)


def open_explorer(args: argparse.Namespace, files: Sequence[Path]) -> tuple[Explorer, list]:
    """Open the model, and encode the recordings: ``(explorer, skipped)``."""
    session = open_session(args)
    model, sounds, skipped = session.model, [], []
    for path in files:
        try:
            audio = read_sound(path, model.sample_rate)
            samples = min(audio.size, round(args.seconds * model.sample_rate))
            sounds.append(Sound(*titled(path), session.load(fit_length(audio, samples)).path))
        except (UserError, OSError) as error:
            skipped.append((path, error))
    if not sounds:
        raise UserError(f"--input {args.input[0]}: none of its recordings can be used")
    explorer = Explorer(model, sounds, session.knobs)
    explorer.warm(_LENGTHS)
    return explorer, skipped


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    found, others = find_sounds(args.input)
    files = some_of(found, args.count)
    try:
        server = Server(args.port, args.model.resolve().name)
    except OSError as error:
        raise UserError(f"--port {args.port}: {one_line(error.strerror)}") from error
    with server:
        say(f"encodes {len(files)} of {len(found)} recordings")
        sys.stdout.flush()
        begin = time.monotonic()
        server.explorer, skipped = open_explorer(args, files)
        report_others(others, "audio")
        status = report_skipped(skipped)
        say(f"ready after {time.monotonic() - begin:.0f} s; open {server.address}")
        sys.stdout.flush()
        server.serve_forever()
    return status


if __name__ == "__main__":
    run(main)
