"""Score trained generators on pieces that they never saw, and write a listening page.

    python evaluate.py --model runs/keyboard_acoustic_2_guitar_acoustic --dataset_path features \\
        --audios_path audios --midi_path midi --output report

Prints, per piece and overall, the scores of the unchanged input (identity), of each model, and of
the true target's magnitude with an estimated phase (ceiling: no model can do better with that
phase):

  L1                distance from the true target in the network's [-1, 1] scale, over the published
                    regular frames (for the ceiling: measured on its sound)
  LSD               log-spectral distance of the sound in dB: for each column, the root mean square
                    of the differences over the 256 bins, with values more than 80 dB below the
                    loudest one raised to that level; mean over the columns
  multi_resolution  multi-scale spectral loss of DDSP
  timbre            root-mean-square difference of the spectral envelopes (MFCCs) in dB
  loudness          mean absolute difference of the A-weighted loudness in dB
  flux_ratio        spectral flux relative to the target's: below 1 if the sound is smoother
  precision, recall, F1  of the notes that Basic Pitch hears, against the MIDI file
  border_flux       spectral flux at the borders of frames relative to elsewhere: 1 without seams

L1 needs only the features, the measures of sound need --audios_path, and those of notes --midi_path
and the packages that `make notes` installs. A model for several targets is shown the matching
style, a frame of another piece; a second table shows what each style leads to. With --output, the
tables are also written as CSV and JSON, and with the sounds as one HTML page that needs no other
file.
"""

from __future__ import annotations

import argparse
import functools
import re
import tempfile
from collections.abc import Callable, Collection, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.phase import DEFAULT_PHASE, ESTIMATORS
from common.cli import Parser, UserError, add_gpu_flag, number, parser, run, say
from common.files.text import write_json, write_rows
from common.music.names import piece_of
from common.music.titles import conversion_title, instrument_title, piece_title
from common.report.evaluation import held_out
from common.report.tables import Term, as_text
from common.training.devices import start_backend
from common.work.lock import only_run
from data import HOP, SAMPLE_RATE, amplitude_to_db, forward_transform, load_audio, network_to_frames
from pix2pix_timbre.features import FeatureStore
from pix2pix_timbre.trained import open_config

if TYPE_CHECKING:
    from common.report.page import Clip
    from pix2pix_timbre.evaluation import Measured
    from pix2pix_timbre.pairs import Source

