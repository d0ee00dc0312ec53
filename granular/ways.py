"""New sounds in memory: drawn, made anew, morphed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import UserError
from common.files.audio import checked_audio, fit_length, peak, resample, to_mono
from common.trained import shipped
from granular.trained import load_trained

if TYPE_CHECKING:
    from granular.trained import TrainedGrains


@functools.lru_cache(maxsize=4)
def open_once(folder: Path) -> TrainedGrains:
    """The ``granular.trained.TrainedGrains`` of a folder, kept for the next call."""
    return load_trained(folder)


def _model(model):
    return open_once(Path(model or shipped("granular_drums")))


def _given(audio, sample_rate, trained):
    audio = to_mono(np.atleast_2d(checked_audio(audio, sample_rate)))
    if not audio.size or peak(audio) == 0:
        raise UserError("the audio is silent; give another one")
    return resample(audio, sample_rate, trained.sample_rate)


def draw(
    label: str,
    count: int = 1,
    *,
    pitch: int = 60,
    temperature: float = 1.0,
    seconds: float | None = None,
    model: str | Path | None = None,
    seed: int = 0,
) -> tuple[list[np.ndarray], int]:
    """Draw new sounds of a class.

    Args:
        label: Class, such as "kick".
        count: Number of sounds.
        pitch: MIDI number, for a model of notes.
        temperature: Standard deviation of the points.
        seconds: Length; default that of the training.
        model: Run folder; default ``models/granular_drums``.
        seed: Of points and noise.

    Returns:
        ``(sounds, sample_rate)``: list of (samples,) float32; Hz.

    Raises:
        UserError: An unknown class, or the model cannot be opened.
    """
    trained = _model(model)
    settings = {"temperature": temperature, "seconds": seconds, "seed": seed}
    return trained.sample(trained.labels.find(label), pitch, count, **settings), trained.sample_rate


def reconstruct(
    audio: np.ndarray, sample_rate: int, model: str | Path | None = None, *, seed: int = 0
) -> np.ndarray:
    """Make a recording anew of the model's grains.

    Args:
        audio: (samples,) or (channels, samples), which are mixed.
        sample_rate: Hz.
        model: Run folder; default ``models/granular_drums``.
        seed: Of the noise.

    Returns:
        (samples,) float32.

    Raises:
        UserError: Silence, or the model cannot be opened.
    """
    trained = _model(model)
    given = _given(audio, sample_rate, trained)
    made = trained.decode(trained.encode(given), seed=seed)[: given.size]
    made = resample(made, trained.sample_rate, sample_rate)
    return np.clip(fit_length(made, np.shape(audio)[-1]), -1, 1)


def blend(
    first: np.ndarray,
    second: np.ndarray,
    sample_rate: int,
    shares: Sequence[float] = (0.0, 1.0),
    *,
    seconds: float | None = None,
    model: str | Path | None = None,
    seed: int = 0,
) -> np.ndarray:
    """A sound that begins as one recording and ends as another; arguments as of ``morphed``."""
    trained = _model(model)
    given = [_given(audio, sample_rate, trained) for audio in (first, second)]
    made = morphed(trained, *given, shares, seconds=seconds, seed=seed)
    return np.clip(resample(made, trained.sample_rate, sample_rate), -1, 1)


def morphed(
    trained: TrainedGrains,
    first: np.ndarray,
    second: np.ndarray,
    shares: Sequence[float],
    *,
    seconds: float | None = None,
    seed: int = 0,
) -> np.ndarray:
    """A sound (samples,) between two others at the sample rate of the model.

    Args:
        trained: ``granular.trained.TrainedGrains``.
        first, second: (samples,).
        shares: Share of the second one, from the beginning to the end.
        seconds: Length, to which both are stretched; default that of the longer one, behind whose
            end the shorter one is silent.
        seed: Of the noise.
    """
    if seconds is None:
        length = max(first.size, second.size)
        paths = [trained.encode(fit_length(audio, length)) for audio in (first, second)]
    else:
        steps = max(round(seconds * trained.rate) - 3, 1)
        paths = [stretched(trained.encode(audio), steps) for audio in (first, second)]
    places = np.linspace(0, 1, len(paths[0]))
    share = np.interp(places, np.linspace(0, 1, len(shares)), shares)[:, np.newaxis]
    made = trained.decode((1 - share) * paths[0] + share * paths[1], seed=seed)
    return made if seconds else made[:length]


def stretched(path: np.ndarray, steps: int) -> np.ndarray:
    """A path (any, dims) with another number of steps, by linear interpolation."""
    places = np.linspace(0, len(path) - 1, steps)
    low = np.minimum(places.astype(int), max(len(path) - 2, 0))
    rest = (places - low)[:, np.newaxis]
    return path[low] * (1 - rest) + path[np.minimum(low + 1, len(path) - 1)] * rest
