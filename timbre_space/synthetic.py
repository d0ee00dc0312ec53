"""Make ratings that no listener gave, from descriptors of notes.

    python -m timbre_space.synthetic --audio_path data/orchestra --output data/ratings/synthetic.csv

They show the format and stand in for published ratings, which may not be passed on. The model: of
each instrument, the loudest notes within half an octave of E flat 4, from 0.4 to 1.4 s, so
without their attack, are described by the logarithm of the spectral centroid, the logarithm of the
bandwidth and the share of the first partial. The difference of two instruments is the Euclidean
distance of the medians, each divided by its standard deviation over the instruments; bandwidth and
first partial count half. Three studies with scales of their own and four simulated listeners
each rate all pairs of their instruments; a listener errs with a standard deviation of 8 % of the
scale.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.audio.descriptors import describe
from common.cli import Parser, UserError, add_seed_flag, existing_folder, parser, run, say
from common.files.atomic import replace_when_done
from common.files.audio import find_recordings
from common.music.names import parse_note
from common.music.pitch import frequency
from data import load_audio
from timbre_space.ratings import FIELDS, Rating

WEIGHTS = {"centroid": 1.0, "bandwidth": 0.5, "tristimulus": 0.5}
_LOGARITHMIC = ("centroid", "bandwidth")
_PITCH, _REACH = 63, 6
_PART = 0.4, 1.4  # seconds
_LISTENERS, _ERROR = 4, 0.08
# name -> (lowest and highest rating, instruments that it leaves out)
_STUDIES = {
    "synthetic_1": ((1, 9), ()),
    "synthetic_2": ((0, 30), ("alto_saxophone", "english_horn")),
    "synthetic_3": ((0, 100), ("piano", "trombone")),
}


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--audio_path", required=True, type=existing_folder, help="folder of notes")
    built.add_argument("--output", required=True, type=Path, help="CSV file to write")
    add_seed_flag(built, "errors of the listeners")
    return built


def described_instruments(folder: Path) -> dict[str, np.ndarray]:
    """Medians of the descriptors of each instrument of a folder of notes: dict to (3,)."""
    found = {}
    for name, path in find_recordings(folder).files.items():
        note = parse_note(name)
        if note is None or abs(note.pitch - _PITCH) > _REACH:
            continue
        audio, rate = load_audio(path, sample_rate=None)
        part = audio[int(_PART[0] * rate) : int(_PART[1] * rate)]
        if part.any():
            values = describe(part, rate, frequency(note.pitch))
            numbers = [
                np.log(values[one]) if one in _LOGARITHMIC else values[one] for one in WEIGHTS
            ]
            short = note.instrument.removesuffix("_acoustic")
            found.setdefault(short, {}).setdefault(note.velocity, []).append(numbers)
    if len(found) < 3:
        raise UserError(f"{folder}: notes near E flat 4 of fewer than three instruments")
    return {name: np.median(layers[max(layers)], axis=0) for name, layers in sorted(found.items())}


def differences(described: dict[str, np.ndarray]) -> np.ndarray:
    """Weighted distances of instruments (instruments, instruments), the largest one 1."""
    values = np.stack(list(described.values()))
    values = values / values.std(axis=0) * np.sqrt(list(WEIGHTS.values()))
    apart = np.linalg.norm(values[:, np.newaxis] - values, axis=-1)
    return apart / apart.max()


def simulated(described: dict[str, np.ndarray], rng: np.random.Generator) -> list[Rating]:
    """Ratings of the simulated listeners of all studies, as whole numbers."""
    names, apart = list(described), differences(described)
    rows = []
    for study, ((low, high), absent) in _STUDIES.items():
        for first, a in enumerate(names):
            for second in range(first + 1, len(names)):
                b = names[second]
                if a in absent or b in absent:
                    continue
                heard = apart[first, second] + _ERROR * rng.standard_normal(_LISTENERS)
                given = np.rint(low + (high - low) * np.clip(heard, 0, 1)).astype(int)
                rows += [Rating(a, b, int(value), study) for value in given]
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    described = described_instruments(args.audio_path)
    rows = simulated(described, np.random.default_rng(args.seed))
    with (
        replace_when_done(args.output) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        file.write("# No listener gave these ratings: python -m timbre_space.synthetic made them\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([FIELDS, *rows])
    say(f"{args.output}: {len(rows):,} ratings of {len(described)} instruments, all synthetic")
    return 0


if __name__ == "__main__":
    run(main)
