"""Write a page with the latent space of a model: a cloud to be turned, whose notes are heard.

    python -m wae_fader.page --output space.html

The points are the notes of the training. Some, far from each other, are decoded at their own pitch
and in their own style.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.audio.loudness import at_loudness
from common.cli import Parser, UserError, number, parser, run, say
from common.music.instruments import in_words
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run
from wae_fader.generate import MODEL


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--output", type=Path, required=True, help="HTML file to write")
    built.add_flag("--sounds", 100, "number of notes that are heard", type=number(int, 1))
    add_model_flag(built, MODEL)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.output.suffix.lower() != ".html":
        raise UserError(f"--output {args.output}: end it in .html")
    start_backend(None)
    from common.report.page import mp3
    from common.report.space import Point, spread_out, write_space
    from wae_fader.trained import load_trained, read_latents

    trained = load_trained(args.model)
    rows, latents = read_latents(args.model)
    if trained.dims != 3:
        raise UserError(f"{args.model}: has {trained.dims} latent dimensions; a page shows three")
    sounds = {}
    for index in spread_out(latents, args.sounds):
        row, rate = rows[index], trained.sample_rate
        audio = trained.decode(latents[index : index + 1], [row.pitch], row.style)
        sounds[index] = mp3(at_loudness(audio, rate), rate)
    points = [
        Point(in_words(row.style), row.pitch, latent.tolist(), sounds.get(index))
        for index, (row, latent) in enumerate(zip(rows, latents, strict=True))
    ]
    with only_run(args.output, folder=False):
        write_space(
            args.output,
            "Notes in a space of three numbers",
            points,
            lead=f"{len(rows):,} notes of the training of {args.model.name}, by the WAE-Fader.",
            label="style",
        )
    say(f"{args.output}: {len(points):,} notes, {len(sounds)} of them to hear")
    return 0


if __name__ == "__main__":
    run(main)
