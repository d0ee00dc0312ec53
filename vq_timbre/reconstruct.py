"""Pass a recording of the instrument itself through its model.

    python -m vq_timbre.reconstruct --input phrase.wav --model models/vq_trumpet --output again.wav

Beside the output, <name>_unquantised is what the decoder makes of the vectors of the encoder, so
that one hears what the codes cost. Otherwise like vq_timbre.transfer.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.cli import Parser, parser, run
from vq_timbre.transfer import add_conversion_flags, convert_file


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    add_conversion_flags(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    free = args.output.with_name(f"{args.output.stem}_unquantised{args.output.suffix}")
    return convert_file(args, {args.output: True, free: False})


if __name__ == "__main__":
    run(main)
