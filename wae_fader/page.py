"""Write a page with the latent space of a model: a cloud to be turned, whose notes are heard.

    python -m wae_fader.page --output space.html

The points are the notes of the training. Some, far from each other, are decoded at their own pitch
and in their own style. Below them are the picture of notes, reconstructions and other styles that
the training drew, and maps of descriptors of timbre over planes of the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
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
    built.add_argument(
        "--note",
        metavar="NOTE",
        help='of the maps, such as "violin C4" (default: C4, first style)',
    )
    built.add_flag("--points", 11, "number of points along an axis of a map", type=number(int, 2))
    add_model_flag(built, MODEL)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.output.suffix.lower() != ".html":
        raise UserError(f"--output {args.output}: end it in .html")
    start_backend(None)
    from common.report.maps import draw_maps
    from common.report.page import mp3
    from common.report.plots import figure_png
    from common.report.space import Exhibit, Point, require_three, spread_out, write_space
    from wae_fader.trained import load_trained, read_latents

    trained = load_trained(args.model)
    rows, latents = read_latents(args.model)
    require_three(args.model, trained.dims)
    note = args.note or f"{trained.conditions.instruments[0]} C4"
    style, pitch = trained.conditions.note(note)
    power_of = partial(trained.mean_power, pitch=pitch, style=style)
    maps = draw_maps(power_of, trained.images.hertz, trained.dims, args.points)
    exhibits = [
        Exhibit(
            f"Maps of descriptors: {in_words(style)}, pitch {pitch}",
            figure_png(maps, dpi=80),
            "Each changes over two of the three numbers, from -2 to 2, while the other one is 0.",
        )
    ]
    drawn = args.model / "reconstructions.png"
    if drawn.is_file():
        said = "Held-out notes, their reconstructions, and the same points in other styles."
        exhibits.insert(0, Exhibit("Notes and styles", drawn.read_bytes(), said))
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
            exhibits=exhibits,
        )
    say(f"{args.output}: {len(points):,} notes, {len(sounds)} of them to hear")
    return 0


if __name__ == "__main__":
    run(main)
