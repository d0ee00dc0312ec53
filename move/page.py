"""Write a page about a model: its latent space, transfers to hear, descriptors, and maps.

    python -m move.page --output space.html
    python -m move.page --audio_path notes --transfers flute=violin cello=piano --output space.html

The points are slices of the training; some, far from each other, are heard as notes of a second.
Below them are transfers of notes of --audio_path beside their reconstructions, the descriptors of
timbre before and after the transfer and of true notes of the target at the same pitches, and maps
of descriptors over planes of the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from common.cli import Parser, add_seed_flag, counted, parser, run, say
from common.music.instruments import in_words
from common.report.note_page import NOTES, add_page_flags, check_page
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run

_SECONDS = 1.0  # length of the sound of a point


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    add_page_flags(built, sounds=40)
    add_model_flag(built, "move_orchestra")
    add_seed_flag(built, "choice of notes")
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    check_page(args.output)
    start_backend(None)
    from common.report.maps import maps_exhibit
    from common.report.pairs import change_pairs, exhibits, load_notes, pairs_of
    from common.report.space import require_three, sounding_points, write_space
    from move.trained import load_trained, read_latents

    trained = load_trained(args.model)
    require_three(args.model, trained.dims)
    notes = load_notes(args.audio_path or NOTES, trained)
    names = pairs_of(args.transfers, trained.conditions, notes)
    rng = np.random.default_rng(args.seed)
    pairs = change_pairs(trained, notes, notes, names, most=args.notes, rng=rng)
    shown = [exhibit for pair in pairs for exhibit in exhibits(pair, trained)]
    instrument, pitch = pairs[0].target, pairs[0].given[0].name.pitch
    power_of = partial(trained.mean_power, pitch=pitch, instrument=instrument)
    of = f"{in_words(instrument)}, pitch {pitch}"
    hertz = trained.slices.transform.frequencies
    shown.append(maps_exhibit(power_of, hertz, trained.dims, args.points, of))
    rows, latents = read_latents(args.model)
    steps = round(_SECONDS * trained.rate)

    def sound_of(index):
        still = np.repeat(latents[index : index + 1], steps, axis=0)
        return trained.decode(still, np.full(steps, rows[index].pitch), rows[index].instrument)

    with only_run(args.output, folder=False):
        write_space(
            args.output,
            "Instruments in a space of three numbers",
            sounding_points(
                [(row.instrument, row.pitch) for row in rows],
                latents,
                args.sounds,
                sound_of,
                trained.sample_rate,
            ),
            lead=f"{len(rows):,} slices of the training of {args.model.name}, by MoVE.",
            exhibits=shown,
        )
    say(f"{args.output}: {len(rows):,} slices, {counted(len(pairs), 'pair')} of instruments")
    return 0


if __name__ == "__main__":
    run(main)
