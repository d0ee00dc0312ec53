"""Find the principal axes of sounds in the latent space of a model, and what each of them changes.

    python -m latent_exploration.axes --input recordings --output axes

Writes axes.json, for the flag --axes of the other scripts, and axes.csv. The loudest half second of
up to three of the sounds is played at nine positions on each axis, from -1 to 1, and what is heard
is measured. The table has Spearman's correlation between the position on the axis and each
descriptor, averaged over the sounds: 1 where a descriptor always rises, -1 where it always falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import (
    Parser,
    UserError,
    counted,
    number,
    parser,
    report_others,
    report_skipped,
    run,
    say,
)
from common.files.audio import is_silent
from common.work.lock import only_run
from latent_exploration.knobs import Knobs
from latent_exploration.scripts import add_model_flags, find_sounds, open_session, read_sound
from latent_exploration.session import control_dims

if TYPE_CHECKING:
    from common.latent import LatentModel

DESCRIPTORS = ("centroid", "bandwidth", "rolloff", "flatness", "sharpness", "loudness")
MONOTONE = 0.8  # absolute correlation of a link that counts as monotone
_POSITIONS = 9
_SWEEPS = 3


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--input", type=Path, nargs="+", required=True, help="recordings, or folders of them"
    )
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    built.add_flag("--count", 8, "largest number of axes", type=number(int, 1, 1000))
    built.add_flag("--seconds", 0.5, "length of a measured sound", type=number(float, 0.1, 10))
    add_model_flags(built, axes=False)
    return built


def mean_correlation(values: np.ndarray) -> float:
    """Mean absolute correlation between the columns of (number, columns); 0 for one column."""
    columns = values[:, values.std(axis=0) > 0]
    count = columns.shape[1]
    if count < 2 or len(columns) < 2:
        return 0.0
    apart = np.abs(np.corrcoef(columns.T))[np.triu_indices(count, 1)]
    return float(apart.mean())


def loudest(path: np.ndarray, audio: np.ndarray, steps: int) -> np.ndarray:
    """The part (steps, dims) of a path (any, dims) in which its audio (samples,) is loudest.

    (A mean vector would not do: what lies between the vectors of a sound, such as its tone and its
    silence, or two codes, need not sound like anything.)
    """
    edges = np.linspace(0, audio.size, len(path) + 1).astype(int)
    energy = np.add.accumulate(np.pad(np.square(audio, dtype=float), (1, 0)))[edges]
    steps = min(steps, len(path))
    start = int(np.argmax(energy[steps:] - energy[: len(energy) - steps]))
    return path[start : start + steps]


def sweep(model: LatentModel, knobs: Knobs, path: np.ndarray, axis: int) -> list[dict[str, float]]:
    """Descriptors of the decoded sounds along an axis.

    Args:
        model: ``LatentModel``.
        knobs: ``Knobs``.
        path: (steps, dims) of a sound; its other coordinates stay.
        axis: Number of the axis, from 0.

    Returns:
        For each of nine positions from -1 to 1, a dict from ``DESCRIPTORS`` to floats, NaN where
        the sound is silent.
    """
    from common.audio.descriptors import a_weighted_level, describe_shape, mean_power

    found = []
    for position in np.linspace(-1, 1, _POSITIONS):
        values = knobs.values(path)
        values[:, axis] = position
        audio = model.decode(knobs.turned(path, values).astype(np.float32))
        if is_silent(audio):
            found.append(dict.fromkeys(DESCRIPTORS, np.nan))
            continue
        power, hertz = mean_power(audio, model.sample_rate)
        level = a_weighted_level(power, hertz)
        found.append({**describe_shape(power, hertz), "loudness": level})
    return found


def rank_correlations(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """Spearman's correlation of each descriptor with its place in the list; silence is left out.

    It is 0 for a descriptor that does not change, or with less than three sounds.
    """
    from scipy.stats import spearmanr

    found = {}
    for name in DESCRIPTORS:
        values = np.array([one[name] for one in measured])
        heard = np.flatnonzero(np.isfinite(values))
        changes = len(heard) > 2 and np.ptp(values[heard]) > 1e-9 * np.abs(values[heard]).max()
        found[name] = float(spearmanr(heard, values[heard])[0]) if changes else 0.0
    return found


def report(
    model: LatentModel, knobs: Knobs, paths: Sequence[np.ndarray]
) -> list[dict[str, float | str]]:
    """Measure what each axis changes.

    Args:
        model: ``LatentModel``.
        knobs: ``Knobs``.
        paths: Paths (steps, dims) of short sounds.

    Returns:
        A row for each axis: its number from 1, or the name of a control; the standard deviation
        along it, the correlation with each descriptor, and the descriptor with the strongest one.
    """
    rows, names = [], knobs.names(control_dims(model))
    for axis, deviation in enumerate(knobs.axes.deviations):
        each = [rank_correlations(sweep(model, knobs, path, axis)) for path in paths]
        links = {name: float(np.mean([one[name] for one in each])) for name in DESCRIPTORS}
        strongest = max(links, key=lambda name: abs(links[name]))
        rows.append(
            {
                "axis": names[axis].removeprefix("axis "),
                "moves": strongest,
                "deviation": float(deviation),
                **links,
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    files, others = find_sounds(args.input)
    session = open_session(args)
    model, found, parts, skipped = session.model, [], [], []
    steps = max(round(args.seconds * model.rate), 1)
    with only_run(args.output):
        for file in files:
            try:
                audio = read_sound(file, model.sample_rate)
                found.append(session.load(audio).path)
                parts.append(loudest(found[-1], audio, steps))
            except (UserError, OSError) as error:
                skipped.append((file, error))
        vectors = np.concatenate(found) if found else np.zeros((0, model.dims))
        if len(vectors) < 2 or not np.ptp(vectors, axis=0).any():
            raise UserError(
                f"--input: {counted(len(vectors), 'vector')}, too few for axes; give more sounds"
            )
        controls = control_dims(model)
        knobs = Knobs.of(vectors, args.count, controls.values())
        rows = report(model, knobs, parts[:: -(-len(parts) // _SWEEPS)])
        _write(args.output, knobs, rows)
    _tell(knobs, rows, found, list(controls.values()), args)
    report_others(others, "audio")
    return report_skipped(skipped)


def _write(folder, knobs, rows):
    from common.files.text import write_rows

    knobs.write(folder / "axes.json")
    write_rows(folder / "axes.csv", rows)


def _tell(knobs, rows, found, controls, args):
    from common.report.tables import as_text

    vectors = np.concatenate(found)
    print(as_text(rows))
    rows = rows[: len(rows) - len(controls)]  # a control is set by people, and no axis
    linked = sum(max(abs(row[name]) for name in DESCRIPTORS) >= MONOTONE for row in rows)
    say(
        f"{counted(len(vectors), 'vector')} of {counted(len(found), 'sound')}; {linked} of "
        f"{counted(len(rows), 'axis', 'axes')} with a monotone link (at least {MONOTONE})"
    )
    said = f"mean absolute correlation: {mean_correlation(vectors):.3f} between latent dimensions"
    said += f", {mean_correlation(knobs.values(vectors)[:, : len(rows)]):.3f} between axes"
    if len(found) > 1:
        # axes of the same vectors are uncorrelated by construction; others show whether that lasts
        halves = [np.concatenate(found[start::2]) for start in (0, 1)]
        if min(map(len, halves)) > 1:
            others = Knobs.of(halves[0], args.count, controls).values(halves[1])
            others = others[:, : others.shape[1] - len(controls)]
            said += f", {mean_correlation(others):.3f} between axes of every other sound"
            said += " in the rest"
    say(said)
    say(f"{args.output / 'axes.json'}, {args.output / 'axes.csv'}")


if __name__ == "__main__":
    run(main)
