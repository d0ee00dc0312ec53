"""Shared parts of predict.py and predict_multitarget.py: flags, files, conversion.

The flags of voices are those of evaluate.py, too.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.audio.resynthesis import METHODS
from common.audio.voices import ALONE, MOST_CENTS, MOST_VOICES, Voices
from common.cli import Parser, UserError, add_gpu_flag, number, report_skipped, say
from common.files.audio import AudioFileError, AudioWriter, read_header, require_audio_suffix
from common.trained import shipped
from common.training.devices import start_backend
from common.work.fill import find_recordings
from pix2pix_timbre.recordings import convert_file
from pix2pix_timbre.runtime import RUNTIMES
from pix2pix_timbre.trained import NETWORK, TimbreModel, load_model, weights_file
from pix2pix_timbre.weights import load_generator
from pix2pix_timbre.windows import OVERLAP


def add_flags(built: Parser, name: str) -> None:
    """Add the flags that both prediction scripts have.

    Args:
        built: ``common.cli.parser``.
        name: Name of the shipped model that is the default.
    """
    built.add_argument(
        "--model",
        type=Path,
        default=shipped(name),
        help=f"run folder, or .h5 file of weights (default: the shipped {name})",
    )
    built.add_argument(
        "--input", required=True, type=Path, help="audio file, or folder of audio files"
    )
    built.add_argument(
        "--output",
        required=True,
        type=Path,
        help="audio file to write, or folder if the input is a folder",
    )
    built.add_argument(
        "--phase",
        choices=[*METHODS, NETWORK],
        help="how the phase of the result is found. mixed: the recording's where its magnitude "
        "fits, that of tracked partials elsewhere, improved by Griffin-Lim; input: taken from the "
        "recording, as published; griffinlim: Griffin-Lim started from the recording's "
        "phase; fast-griffinlim: the same with momentum, -zero: started from "
        "zero; pghi: phase gradient heap integration; network: predicted by "
        "--phase_model (default: what config.json of the model names, else mixed)",
    )
    built.add_argument(
        "--phase_model",
        type=Path,
        help="run folder, or .h5 file of weights, of a network that converts phases "
        "(for --phase network)",
    )
    add_voice_flags(built)
    built.add_argument(
        "--overlap",
        type=number(float, 0, below=1),
        default=OVERLAP,
        help="share of a frame that overlaps with the next one and is cross-faded "
        "(default: 135/256, a frame every 121 columns; 0: no overlap, as "
        "published)",
    )
    built.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="keras",
        help="program that computes the network: keras, or onnx (ONNX Runtime, on the CPU), for "
        "which export.py has to write generator.onnx into the folder of the model once "
        "(default: keras)",
    )
    add_gpu_flag(built)


def add_voice_flags(built: Parser) -> None:
    """Add the flags of ``chosen_voices``."""
    built.add_argument(
        "--voices",
        type=number(int, 1, MOST_VOICES),
        metavar="COUNT",
        help="number of voices that sound together in each partial, slightly detuned, so that they "
        f"beat, 1 to {MOST_VOICES}; 1: no beats; a section of strings: 4, with --detune 30 "
        "--voice_level 0.33; two oscillators: 2, with 9 and 0.45 (default: what config.json of the "
        "model names, else 1)",
    )
    built.add_argument(
        "--detune",
        type=number(float, 1, MOST_CENTS),
        metavar="CENTS",
        help="largest detuning of the further voices (default: what config.json of the model "
        f"names, else {ALONE.cents:g})",
    )
    built.add_argument(
        "--voice_level",
        type=number(float, 0, 1),
        metavar="LEVEL",
        help="amplitude of each further voice, relative to that of the first, 0 to 1 (default: "
        f"what config.json of the model names, else {ALONE.level:g})",
    )


def open_models(
    weights: Path,
    phase: str | None,
    phase_model: Path | None,
    *,
    styled: bool = False,
    runtime: str = "keras",
    gpu: str | None = None,
) -> tuple[TimbreModel, TimbreModel | None]:
    """Start Keras, if it is needed, and open the models: ``(model, model of the phase or None)``.

    Args:
        weights: Weights file, as ``pix2pix_timbre.trained.weights_file`` finds it.
        phase, phase_model, runtime, gpu: Values of the flags.
        styled: Whether the script has a style.

    Raises:
        UserError: The weights do not fit, or flags contradict each other.
    """
    if runtime == "keras" or styled:  # the style is cut by code that imports Keras
        start_backend(gpu)
    if runtime != "keras" and (gpu or phase_model is not None):
        raise UserError(f"--runtime {runtime}: goes with neither --gpu nor --phase_model")
    if phase_model is not None:
        if phase != NETWORK:
            raise UserError(f"--phase_model: is for --phase {NETWORK} only")
        phase_model = TimbreModel(load_generator(weights_file(phase_model)))
    model = load_model(weights, styled=styled, runtime=runtime)
    if phase == NETWORK and phase_model is None and not model.with_phase:
        raise UserError(
            f"--phase {NETWORK}: name a network with --phase_model, or a --model that was trained "
            "--with_phase"
        )
    return model, phase_model


def chosen_voices(args: argparse.Namespace, model: TimbreModel) -> Voices:
    """The voices of a model, but for what the flags of ``add_voice_flags`` say.

    Raises:
        UserError: Flags that say how further voices are, where there are none.
    """
    flags = {"count": args.voices, "cents": args.detune, "level": args.voice_level}
    given = {name: value for name, value in flags.items() if value is not None}
    voices = model.voices._replace(**given)
    if voices.count == 1 and set(given) - {"count"}:
        flag = "--detune" if args.detune is not None else "--voice_level"
        raise UserError(f"{flag}: is for further voices; give --voices 2 or more")
    return voices


def chosen_settings(
    args: argparse.Namespace, model: TimbreModel, phase_model: TimbreModel | None, **more: Any
) -> dict[str, Any]:
    """What ``TimbreModel.settings`` makes of the flags of ``add_flags``.

    Args:
        args: Values of the flags.
        model, phase_model: As ``open_models`` returns them.
        more: Further arguments, such as ``style``.

    Raises:
        UserError: As ``chosen_voices`` and ``TimbreModel.settings``.
    """
    voices = chosen_voices(args, model)
    chosen = {"voices": voices, "overlap": args.overlap, "phase_model": phase_model}
    return model.settings(args.phase, **chosen, **more)


def planned_files(given: Path, output: Path) -> tuple[dict[Path, Path], list[tuple[Path, str]]]:
    """Find out what to convert: ``(files, foreign)``.

    The first is a dict from output to input file; the second a list of (path, reason) of the
    recordings of a folder that cannot be read. What else the folder holds is printed.

    Args:
        given: Value of ``--input``, an audio file or a folder of them.
        output: Value of ``--output``, a file or a folder alike.

    Raises:
        UserError: An empty folder, or an output that cannot be written as audio.
        AudioFileError: The input is no audio file.
    """
    if given.is_dir():
        recordings, foreign = find_recordings([given])
        return {output / f"{name}.wav": path for path, name in recordings}, foreign
    require_audio_suffix(output)
    header = read_header(given)  # a wrong file is told before Keras is imported, and so is
    AudioWriter(output, header.samplerate, header.channels)  # a format that cannot hold the result
    return {output: given}, []


def convert_files(
    files: dict[Path, Path],
    settings: dict[str, Any],
    *,
    several: bool,
    foreign: Sequence[tuple[Path, str]] = (),
) -> int:
    """Convert the planned files and report each; return the script's exit status.

    Args:
        files: Dict from output to input, as ``planned_files`` returns it.
        settings: Keyword arguments of ``pix2pix_timbre.recordings.convert_file``.
        several: Whether a bad file is skipped instead of ending the script.
        foreign: (path, reason) of recordings that are skipped, too.
    """
    skipped = list(foreign)
    for output, source in files.items():
        try:
            if output.exists() and output.samefile(source):
                raise UserError(f"{output}: is the input; choose another --output")
            done = convert_file(source, output, **settings)
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
        say("; ".join([f"{output}: {done['seconds']:.1f} s", *notes]))
    return report_skipped(skipped)
