"""Make new sounds from points in the latent space of a trained model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.audio.fades import cross_fade
from common.cli import UserError, require_whole
from common.files.audio import checked_audio, resample, safe_peak, to_mono
from common.latent import interpolate as way_between
from common.trained import shipped
from vae_generation.latents import Latents
from vae_generation.sound import continue_with, place
from vae_generation.trained import TrainedVAE, load_trained

if TYPE_CHECKING:
    from vae_generation.chords import Stroke
    from vae_generation.continuation import Continuation


@functools.lru_cache(maxsize=4)
def open_once(folder: Path | str | None) -> TrainedVAE:
    """Load the ``TrainedVAE`` of a folder, by default ``models/vae_notes``, once for all calls."""
    return load_trained(folder or shipped("vae_notes"))


def draw(
    number: int, model: Path | str | None = None, *, temperature: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, int]:
    """Sample new sounds at random, from the part of the latent space where the training set lies.

    Args:
        number: Number of sounds, at least 1.
        model: Run folder of ``vae_generation.train``; default ``models/vae_notes``.
        temperature: Factor on the spread; 0 always takes the centre of a training image's
            distribution.
        seed: Random seed.

    Returns:
        ``(sounds, sample_rate)``: (number, samples) float32 in [-1, 1].

    Raises:
        UserError: The number is below 1, or the model cannot be opened.
    """
    require_whole(number, "number", 1)
    folder = Path(model or shipped("vae_notes"))
    trained = open_once(folder)
    latents = Latents.load(folder / "latents.h5")
    vectors = latents.sample(number, np.random.default_rng(seed), temperature)
    images = trained.decode_images(vectors)[..., 0]
    sounds = [trained.spectrogram.audio(image, seed=seed) for image in images]
    return np.stack(sounds), trained.sample_rate


def reconstruct(
    audio: np.ndarray, sample_rate: int, model: Path | str | None = None, *, seed: int = 0
) -> np.ndarray:
    """Encode and decode a recording of any length, window by window.

    Args:
        audio: (samples,) float32 in [-1, 1], or integers; (channels, samples) are averaged.
        sample_rate: Hz.
        model, seed: As in ``draw``.

    Returns:
        (samples,) float32 at the same rate.

    Raises:
        UserError: As ``common.files.audio.checked_audio``; silent audio; or the model cannot be
            opened.
    """
    audio = _mono(audio, sample_rate)
    trained = open_once(model)
    given = sounding(resample(audio, sample_rate, trained.sample_rate))
    made = trained.decode(trained.encode(given), seed=seed)[: given.size]
    return resample(made, trained.sample_rate, sample_rate)[: audio.size]


def interpolate(
    first: np.ndarray,
    second: np.ndarray,
    sample_rate: int,
    steps: int = 5,
    model: Path | str | None = None,
    *,
    seed: int = 0,
) -> tuple[np.ndarray, int]:
    """Interpolate between two sounds; the ends are their reconstructions.

    Args:
        first, second: Audio as in ``reconstruct``; only the first two seconds are used.
        sample_rate: Sample rate of both in Hz.
        steps: Number of sounds, at least 1.
        model, seed: As in ``draw``.

    Returns:
        ``(sounds, sample_rate)``: (steps, samples) float32, at the rate of the model.

    Raises:
        UserError: As ``reconstruct``, or less than one step.
    """
    require_whole(steps, "steps", 1)
    given = [_mono(first, sample_rate, "first"), _mono(second, sample_rate, "second")]
    trained = open_once(model)
    ends = [resample(audio, sample_rate, trained.sample_rate) for audio in given]
    images = between(trained, *map(sounding, ends), steps)[..., 0]
    sounds = [trained.spectrogram.audio(image, seed=seed) for image in images]
    return np.stack(sounds), trained.sample_rate


def _mono(audio, sample_rate, name="audio"):
    """Check audio and average its channels: (samples,) float32."""
    return to_mono(np.atleast_2d(checked_audio(audio, sample_rate, name)))


def sounding(audio: np.ndarray, name: Path | str = "the recording") -> np.ndarray:
    """Return audio unchanged; ``UserError`` if it is silent."""
    if not audio.any():
        raise UserError(f"{name}: is silent; nothing can be learned from it")
    return audio


def between(trained: TrainedVAE, first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Interpolate between the beginnings of two sounds; return the images.

    Args:
        trained: ``TrainedVAE``.
        first, second: (samples,) float32 at the model's rate.
        steps: Number of images.
    """
    ends = np.concatenate([trained.windows(audio)[:1] for audio in (first, second)])
    mean, _ = trained.encode_images(ends)
    return trained.decode_images(way_between(*mean, steps))


def play(
    trained: TrainedVAE,
    notes: Sequence[tuple[str, int, int]],
    rng: np.random.Generator,
    temperature: float = 1.0,
) -> np.ndarray:
    """Make images of notes, all from the same latent vector, so that they have the same character.

    Args:
        trained: ``TrainedVAE`` with conditions.
        notes: List of (instrument, pitch, velocity).
        rng: ``numpy.random.Generator``.
        temperature: Factor on the spread of the sample.
    """
    latent = temperature * rng.standard_normal(trained.dims)
    vectors = trained.conditions.vectors(notes)
    return trained.decode_images(np.tile(latent, (len(notes), 1)), vectors)


def accompany(
    strokes: Sequence[Stroke],
    sounds: dict[tuple[str, int, int], np.ndarray],
    instrument: str,
    bpm: float,
    sample_rate: int,
) -> np.ndarray:
    """Play strokes with the sounds of notes; return the audio.

    Args:
        strokes: List of ``vae_generation.chords.Stroke``.
        sounds: Dict from (instrument, pitch, velocity) to the audio of a note.
        instrument: Name of the instrument that plays.
        bpm: Beats per minute.
        sample_rate: Hz.
    """
    beat = 60 / bpm
    mixed = place(
        [
            (stroke.beat * beat, stroke.beats * beat, sounds[instrument, pitch, stroke.velocity])
            for stroke in strokes
            for pitch in stroke.pitches
        ],
        sample_rate,
    )
    return safe_peak(mixed)


def go_on(
    trained: TrainedVAE,
    follow: Continuation,
    audio: np.ndarray,
    seconds: float,
    *,
    sound: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    temperature: float = 1.0,
) -> np.ndarray:
    """Continue a recording; return it with its continuation.

    Args:
        trained: ``TrainedVAE``.
        follow: ``vae_generation.continuation.Continuation``.
        audio: (samples,) float32 at the model's rate.
        seconds: Length of the continuation.
        sound: Function of an image that returns its audio.
        rng: ``numpy.random.Generator``.
        temperature: Factor of the spread of what is drawn.

    Returns:
        (more samples,) float32.
    """
    spectrogram = trained.spectrogram
    columns = round(follow.hop_seconds * spectrogram.sample_rate / spectrogram.hop)
    hop = columns * spectrogram.hop
    known, _ = trained.encode_images(trained.windows(audio, hop))
    wanted = round(seconds * spectrogram.sample_rate)
    latents = follow(known, -(-wanted // hop) + 1, rng, temperature)
    added = sound(cross_fade(trained.decode_images(latents)[..., 0], columns))
    result = continue_with(audio, added, min(hop, audio.size))[: audio.size + wanted]
    return safe_peak(result)
