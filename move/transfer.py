"""Turn a recording of one instrument into another.

    python -m move.transfer --input solo.wav --to violin --output violin.wav

The recording may be a note or a solo of one voice, of any length, rate and number of channels. Its
pitch is tracked, by --tracker; where none is heard, the result is silent. Beside the output,
<name>_plain is the recording with nothing changed but the phase, so that one hears what the way to
an image and back costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.audio.streaming import stream_file
from common.cli import Parser, about, add_gpu_flag, number, parser, require_no_source, run, say
from common.files.audio import read_header, require_audio_suffix
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run
from move.pitches import TRACKERS
from move.trained import ITERATIONS, load_trained


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--input", type=Path, required=True, help="recording to transfer")
    built.add_argument(
        "--to", required=True, metavar="INSTRUMENT", help='instrument to play: "violin"'
    )
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    built.add_argument(
        "--from",
        dest="source",
        metavar="INSTRUMENT",
        help="instrument of the recording, if the model knows it (default: unknown)",
    )
    built.add_flag(
        "--tracker",
        TRACKERS[0],
        "tracker of the pitch; swift-f0 is quicker, and optional (`make notes`)",
        choices=TRACKERS,
    )
    add_model_flag(built, "move_orchestra")
    built.add_flag(
        "--iterations",
        ITERATIONS,
        "number of iterations of Griffin-Lim",
        type=number(int, 1, 10_000),
    )
    add_gpu_flag(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio_suffix(args.output)
    read_header(args.input)  # a bad file is named before Keras is imported
    plain = args.output.with_name(f"{args.output.stem}_plain{args.output.suffix}")
    require_no_source(plain)
    with only_run(args.output, folder=False):
        return transfer_file(args, plain)


def transfer_file(args: argparse.Namespace, plain: Path) -> int:
    """Write the transfer, and the plain inversion to ``plain``; the exit status of the script."""
    start_backend(args.gpu)
    from move.sections import change_blocks, transfer_blocks

    trained = load_trained(args.model)
    conditions = trained.conditions
    with about("--to"):
        target = conditions.instrument(args.to)
    with about("--from"):
        source = None if args.source is None else conditions.instrument(args.source)
    told = {"target": target, "source": source, "tracker": args.tracker}
    for path, change in (
        (args.output, partial(transfer_blocks, trained=trained, **told)),
        (plain, partial(change_blocks, slices=trained.slices)),
    ):

        def convert(blocks, _, change=change):
            return change(blocks, iterations=args.iterations)

        said = stream_file(args.input, path, trained.sample_rate, convert, refuse_silence=True)
        say(f"{path}: {said['seconds']:.1f} s")
    return 0


if __name__ == "__main__":
    run(main)
