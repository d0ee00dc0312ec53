"""What the prediction scripts share: flags, the files to convert, and their conversion."""

from pathlib import Path

import numpy as np

from common.audio.phase import DEFAULT_PHASE, ESTIMATORS
from common.cli import UserError, find_files, number, report_skipped
from common.files.audio import AUDIO_SUFFIXES, AudioFileError, read_header
from pix2pix_timbre.weights import check_codec

NETWORK = "network"
MODELS = Path(__file__).parent.parent / "models"


def add_flags(built, shipped):
    """Add the flags that every prediction script of this system has.

    Args:
        built: ``common.cli.parser``.
        shipped: Name of the shipped model that converts where none is given.
    """
    built.add_argument(
        "--model",
        type=Path,
        default=MODELS / shipped,
        help=f"run folder, or .h5 of weights (default: the shipped {shipped})",
    )
    built.add_argument("--input", required=True, type=Path, help="audio file, or folder of them")
    built.add_argument(
        "--output", required=True, type=Path, help="audio file, or folder when the input is one"
    )
    built.add_argument(
        "--phase",
        choices=[*ESTIMATORS, NETWORK],
        default=DEFAULT_PHASE,
        help="phase of the result: that of the input, as published, or one that fits it, by "
        "Griffin-Lim, by its fast form (also begun from zero), or by phase gradient heap "
        "integration; or that of --phase_model (default: %(default)s)",
    )
    built.add_argument(
        "--phase_model",
        type=Path,
        help="run folder, or .h5 of weights, of a network that converts the phase, for --phase "
        "network",
    )
    built.add_argument(
        "--overlap",
        type=number(float, 0, below=1),
        help="share of a frame that the next one covers, cross-faded (default: 135/256, a frame "
        "every 121 columns; 0 cuts hard, as published)",
    )
    built.add_argument("--gpu", help="GPU to use (default: what the environment offers)")


def model_file(path):
    """The weights file that ``--model`` names: itself, or ``generator.h5`` in a run folder.

    Raises:
        UserError: Missing, or the run was trained with other codec constants.
    """
    if path.is_dir():
        check_codec(path)
        path = path / "generator.h5"
    if not path.is_file():
        raise UserError(f"{path}: no such file; --model is a run folder or an .h5 of weights")
    return path


def load_networks(args, weights, channels=1):
    """The networks that the flags ask for.

    Args:
        args: Parsed flags.
        weights: As ``model_file`` returns it for ``--model``.
        channels: Input channels of a generator that converts magnitudes alone.

    Returns:
        ``(predict, settings)``: function from frames to frames in [0, 1]; keyword arguments of
        ``pix2pix_timbre.stream.convert_file``.

    Raises:
        UserError: Weights that do not fit, or flags that contradict each other.
    """
    from pix2pix_timbre.convert import Predictor
    from pix2pix_timbre.phase_network import JointNetwork, PhaseNetwork
    from pix2pix_timbre.weights import generator_shape, load_generator

    wanted = args.phase == NETWORK
    settings = {"phase": "input" if wanted else args.phase}
    if args.overlap is not None:
        settings["overlap"] = args.overlap
    if args.phase_model is not None and not wanted:
        raise UserError(f"--phase_model: not used with --phase {args.phase}; use --phase {NETWORK}")
    if channels == 1 and generator_shape(weights).outputs == 2:
        joint = JointNetwork(Predictor(load_generator(weights, channels=2, outputs=2)))

        def magnitude_alone(image, phase):
            return joint(image, phase)[0], phase

        settings |= {"network": joint if wanted else magnitude_alone, "overlap": 0.0}
        return lambda frames: frames, settings
    if wanted:
        if args.phase_model is None:
            raise UserError(
                f"--phase {NETWORK}: name a network with --phase_model, or a --model that was "
                "trained --with_phase"
            )
        generator = load_generator(model_file(args.phase_model))
        settings["network"] = PhaseNetwork(Predictor(generator))
    return Predictor(load_generator(weights, channels)), settings


def planned_files(args):
    """What ``--input`` and ``--output`` ask for: dict from output to input file.

    Raises:
        UserError: An empty folder, or an output that cannot be written as audio.
        AudioFileError: The input is no audio file.
    """
    if args.input.is_dir():
        files = {
            args.output / f"{name}.wav": path
            for name, path in find_files(args.input, AUDIO_SUFFIXES).items()
        }
        if not files:
            raise UserError(f"{args.input}: no audio file in it or below it")
        return files
    if args.output.suffix.lower() not in AUDIO_SUFFIXES:
        raise UserError(f"--output {args.output}: end it in .wav, .flac or .ogg")
    read_header(args.input)  # a wrong name is answered before Keras is imported
    return {args.output: args.input}


def convert_files(predict, files, settings, *, several):
    """Convert the planned files and say so; the exit status of the script.

    Args:
        predict: Function from frames to frames in [0, 1].
        files: Dict from output to input, as ``planned_files`` returns it.
        settings: Keyword arguments of ``pix2pix_timbre.stream.convert_file``.
        several: Whether a bad file is skipped, and the others converted.
    """
    from pix2pix_timbre.stream import convert_file

    skipped = []
    for output, source in files.items():
        try:
            if output.exists() and output.samefile(source):
                raise UserError(f"{output}: is the input; choose another --output")
            done = convert_file(predict, source, output, **settings)
        except (UserError, AudioFileError) as error:
            if not several:
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
