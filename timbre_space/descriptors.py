"""Turn a drawn curve of a descriptor into a path through the space, and into sound.

    python -m timbre_space.descriptors --curve curve.csv --descriptor centroid --output path.wav

The curve is a file of numbers, one a line, equally far apart in time. Its lowest and highest number
become the 10th and the 90th percentile of the descriptor over the points of the space. The path
goes over places of training columns, and is the best one as a whole (Viterbi): it follows the
curve, makes short steps, and begins near --start. With --maps, the descriptors on six planes
through the space are drawn instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.audio.descriptors import describe_shape
from common.cli import Parser, UserError, missing, number, parser, run, say
from common.files.audio import require_audio_suffix
from common.trained import add_model_flag
from common.training.devices import start_backend
from data import write_audio
from timbre_space.spectra import FLOOR_DB

if TYPE_CHECKING:
    from common.latent import Axes
    from timbre_space.trained import Landmarks, TrainedSpace

SHOWN = ("centroid", "bandwidth", "flatness", "rolloff", "loudness")
PLANES = (-0.75, -0.45, -0.15, 0.15, 0.45, 0.75)
_REACH = 2.0  # standard deviations along an axis
_CANDIDATES = 1500
_QUIET_DB = 20  # what is further below the loudest columns is left out
_STEP_COST = 0.001  # of a step as long as the radius of the space; 1: error of the whole range


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    what = built.add_mutually_exclusive_group(required=True)
    what.add_argument("--curve", type=Path, help="text file of numbers, one a line")
    what.add_argument("--maps", action="store_true", help="draw maps instead of following a curve")
    built.add_argument("--output", type=Path, required=True, help="audio file; PNG file for --maps")
    built.add_flag("--descriptor", "centroid", "what follows the curve", choices=SHOWN)
    built.add_argument("--start", help='note to begin near: "flute E5", or an audio file')
    built.add_flag("--seconds", 4.0, "length of the sound in seconds", type=number(float, 0.1, 60))
    built.add_flag("--points", 25, "points along the side of a map", type=number(int, 2, 100))
    add_model_flag(built, "timbre_space_erb")
    return built


def read_curve(path: Path) -> np.ndarray:
    """Read a curve: (values,) float64; ``UserError`` if it is missing or is no curve."""
    if not path.is_file():
        raise UserError(f"{path}: {missing(path, 'curve')}")
    try:
        values = np.array([float(line) for line in path.read_text("utf-8").split()])
    except ValueError as error:
        raise UserError(f"{path}: holds what is no number ({error})") from error
    if len(values) < 2 or not np.isfinite(values).all() or np.ptp(values) == 0:
        raise UserError(f"{path}: give at least two finite numbers that differ")
    return values


def described(levels: np.ndarray, hertz: np.ndarray) -> dict[str, np.ndarray]:
    """Descriptors ``SHOWN`` of columns (columns, bins) in dB: dict to (columns,), NaN for silence.

    Loudness is the level of the whole column in dB.
    """
    found = []
    for column in np.asarray(levels, float):
        power = np.where(column > FLOOR_DB, 10 ** (column / 10), 0)
        if not power.any():
            found.append([np.nan] * len(SHOWN))
            continue
        values = describe_shape(power, hertz)
        # silent bands have the level of the floor, or a single one would decide
        floored = np.maximum(power, 10 ** (FLOOR_DB / 10))
        values["flatness"] = np.exp(np.log(floored).mean()) / floored.mean()
        values["loudness"] = 10 * np.log10(power.sum())
        found.append([values[name] for name in SHOWN])
    return dict(zip(SHOWN, np.array(found).T, strict=True))


def follow(
    values: np.ndarray, points: np.ndarray, targets: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """The sequence of points that follows targets best with short steps (Viterbi 1967).

    The published method chooses step by step, which makes the path jump.

    Args:
        values: (points,) descriptor of each point; NaN is never taken.
        points: (points, dims) positions.
        targets: (steps,).
        start: (dims,) near which the path begins, or None.

    Returns:
        (steps,) indices of points.
    """
    from scipy.spatial.distance import cdist

    size = max(np.nanmax(values) - np.nanmin(values), 1e-12)
    squares = cdist(points, points, "sqeuclidean")
    step_cost = _STEP_COST * squares
    fit = np.square((targets[:, np.newaxis] - values) / size)
    fit = np.where(np.isfinite(fit), fit, np.inf)
    cost = fit[0].copy()
    if start is not None:
        cost += _STEP_COST * np.square(points - start).sum(axis=-1)
    came_from = np.empty(fit.shape, int)
    for step in range(1, len(targets)):
        total = cost + step_cost
        came_from[step] = np.argmin(total, axis=1)
        cost = total[np.arange(len(cost)), came_from[step]] + fit[step]
    way = [int(np.argmin(cost))]
    for step in range(len(targets) - 1, 0, -1):
        way.append(int(came_from[step, way[-1]]))
    return np.array(way[::-1])


def curve_path(
    trained: TrainedSpace,
    landmarks: Landmarks,
    curve: np.ndarray,
    descriptor: str,
    *,
    steps: int,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Latent path (steps, dims) whose decoded descriptor follows a curve, and its targets (steps,).

    Args:
        trained, landmarks: The space.
        curve: (values,) of any length and unit.
        descriptor: One of ``SHOWN``.
        steps: Number of columns.
        start: Latent vector (dims,) near which it begins, or None.
    """
    points = landmarks.vectors[:: -(-len(landmarks.vectors) // _CANDIDATES)]
    found = described(trained.decode_columns(points), trained.spectra.frequencies)
    if not np.isfinite(found["loudness"]).any():
        raise UserError("every point of the space is silent; train it for longer")
    loud = found["loudness"] > np.nanquantile(found["loudness"], 0.95) - _QUIET_DB
    points, values = points[loud], found[descriptor][loud]
    low, high = np.quantile(values, [0.1, 0.9])
    # every fourth column is chosen, those between lie on the straight line
    count = max(steps // 4, 2)
    drawn = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(curve)), curve)
    targets = low + (high - low) * (drawn - curve.min()) / np.ptp(curve)
    radius = np.sqrt(landmarks.vectors.var(axis=0).sum())
    at = None if start is None else start / radius
    chosen = points[follow(values, points / radius, targets, at)]
    place, fine = np.linspace(0, count - 1, steps), np.arange(count)
    way = np.stack([np.interp(place, fine, line) for line in chosen.T], axis=-1)
    return way, np.interp(place, fine, targets)


def descriptor_maps(
    trained: TrainedSpace, axes: Axes, points: int
) -> dict[str, dict[float, np.ndarray]]:
    """Maps of the descriptors on six planes: dict to dict from the third coordinate to a map.

    A map has (points, points) values: rows along the second axis, upwards; axes from -1 to 1 in
    units of two standard deviations, as the third coordinate.
    """
    line = np.linspace(-1, 1, points)
    maps = {name: {} for name in SHOWN}
    for height in PLANES:
        flat = [np.tile(line, points), np.repeat(line, points), np.full(points**2, height)]
        coordinates = _REACH * np.stack(flat[: len(axes.deviations)], axis=-1) * axes.deviations
        levels = trained.decode_columns(axes.vectors(coordinates))
        for name, values in described(levels, trained.spectra.frequencies).items():
            maps[name][height] = values.reshape(points, points)
    return maps


def roughness(grid: np.ndarray) -> float:
    """Mean size of the second differences of a map, relative to that of its first ones.

    It is 0 for a plane slope, and about 1.7 for independent random values. Silent places (NaN) are
    left out.
    """
    first = [np.nanmean(np.abs(np.diff(grid, axis=axis))) for axis in (0, 1)]
    second = [np.nanmean(np.abs(np.diff(grid, 2, axis=axis))) for axis in (0, 1)]
    return float(np.sum(second) / max(np.sum(first), 1e-12))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.maps and args.output.suffix.lower() != ".png":
        raise UserError(f"--output {args.output}: end it in .png")
    curve = None
    if args.curve:
        require_audio_suffix(args.output)
        curve = read_curve(args.curve)
    start_backend(None)
    from timbre_space.path import end_of
    from timbre_space.plots import plot_curve, plot_maps
    from timbre_space.trained import load_trained, read_latents

    trained, landmarks = load_trained(args.model), read_latents(args.model)
    if curve is None:
        maps = descriptor_maps(trained, landmarks.axes, args.points)
        plot_maps(args.output, maps)
        rough = ", ".join(
            f"{name} {np.mean([roughness(grid) for grid in maps[name].values()]):.2f}"
            for name in maps
        )
        say(f"{args.output}: {len(SHOWN) * len(PLANES)} maps; roughness: {rough}")
        return 0
    start = end_of(args.start, trained, landmarks)[1] if args.start else None
    steps = max(round(args.seconds * trained.rate), 8)
    way, targets = curve_path(trained, landmarks, curve, args.descriptor, steps=steps, start=start)
    audio = trained.decode(way)
    write_audio(args.output, audio, trained.sample_rate)
    levels = trained.decode_columns(way)
    found = described(levels, trained.spectra.frequencies)[args.descriptor]
    heard = described(trained.spectra.columns(audio)[:steps], trained.spectra.frequencies)
    picture = args.output.with_suffix(".png")
    curves = {"drawn": targets, "decoded": found, "in the sound": heard[args.descriptor]}
    plot_curve(picture, args.descriptor, curves, levels, trained.rate)
    say(f"{args.output}: {steps / trained.rate:.1f} s; {picture}")
    return 0


if __name__ == "__main__":
    run(main)
