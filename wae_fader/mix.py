"""Make a note of a mixture of styles.

    python -m wae_fader.mix --note C4 --styles violin=0.5 clarinet=0.5 --output mixed.wav

Weights need not sum to 1: more than 1 exaggerates a style.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.audio.loudness import at_loudness
from common.cli import Parser, UserError, about, parser, run, say
from common.files.audio import require_audio_suffix
from common.music.names import pitch_number
from common.training.devices import start_backend
from common.work.lock import only_run
from data import write_audio
from wae_fader.generate import add_point_flags


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--note", required=True, help='pitch, such as "C#4" or 61')
    built.add_argument(
        "--styles", nargs="+", required=True, metavar="STYLE=WEIGHT", help='such as "violin=0.5"'
    )
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    add_point_flags(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio_suffix(args.output)
    pitch = pitch_number(args.note)
    if pitch is None:
        raise UserError(f"--note {args.note!r}: is no pitch; write it like C#4 or 61")
    from wae_fader.ways import generate_note, open_once, parse_weights

    with about("--styles"):
        weights = parse_weights(args.styles)
    start_backend(args.gpu)
    trained = open_once(args.model)
    with about("--styles"):
        trained.vectors([trained.pitch], weights)
    with about("--note"):
        trained.vectors([pitch], weights)
    with only_run(args.output, folder=False):
        audio, rate = generate_note(
            weights, pitch, args.point, args.model, seed=args.seed, render=args.render
        )
        write_audio(args.output, at_loudness(audio, rate), rate)
    say(f"{args.output}: {audio.size / rate:.1f} s")
    return 0


if __name__ == "__main__":
    run(main)
