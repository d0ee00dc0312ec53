"""Convert recordings with a trained generator.

    python predict.py --input piano.wav --output guitar.wav

--model is a run folder or an .h5 file of weights, including those that the published code saved.
--input is an audio file of any format, rate, length and number of channels, or a folder of them;
the output has the same rate, channels and length. The network predicts magnitudes only; --phase
chooses how the phase is found.
"""

from common.cli import Parser, parser, run
from common.work.lock import only_run
from pix2pix_timbre.scripts import (
    add_flags,
    chosen_settings,
    convert_files,
    open_models,
    planned_files,
)
from pix2pix_timbre.trained import GUITAR, weights_file


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    add_flags(built, GUITAR)
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = build_parser().parse_args(argv)
    weights = weights_file(args.model)
    files, foreign = planned_files(args.input, args.output)
    several = args.input.is_dir()
    with only_run(args.output, folder=several):
        model, phase_model = open_models(
            weights, args.phase, args.phase_model, runtime=args.runtime, gpu=args.gpu
        )
        settings = chosen_settings(args, model, phase_model)
        return convert_files(files, settings, several=several, foreign=foreign)


if __name__ == "__main__":
    run(main)
