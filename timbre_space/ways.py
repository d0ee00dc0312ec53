"""The space for notebooks: audio in memory, the model opened once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import require_whole
from common.files.audio import checked_audio, resample, to_mono
from common.trained import shipped
from timbre_space.path import way
from timbre_space.place import latents_of
from timbre_space.trained import load_trained, read_latents

if TYPE_CHECKING:
    from timbre_space.trained import Landmarks, TrainedSpace


@functools.lru_cache(maxsize=4)
def open_once(folder: Path) -> tuple[TrainedSpace, Landmarks]:
    """The space of a folder and its landmarks, kept for the next call."""
    return load_trained(folder), read_latents(folder)


def place_sound(
    audio: np.ndarray, sample_rate: int, model: str | Path | None = None
) -> dict[str, float]:
    """Distances of a sound from the instruments of a space, the nearest one first.

    Args:
        audio: (samples,) or (channels, samples) float32 in [-1, 1], or integers.
        sample_rate: Hz.
        model: Run folder of ``timbre_space.train``; default ``models/timbre_space_erb``.

    Returns:
        Dict from instrument to distance.

    Raises:
        UserError: As ``common.files.audio.checked_audio``; silence, or the model cannot be opened.
    """
    trained, landmarks = open_once(Path(model or shipped("timbre_space_erb")))
    apart = landmarks.distances(
        _latents(trained, audio, sample_rate, "the audio"), trained.instruments
    )
    return {trained.instruments[place]: float(apart[place]) for place in np.argsort(apart)}


def path_between(
    first: np.ndarray,
    second: np.ndarray,
    sample_rate: int,
    points: int = 8,
    model: str | Path | None = None,
    *,
    kind: str = "spherical",
    seconds: float = 0.5,
) -> tuple[np.ndarray, int]:
    """Sound of a path between two sounds.

    Args:
        first, second: As ``audio`` of ``place_sound``.
        sample_rate: Sample rate of both in Hz.
        points: Number of points, at least 2.
        model: As in ``place_sound``.
        kind: "spherical" or "linear".
        seconds: Length of a point.

    Returns:
        ``(audio, sample_rate)``: (samples,) float32, and the rate of the model.

    Raises:
        UserError: As ``place_sound``.
    """
    require_whole(points, "points", 2)
    trained, _ = open_once(Path(model or shipped("timbre_space_erb")))
    ends = [
        _latents(trained, audio, sample_rate, name).mean(axis=0)
        for name, audio in (("first", first), ("second", second))
    ]
    held = np.repeat(way(*ends, points, kind), max(round(seconds * trained.rate), 1), axis=0)
    return trained.decode(held), trained.sample_rate


def _latents(trained, audio, sample_rate, name):
    mono = to_mono(np.atleast_2d(checked_audio(audio, sample_rate, name)))
    return latents_of(trained, resample(mono, sample_rate, trained.sample_rate), name)
