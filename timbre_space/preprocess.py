"""Take columns from the sustained part of notes and write them to a store.

    python -m timbre_space.preprocess --audio_path data/orchestra --features_path erb.h5

Files have to be named as in NSynth (<instrument>_<preset>-<pitch>-<velocity>.wav or .flac); others
are left out and counted. A column is the spectrum of 40 ms. The columns of a note are equally far
apart, from 0.4 to 1.4 s after its beginning; those that are more than 30 dB below the loudest one
of their note are left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from common.cli import (
    Parser,
    counted,
    number,
    parser,
    printable,
    report_skipped,
    run,
)
from common.files.audio import is_silent
from common.music.names import parse_note
from common.work.fill import Recording, add_fill_flags, fill_store, find_recordings, left_out
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from timbre_space.spectra import FLOOR_DB, KINDS, RATE, Spectra
from timbre_space.store import Column

_PART = 0.4, 1.4  # seconds
_SECONDS = 2.0  # of a note that are transformed
_FAINT_DB = 30


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "notes")
    built.add_flag(
        "--transform",
        "erb",
        "spectrum of a column: STFT, DCT, or a Gabor transform on a constant-Q, Mel or ERB scale",
        choices=KINDS,
    )
    built.add_flag("--sample_rate", 16000, "sample rate in Hz", type=number(int, 16000, 192000))
    built.add_flag("--columns", 6, "number of columns of a note", type=number(int, 1, 100))
    add_job_flags(built)
    return built


def sustained(audio: np.ndarray, spectra: Spectra, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the sustained part of a note: ``(levels, numbers)``, without faint ones.

    Args:
        audio: (samples,) float32.
        spectra: ``Spectra``.
        columns: Largest number of columns.

    Returns:
        (found, bins) in dB, and their places in steps of 10 ms.
    """
    levels = spectra.columns(audio[: int(_SECONDS * spectra.sample_rate)])
    loudness = 10 * np.log10(np.sum(10 ** (levels / 10), axis=1))
    numbers = np.rint(np.linspace(*_PART, columns) * RATE).astype(int)
    numbers = np.unique(numbers[numbers < len(levels)])
    sounds = loudness[numbers] > loudness.max() - _FAINT_DB
    sounds &= levels[numbers].max(axis=1) > FLOOR_DB
    return levels[numbers[sounds]], numbers[sounds]


def cut(
    recording: Recording, spectra: Spectra, columns: int
) -> tuple[list[tuple[Column, np.ndarray]], dict[str, int]]:
    """Columns of one file, some of them faint, for ``fill_store``."""
    note = parse_note(recording.name)
    if note is None:
        return [], {"unnamed": 1}
    audio, _ = load_audio(recording.path, sample_rate=spectra.sample_rate)
    if is_silent(audio):
        return [], {"silent": 1}
    levels, numbers = sustained(audio, spectra, columns)
    items = [
        (
            Column(recording.name, note.instrument, note.pitch, note.velocity, int(place)),
            column[:, np.newaxis],
        )
        for place, column in zip(numbers, levels, strict=True)
    ]
    return items, {"notes": 1, "faint": columns - len(items)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = parse_job_args(build_parser(), argv)
    spectra = Spectra(args.transform, args.sample_rate).check()
    recordings, foreign = find_recordings(args.audio_path)
    rows, counts, skipped = fill_store(
        args.features_path,
        Column,
        partial(cut, spectra=spectra, columns=args.columns),
        recordings,
        settings=spectra._asdict(),
        shape=(len(spectra.frequencies), 1),
        folders=args.audio_path,
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    said = [f"{counted(len(rows), 'column')} of {counted(counts['notes'], 'note')}"]
    said.append(counted(len({row.instrument for row in rows}), "instrument"))
    said += left_out(
        counts,
        faint="faint column",
        silent="silent note",
        unnamed=("file not named as a note", "files not named as notes"),
    )
    print(f"{printable(args.features_path)}: {', '.join(said)}")
    return report_skipped([*foreign, *skipped])


if __name__ == "__main__":
    run(main)
