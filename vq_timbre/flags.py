"""Flags that several scripts of the system have."""

from pathlib import Path

from common.cli import Parser
from common.trained import shipped


def add_model_flag(built: Parser) -> None:
    """Add ``--model``, the folder of one timbre."""
    built.add_argument(
        "--model",
        type=Path,
        default=shipped("vq_trumpet"),
        help="run folder of vq_timbre.train (default: models/vq_trumpet)",
    )
