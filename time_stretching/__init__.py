"""Change the duration of a recording without changing its pitch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def time_stretch(
    audio: np.ndarray,
    sample_rate: int,
    rate: float,
    method: str = "vocoder",
    model: Path | str | None = None,
    **settings: Any,
) -> np.ndarray:
    """Change the duration of a recording; the model is opened once.

    Args:
        audio: (samples,) or (channels, samples) float32 in [-1, 1], or integers; see
            ``common.files.audio.checked_audio``.
        sample_rate: Hz.
        rate: Factor on the tempo, 0.25 to 4: 2 is twice as fast, half as long.
        method: One of ``time_stretching.methods.METHODS``.
        model: Run folder for ``neural`` and ``codes``; by default ``models/time_stretching``.
        settings: Further arguments of ``time_stretching.methods.stretch``.

    Returns:
        float32, with the same channels, turned down where it would leave [-1, 1].

    Raises:
        UserError: Wrong audio or settings, or the model cannot be opened.
    """
    from common.files.audio import checked_audio, safe_peak
    from time_stretching.methods import NETWORK_METHODS, stretch

    audio = checked_audio(audio, sample_rate)
    trained = None
    if method in NETWORK_METHODS:
        from time_stretching.trained import open_once

        trained = open_once(model)
    return safe_peak(stretch(audio, sample_rate, rate, method, trained=trained, **settings))
