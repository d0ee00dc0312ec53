"""Measure trained generators on pieces that they never saw, and write a page to listen to.

    python evaluate.py --model runs/keyboard_acoustic_2_guitar_acoustic --dataset_path features \\
        --audios_path audios --output report

Prints the L1 distance to the true target, in the [-1, 1] scale of the network and over the
published regular frames: of the input itself (identity) and of each model's prediction, per piece
and overall, with its ratio to identity; and whether windows leave seams. With --output, the table
is also written as CSV and JSON, and as a page with pictures and, given --audios_path, audio
players.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from common.cli import UserError, parser, run
from common.features import FeatureStore, find_pairs, piece_of
from common.metrics import border_flux
from common.training import RunFolder, start_backend, write_json, write_rows
from data import FRAME_COLUMNS

IDENTITY = "identity"


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--model", required=True, type=Path, nargs="+", help="run folders of one instrument pair"
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


def one_pair(configs):
    """Origin and target of the models; ``UserError`` unless they agree."""
    pairs = {(config["flags"]["origin"], config["flags"]["target"]) for config in configs}
    if len(pairs) > 1:
        texts = sorted(f"{origin} to {target}" for origin, target in pairs)
        raise UserError(f"--model: the models convert {' and '.join(texts)}; evaluate one pair")
    return pairs.pop()


def chosen_pairs(origin, target, configs, which):
    """Pairs of renderings to evaluate on.

    Args:
        origin, target: Open ``common.features.FeatureStore``.
        configs: Content of each model's ``config.json``.
        which: "held-out" or "all".
    """
    pairs, _ = find_pairs(origin, target)
    if which == "all":
        return pairs
    trained = {piece for config in configs for piece in config["split"]["training"]}
    held_out = [pair for pair in pairs if piece_of(pair[0]) not in trained]
    if not held_out:
        raise UserError(
            f"{origin.path}: the models were trained on every piece in it; add pieces, or look at "
            "--pieces all"
        )
    return held_out


def distances(predictors, origin, target, pair):
    """Mean L1 distances of one pair in the [-1, 1] scale, over its regular frames.

    Returns:
        ``(frames, distances)``: the number of frames; dict from "identity" and each predictor's
        name to the distance.
    """
    from common.pairs import PairedFrames

    data = PairedFrames(origin, target, [pair], batch_size=8, workers=1)
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


def seams(predictors, origin, target, pair):
    """Border flux of the whole images: of the target, and of each prediction as it is played.

    Returns:
        Dict from "target" and each predictor's name to (ratio, borders), as
        ``common.metrics.border_flux``; empty for an image without borders.
    """
    from pix2pix_timbre.convert import convert_image

    image, truth = (
        np.asarray(store.read(name), np.float32).T
        for store, name in zip((origin, target), pair, strict=True)
    )
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


def write_listening_page(args, predictors, stores, pairs, rows):
    """Write pictures, converted audios and the page that shows them."""
    from common.page import write_page
    from common.report import plot_images
    from pix2pix_timbre.convert import convert_image
    from pix2pix_timbre.stream import convert_file

    sections = []
    for pair in pairs:
        piece = pair[0]
        shown = slice(0, 1024)  # columns: 12 s
        origin, target = (
            np.asarray(store.read(name, shown.start, shown.stop), np.float32).T
            for store, name in zip(stores, pair, strict=True)
        )
        images = {"input": origin}
        images |= {name: convert_image(predict, origin) for name, predict in predictors.items()}
        images["target"] = target
        columns = min(image.shape[1] for image in images.values())
        images = {name: image[:, :columns] for name, image in images.items()}
        picture = args.output / "pictures" / f"{piece}.png"
        plot_images(picture, images)
        audios = {}
        if args.audios_path is not None:
            folders = [store.path.stem for store in stores]
            source, truth = (
                args.audios_path / folder / f"{name}.wav"
                for folder, name in zip(folders, pair, strict=True)
            )
            audios["input"] = source
            for name, predict in predictors.items():
                audios[name] = args.output / "predictions" / name / f"{piece}.wav"
                convert_file(predict, source, audios[name], overlap=0.5)
            audios["target"] = truth
        sections.append((piece, picture, audios))
    write_page(
        args.output / "report.html",
        f"{stores[0].path.stem} to {stores[1].path.stem}",
        rows,
        sections,
        "L1 distance to the true target in the network's [-1, 1] scale, and its ratio to that of "
        "the unchanged input (identity). Pictures show the first 12 s.",
    )


def main(argv=None):
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    folders = [RunFolder(path) for path in args.model]
    for folder in folders:
        folder.check_codec()
    configs = [folder.read_config() for folder in folders]
    origin_name, target_name = one_pair(configs)
    names = [path.resolve().name for path in args.model]
    if len(set(names)) < len(names):
        names = [str(path) for path in args.model]
    with (
        FeatureStore(args.dataset_path / f"{origin_name}.h5") as origin,
        FeatureStore(args.dataset_path / f"{target_name}.h5") as target,
    ):
        pairs = chosen_pairs(origin, target, configs, args.pieces)
        start_backend(args.gpu)

        from pix2pix_timbre.convert import Predictor
        from pix2pix_timbre.weights import load_generator

        predictors = {
            name: Predictor(load_generator(path / "generator.h5"))
            for name, path in zip(names, args.model, strict=True)
        }
        rows = table({pair[0]: distances(predictors, origin, target, pair) for pair in pairs})
        print(as_text(rows))
        flux = mean_seams([seams(predictors, origin, target, pair) for pair in pairs])
        if flux:
            values = ", ".join(f"{name} {ratio:.3f}" for name, ratio in flux.items())
            print(f"spectral flux at multiples of {FRAME_COLUMNS} columns over elsewhere: {values}")
        if args.output is not None:
            write_rows(args.output / "scores.csv", rows)
            write_json(args.output / "scores.json", {"distances": rows, "border_flux": flux})
            write_listening_page(args, predictors, (origin, target), pairs, rows)
            print(f"page: {args.output / 'report.html'}")
    return 0


if __name__ == "__main__":
    run(main)
