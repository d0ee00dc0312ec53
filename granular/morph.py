"""Change one recording into another in the course of the sound.

    python -m granular.morph --input kick.wav cymbal.wav --output morph.wav

The sound begins as the first recording and ends as the second one; the grains between lie between
theirs. It is as long as the longer recording, or --seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.cli import Parser, number, parser, run
from common.files.audio import load_sounding
from common.work.lock import only_run
from granular.scripts import (
    add_model_flags,
    add_seconds_flag,
    open_trained,
    require_audio,
    write_sound,
)


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--input", type=Path, nargs=2, required=True, metavar="FILE", help="two recordings"
    )
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    built.add_argument(
        "--shares",
        type=number(float, 0, 1),
        nargs="+",
        default=[0.0, 1.0],
        help="share of the second recording, from the beginning to the end (default: 0 1)",
    )
    add_seconds_flag(built, None, "length in seconds, to which both are stretched")
    add_model_flags(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio(args.output, *args.input)
    trained = open_trained(args)
    from granular.ways import morphed

    with only_run(args.output, folder=False):
        sounds = [load_sounding(path, trained.sample_rate) for path in args.input]
        made = morphed(trained, *sounds, args.shares, seconds=args.seconds, seed=args.seed)
        write_sound(args.output, made, trained.sample_rate)
    return 0


if __name__ == "__main__":
    run(main)
