"""Flags that several benchmarks have."""

from pathlib import Path

from common.cli import Parser, existing_folder

ROOT = Path(__file__).parent.parent


def add_data_flag(built: Parser, flag: str, shipped: str, what: str) -> None:
    """Add the flag of a folder that has a shipped one as its default.

    Args:
        built: ``common.cli.parser``.
        flag: Name of the flag, with its dashes.
        shipped: Name of the default below ``data``.
        what: Help text.
    """
    built.add_argument(
        flag,
        type=existing_folder,
        default=ROOT / "data" / shipped,
        help=f"{what} (default: data/{shipped})",
    )
