"""Make notes from points of the latent space.

    python -m move.generate --notes "violin C4" "flute A4" --output notes
    python -m move.generate --notes "cello C3" --points 0 0 -1.5 0 0 1.5 --output notes

A note goes from one point to another in a straight line. Files are named as in NSynth, so that
synthesize_audios.py can play with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.audio.loudness import at_loudness
from common.cli import (
    Parser,
    UserError,
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

_VELOCITY = 100  # in the names of files
_FADE = 0.02  # seconds


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--notes", nargs="+", required=True, metavar="NOTE", help='such as "violin C4"'
    )
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    add_model_flag(built, "move_orchestra")
    built.add_argument(
        "--points",
        type=number(float, -LARGEST, LARGEST),
        nargs="+",
        metavar="NUMBER",
        help="coordinates of the first and the last point, or of one (default: two are drawn for "
        "each note)",
    )
    built.add_flag("--seconds", 2.0, "length of a note", type=number(float, 0.1, 60))
    add_seed_flag(built, "points")
    add_gpu_flag(built)
    return built


def ends(points: Sequence[float] | None, dims: int, rng: np.random.Generator) -> np.ndarray:
    """First and last point (2, dims) of a note."""
    if points is None:
        return rng.standard_normal((2, dims))
    if len(points) not in (dims, 2 * dims):
        raise UserError(f"--points: give {dims} numbers for one point, {2 * dims} for two")
    return np.resize(points, (2, dims))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_folder(args.output)
    start_backend(args.gpu)
    from move.trained import load_trained

    trained = load_trained(args.model)
    with about("--notes"):
        notes = [trained.conditions.note(text) for text in args.notes]
    rng = np.random.default_rng(args.seed)
    steps = max(round(args.seconds * trained.rate) - 1, 1)
    with only_run(args.output):
        for instrument, pitch in dict.fromkeys(notes):
            way = np.linspace(*ends(args.points, trained.dims, rng), steps)
            audio = trained.decode(way, np.full(steps, pitch), instrument)
            ramp = np.linspace(0, 1, round(_FADE * trained.sample_rate), dtype=np.float32)
            audio[: ramp.size] *= ramp
            audio[-ramp.size :] *= ramp[::-1]
            path = args.output / f"{NoteName(instrument, 0, pitch, _VELOCITY)}.wav"
            write_audio(path, at_loudness(audio, trained.sample_rate), trained.sample_rate)
            say(f"{path}: {audio.size / trained.sample_rate:.1f} s")
    return 0


if __name__ == "__main__":
    run(main)
