"""Notes in memory."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import UserError
from common.files.audio import checked_audio, resample, safe_peak
from common.latent import LARGEST
from common.trained import shipped
from wae_fader.generate import MODEL, RENDERERS
from wae_fader.images import ITERATIONS
from wae_fader.trained import load_trained

if TYPE_CHECKING:
    from wae_fader.trained import TrainedFader


_FAINTEST = -90.0  # dB of a full-scale sine, the last bit of a file of 16 bits


@functools.lru_cache(maxsize=4)
def open_once(folder: Path) -> TrainedFader:
    """The ``wae_fader.trained.TrainedFader`` of a folder, kept for the next call.

    Raises:
        UserError: As ``load_trained``; its decoder is not told the style.
    """
    trained = load_trained(folder)
    if trained.told < trained.conditions.length:
        raise UserError(f"{folder}: its decoder is told no style; use another model")
    return trained


def generate_note(
    style: str | Mapping[str, float],
    pitch: int,
    point: Sequence[float] | np.ndarray | None = None,
    model: str | Path | None = None,
    *,
    seed: int = 0,
    iterations: int = ITERATIONS,
    render: str = RENDERERS[0],
) -> tuple[np.ndarray, int]:
    """Make a note of a point of the latent space.

    Args:
        style: Name, or dict from names to weights, which need not sum to 1.
        pitch: MIDI number.
        point: Coordinates; default drawn from the normal distribution.
        model: Run folder of ``wae_fader.train``; default ``models/wae_fader_orchestra``.
        seed: Integer, for the point.
        iterations: Number of Griffin-Lim iterations.
        render: "griffinlim", or "mcnn": the network of ``wae_fader.train_mcnn`` in the run folder.

    Returns:
        ``(audio, rate)``: (samples,) float32 in [-1, 1], Hz.

    Raises:
        UserError: A style, a pitch, a point or ``render`` does not fit, or the model cannot be
            opened.
    """
    trained = open_once(Path(model or shipped(MODEL)))
    if point is None:
        point = np.random.default_rng(seed).standard_normal(trained.dims)
    if len(point) != trained.dims:
        raise UserError(
            f"--point: {len(point)} coordinates; the space of the model has {trained.dims}"
        )
    if not np.abs(point).max() <= LARGEST:
        raise UserError(f"--point: give coordinates from -{LARGEST} to {LARGEST}")
    if render not in RENDERERS:
        raise UserError(f"render {render!r}: choose one of {', '.join(RENDERERS)}")
    z = np.asarray(point, np.float32)[np.newaxis]
    if render == "mcnn":
        from wae_fader.mcnn import Renderer

        network = Renderer(Path(model or shipped(MODEL)), trained.images)
        sound = network.audio(trained.decode_images(z, [pitch], style)[0])
        return safe_peak(sound), trained.sample_rate
    return trained.decode(z, [pitch], style, iterations=iterations), trained.sample_rate


def restyle_note(
    audio: np.ndarray,
    sample_rate: int,
    style: str | Mapping[str, float],
    pitch: int | None = None,
    model: str | Path | None = None,
    *,
    iterations: int = ITERATIONS,
) -> tuple[np.ndarray, int]:
    """Play the point of a note in another style, at the pitch and the level of the note.

    Args:
        audio: (samples,) or (channels, samples), of which the mean is taken; float32 in [-1, 1], or
            integers. What is beyond the length of a note of the model is not used.
        sample_rate: Hz.
        style, model, iterations: As in ``generate_note``.
        pitch: MIDI number; default as it is heard.

    Returns:
        As ``generate_note``.

    Raises:
        UserError: As ``common.files.audio.checked_audio`` and ``generate_note``; silence, or no
            pitch is heard.
    """
    trained = open_once(Path(model or shipped(MODEL)))
    checked = checked_audio(audio, sample_rate)
    if not checked.any():
        raise UserError("the audio is silent; give another recording")
    given = np.mean(np.atleast_2d(checked), axis=0)
    given = resample(given, sample_rate, trained.sample_rate)[: trained.images.samples]
    image, level = trained.images.image(given)
    if level < _FAINTEST:
        raise UserError(
            f"its first {trained.images.seconds:.1f} s, the mean of the channels, are fainter than "
            f"{_FAINTEST:g} dB; cut off silence before the note, amplify it, or give one channel"
        )
    if pitch is None:
        from common.music.pitch import measure_pitch

        heard = measure_pitch(given, trained.sample_rate)
        if heard is None:
            raise UserError("no pitch is heard in the audio; give it (--pitch)")
        pitch = round(heard.pitch)
    z = trained.encode_images(image[np.newaxis])
    made = trained.decode_images(z, [pitch], style)[0]
    sound = trained.images.audio(made, level, iterations=iterations)
    return safe_peak(sound), trained.sample_rate


def parse_weights(words: Sequence[str]) -> dict[str, float]:
    """Style of words such as "violin=0.5" and "oboe": dict from name to weight, by default 1.

    Raises:
        UserError: A weight is no number from -100 to 100, or a name is missing or there twice.
    """
    weights = {}
    for word in words:
        before, mark, after = word.rpartition("=")  # a style may have the sign in its name
        name, text = (before, after) if mark else (word, "1")
        try:
            weight = float(text)
        except ValueError:
            weight = np.nan
        if not name or not abs(weight) <= LARGEST:
            raise UserError(
                f"{word!r}: write STYLE or STYLE=WEIGHT, such as violin=0.5, with a weight from "
                f"-{LARGEST} to {LARGEST}"
            )
        if name in weights:
            raise UserError(f"{name!r} is named twice; name each style once")
        weights[name] = weight
    return weights
