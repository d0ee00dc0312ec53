"""Write a page about a model: its latent space, notes in other styles, descriptors, and maps.

    python -m wae_fader.page --output space.html
    python -m wae_fader.page --audio_path notes --transfers flute=violin cello=piano \
        --output space.html

The points are the notes of the training. Some, far from each other, are decoded at their own pitch
and in their own style. Below them are the picture of notes, reconstructions and other styles that
the training drew, notes of --audio_path in the style of another instrument, the descriptors of
timbre before and after that and of true notes of it at the same pitches, and maps of descriptors
over planes of the space. Without --audio_path, a model whose styles are no instruments shows no
such notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from common.cli import Parser, UserError, about, add_seed_flag, counted, parser, run, say
from common.music.instruments import in_words
from common.report.note_page import NOTES, add_page_flags, check_page
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run
from wae_fader.generate import MODEL


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    add_page_flags(built, sounds=100)
    built.add_argument(
        "--note",
        metavar="NOTE",
        help='of the maps, such as "violin C4" (default: C4, first style)',
    )
    add_model_flag(built, MODEL)
    add_seed_flag(built, "choice of notes")
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    check_page(args.output)
    start_backend(None)
    from common.report.maps import maps_exhibit
    from common.report.pairs import change_pairs, exhibits, load_notes, pairs_of
    from common.report.space import Exhibit, require_three, sounding_points, write_space
    from wae_fader.trained import load_trained, read_latents

    trained = load_trained(args.model)
    rows, latents = read_latents(args.model)
    require_three(args.model, trained.dims)
    with about("--note"):
        style, pitch = trained.conditions.note(
            args.note or f"{trained.conditions.instruments[0]} C4"
        )
    shown, pairs = [], []
    drawn = args.model / "reconstructions.png"
    if drawn.is_file():
        said = "Held-out notes, their reconstructions, and the same points in other styles."
        shown.append(Exhibit("Notes and styles", drawn.read_bytes(), said))
    try:
        notes = load_notes(args.audio_path or NOTES, trained)
        names = pairs_of(args.transfers, trained.conditions, notes)
    except UserError:
        if args.audio_path or args.transfers:
            raise
        names = []  # styles that are no instruments
    if names:
        rng = np.random.default_rng(args.seed)
        pairs = change_pairs(trained, notes, notes, names, most=args.notes, rng=rng)
        shown += [exhibit for pair in pairs for exhibit in exhibits(pair, trained)]
    power_of = partial(trained.mean_power, pitch=pitch, style=style)
    of = f"{in_words(style)}, pitch {pitch}"
    shown.append(maps_exhibit(power_of, trained.images.hertz, trained.dims, args.points, of))

    def sound_of(index):
        return trained.decode(latents[index : index + 1], [rows[index].pitch], rows[index].style)

    with only_run(args.output, folder=False):
        write_space(
            args.output,
            "Notes in a space of three numbers",
            sounding_points(
                [(row.style, row.pitch) for row in rows],
                latents,
                args.sounds,
                sound_of,
                trained.sample_rate,
            ),
            lead=f"{len(rows):,} notes of the training of {args.model.name}, by the WAE-Fader.",
            label="style",
            exhibits=shown,
        )
    say(f"{args.output}: {len(rows):,} notes, {counted(len(pairs), 'pair')} of styles")
    return 0


if __name__ == "__main__":
    run(main)
