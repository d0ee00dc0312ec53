"""The transfer of audio in memory."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import UserError
from common.files.audio import checked_audio, fit_length, resample, safe_peak
from common.trained import shipped
from move.pitches import TRACKERS
from move.sections import transfer_blocks
from move.trained import ITERATIONS, load_trained

if TYPE_CHECKING:
    from move.trained import TrainedMove


@functools.lru_cache(maxsize=4)
def open_once(folder: Path) -> TrainedMove:
    """The ``move.trained.TrainedMove`` of a folder, kept for the next call."""
    return load_trained(folder)


def transfer_to(
    audio: np.ndarray,
    sample_rate: int,
    target: str,
    model: str | Path | None = None,
    *,
    source: str | None = None,
    tracker: str = TRACKERS[0],
    iterations: int = ITERATIONS,
) -> np.ndarray:
    """Turn a note or a solo into another instrument.

    Args:
        audio: (samples,) or (channels, samples) float32 in [-1, 1], or integers.
        sample_rate: Hz.
        target: Instrument to play, such as "violin".
        model: Run folder of ``move.train``; default ``models/move_orchestra``.
        source: Instrument of the audio, if the model knows it.
        tracker: Of its pitch: "pyin" or "swift-f0" (optional, quicker).
        iterations: Number of Griffin-Lim iterations.

    Returns:
        float32 of the shape of ``audio``.

    Raises:
        UserError: As ``common.files.audio.checked_audio``; silence, an unknown instrument, or the
            model cannot be opened.
    """
    audio = checked_audio(audio, sample_rate)
    if not audio.any():
        raise UserError("the audio is silent; nothing can be transferred")
    trained = open_once(Path(model or shipped("move_orchestra")))
    find = trained.conditions.instrument
    given = resample(np.atleast_2d(audio), sample_rate, trained.sample_rate)
    made = transfer_blocks(
        [given],
        trained,
        find(target),
        source=None if source is None else find(source),
        tracker=tracker,
        iterations=iterations,
    )
    made = resample(np.concatenate(list(made), axis=-1), trained.sample_rate, sample_rate)
    return safe_peak(fit_length(made, audio.shape[-1])).reshape(audio.shape)
