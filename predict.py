"""Convert recordings with a trained generator.

    python predict.py --model models/keyboard_acoustic_2_guitar_acoustic --input piano.wav \\
        --output guitar.wav

--model is a run folder or an .h5 file of weights, also one of the published code. --input is an
audio file of any format, rate, length and number of channels, or a folder of them; the output has
the same rate, channels and length. The phase of the input is reused.
"""

from pathlib import Path

import numpy as np

from common.cli import UserError, find_files, number, parser, report_skipped, run
from common.training import RunFolder, start_backend
from data import AUDIO_SUFFIXES, AudioFileError, read_header


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--model", required=True, type=Path, help="run folder, or .h5 of weights")
    built.add_argument("--input", required=True, type=Path, help="audio file, or folder of them")
    built.add_argument(
        "--output", required=True, type=Path, help="audio file, or folder when the input is one"
    )
    built.add_argument(
        "--phase",
        choices=["input"],
        default="input",
        help="phase of the result (default: input, that of the recording, as published)",
    )
    built.add_argument(
        "--overlap",
        type=number(float, 0, below=1),
        default=0.5,
        help="share of a frame that the next one covers, cross-faded (default: 0.5; 0 cuts hard, "
        "as published)",
    )
    built.add_argument("--gpu", help="GPU to use (default: what the environment offers)")
    return built


def model_file(path):
    """The weights file that ``--model`` names: itself, or ``generator.h5`` in a run folder.

    Raises:
        UserError: Missing, or the run was trained with other codec constants.
    """
    if path.is_dir():
        RunFolder(path).check_codec()
        path = path / "generator.h5"
    if not path.is_file():
        raise UserError(f"{path}: no such file; --model is a run folder or an .h5 of weights")
    return path


def main(argv=None):
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    weights = model_file(args.model)
    if args.input.is_dir():
        files = {
            args.output / f"{name}.wav": path
            for name, path in find_files(args.input, AUDIO_SUFFIXES).items()
        }
        if not files:
            raise UserError(f"{args.input}: no audio file in it or below it")
    else:
        if args.output.suffix.lower() not in AUDIO_SUFFIXES:
            raise UserError(f"--output {args.output}: end it in .wav, .flac or .ogg")
        read_header(args.input)  # a wrong name is answered before Keras is imported
        files = {args.output: args.input}

    start_backend(args.gpu)

    from pix2pix_timbre.convert import Predictor
    from pix2pix_timbre.stream import convert_file
    from pix2pix_timbre.weights import load_generator

    predict = Predictor(load_generator(weights))
    skipped = []
    for output, source in files.items():
        try:
            if output.exists() and output.samefile(source):
                raise UserError(f"{output}: is the input; choose another --output")
            done = convert_file(predict, source, output, args.overlap)
        except (UserError, AudioFileError) as error:
            if not args.input.is_dir():
                raise
            skipped.append((source, error))
            continue
        notes = []
        if done["silent"]:
            notes.append("the input is silent, and so is the output")
        if done["gain"] < 1:
            notes.append(f"turned down by {-20 * np.log10(done['gain']):.1f} dB to avoid clipping")
        print("; ".join([f"{output}: {done['seconds']:.1f} s", *notes]))
    return report_skipped(skipped)


if __name__ == "__main__":
    run(main)
