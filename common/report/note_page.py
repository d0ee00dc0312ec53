"""Flags of the scripts that write a page about a model of notes (``common.report.space``)."""

from pathlib import Path

from common.cli import Parser, UserError, existing_folder, number

NOTES = Path(__file__).parents[2] / "data" / "orchestra"


def add_page_flags(built: Parser, sounds: int) -> None:
    """Add them.

    Args:
        built: ``common.cli.parser``.
        sounds: Default number of points that are heard.
    """
    built.add_argument("--output", type=Path, required=True, help="HTML file to write")
    built.add_argument(
        "--audio_path",
        type=existing_folder,
        help="folder of notes named as in NSynth (default: data/orchestra)",
    )
    built.add_argument(
        "--transfers",
        nargs="+",
        metavar="FROM=TO",
        help="pairs of instruments (default: up to 4)",
    )
    built.add_flag("--sounds", sounds, "number of points that are heard", type=number(int, 1))
    built.add_flag("--notes", 8, "largest number of notes of a pair", type=number(int, 1))
    built.add_flag("--points", 11, "number of points along an axis of a map", type=number(int, 2))


def check_page(path: Path) -> None:
    """Raise ``UserError`` unless the name of a file ends in .html."""
    if path.suffix.lower() != ".html":
        raise UserError(f"--output {path}: end it in .html")
