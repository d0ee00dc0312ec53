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
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.audio.loudness import at_loudness
from common.cli import (
    Parser,
    UserError,
    add_seed_flag,
    existing_folder,
    number,
    parser,
    run,
    say,
)
from common.music.instruments import in_words
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run

if TYPE_CHECKING:
    from common.report.space import Exhibit, Point
    from move.pairs import NoteSound, Pair
    from move.trained import TrainedMove

_NOTES = Path(__file__).parent.parent / "data" / "orchestra"
_PAIRS = 4  # that are shown unless others are named
_SECONDS = 1.0  # length of the sound of a point


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--output", type=Path, required=True, help="HTML file to write")
    add_model_flag(built, "move_orchestra")
    built.add_argument(
        "--audio_path",
        type=existing_folder,
        default=_NOTES,
        help="folder of notes named as in NSynth (default: data/orchestra)",
    )
    built.add_argument(
        "--transfers",
        nargs="+",
        metavar="FROM=TO",
        help=f"pairs of instruments (default: up to {_PAIRS})",
    )
    built.add_flag("--sounds", 40, "number of points that are heard", type=number(int, 1))
    built.add_flag("--notes", 8, "largest number of notes of a pair", type=number(int, 1))
    built.add_flag("--points", 11, "number of points along an axis of a map", type=number(int, 2))
    add_seed_flag(built, "choice of notes")
    return built


def pairs_of(
    words: Sequence[str] | None, trained: TrainedMove, notes: Sequence[NoteSound]
) -> list[tuple[str, str]]:
    """Pairs of instruments that have notes of the same pitch.

    Args:
        words: Such as "flute=violin"; without any, up to four pairs are found, in which each
            instrument is converted once at most, and is a target once at most.
        trained: ``move.trained.TrainedMove``.
        notes: Notes that are there.

    Raises:
        UserError: A word is no pair, an instrument is not known, or a pair has no common pitch.
    """
    find, pitches = trained.conditions.instrument, {}
    for note in notes:
        pitches.setdefault(note.name.instrument, set()).add(note.name.pitch)
    found = []
    for word in words or ():
        source, mark, target = word.partition("=")
        if not mark:
            raise UserError(f"--transfers {word!r}: write it as flute=violin")
        pair = find(source), find(target)
        if not pitches.get(pair[0], set()) & pitches.get(pair[1], set()):
            raise UserError(f"--transfers {word}: --audio_path has no pitch that both play")
        found.append(pair)
    for one, other in () if words else permutations(sorted(pitches), 2):
        free = all(one != source and other != target for source, target in found)
        if free and pitches[one] & pitches[other] and len(found) < _PAIRS:
            found.append((one, other))
    if not found:
        raise UserError("--audio_path: has no pitch that two instruments play")
    return found


def sounding_points(trained: TrainedMove, folder: Path, sounds: int) -> list[Point]:
    """Points of the page, of the slices whose latent vectors are in a run folder."""
    from common.report.page import mp3
    from common.report.space import Point, spread_out
    from move.trained import read_latents

    rows, latents = read_latents(folder)
    steps = round(_SECONDS * trained.rate)
    heard = {}
    for index in spread_out(latents, sounds):
        row, rate = rows[index], trained.sample_rate
        still = np.repeat(latents[index : index + 1], steps, axis=0)
        audio = trained.decode(still, np.full(steps, row.pitch), row.instrument)
        heard[index] = mp3(at_loudness(audio, rate), rate)
    return [
        Point(in_words(row.instrument), row.pitch, latent.tolist(), heard.get(index))
        for index, (row, latent) in enumerate(zip(rows, latents, strict=True))
    ]


def exhibits(pair: Pair, trained: TrainedMove) -> list[Exhibit]:
    """Transfers of a pair, and the descriptors of its notes."""
    from common.report.page import mp3
    from common.report.plots import Panel, figure_png, image_grid
    from common.report.space import Exhibit
    from move.pairs import change, describe_notes, sounds_of
    from move.plots import draw_descriptors
    from move.trained import ITERATIONS

    rate, names = trained.sample_rate, [note.name for note in pair.given]
    source, target = in_words(pair.source), in_words(pair.target)
    first = pair.given[0]
    again = change(trained, first, pair.source, pair.source)
    made = sounds_of(trained, pair)
    labels = (f"{source}, pitch {names[0].pitch}", "reconstruction", f"as {target}")
    panels = [
        Panel(image, label)
        for image, label in zip((first.image, again, pair.made[0]), labels, strict=True)
    ]
    sounds = *(trained.slices.audio(one, ITERATIONS) for one in (first.image, again)), made[0]
    drawn = draw_descriptors(
        {
            source: describe_notes([note.audio for note in pair.given], names, rate),
            "transferred": describe_notes(made, names, rate),
            target: describe_notes(
                [note.audio for note in pair.true], [note.name for note in pair.true], rate
            ),
        }
    )
    heading = f"From {source} to {target}"
    return [
        Exhibit(
            heading,
            figure_png(image_grid(panels, size=(3, 3)), dpi=80),
            "The first sound is the note with nothing changed but the phase.",
            [
                (label, mp3(at_loudness(audio, rate), rate))
                for label, audio in zip(labels, sounds, strict=True)
            ],
        ),
        Exhibit(
            f"{heading}: descriptors",
            figure_png(drawn, dpi=80),
            f"Distributions over {len(names)} notes, their transfers, and {len(pair.true)} true "
            "notes of the target at the same pitches; a line is the median.",
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.output.suffix.lower() != ".html":
        raise UserError(f"--output {args.output}: end it in .html")
    start_backend(None)
    from common.report.maps import draw_maps
    from common.report.plots import figure_png
    from common.report.space import Exhibit, require_three, write_space
    from move.pairs import load_notes, transfer_pairs
    from move.trained import load_trained

    trained = load_trained(args.model)
    require_three(args.model, trained.dims)
    notes = load_notes(args.audio_path, trained)
    names = pairs_of(args.transfers, trained, notes)
    rng = np.random.default_rng(args.seed)
    pairs = transfer_pairs(trained, notes, notes, names, most=args.notes, rng=rng)
    shown = [exhibit for pair in pairs for exhibit in exhibits(pair, trained)]
    instrument, pitch = pairs[0].target, pairs[0].given[0].name.pitch
    power_of = partial(trained.mean_power, pitch=pitch, instrument=instrument)
    maps = draw_maps(power_of, trained.slices.transform.frequencies, trained.dims, args.points)
    of = f"{in_words(instrument)}, pitch {pitch}"
    shown.append(
        Exhibit(
            f"Maps of descriptors: {of}",
            figure_png(maps, dpi=80),
            "Each changes over two of the three numbers, from -2 to 2, while the other one is 0.",
        )
    )
    points = sounding_points(trained, args.model, args.sounds)
    with only_run(args.output, folder=False):
        write_space(
            args.output,
            "Instruments in a space of three numbers",
            points,
            lead=f"{len(points):,} slices of the training of {args.model.name}, by MoVE.",
            exhibits=shown,
        )
    say(f"{args.output}: {len(points):,} slices, {len(pairs)} pairs of instruments")
    return 0


if __name__ == "__main__":
    run(main)
