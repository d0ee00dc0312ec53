"""Draw new sounds of a class.

    python -m granular.sample --class kick --count 8 --output hits
    python -m granular.sample --model models/granular_orchestra --class violin --pitch A4 \\
        --output notes

A sound is drawn from the normal distribution of the sequences of its class. Files are
named <class>_<number>.wav, and notes also by their pitch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.cli import Parser, number, parser, require_folder, run
from common.work.lock import only_run
from granular.scripts import (
    add_label_flags,
    add_model_flags,
    add_seconds_flag,
    open_trained,
    write_sound,
)


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    add_label_flags(built)
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    built.add_flag("--count", 1, "number of sounds", type=number(int, 1, 1000))
    built.add_flag(
        "--temperature",
        1.0,
        "factor on the deviation of the points; below 1, sounds are more alike",
        type=number(float, 0, 5),
    )
    add_seconds_flag(built, None, "length of a sound in seconds")
    add_model_flags(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_folder(args.output)
    trained = open_trained(args)
    label = trained.labels.find(args.label)
    settings = {"temperature": args.temperature, "seconds": args.seconds, "seed": args.seed}
    with only_run(args.output):
        sounds = trained.sample(label, args.pitch, args.count, **settings)
        for place, sound in enumerate(sounds):
            note = f"_{args.pitch:03d}" if trained.labels.pitched else ""
            path = args.output / f"{label}{note}_{place:03d}.wav"
            write_sound(path, sound, trained.sample_rate)
    return 0


if __name__ == "__main__":
    run(main)
