"""Make a series of sounds that leads from one recording to another.

    python -m granular.interpolate --input kick.wav snare.wav --from kick --to snare --output series

Both are encoded as sequences of grains; the sounds lie between them in the space of sequences, and
so do the classes that the decoder is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import Parser, number, parser, require_folder, run
from common.files.audio import load_sounding, read_header
from common.latent import interpolate
from common.music.names import pitch_argument
from common.work.lock import only_run
from granular.scripts import (
    add_model_flags,
    add_seconds_flag,
    open_trained,
    write_sound,
)


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--input", type=Path, nargs=2, required=True, metavar="FILE", help="two recordings"
    )
    for name, dest, which in (("--from", "first", "first"), ("--to", "second", "second")):
        built.add_argument(name, dest=dest, required=True, help=f"class of the {which}")
    built.add_argument(
        "--pitches",
        type=pitch_argument,
        nargs=2,
        default=[60, 60],
        help="their pitches (default: C4 C4)",
    )
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    built.add_flag("--steps", 5, "number of sounds", type=number(int, 2, 1000))
    add_seconds_flag(built, None, "length of a sound in seconds")
    add_model_flags(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_folder(args.output)
    for path in args.input:
        read_header(path)
    trained = open_trained(args)
    sequences, labels = trained.require_sequences(), trained.labels
    names = [labels.find(name) for name in (args.first, args.second)]
    with only_run(args.output):
        sounds = [
            trained.grains.prepare(load_sounding(path, trained.sample_rate)) for path in args.input
        ]
        ends = sequences.encode(trained.encode_sounds(np.stack(sounds)))
        told = labels.vectors(names, args.pitches)
        share = np.linspace(0, 1, args.steps)[:, np.newaxis]
        steps = args.seconds and max(round(args.seconds * trained.rate) - 3, 1)
        paths = sequences.decode(
            interpolate(*ends, args.steps), (1 - share) * told[0] + share * told[1], steps
        )
        for place, path in enumerate(paths):
            audio = trained.decode(path, seed=args.seed)
            write_sound(args.output / f"{place:03d}.wav", audio, trained.sample_rate)
    return 0


if __name__ == "__main__":
    run(main)
