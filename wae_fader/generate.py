"""Make notes from points of the latent space.

    python -m wae_fader.generate --notes "violin C4" "flute A4" --output notes
    python -m wae_fader.generate --notes "cello C3" --point 0 0 -1.5 --output notes

Files are named as in NSynth, so that synthesize_audios.py can play with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.audio.loudness import at_loudness
from common.cli import (
    Parser,
    about,
    add_gpu_flag,
    add_seed_flag,
    number,
    parser,
    require_folder,
    run,
    say,
)
from common.latent import LARGEST
from common.music.names import NoteName
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run
from data import write_audio

MODEL = "wae_fader_orchestra"  # the shipped one
RENDERERS = ("griffinlim", "mcnn")
_VELOCITY = 100  # in the names of files


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--notes", nargs="+", required=True, metavar="NOTE", help='such as "violin C4"'
    )
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    add_point_flags(built)
    return built


def add_point_flags(built: Parser) -> None:
    """Add the flags of scripts that make notes of points."""
    built.add_argument(
        "--point",
        type=number(float, -LARGEST, LARGEST),
        nargs="+",
        metavar="NUMBER",
        help="coordinates in the latent space (default: drawn for each note)",
    )
    built.add_flag(
        "--render",
        RENDERERS[0],
        "what makes the sound: Griffin-Lim, or the network of wae_fader.train_mcnn",
        choices=RENDERERS,
    )
    add_model_flag(built, MODEL)
    add_seed_flag(built, "points")
    add_gpu_flag(built)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_folder(args.output)
    start_backend(args.gpu)
    from wae_fader.ways import generate_note, open_once

    conditions = open_once(args.model).conditions
    with about("--notes"):
        notes = [conditions.note(text) for text in args.notes]
    seeds = np.random.default_rng(args.seed).integers(2**31, size=len(notes))
    with only_run(args.output):
        for (style, pitch), seed in zip(dict.fromkeys(notes), seeds, strict=False):
            audio, rate = generate_note(
                style, pitch, args.point, args.model, seed=int(seed), render=args.render
            )
            path = args.output / f"{NoteName(style, 0, pitch, _VELOCITY)}.wav"
            write_audio(path, at_loudness(audio, rate), rate)
            say(f"{path}: {audio.size / rate:.1f} s")
    return 0


if __name__ == "__main__":
    run(main)
