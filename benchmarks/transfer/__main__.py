"""Compare all ways of the kit to transfer timbre on the same excerpts.

    python -m benchmarks.transfer --output demo/benchmark

A piano becomes a guitar, strings and a synth lead, and single voices become other instruments: by
each system that is made for it, and by what one would do without: transcribe, and play the notes
with samples of the target. Anchors are the unchanged source, another piece by the target, and the
true target with an estimated phase.

Written are scores.csv (each excerpt), by_group.csv, by_target.csv and tables.md (means),
benchmark.png, and benchmark.html, a page to listen to. A run that is interrupted goes on when it is
started again. What is measured, and what it found, is told in docs/benchmark.md. `make notes`
installs what it needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.flags import add_data_flag
from common.cli import Names, Parser, UserError, existing_folder, number, parser, run

PIECES = (  # those of data/midi that no model was trained on
    *("bach_prelude_c", "beethoven_fur_elise", "chopin_prelude_op28_no7"),
    *("chopin_prelude_op28_no20", "debussy_clair_de_lune", "grieg_mountain_king"),
    *("pachelbel_canon", "satie_gymnopedie_1", "schumann_wild_horseman"),
    "tchaikovsky_old_french_song",
)


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.prog = "python -m benchmarks.transfer"
    built.add_argument(
        "--output",
        type=Path,
        default=Path("demo/benchmark"),
        help="output folder (default: demo/benchmark)",
    )
    add_data_flag(built, "--midi_path", "midi", "folder of MIDI files")
    add_data_flag(built, "--nsynth_path", "notes", "notes of the piano and its targets")
    add_data_flag(built, "--orchestra_path", "orchestra", "notes of single voices")
    built.add_argument(
        "--audios_path",
        type=existing_folder,
        help="folder of the pieces as synthesize_audios.py renders them, with --duration_rate 1 "
        "(default: they are rendered)",
    )
    built.add_argument(
        "--pieces",
        nargs="+",
        action=Names,
        default=list(PIECES),
        help="names of MIDI files whose beginnings are converted (default: the ten of data/midi "
        "that no model was trained on)",
    )
    built.add_flag("--seconds", 12.0, "length of an excerpt in seconds", type=number(float, 3, 60))
    built.add_argument(
        "--systems", nargs="+", action=Names, help="systems to compare (default: all)"
    )
    built.add_argument(
        "--musicnn",
        type=Path,
        help="wheel of musicnn, or folder that it was unpacked in, for the Frechet distance on its "
        "features; it is not part of the kit: pip download musicnn --no-deps (default: no such "
        "distance)",
    )
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return its exit status."""
    args = build_parser().parse_args(argv)
    from benchmarks.transfer.systems import SYSTEMS, TRUTH
    from common.music.transcription import require_transcriber
    from common.work.lock import only_run

    chosen = args.systems or list(SYSTEMS)
    if unknown := [name for name in chosen if name not in SYSTEMS]:
        raise UserError(f"--systems: {unknown[0]!r} is none of {', '.join(SYSTEMS)}")
    if args.musicnn and not args.musicnn.exists():
        raise UserError(f"--musicnn: {args.musicnn}: no such file or folder")
    require_transcriber()
    if "tensorflow" not in sys.modules:  # which reads this once
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    from benchmarks.transfer.comparison import compare

    with only_run(args.output):
        return compare(args, [name for name in SYSTEMS if name in {*chosen, TRUTH}])


if __name__ == "__main__":
    run(main)
