"""Score trained generators on pieces that they never saw, and write a listening page.

    python evaluate.py --model runs/keyboard_acoustic_2_guitar_acoustic --dataset_path features \\
        --audios_path audios --midi_path midi --output report

Prints, per piece and overall, the scores of the unchanged input (identity), of each model, of the
true target's magnitude with an estimated phase (ceiling: no model can do better with that phase),
and, where it can have them, of the true target.

L1 and image_flux need only the features, the measures of sound need --audios_path, and those of
notes --midi_path and the packages that `make notes` installs. The judges learn from all true sounds
in --audios_path: the more instruments it holds, the more can be confused. No judge has heard the
piece that it judges; how often it is right about true sounds is printed as well.

With --noise_control, each other model has a control: the named model plus noise, with the same
image flux. A model counts as better only if it is better than its control in texture_judge,
LSD_4096 and frechet.

A model for several targets is shown the matching style, a frame of another piece; another table
shows what each style leads to. With --output, the tables are also written as CSV and JSON, and with
the sounds as one HTML page that needs no other file.

The scores:
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import textwrap
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.audio.resynthesis import METHODS
from common.cli import Parser, UserError, add_gpu_flag, number, parser, run, say
from common.files.text import write_json, write_rows
from common.music.names import piece_of
from common.report.evaluation import held_out
from common.report.tables import as_text
from common.training.devices import start_backend
from common.work.lock import only_run
from data import HOP, SAMPLE_RATE, network_to_frames
from pix2pix_timbre.features import FeatureStore
from pix2pix_timbre.scores import (
    AGAINST_NOISE,
    CEILING,
    DECIDING_JUDGE,
    MEASURES,
    against_noise,
    as_rows,
    by_subject,
    ratios,
)
from pix2pix_timbre.scripts import add_voice_flags, chosen_voices
from pix2pix_timbre.trained import open_config

if TYPE_CHECKING:
    from pix2pix_timbre.evaluation import Measured
    from pix2pix_timbre.pairs import Source


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.epilog += explained_scores()
    built.add_argument(
        "--model",
        required=True,
        type=Path,
        nargs="+",
        help="run folders of models for the same instruments",
    )
    built.add_argument(
        "--dataset_path",
        required=True,
        type=Path,
        help="folder of features made by compute_features.py",
    )
    built.add_argument(
        "--audios_path",
        type=Path,
        help="folder of the audios that the features were made from; needed to "
        "measure and hear sound",
    )
    built.add_argument(
        "--midi_path",
        type=Path,
        help="folder of the MIDI files that the audios were made from; needed to "
        "score the notes that are heard",
    )
    built.add_argument(
        "--noise_control",
        type=Path,
        metavar="MODEL",
        help="run folder of a smooth model, such as one trained by L1 alone; with noise, it is the "
        "control of each other model",
    )
    built.add_argument(
        "--phase",
        choices=METHODS,
        help="how the phase is found, as in predict.py (default: that of each model; for the "
        "ceiling that of the first)",
    )
    add_voice_flags(built)
    built.add_flag(
        "--pieces",
        "held-out",
        "pieces to evaluate: those that no model was trained on, or all",
        choices=["held-out", "all"],
    )
    built.add_argument(
        "--seconds",
        type=number(float, 3),
        help="measure only the beginning of each piece, of this length (default: all of it)",
    )
    built.add_argument(
        "--output",
        type=Path,
        help="output folder for tables, the listening page and its audios (default: print only)",
    )
    built.add_flag(
        "--clip_seconds",
        20,
        "length of each clip on the listening page, in seconds",
        type=number(float, 1),
    )
    add_gpu_flag(built)
    return built


def explained_scores() -> str:
    """What each score means, as text for the help."""
    width = max(map(len, MEASURES)) + 4
    return "\n".join(
        textwrap.fill(f"  {name:{width - 2}}{term.meaning}", 100, subsequent_indent=" " * width)
        for name, term in MEASURES.items()
    )


def instruments_of(configs: Sequence[dict[str, Any]]) -> tuple[list[str], list[str], bool]:
    """Instruments that the models convert: ``(origins, targets, styled)``.

    Returns:
        Two lists, and whether the models are told their target by a style.

    Raises:
        UserError: The models do not agree.
    """
    pairs = []
    for config in configs:
        sides = [config["flags"]["origin"], config["flags"]["target"]]
        if sides not in pairs:
            pairs.append(sides)
    if len(pairs) > 1:
        texts = sorted(" to ".join(map(str, sides)) for sides in pairs)
        raise UserError(f"--model: the models convert {' and '.join(texts)}; evaluate one of these")
    styled = isinstance(pairs[0][0], list)
    origins, targets = (side if styled else [side] for side in pairs[0])
    return origins, targets, styled


def chosen_pairs(
    origin: FeatureStore, target: FeatureStore, configs: Sequence[dict[str, Any]], which: str
) -> list[tuple[Source, Source]]:
    """Pairs to evaluate on.

    Args:
        origin, target: Open ``pix2pix_timbre.features.FeatureStore``.
        configs: Content of each model's ``config.json``.
        which: "held-out" or "all".

    Returns:
        List of pairs of ``pix2pix_timbre.pairs.Source``.
    """
    from pix2pix_timbre.pairs import split_pairs

    pairs, _, _ = split_pairs(origin, target, 0)
    if which == "all":
        return pairs
    unseen = held_out(
        [pair[0].rendering for pair in pairs],
        configs,
        piece_of,
        recorded=str,  # a split lists pieces
        where=origin.path,
        remedy="add pieces, or look at --pieces all",
    )
    return [pair for pair in pairs if pair[0].rendering in set(unseen)]


def models_of(
    folders: Sequence[Path], control: Path | None = None
) -> tuple[dict[str, Path], str | None]:
    """Find the models to evaluate: ``(models, name of the noise control's model or None)``.

    The first is a dict from name to folder. The names are those of the folders if they differ.

    Args:
        folders: Run folders.
        control: Run folder of the model for the noise controls, which is evaluated as well; or
            None.

    Raises:
        UserError: There is no model to compare with the control.
    """
    found = {path.resolve(): path for path in (*folders, *([control] if control else []))}
    if control and len(found) < 2:
        raise UserError("--noise_control: name another model to compare with it in --model")
    names = [path.name for path in found]
    if len(set(names)) < len(names):
        names = [str(path).replace("/", "_") for path in found.values()]
    models = dict(zip(names, found.values(), strict=True))
    return models, names[list(found).index(control.resolve())] if control else None


def open_stores(dataset_path: Path, configs: Sequence[dict[str, Any]]) -> dict[str, FeatureStore]:
    """Dict from the instruments of the models to their ``FeatureStore`` in a folder."""
    origins, targets, _ = instruments_of(configs)
    names = dict.fromkeys(origins + targets)
    return {name: FeatureStore(dataset_path / f"{name}.h5") for name in names}


def find_pieces(
    stores: dict[str, FeatureStore],
    configs: Sequence[dict[str, Any]],
    which: str,
    seconds: float | None = None,
) -> dict[str, tuple[Source, Source]]:
    """Pairs to evaluate on: dict from the name of a piece to a pair of ``Source``.

    Args:
        stores: As ``open_stores`` returns them.
        configs: Content of each model's ``config.json``.
        which: "held-out" or "all".
        seconds: Length of the beginning of each piece that is used, or None for all of it.
    """
    origins, targets, styled = instruments_of(configs)
    most = round(seconds * SAMPLE_RATE / HOP) if seconds else None
    pairs = {}
    for origin, target in product(origins, targets):
        if origin == target and styled:
            continue
        for pair in chosen_pairs(stores[origin], stores[target], configs, which):
            parts = [pair[0].rendering]
            parts += [origin] if len(origins) > 1 else []
            parts += [target] if len(targets) > 1 else []
            used = pair[0]._replace(most=most), pair[1]._replace(most=most)
            pairs["/".join(reversed(parts))] = used
    return pairs


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = build_parser().parse_args(argv)
    with only_run(args.output):
        return evaluate(args)


def evaluate(args: argparse.Namespace) -> int:
    """Measure what the flags ask for, print it, and write it; the exit status of the script."""
    if args.midi_path and not args.audios_path:
        raise UserError("--midi_path: notes are heard in audios; give --audios_path, too")
    models, control = models_of(args.model, args.noise_control)
    configs = [open_config(path) for path in models.values()]
    _, _, styled = instruments_of(configs)
    stores = open_stores(args.dataset_path, configs)
    start_backend(args.gpu)  # before anything imports Keras, whose backend would greet

    pairs = find_pieces(stores, configs, args.pieces, args.seconds)

    from pix2pix_timbre.evaluation import measure_pieces, overall
    from pix2pix_timbre.style import StyledFrames, distances_by_style
    from pix2pix_timbre.trained import load_model

    opened = {
        name: load_model(path / "generator.h5", styled=styled) for name, path in models.items()
    }
    predictors = {name: model.predict for name, model in opened.items()}
    sounds = {
        name: {"phase": args.phase or model.phase, "voices": chosen_voices(args, model)}
        for name, model in opened.items()
    }
    sounds[CEILING] = {"phase": next(iter(sounds.values()))["phase"]}
    frames = StyledFrames(list(pairs.values()), batch_size=8) if styled else None

    def predictors_of(pair):
        if not styled:
            return predictors
        style = network_to_frames(frames.style(pair[1])[..., 0])
        return {
            name: functools.partial(predict, style=style) for name, predict in predictors.items()
        }

    with tempfile.TemporaryDirectory() as temporary:
        pieces, accuracy = measure_pieces(
            pairs,
            predictors_of,
            args.output / "audios" if args.output else Path(temporary),
            sounds=sounds,
            audios_path=args.audios_path,
            midi_path=args.midi_path,
            control=control,
            seconds=args.seconds,
        )
    total = overall(list(pieces.values()))
    tables = tables_of(total, accuracy)
    if styled:
        for name, predict in predictors.items():
            caption = f"L1 by style (rows) and true target (columns): {name}"
            tables[caption] = distances_by_style(predict, frames)
    print(as_text(ratios(pieces | {"overall": total})))
    for caption, rows in tables.items():
        print(f"\n{caption}\n{as_text(rows)}")
    if args.output is not None:
        rows = [row for name, piece in pieces.items() for row in as_rows(name, piece.scores)]
        rows += as_rows("overall", total.scores)
        write_rows(args.output / "scores.csv", rows)
        content = {"scores": rows, "tables": tables, "accuracy": accuracy}
        write_json(args.output / "scores.json", content)

        from pix2pix_timbre.listening_page import write_listening_page

        write_listening_page(
            args.output / "report.html",
            list(models),
            pairs,
            pieces,
            predictors_of=predictors_of,
            voices={name: sounds[name]["voices"] for name in models},
            tables=tables,
            total=total,
            seconds=args.clip_seconds,
            settings=vars(args) | {"model": ", ".join(map(str, args.model))},
            unseen=args.pieces == "held-out",
        )
        say(f"page: {args.output / 'report.html'}")
    return 0


def tables_of(total: Measured, accuracy: dict[str, float]) -> dict[str, list[dict[str, Any]]]:
    """Tables about all pieces together: dict from caption to rows.

    Args:
        total: ``pix2pix_timbre.evaluation.Measured`` of all pieces.
        accuracy: Share of true excerpts that each judge hears rightly.
    """
    tables = by_subject(total.scores)
    if compared := against_noise(total.scores):
        tables[AGAINST_NOISE] = compared
    if total.heard:
        heard = [{"system": name} | shares for name, shares in total.heard.items()]
        tables[f"Heard as, by the {DECIDING_JUDGE}"] = heard
        right = [{"judge": name, "right": share} for name, share in accuracy.items()]
        tables["Share of true excerpts of all instruments about which the judges are right"] = right
    return tables


if __name__ == "__main__":
    run(main)
