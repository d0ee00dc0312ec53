"""Tell what is heard in recordings: instruments, pitch, chords, drums or onsets.

    python -m light_mir.predict --model models/light_mir_chords --input song.wav --output chords.csv
    python -m light_mir.predict --model models/light_mir_drums --input loops --output tabs

Recordings may be of any length, rate and number of channels. The output of one recording is a CSV
file; that of several, or of a folder, is a folder with a CSV file for each. Its columns are start
and end in seconds (equal for drums and onsets), the label, for pitches the frequency in Hz, and the
probability that the network gives. Without --output, only a summary is printed.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.audio.streaming import filled_header
from common.cli import (
    Parser,
    UserError,
    add_gpu_flag,
    counted,
    parser,
    report_skipped,
    run,
    say,
)
from common.files.atomic import replace_when_done
from common.files.audio import AudioFileError, read_header
from common.music.pitch import frequency
from common.trained import open_run
from common.training.devices import start_backend
from common.work.fill import find_recordings
from common.work.lock import only_run

if TYPE_CHECKING:
    from light_mir.trained import Found

_SHOWN = 8  # labels in a summary


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--model", type=Path, required=True, help="run folder, or models/light_mir_<task>"
    )
    built.add_argument(
        "--input", type=Path, nargs="+", required=True, help="recordings, or folders of them"
    )
    built.add_argument("--output", type=Path, help="CSV file, or folder for several recordings")
    add_gpu_flag(built)
    return built


def recordings_of(paths: Sequence[Path]) -> tuple[dict[str, Path], list]:
    """Recordings that are named, and those of named folders.

    Returns:
        ``(recordings, skipped)``: dict from name to path; list of (path, reason).

    Raises:
        AudioFileError: A named file is no recording.
    """
    found, skipped = {}, []
    for path in paths:
        if path.is_dir():
            recordings, foreign = find_recordings([path])
            inside = {recording.name: recording.path for recording in recordings}
            skipped += foreign
        else:
            read_header(path)
            inside = {path.stem: path}
        twice = sorted(found.keys() & inside.keys())
        if twice:
            raise UserError(
                f"{inside[twice[0]]}: named like {found[twice[0]]}; give them in separate runs"
            )
        found |= inside
    return found, skipped


def write_found(path: Path | None, found: Iterable[Found]) -> Counter[str]:
    """Write what is heard as CSV, one line after the other, whatever their number.

    Args:
        path: CSV file; None to write nothing.
        found: ``light_mir.trained.Found``.

    Returns:
        ``Counter`` of the labels: seconds of those that last, number of the others.
    """
    counts: Counter[str] = Counter()
    if path is None:
        _count(found, counts)
        return counts
    with replace_when_done(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("start", "end", "label", "hertz", "probability"))
        writer.writerows(
            (
                f"{one.start:.3f}",
                f"{one.end:.3f}",
                one.label,
                "" if one.value != one.value else f"{frequency(one.value):.2f}",
                f"{one.probability:.3f}",
            )
            for one in _counted(found, counts)
        )
    return counts


def _counted(found, counts):
    for one in found:
        counts[one.label] += one.end - one.start or 1
        yield one


def _count(found, counts):
    for _ in _counted(found, counts):
        pass


def summary(counts: Counter[str], *, events: bool) -> str:
    """One line of what is heard most, such as "violin 2.1 s, flute 0.5 s"."""
    told = [
        counted(round(number), label) if events else f"{label} {number:.1f} s"
        for label, number in counts.most_common(_SHOWN)
    ]
    return ", ".join(told) or "nothing is heard"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 1 if a recording was skipped."""
    args = build_parser().parse_args(argv)
    open_run(args.model, "light_mir")
    recordings, skipped = recordings_of(args.input)
    single = len(args.input) == 1 and args.input[0].is_file()
    output = args.output
    if output and single and (output.is_dir() or output.suffix.lower() != ".csv"):
        raise UserError(f"--output {output}: name a CSV file, such as {output}.csv")
    if output and not single and output.is_file():
        raise UserError(f"--output {output}: is a file; name a folder for the CSV files")
    start_backend(args.gpu)
    from light_mir.trained import load_trained

    trained = load_trained(args.model)

    def tell():
        for name, path in recordings.items():
            place = output if single or output is None else output / f"{name}.csv"
            try:
                filled_header(path)
                counts = write_found(place, trained.find_in_file(path))
            except AudioFileError as error:
                if single:
                    raise
                skipped.append((path, error))
                continue
            where = f"{place}: " if place else f"{path}: "
            say(where + summary(counts, events=trained.task.events))

    if output is None:
        tell()
    else:
        with only_run(output, folder=not single):
            tell()
    return report_skipped(skipped)


if __name__ == "__main__":
    run(main)
