"""What the scripts that make sounds share: flags, sounds that are read, files that are written."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import Parser, add_gpu_flag, add_seed_flag, number, say
from common.files.audio import require_audio_suffix, safe_peak
from common.music.names import pitch_argument
from common.trained import add_model_flag
from common.training.devices import start_backend
from data import write_audio

if TYPE_CHECKING:
    from granular.trained import TrainedGrains


def add_model_flags(built: Parser, *, default: str = "granular_drums") -> None:
    """Add ``--model``, ``--seed`` and ``--gpu``."""
    add_model_flag(built, default)
    add_seed_flag(built, "noise and points")
    add_gpu_flag(built)


def add_label_flags(built: Parser, *, required: bool = True) -> None:
    """Add ``--class`` and ``--pitch``."""
    built.add_argument(
        "--class",
        dest="label",
        required=required,
        metavar="NAME",
        help="class of the model, such as kick, or violin for a model of notes",
    )
    built.add_argument(
        "--pitch",
        type=pitch_argument,
        default=60,
        help="pitch for a model of notes, such as C4 or 60 (default: C4)",
    )


def add_seconds_flag(built: Parser, default: float | None, what: str) -> None:
    """Add ``--seconds``."""
    built.add_flag("--seconds", default, what, type=number(float, 0.05, 3600))


def open_trained(args: argparse.Namespace) -> TrainedGrains:
    """Start the backend, and open the model of ``--model``."""
    start_backend(args.gpu)
    from granular.trained import load_trained

    return load_trained(args.model)


def require_audio(path: Path, *inputs: Path) -> None:
    """Refuse an output of another kind, and inputs that are missing, before Keras is imported."""
    from common.files.audio import read_header

    require_audio_suffix(path)
    for one in inputs:
        read_header(one)


def write_sound(path: Path, audio: np.ndarray, sample_rate: int) -> None:
    """Write a sound, turned down if it would clip, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, safe_peak(audio), sample_rate)
    say(f"{path}: {audio.size / sample_rate:.2f} s")


def loudest_grain(path: np.ndarray, decode: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The vector (dims,) of a path (grains, dims) whose decoded hop is the loudest."""
    audio = decode(path)
    powers = np.square(audio.reshape(len(path) + 3, -1)).mean(axis=1)
    return path[np.argmax(np.convolve(powers, np.ones(4), "valid"))]
