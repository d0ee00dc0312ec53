"""Convert recordings into the instrument of a style recording.

    python predict_multitarget.py --input piano.wav --style guitar.wav --output out.wav

--style is any recording of the target instrument, playing anything. The network is shown one frame
of it (2.97 s), by default the fullest one, and imitates that instrument. All other flags are those
of predict.py.
"""

from pathlib import Path

from common.cli import Parser, number, parser, run, say
from common.files.audio import read_header
from common.work.lock import only_run
from data import FRAME_COLUMNS, HOP, SAMPLE_RATE
from pix2pix_timbre.scripts import (
    add_flags,
    chosen_settings,
    convert_files,
    open_models,
    planned_files,
)
from pix2pix_timbre.trained import ANY, weights_file


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    add_flags(built, ANY)
    built.add_argument(
        "--style",
        required=True,
        type=Path,
        help="recording of the instrument to imitate, playing anything",
    )
    built.add_argument(
        "--style_offset",
        type=number(float, 0),
        metavar="SECONDS",
        help="position in the style recording of the three seconds that the network "
        "is shown (default: the fullest three seconds)",
    )
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = build_parser().parse_args(argv)
    weights = weights_file(args.model)
    files, foreign = planned_files(args.input, args.output)
    given = read_header(args.style)
    several = args.input.is_dir()
    with only_run(args.output, folder=several):
        model, phase_model = open_models(
            weights,
            args.phase,
            args.phase_model,
            styled=True,
            runtime=args.runtime,
            gpu=args.gpu,
        )
        from pix2pix_timbre.style import read_style

        style, start = read_style(args.style, args.style_offset)
        seconds = min(FRAME_COLUMNS * HOP / SAMPLE_RATE, given.frames / given.samplerate - start)
        say(f"style: {args.style}, {seconds:.3g} s from --style_offset {start:.3f}")
        settings = chosen_settings(args, model, phase_model, style=style)
        return convert_files(files, settings, several=several, foreign=foreign)


if __name__ == "__main__":
    run(main)
