"""Play a drum loop of drawn hits, with a stem for each class.

    python -m granular.loop --pattern beat.csv --bpm 120 --bars 8 --output loop

A line of the pattern is a hit: class, onset in beats from 0, level from 0 to 1, such as

    class,onset,level
    kick,0,1
    hat,0.5,0.4

The pattern is repeated as often as it fits into the bars. Each class is one drawn sound. The folder
gets loop.wav and stem_<class>.wav, which are all equally long and add up to the loop. A hit that
sounds on at the end goes on at the beginning, so that the loop can be repeated.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import Parser, UserError, number, parser, require_folder, run, say
from common.files.audio import peak
from common.work.lock import only_run
from data import write_audio
from granular.scripts import add_model_flags, open_trained

_BEATS = 4  # of a bar
_STEP = 2.0**-15  # of 16 bits
_PEAK = 0.9


class Hit(NamedTuple):
    """A hit of a pattern: class, onset in beats, level from 0 to 1."""

    label: str
    onset: float
    level: float


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--pattern", type=Path, required=True, help="CSV file")
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    built.add_flag("--bpm", 120.0, "beats per minute", type=number(float, 20, 400))
    built.add_flag("--bars", 8, "length in bars of four beats", type=number(int, 1, 1000))
    add_model_flags(built)
    return built


def read_pattern(path: Path) -> list[Hit]:
    """Read a pattern.

    Raises:
        UserError: No such file, or a line that is no hit.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise UserError(f"{path}: is no text; write lines of class,onset,level") from error
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    hits = []
    for line, row in enumerate(rows, start=2):
        try:
            hit = Hit(row["class"].strip(), float(row["onset"]), float(row["level"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path}, line {line}: write class,onset,level") from error
        if not (0 <= hit.onset < math.inf and 0 <= hit.level <= 1):
            raise UserError(f"{path}, line {line}: onset from 0 on, level from 0 to 1")
        hits.append(hit)
    if not hits:
        raise UserError(f"{path}: no hits in it; write lines of class,onset,level")
    return hits


def repeated(hits: Sequence[Hit], beats: int) -> list[Hit]:
    """A pattern repeated over a number of beats; it is as long as the bars that it begins."""
    length = (math.floor(max(hit.onset for hit in hits) / _BEATS) + 1) * _BEATS
    times = range(0, beats, length)
    later = [hit._replace(onset=hit.onset + start) for start in times for hit in hits]
    return [hit for hit in later if hit.onset < beats]


def play(
    hits: Sequence[Hit], sounds: dict[str, np.ndarray], *, sample_rate: int, bpm: float, beats: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Play hits in a loop.

    A hit begins at the sample that is nearest to its onset. All values are multiples of 2^-15, so
    that stems of 16 bits add up to the mix without an error.

    Args:
        hits: List of ``Hit``.
        sounds: Dict from class to (samples,) float32.
        sample_rate: Hz.
        bpm: Beats per minute.
        beats: Length.

    Returns:
        ``(mix, stems)``: (samples,) float32, and a dict from class to the same.
    """
    samples = round(beats * 60 / bpm * sample_rate)
    stems = {label: np.zeros(samples) for label in dict.fromkeys(hit.label for hit in hits)}
    for label, onset, level in hits:
        start = round(onset * 60 / bpm * sample_rate)
        places = (start + np.arange(sounds[label].size)) % samples
        np.add.at(stems[label], places, level * sounds[label].astype(float))
    loudest = max(peak(sum(stems.values())), *(peak(stem) for stem in stems.values()), 1e-9)
    gain = min(_PEAK / loudest, 1)
    stems = {
        label: (np.rint(gain * stem / _STEP) * _STEP).astype(np.float32)
        for label, stem in stems.items()
    }
    return sum(stems.values()), stems


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_folder(args.output)
    hits = read_pattern(args.pattern)
    trained = open_trained(args)
    hits = [hit._replace(label=trained.labels.find(hit.label)) for hit in hits]
    rate, beats = trained.sample_rate, args.bars * _BEATS
    sounds = {
        label: trained.sample(label, seed=args.seed)[0]
        for label in dict.fromkeys(hit.label for hit in hits)
    }
    mix, stems = play(repeated(hits, beats), sounds, sample_rate=rate, bpm=args.bpm, beats=beats)
    with only_run(args.output):
        for name, audio in {"loop": mix, **{f"stem_{k}": v for k, v in stems.items()}}.items():
            write_audio(args.output / f"{name}.wav", audio, rate)
    say(f"{args.output}: {mix.size / rate:.2f} s, {len(stems)} stems")
    return 0


if __name__ == "__main__":
    run(main)
