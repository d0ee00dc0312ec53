"""Play a recording of anything with the timbre of a trained instrument.

    python -m vq_timbre.transfer --input hummed.wav --model models/vq_trumpet --output violin.wav

The recording may be of another instrument, a voice or a vocal imitation, of any length, rate and
number of channels; each channel is converted by itself. Each frame becomes the nearest code of the
instrument at the level of the frame; silence stays silent. Memory does not grow with the length.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common.audio.streaming import stream_file
from common.cli import Parser, add_gpu_flag, parser, run, say
from common.files.audio import read_header, require_audio_suffix
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run

EXCITATIONS = ("noise", "harmonic")


def add_conversion_flags(built: Parser) -> None:
    """Add the flags of a conversion of a recording."""
    built.add_argument("--input", type=Path, required=True, help="recording to convert")
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    add_model_flag(built, "vq_trumpet")
    built.add_flag(
        "--excitation",
        EXCITATIONS[0],
        "what is filtered: noise as published, or harmonics at the pitch of the recording",
        choices=EXCITATIONS,
    )
    add_gpu_flag(built)


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    add_conversion_flags(built)
    return built


def convert_file(args: argparse.Namespace, outputs: dict[Path, bool]) -> int:
    """Convert a recording; the exit status of the script.

    Args:
        args: Flags of ``add_conversion_flags``.
        outputs: Dict from an audio file to write to whether its frames become codes.

    Raises:
        UserError: The recording is silent or cannot be read, or the model cannot be opened.
    """
    for path in outputs:
        require_audio_suffix(path)
    read_header(args.input)  # a bad file is named before Keras is imported
    with only_run(args.output, folder=False):
        start_backend(args.gpu)
        from vq_timbre.pitch import track
        from vq_timbre.trained import convert_blocks, load_trained

        trained = load_trained(args.model)
        for path, quantised in outputs.items():

            def convert(blocks, _, quantised=quantised):
                harmonic = args.excitation == "harmonic"
                return convert_blocks(
                    blocks, trained, quantised=quantised, track=track if harmonic else None
                )

            said = stream_file(args.input, path, trained.sample_rate, convert, refuse_silence=True)
            turned = f", turned down to {said['gain']:.2f}" if said["gain"] < 1 else ""
            say(f"{path}: {said['seconds']:.1f} s{turned}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    return convert_file(args, {args.output: True})


if __name__ == "__main__":
    run(main)
