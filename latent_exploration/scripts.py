"""What the scripts share: flags of a model, the session of a command line, sounds that are read."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, UserError, add_gpu_flag, missing
from common.files.audio import find_recordings, load_sounding, read_header
from common.music.names import pitch_argument
from common.trained import add_model_flag

if TYPE_CHECKING:
    from latent_exploration.session import LatentSession

LONGEST = 600  # seconds of a recording
DEFAULT = "move_orchestra"


def add_model_flags(built: Parser, *, axes: bool = True, default: str = DEFAULT) -> None:
    """Add ``--model``, ``--pitch``, ``--voice``, ``--gpu`` and, if wanted, ``--axes``."""
    add_model_flag(built, default, what="of a model of any system")
    built.add_argument(
        "--pitch", type=pitch_argument, help="pitch that a model of notes plays, such as C4 or 60"
    )
    built.add_argument(
        "--voice", help="instrument or style that a model plays that has several, such as violin"
    )
    if axes:
        built.add_argument(
            "--axes",
            type=Path,
            metavar="FILE",
            help="axes.json of python -m latent_exploration.axes: dimensions become its axes, on "
            "which values lie between -1 and 1",
        )
    add_gpu_flag(built)


def open_session(args: argparse.Namespace) -> LatentSession:
    """Start the backend, and open the model and the axes of a command line."""
    from common.training.devices import start_backend
    from latent_exploration.knobs import read_knobs
    from latent_exploration.session import LatentSession, open_latent

    start_backend(args.gpu)
    # paths of many lengths are what TensorFlow warns of at length
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    model = open_latent(args.model, args.pitch, args.voice)
    axes = getattr(args, "axes", None)
    return LatentSession(model, knobs=None if axes is None else read_knobs(axes, model.dims))


def find_sounds(given: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Find the recordings of a command line.

    Args:
        given: Recordings, and folders of them.

    Returns:
        ``(files, others)``: the recordings, and what else lies in the folders.

    Raises:
        UserError: A file that is missing, unreadable or too long, or no recordings at all.
    """
    files, others = [], []
    for path in given:
        if path.is_dir():
            found = find_recordings(path)
            files += found.files.values()
            others += [*found.others, *(foreign for foreign, _ in found.foreign)]
        else:
            require_sound(path)
            files.append(path)
    if not files:
        raise UserError(f"--input {given[0]}: holds no recordings; name others")
    return files, others


def require_sound(path: Path) -> None:
    """Raise an error if a recording is missing, unreadable or longer than ten minutes."""
    header = read_header(path)
    if header.frames > LONGEST * header.samplerate:
        raise UserError(f"{path}: longer than {LONGEST // 60} minutes; cut it up")


def read_sound(path: Path, sample_rate: int) -> np.ndarray:
    """Audio (samples,) of a file; ``UserError`` if it is silent."""
    require_sound(path)
    return load_sounding(path, sample_rate)


def read_lines(path: Path, parse: Callable[[list[str]], Any], remedy: str) -> list[Any]:
    """What the lines of a text file say, those without a word left out; # begins a comment.

    Args:
        path: Text file in UTF-8.
        parse: Function of the words of a line, quoted as in the shell.
        remedy: What the message says of a line that ``parse`` refuses by ``ValueError`` or
            ``IndexError``.

    Raises:
        UserError: No such file, no text, or such a line.
    """
    if not path.is_file():
        raise UserError(f"{path}: {missing(path)}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text in UTF-8") from error
    found = []
    for row, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
            if words:
                found.append(parse(words))
        except (ValueError, IndexError) as error:
            raise UserError(f"{path}, line {row}: {remedy}") from error
    return found