SCORES = "Scores of all pieces, each weighted by its frames"


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
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
    phase = "how the phase is found, as in predict.py"
    built.add_flag("--phase", DEFAULT_PHASE, phase, choices=ESTIMATORS)
    built.add_flag(
        "--pieces",
        "held-out",
        "pieces to evaluate: those that no model was trained on, or all",
        choices=["held-out", "all"],
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


def as_rows(piece: str, scores: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Rows of a table: one per system, its scores and ratios."""
    from pix2pix_timbre.evaluation import with_ratios

    return [{"piece": piece, "system": name} | row for name, row in with_ratios(scores).items()]


def ratios(pieces: dict[str, Measured]) -> list[dict[str, Any]]:
    """Rows of the short table: L1 of identity and models for each piece, and their ratio.

    Args:
        pieces: Dict from piece to ``pix2pix_timbre.evaluation.Measured``.
    """
    from pix2pix_timbre.evaluation import CEILING, IDENTITY, TARGET

    rows = []
    for name, piece in pieces.items():
        l1 = {
            system: scores["L1"]
            for system, scores in piece.scores.items()
            if system not in (CEILING, TARGET)
        }
        relative = {
            f"{system}/{IDENTITY}": value / l1[IDENTITY]
            for system, value in l1.items()
            if system != IDENTITY
        }
        rows.append({"piece": name, "frames": piece.frames} | l1 | relative)
    return rows


def clip(
    label: str, audio_path: Path | None, image: np.ndarray, seconds: float, score: str
) -> Clip:
    """A clip of the page: the beginning of a system's picture and sound.

    Args:
        label: What is heard.
        audio_path: Audio file, or None.
        image: (BINS, columns) in [0, 1], for where there is no audio.
        seconds: Length.
        score: How good it is: a line.
    """
    from common.report.page import Clip, mp3
    from common.report.plots import pixels_webp

    columns = round(seconds * SAMPLE_RATE / HOP)
    if audio_path is None:
        return Clip(label, pixels_webp(image[:, :columns]), None, score)
    audio = load_audio(audio_path)[0][: columns * HOP]
    fade = min(HOP, audio.size)
    audio[audio.size - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    magnitude, _ = forward_transform(audio, with_phase=False)
    picture = pixels_webp(amplitude_to_db(magnitude))
    return Clip(label, picture, mp3(audio, SAMPLE_RATE), score)


def clips(
    pair: tuple[Source, Source], piece: Measured, predictors: dict[str, Callable], seconds: float
) -> list[Clip]:
    """Clips of all systems of a piece, of a length: list of ``common.report.page.Clip``."""
    from pix2pix_timbre.evaluation import CEILING, IDENTITY, TARGET, score_line
    from pix2pix_timbre.windows import convert_image

    if piece.audios:
        systems = {name: (path, None) for name, path in piece.audios.items()}
        systems[CEILING] = systems.pop(CEILING)  # the last one: first what it sets a limit to
    else:
        columns = round(seconds * SAMPLE_RATE / HOP)
        origin, target = (np.asarray(source.read(0, columns), np.float32) for source in pair)
        systems = {IDENTITY: (None, origin)}
        for name, predict in predictors.items():
            systems[name] = None, convert_image(predict, origin)
        systems[TARGET] = None, target
    labels = heard_as(predictors, *(source.store.path.stem for source in pair))
    return [
        clip(labels[name], *shown, seconds, score_line(piece.scores.get(name, {})))
        for name, shown in systems.items()
    ]


def heard_as(
    models: Collection[str], origin: str | None = None, target: str | None = None
) -> dict[str, str]:
    """What the page calls each system: dict from its name to a label.

    Args:
        models: Names of the models.
        origin, target: Instruments; None where there are several.
    """
    from pix2pix_timbre.evaluation import CEILING, IDENTITY, TARGET

    labels = {IDENTITY: instrument_title(origin) if origin else "the input as it is"}
    for name in models:
        labels[name] = "made by the network" + (f" {name}" if len(models) > 1 else "")
    labels[TARGET] = f"true {instrument_title(target)}" if target else "the true target"
    return labels | {CEILING: "best possible with this phase"}


def glossary() -> dict[str, Term]:
    """What the scores mean: dict from each to ``Term``, read from this script's description."""
    from common.report.tables import Term
    from pix2pix_timbre.evaluation import BETTER

    found = re.findall(r"^  (\S.*?)  +(\S.*(?:\n {4,}\S.*)*)", __doc__ or "", re.MULTILINE)
    return {
        name: Term(" ".join(meaning.split()), BETTER.get(name, ""))
        for names, meaning in found
        for name in names.split(", ")
    }


def names_of(folders: Sequence[Path]) -> list[str]:
    """Names of the models in some folders: those of the folders, if these differ."""
    names = [path.resolve().name for path in folders]
    if len(set(names)) < len(names):
        names = [str(path).replace("/", "_") for path in folders]
    return names


def open_stores(dataset_path: Path, configs: Sequence[dict[str, Any]]) -> dict[str, FeatureStore]:
    """Dict from the instruments of the models to their ``FeatureStore`` in a folder."""
    origins, targets, _ = instruments_of(configs)
    names = dict.fromkeys(origins + targets)
    return {name: FeatureStore(dataset_path / f"{name}.h5") for name in names}


def find_pieces(
    stores: dict[str, FeatureStore], configs: Sequence[dict[str, Any]], which: str
) -> dict[str, tuple[Source, Source]]:
    """Pairs to evaluate on: dict from the name of a piece to a pair of ``Source``.

    Args:
        stores: As ``open_stores`` returns them.
        configs: Content of each model's ``config.json``.
        which: "held-out" or "all".
    """
    origins, targets, styled = instruments_of(configs)
    pairs = {}
    for origin, target in product(origins, targets):
        if origin == target and styled:
            continue
        for pair in chosen_pairs(stores[origin], stores[target], configs, which):
            parts = [pair[0].rendering]
            parts += [origin] if len(origins) > 1 else []
            parts += [target] if len(targets) > 1 else []
            pairs["/".join(reversed(parts))] = pair
    return pairs


def measure_pieces(
    pairs: dict[str, tuple[Source, Source]],
    predictors_of: Callable[[tuple[Source, Source]], dict[str, Callable]],
    folder: Path,
    *,
    phase: str,
    audios_path: Path | None = None,
    midi_path: Path | None = None,
) -> dict[str, Measured]:
    """Measure all pieces: dict from piece to ``pix2pix_timbre.evaluation.Measured``.

    Args:
        pairs: As ``find_pieces`` returns them.
        predictors_of: Function from a pair to a dict from model to function of frames.
        folder: Where the converted audios go.
        phase: Of ``common.audio.phase.ESTIMATORS``.
        audios_path: Folder of the audios, or None to measure frames alone.
        midi_path: Folder of the MIDI files, or None to count no notes.
    """
    from pix2pix_timbre.evaluation import measure, render
    from pix2pix_timbre.pairs import audio_files

    sources, notes = {}, {}
    if audios_path:
        sources = dict(zip(pairs, audio_files(audios_path, pairs.values()), strict=True))
    if midi_path:
        from common.music.synthesis import notes_of
        from common.music.transcription import require_transcriber

        require_transcriber()
        notes = {name: notes_of(pair[0].rendering, midi_path) for name, pair in pairs.items()}
    measured = {}
    for name, pair in pairs.items():
        predictors, audios = predictors_of(pair), None
        if audios_path:
            audios = render(predictors, *sources[name], folder / name, phase)
        measured[name] = measure(predictors, pair, audios, notes.get(name))
    return measured


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = build_parser().parse_args(argv)
    with only_run(args.output):
        return evaluate(args)


def evaluate(args: argparse.Namespace) -> int:
    """Measure what the flags ask for, print it, and write it; the exit status of the script."""
    if args.midi_path and not args.audios_path:
        raise UserError("--midi_path: notes are heard in audios; give --audios_path, too")
    configs, names = [open_config(path) for path in args.model], names_of(args.model)
    _, _, styled = instruments_of(configs)
    stores = open_stores(args.dataset_path, configs)
    start_backend(args.gpu)  # before anything imports Keras, whose backend would greet

    pairs = find_pieces(stores, configs, args.pieces)

    from pix2pix_timbre.evaluation import overall
    from pix2pix_timbre.style import StyledFrames, distances_by_style
    from pix2pix_timbre.trained import load_model

    predictors = {
        name: load_model(path / "generator.h5", styled=styled).predict
        for name, path in zip(names, args.model, strict=True)
    }
    frames = StyledFrames(list(pairs.values()), batch_size=8) if styled else None

    def predictors_of(pair):
        if not styled:
            return predictors
        style = network_to_frames(frames.style(pair[1])[..., 0])
        return {
            name: functools.partial(predict, style=style) for name, predict in predictors.items()
        }

    with tempfile.TemporaryDirectory() as temporary:
        folder = args.output / "audios" if args.output else Path(temporary)
        how = {"audios_path": args.audios_path, "midi_path": args.midi_path}
        pieces = measure_pieces(pairs, predictors_of, folder, phase=args.phase, **how)
    total = {"overall": overall(list(pieces.values()))}
    print(as_text(ratios(pieces | total)))
    summary = as_rows("overall", total["overall"].scores)
    print(f"\n{SCORES}\n{as_text(summary)}")
    styles = {}
    if styled:
        for name, predict in predictors.items():
            caption = f"L1 by style (rows) and true target (columns): {name}"
            styles[caption] = distances_by_style(predict, frames)
            print(f"\n{caption}\n{as_text(styles[caption])}")
    if args.output is not None:
        every = [row for name, piece in pieces.items() for row in as_rows(name, piece.scores)]
        every += summary
        write_rows(args.output / "scores.csv", every)
        write_json(args.output / "scores.json", {"scores": every, "styles": list(styles.values())})
        shown = {"rows": every, "styles": styles, "predictors_of": predictors_of}
        write_report(args, configs, pairs, pieces, **shown)
        say(f"page: {args.output / 'report.html'}")
    return 0


def write_report(
    args: argparse.Namespace,
    configs: Sequence[dict[str, Any]],
    pairs: dict[str, tuple[Source, Source]],
    pieces: dict[str, Measured],
    *,
    predictors_of: Callable[[tuple[Source, Source]], dict[str, Callable]],
    rows: list[dict[str, Any]],
    styles: dict[str, list[dict[str, Any]]],
) -> None:
    """Write the page.

    Args:
        args: Flags.
        configs: Content of each model's ``config.json``.
        pairs: As ``find_pieces`` returns them.
        pieces: As ``measure_pieces`` returns them.
        predictors_of: As of ``measure_pieces``.
        rows: Of the table of all pieces; those of all together begin with "overall".
        styles: Dict from caption to the rows of a table.
    """
    from common.report.page import Section, write_page
    from common.report.tables import Term

    origins, targets, _ = instruments_of(configs)
    several = len(origins) * len(targets) > 1
    sections, titles = [], {}
    for name, pair in pairs.items():
        titles[name] = piece_title(pair[0].rendering)
        if several:
            sides = ([source.store.path.stem] for source in pair)
            titles[name] += f", {conversion_title(*sides)}"
        found = clips(pair, pieces[name], predictors_of(pair), args.clip_seconds)
        sections.append(Section(titles[name], found))
    labels = heard_as(names_of(args.model), *([] if several else origins + targets))
    every = [
        row | {"piece": titles.get(row["piece"], row["piece"]), "system": labels[row["system"]]}
        for row in rows
    ]
    summary = [row for row in every if row["piece"] == "overall"]
    titled = {
        caption: [
            {
                instrument_title(name): instrument_title(value) if name == "style" else value
                for name, value in row.items()
            }
            for row in of_model
        ]
        for caption, of_model in styles.items()
    }
    title = conversion_title(origins, targets)
    unseen = " that no network was trained on" if args.pieces == "held-out" else ""
    write_page(
        args.output / "report.html",
        title[0].upper() + title[1:],
        sections,
        lead=f"The beginning of pieces{unseen}: as they were played, converted by the network, and "
        "played by the true instrument. Beside them: distances from the true sound (L1, LSD: lower "
        "is better), and how well its notes are heard (F1: higher is better).",
        settings=vars(args) | {"model": ", ".join(map(str, args.model))},
        tables={SCORES: summary, "Every piece": every} | titled,
        terms=glossary()
        | {
            "…/identity": Term("relative to the score of the unchanged input"),
            "…/target": Term("relative to the score of the true target"),
            "best possible with this phase": Term(
                "the true magnitude, played with the estimated phase"
            ),
        },
    )


if __name__ == "__main__":
    run(main)
