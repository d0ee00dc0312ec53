"""Measure trained generators on pieces that they never saw, and write a page to listen to.

    python evaluate.py --model runs/keyboard_acoustic_2_guitar_acoustic --dataset_path features \\
        --audios_path audios --output report

Prints the L1 distance to the true target, in the [-1, 1] scale of the network and over the
published regular frames: of the input itself (identity) and of each model's prediction, per piece
and overall, with its ratio to identity; and whether windows leave seams. Models of several targets
are given the matching style, a frame of another piece; a second table shows what each style leads
to. With --output, the tables are also written as CSV and JSON, and as a page with pictures and,
given --audios_path, audio players.
"""

import functools
from collections import defaultdict
from itertools import product
from pathlib import Path

import numpy as np

from common.cli import UserError, parser, run
from common.devices import start_backend
from common.features import FeatureStore, piece_of
from common.metrics import border_flux
from common.training import RunFolder, write_json, write_rows
from data import FRAME_COLUMNS

IDENTITY = "identity"
SHOWN_COLUMNS = 1024  # of each piece, 12 s
DISTANCES = (
    "L1 distance to the true target in the network's [-1, 1] scale, and its ratio to that of the "
    "unchanged input (identity). Pictures show the first 12 s."
)


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--model", required=True, type=Path, nargs="+", help="run folders of the same instruments"
    )
    built.add_argument(
        "--dataset_path", required=True, type=Path, help="folder of compute_features.py"
    )
    built.add_argument(
        "--audios_path", type=Path, help="folder of the audios, to convert and to link on the page"
    )
    built.add_argument(
        "--pieces",
        choices=["held-out", "all"],
        default="held-out",
        help="pieces that no model was trained on, or all (default: held-out)",
    )
    built.add_argument("--output", type=Path, help="folder for the table and the page")
    built.add_argument("--gpu", help="GPU to use (default: what the environment offers)")
    return built


def instruments_of(configs):
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


def chosen_pairs(origin, target, configs, which):
    """Pairs to evaluate on.

    Args:
        origin, target: Open ``common.features.FeatureStore``.
        configs: Content of each model's ``config.json``.
        which: "held-out" or "all".

    Returns:
        List of pairs of ``common.pairs.Source``.
    """
    from common.pairs import split_pairs

    pairs, _, _ = split_pairs(origin, target, 0)
    if which == "all":
        return pairs
    trained = {piece for config in configs for piece in config["split"]["training"]}
    held_out = [pair for pair in pairs if piece_of(pair[0].rendering) not in trained]
    if not held_out:
        raise UserError(
            f"{origin.path}: the models were trained on every piece in it; add pieces, or look at "
            "--pieces all"
        )
    return held_out


def distances(predictors, pair):
    """Mean L1 distances of one pair in the [-1, 1] scale, over its regular frames.

    Args:
        predictors: Dict from name to function from frames to frames in [0, 1].
        pair: Pair of ``common.pairs.Source``.

    Returns:
        ``(frames, distances)``: the number of frames; dict from "identity" and each predictor's
        name to the distance.
    """
    from common.pairs import PairedFrames

    data = PairedFrames([pair], batch_size=8, workers=1)
    sums = dict.fromkeys([IDENTITY, *predictors], 0.0)
    for index in range(len(data)):
        inputs, targets = data[index]
        predictions = {
            name: predict((inputs + 1) / 2) * 2 - 1 for name, predict in predictors.items()
        }
        for name, frames in {IDENTITY: inputs, **predictions}.items():
            sums[name] += float(np.abs(frames - targets).mean(axis=(1, 2, 3)).sum())
    count = data.frame_count
    return count, {name: total / count for name, total in sums.items()}


def seams(predictors, pair):
    """Border flux of the whole images: of the target, and of each prediction as it is played.

    Returns:
        Dict from "target" and each predictor's name to (ratio, borders), as
        ``common.metrics.border_flux``; empty for an image without borders.
    """
    from pix2pix_timbre.convert import convert_image

    image, truth = (np.asarray(source.read(), np.float32) for source in pair)
    if min(image.shape[1], truth.shape[1]) <= FRAME_COLUMNS:
        return {}
    images = {"target": truth}
    images |= {name: convert_image(predict, image) for name, predict in predictors.items()}
    return {name: border_flux(whole) for name, whole in images.items()}


def table(results):
    """Rows of the table of distances, the last one over all frames.

    Args:
        results: Dict from rendering to (frames, distances).

    Returns:
        List of dicts: ``piece``, ``frames``, the distances, and per model ``<name>/identity``.
    """
    total = sum(frames for frames, _ in results.values())
    names = list(next(iter(results.values()))[1])
    overall = {
        name: sum(frames * values[name] for frames, values in results.values()) / total
        for name in names
    }
    rows = []
    for piece, (frames, values) in [*results.items(), ("overall", (total, overall))]:
        ratios = {
            f"{name}/{IDENTITY}": values[name] / values[IDENTITY]
            for name in names
            if name != IDENTITY
        }
        rows.append({"piece": piece, "frames": frames, **values, **ratios})
    return rows


