"""Content of one recording, style of another, by one random convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def style_transfer(
    content: np.ndarray, style: np.ndarray, sample_rate: int, **settings: Any
) -> np.ndarray:
    """Play the content of one recording in the style of another.

    Args:
        content: (samples,) or (channels, samples) float32 in [-1, 1], or integers; see
            ``common.files.audio.checked_audio``.
        style: Audio of the same form.
        sample_rate: Sample rate of both in Hz; nothing above 11 kHz is kept.
        settings: Fields of ``random_cnn_style.transfer.Settings``, such as ``filters=1024`` for a
            draft.

    Returns:
        float32 of the content's shape, within [-1, 1].

    Raises:
        UserError: Wrong audio, silence, or less than a kernel long.
    """
    from common.files.audio import checked_audio, fit_length, resample, safe_peak
    from random_cnn_style.spectrogram import SAMPLE_RATE
    from random_cnn_style.transfer import style_transfer as transfer

    content = checked_audio(content, sample_rate, "content")
    style = checked_audio(style, sample_rate, "style")
    given = [resample(audio, sample_rate, SAMPLE_RATE) for audio in (content, style)]
    made, _ = transfer(*given, **settings)
    made = resample(made, SAMPLE_RATE, sample_rate)
    return safe_peak(fit_length(made, content.shape[-1]))
