"""Descriptors of codes and of sounds, and codes for a curve of a descriptor.

A descriptor is measured on the mean power of ten frames, 300 ms at 22,050 Hz: those of one code
when the table of the codes is made, and those around each frame of a sound.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from common.audio.descriptors import describe_shape
from common.cli import UserError
from common.files.text import write_rows
from vq_timbre.frames import BINS, CONTEXT, HOP, analyse, padded
from vq_timbre.pitch import fundamental

if TYPE_CHECKING:
    from vq_timbre.trained import TrainedTimbre

NAMES = ("centroid", "bandwidth", "rolloff", "flatness", "f0")
SPAN = 10  # frames
_TAKES = 4  # stretches of a code's sound that are measured
_LEVEL = 0.1  # root mean square of a code's sound


def describe_power(power: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Descriptors of power spectra.

    Args:
        power: (frames, BINS), not silent.
        sample_rate: Hz.

    Returns:
        Dict from ``NAMES`` to (frames,): Hz, but for the flatness. An f0 that is not there is NaN.
    """
    hertz = np.arange(BINS) * sample_rate / (2 * (BINS - 1))
    shapes = [describe_shape(one.astype(np.float64), hertz) for one in power]
    found = {name: np.array([shape[name] for shape in shapes]) for name in NAMES[:-1]}
    return {**found, "f0": fundamental(power, sample_rate)}


def describe_audio(audio: np.ndarray, sample_rate: int, span: int = SPAN) -> dict[str, np.ndarray]:
    """Descriptors of each frame of an audio.

    Args:
        audio: (samples,) float32.
        sample_rate: Hz.
        span: Number of frames around each whose power is averaged.

    Returns:
        Dict from ``NAMES`` to (frames,), NaN where the audio is silent.
    """
    frames = analyse(padded(audio))
    power = frames.power * np.square(frames.gains)[:, np.newaxis]
    sums = np.cumsum(np.pad(power.astype(np.float64), ((1, 0), (0, 0))), axis=0)
    places = np.arange(len(power))
    first = np.maximum(places - (span - 1) // 2, 0)
    last = np.minimum(places + span // 2 + 1, len(power))
    mean = (sums[last] - sums[first]) / (last - first)[:, np.newaxis]
    sounding = frames.gains > 0
    result = {name: np.full(len(power), np.nan) for name in NAMES}
    if sounding.any():
        for name, values in describe_power(mean[sounding], sample_rate).items():
            result[name][sounding] = values
    return result


class Table(NamedTuple):
    """Descriptors of all codes.

    Attributes:
        mean: Dict from ``NAMES`` to (codes,).
        deviation: The same, standard deviations over the takes.
    """

    mean: dict[str, np.ndarray]
    deviation: dict[str, np.ndarray]


def map_codes(trained: TrainedTimbre, seed: int = 0) -> Table:
    """Sound each code for a while, and describe it.

    Args:
        trained: ``vq_timbre.trained.TrainedTimbre``.
        seed: Integer, of the noise.

    Returns:
        ``Table``.
    """
    count = SPAN * _TAKES + 2 * CONTEXT
    powers = []
    for code in range(len(trained.code_vectors)):
        audio = trained.decode_codes(np.full(count, code), np.full(count, _LEVEL), seed=seed + code)
        frames = analyse(audio)
        whole = len(frames.power) // _TAKES
        powers.append(frames.power[: whole * _TAKES].reshape(_TAKES, whole, BINS).mean(axis=1))
    found = describe_power(np.concatenate(powers), trained.sample_rate)
    shaped = {name: values.reshape(-1, _TAKES) for name, values in found.items()}
    with np.errstate(invalid="ignore"):
        return Table(
            {name: np.median(values, axis=1) for name, values in shaped.items()},
            {name: values.std(axis=1) for name, values in shaped.items()},
        )


class Choice(NamedTuple):
    """Codes for a curve.

    Attributes:
        codes: (frames,).
        low, high: What the table reaches.
        beyond: Share of the frames whose target lies outside.
    """

    codes: np.ndarray
    low: float
    high: float
    beyond: float


def choose_codes(table: Table, name: str, target: np.ndarray) -> Choice:
    """The code whose descriptor is expected nearest to each value of a curve.

    What is least is the expected square of the distance, that is the square of the distance from
    the mean plus the variance: a code that is always a little off is better than one that is right
    on the average only.

    Args:
        table: ``Table``.
        name: One of ``NAMES``.
        target: (frames,).

    Returns:
        ``Choice``; beyond the reach of the table, a code near its end.
    """
    known = np.flatnonzero(np.isfinite(table.mean[name]))
    values, deviations = (part[name][known] for part in table)
    errors = np.square(values - target[:, np.newaxis]) + np.square(deviations)
    codes = known[errors.argmin(axis=1)]
    low, high = float(values.min()), float(values.max())
    return Choice(codes, low, high, float(np.mean((target < low) | (target > high))))


def rank_correlation(target: np.ndarray, measured: np.ndarray) -> float:
    """Spearman's rank correlation of two curves (frames,), where both are numbers."""
    from scipy.stats import spearmanr

    known = np.isfinite(target) & np.isfinite(measured)
    if known.sum() < 3 or np.ptp(target[known]) == 0 or np.ptp(measured[known]) == 0:
        return float("nan")
    return float(spearmanr(target[known], measured[known])[0])


def frame_seconds(frames: int, sample_rate: int) -> np.ndarray:
    """Time of the middle of each frame of an audio, in seconds: (frames,)."""
    return (np.arange(frames) - 1) * HOP / sample_rate


def write_table(path: Path, table: Table) -> None:
    """Write a table as CSV: a line for each code and descriptor, with mean and deviation."""
    write_rows(
        path,
        [
            {
                "code": code,
                "descriptor": name,
                "mean": float(table.mean[name][code]),
                "std": float(table.deviation[name][code]),
            }
            for name in NAMES
            for code in range(len(table.mean[name]))
        ],
    )


def read_table(trained: TrainedTimbre, folder: Path) -> Table:
    """The table of a model: what ``write_table`` wrote into its folder, or else a new one.

    Raises:
        UserError: The file does not fit the model.
    """
    path = folder / "codes.csv"
    if not path.is_file():
        return map_codes(trained)
    count = len(trained.code_vectors)
    found = Table(*({name: np.full(count, np.nan) for name in NAMES} for _ in range(2)))
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        for line in lines:
            for values, column in zip(found, ("mean", "std"), strict=True):
                values[line["descriptor"]][int(line["code"])] = float(line[column])
        if len(lines) != count * len(NAMES):
            raise ValueError(f"{len(lines)} lines")
    except (ValueError, LookupError, TypeError, csv.Error) as error:
        raise UserError(f"{path}: does not fit the model ({error}); remove it") from error
    return found
