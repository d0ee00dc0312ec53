"""Transfer and synthesis of audio in memory."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import UserError
from common.files.audio import checked_audio, fit_length, resample, safe_peak
from common.trained import shipped
from vq_timbre.descriptors import NAMES, Table, choose_codes, frame_seconds, read_table
from vq_timbre.frames import CONTEXT, hops_of
from vq_timbre.pitch import track
from vq_timbre.trained import convert_blocks, load_trained

if TYPE_CHECKING:
    from vq_timbre.trained import TrainedTimbre


@functools.lru_cache(maxsize=4)
def open_once(folder: Path) -> tuple[TrainedTimbre, Table]:
    """The model of a folder and the descriptors of its codes, kept for the next call."""
    trained = load_trained(folder)
    return trained, read_table(trained, folder)


def transfer_timbre(
    audio: np.ndarray, sample_rate: int, model: str | Path | None = None, *, harmonic: bool = False
) -> np.ndarray:
    """Play a sound with the timbre of a trained instrument.

    Args:
        audio: (samples,) or (channels, samples) float32 in [-1, 1], or integers.
        sample_rate: Hz.
        model: Run folder of ``vq_timbre.train``; default ``models/vq_trumpet``.
        harmonic: Filter harmonics at the pitch of the sound instead of noise.

    Returns:
        float32 of the shape of ``audio``.

    Raises:
        UserError: As ``common.files.audio.checked_audio``; silence, or the model cannot be opened.
    """
    audio = checked_audio(audio, sample_rate)
    if not audio.any():
        raise UserError("the audio is silent; nothing can be transferred")
    trained, _ = open_once(Path(model or shipped("vq_trumpet")))
    given = resample(np.atleast_2d(audio), sample_rate, trained.sample_rate)
    made = list(convert_blocks([given], trained, track=track if harmonic else None))
    made = resample(np.concatenate(made, axis=-1), trained.sample_rate, sample_rate)
    return safe_peak(fit_length(made, audio.shape[-1])).reshape(audio.shape)


def synthesize_descriptor(
    name: str,
    curve: Sequence[tuple[float, float]],
    model: str | Path | None = None,
    *,
    gain: Sequence[tuple[float, float]] = ((0.0, -20.0),),
    seed: int = 0,
) -> tuple[np.ndarray, int]:
    """Make sound whose descriptor follows a curve, as far as the codes reach.

    Args:
        name: One of ``vq_timbre.descriptors.NAMES``.
        curve: (seconds, value) pairs, joined by straight lines; times ascend.
        model: Run folder of ``vq_timbre.train``; default ``models/vq_trumpet``.
        gain: Likewise, the level in dB below full scale.
        seed: Integer, of the noise.

    Returns:
        ``(audio, sample_rate)``: (samples,) float32 in [-1, 1].

    Raises:
        UserError: Unknown name, or the model cannot be opened.
    """
    if name not in NAMES:
        raise UserError(f"descriptor {name!r}: choose from {', '.join(NAMES)}")
    trained, table = open_once(Path(model or shipped("vq_trumpet")))
    frames = hops_of(int(curve[-1][0] * trained.sample_rate)) + CONTEXT
    seconds = frame_seconds(frames, trained.sample_rate)
    choice = choose_codes(table, name, np.interp(seconds, *np.array(curve, float).T))
    levels = 10 ** (np.interp(seconds, *np.array(gain, float).T) / 20)
    return safe_peak(trained.decode_codes(choice.codes, levels, seed=seed)), trained.sample_rate
