"""Timbre transfer by Pix2Pix on magnitude spectrograms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def convert(
    audio: np.ndarray, sample_rate: int, model: Path | str | None = None, **settings: Any
) -> np.ndarray:
    """Convert a recording into another instrument; each model is opened once.

    Args:
        audio: (samples,) or (channels, samples) float32 in [-1, 1], or integers; see
            ``common.files.audio.checked_audio``.
        sample_rate: Hz.
        model: Run folder or ``.h5`` file of weights; by default the shipped guitar, or with a style
            the shipped model of any target.
        settings: ``style``, ``phase``, ``voices``, ``overlap``; see
            ``pix2pix_timbre.trained.TimbreModel.convert``.

    Returns:
        float32, same shape, turned down where it would leave [-1, 1].

    Raises:
        UserError: The model cannot be opened, or does not fit the settings; wrong audio or
            settings.
    """
    from pix2pix_timbre.trained import ANY, GUITAR, open_once

    if model is None:
        model = GUITAR if settings.get("style") is None else ANY
    return open_once(model).convert(audio, sample_rate, **settings)
