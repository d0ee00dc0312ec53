"""Travel through the space of grains, and make a sound of any length of the way.

    python -m granular.path line --through kick.wav snare.wav --seconds 5 --output line.wav
    python -m granular.path spiral --class crash_or_ride --turns 3 --output spiral.wav

A line leads through the loudest grains of recordings, or of drawn sounds of a class. Circles and
spirals lie around the first of them, in the plane in which the grains of the training differ most.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import Parser, UserError, number, parser, run
from common.files.audio import load_sounding
from common.latent import principal_axes
from common.work.lock import only_run
from granular.paths import KINDS, way
from granular.scripts import (
    add_label_flags,
    add_model_flags,
    add_seconds_flag,
    loudest_grain,
    open_trained,
    require_audio,
    write_sound,
)


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("kind", choices=KINDS, help="form of the way")
    built.add_argument(
        "--through", type=Path, nargs="+", default=[], help="recordings (default: drawn sounds)"
    )
    add_label_flags(built, required=False)
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    add_seconds_flag(built, 4.0, "length in seconds")
    built.add_flag("--radius", 1.0, "radius in standard deviations", type=number(float, 0, 10))
    built.add_flag("--turns", 2.0, "number of turns", type=number(float, 0, 1000))
    built.add_argument(
        "--speed",
        type=number(float, above=0),
        nargs="+",
        help="relative speeds, from the beginning to the end (default: constant)",
    )
    add_model_flags(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if bool(args.through) == bool(args.label):
        raise UserError("--through: name recordings, or --class instead")
    if args.kind == "line" and len(args.through) == 1:
        raise UserError("--through: a line needs two recordings")
    require_audio(args.output, *args.through)
    trained = open_trained(args)
    with only_run(args.output, folder=False):
        if args.through:
            rate = trained.sample_rate
            paths = [trained.encode(load_sounding(path, rate)) for path in args.through]
        else:
            label = trained.labels.find(args.label)
            sounds = trained.sample(label, args.pitch, 2, seed=args.seed)
            paths = [trained.encode(sound) for sound in sounds]
        points = np.stack([loudest_grain(path, trained.decode) for path in paths])
        plane = None
        if args.kind != "line":
            from granular.trained import read_latents

            axes = principal_axes(read_latents(args.model)[1], 2)
            plane = axes.directions * axes.deviations[:, np.newaxis]
        steps = max(round(args.seconds * trained.rate) - 3, 2)
        settings = {"radius": args.radius, "turns": args.turns, "speed": args.speed}
        found = way(args.kind, points, steps, plane=plane, **settings)
        write_sound(args.output, trained.decode(found, seed=args.seed), trained.sample_rate)
    return 0


if __name__ == "__main__":
    run(main)