def mean_seams(results):
    """Border flux over all pieces, each weighted by its borders: dict from name to ratio.

    Args:
        results: List of dicts as ``seams`` returns them.
    """
    collected = defaultdict(list)
    for seam in results:
        for name, measured in seam.items():
            collected[name].append(measured)
    return {
        name: sum(ratio * borders for ratio, borders in values)
        / sum(borders for _, borders in values)
        for name, values in collected.items()
    }


def as_text(rows):
    """The table as aligned text."""
    cells = [list(rows[0])] + [
        [f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def write_listening_page(args, title, pairs, predictors_of, tables):
    """Write pictures, converted audios and the page that shows them.

    Args:
        args: Parsed flags.
        title: Of the page.
        pairs: Dict from the name of a piece to its pair of ``common.pairs.Source``.
        predictors_of: Function from a pair to a dict from model to function of frames.
        tables: Dict from a caption to the rows of a table.
    """
    from common.page import write_page
    from common.report import plot_images
    from pix2pix_timbre.convert import convert_image
    from pix2pix_timbre.stream import convert_file

    sections = []
    for piece, pair in pairs.items():
        predictors = predictors_of(pair)
        origin, target = (np.asarray(source.read(0, SHOWN_COLUMNS), np.float32) for source in pair)
        images = {"input": origin}
        images |= {name: convert_image(predict, origin) for name, predict in predictors.items()}
        images["target"] = target
        columns = min(image.shape[1] for image in images.values())
        images = {name: image[:, :columns] for name, image in images.items()}
        picture = args.output / "pictures" / f"{piece}.png"
        plot_images(picture, images)
        audios = {}
        if args.audios_path is not None:
            source, truth = (
                args.audios_path / source.store.instrument / f"{source.rendering}.wav"
                for source in pair
            )
            audios["input"] = source
            for name, predict in predictors.items():
                audios[name] = args.output / "predictions" / name / f"{piece}.wav"
                convert_file(predict, source, audios[name], overlap=0.5)
            audios["target"] = truth
        sections.append((piece, picture, audios))
    write_page(args.output / "report.html", title, tables, sections)


def main(argv=None):
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    folders = [RunFolder(path) for path in args.model]
    for folder in folders:
        folder.check_codec()
    configs = [folder.read_config() for folder in folders]
    origins, targets, styled = instruments_of(configs)
    names = [path.resolve().name for path in args.model]
    if len(set(names)) < len(names):
        names = [str(path) for path in args.model]
    stores = {
        name: FeatureStore(args.dataset_path / f"{name}.h5")
        for name in dict.fromkeys(origins + targets)
    }
    start_backend(args.gpu)

    from pix2pix_timbre.convert import Predictor
    from pix2pix_timbre.style import StyledFrames, distances_by_style
    from pix2pix_timbre.weights import load_generator

    pairs = {}
    for origin, target in product(origins, targets):
        if origin == target and styled:
            continue
        for pair in chosen_pairs(stores[origin], stores[target], configs, args.pieces):
            parts = [pair[0].rendering]
            parts += [origin] if len(origins) > 1 else []
            parts += [target] if len(targets) > 1 else []
            pairs["/".join(reversed(parts))] = pair
    predictors = {
        name: Predictor(load_generator(path / "generator.h5", channels=2 if styled else 1))
        for name, path in zip(names, args.model, strict=True)
    }
    frames = StyledFrames(list(pairs.values()), batch_size=8) if styled else None

    def predictors_of(pair):
        if not styled:
            return predictors
        style = (frames.style(pair[1])[..., 0] + 1) / 2
        return {
            name: functools.partial(predict, style=style) for name, predict in predictors.items()
        }

    rows = table({name: distances(predictors_of(pair), pair) for name, pair in pairs.items()})
    print(as_text(rows))
    tables = {DISTANCES: rows}
    if styled:
        for name, predict in predictors.items():
            caption = f"L1 by style (rows) and true target (columns): {name}"
            tables[caption] = distances_by_style(predict, frames)
            print(f"\n{caption}\n{as_text(tables[caption])}")
    flux = mean_seams([seams(predictors_of(pair), pair) for pair in pairs.values()])
    if flux:
        values = ", ".join(f"{name} {ratio:.3f}" for name, ratio in flux.items())
        print(f"spectral flux at multiples of {FRAME_COLUMNS} columns over elsewhere: {values}")
    if args.output is not None:
        write_rows(args.output / "scores.csv", rows)
        write_json(
            args.output / "scores.json",
            {"distances": rows, "border_flux": flux}
            | ({"styles": list(tables.values())[1:]} if styled else {}),
        )
        title = f"{', '.join(origins)} to {', '.join(targets)}"
        write_listening_page(args, title, pairs, predictors_of, tables)
        print(f"page: {args.output / 'report.html'}")
    return 0


if __name__ == "__main__":
    run(main)
