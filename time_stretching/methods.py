"""The five ways to stretch a sound, and what they share.

| method | magnitude | phase |
|---|---|---|
| neural | codes of the auto-encoder, resized, corrected, decoded | phase vocoder |
| codes | codes of the auto-encoder, resized, decoded | phase vocoder, then search |
| vocoder | spectrogram, resized | phase vocoder |
| interp | spectrogram, resized | phase vocoder, then search |
| resample | samples, resized: the pitch changes | |

The phase vocoder is one whose onsets are put where they belong (``time_stretching.phase``). Neural
and codes work at 16 kHz, the others at the rate of the sound. The networks see the root mean
square over the channels; what they change about it, each channel is changed by, so that differences
of level between channels stay those of the input, as those of phase do
(``time_stretching.phase.rotations``), and where the input is silent the result is silent.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from common.audio.phase import griffin_lim, unit
from common.audio.spectrograms import STFT, Synthesis
from common.cli import UserError, require_whole
from common.files.audio import fit_length, resample
from time_stretching.phase import MOMENTUM, find_onsets, placed_rotations, rotations
from time_stretching.resize import HIGHEST, LOWEST, columns_at, positions, resize, resize_power
from time_stretching.spectrogram import OVERLAP, SAMPLE_RATE, TRANSFORM, transform_at

if TYPE_CHECKING:
    from time_stretching.trained import Stretcher


METHODS = ("neural", "codes", "vocoder", "interp", "resample")
NETWORK_METHODS = METHODS[:2]
# default iterations of the search for a phase
ITERATIONS = {"neural": 0, "codes": 16, "vocoder": 0, "interp": 16}
LEVEL = 0.98  # peak that sounds are brought to for the networks
_BLOCK = 1024  # columns per block, which limits the memory
_KNOWN = OVERLAP - 1  # columns that the next block shares with the last one
_AHEAD = 16  # columns beyond a block that count in it, for onsets and the search
_AROUND = 4 * OVERLAP  # columns of the input beyond a block, for onsets at its ends


def check_rate(rate: float, name: str = "--rate") -> float:
    """Raise ``UserError`` for a rate that is not offered; else return it."""
    if not isinstance(rate, numbers.Real):
        raise UserError(f"{name} {rate!r}: give a number from {LOWEST:g} to {HIGHEST:g}")
    if not LOWEST <= rate <= HIGHEST:
        raise UserError(
            f"{name} {rate:g}: not between {LOWEST:g} and {HIGHEST:g}; stretch in several steps"
        )
    return rate


def stretch(
    audio: np.ndarray,
    sample_rate: int,
    rate: float,
    method: str,
    *,
    trained: Stretcher | None = None,
    samples: int | None = None,
    power: float = 1.0,
    iterations: int | None = None,
    onsets: bool = True,
) -> np.ndarray:
    """Change the duration of a sound.

    Args:
        audio: (samples,) or (channels, samples) float32.
        sample_rate: Hz.
        rate: Factor on the tempo, from LOWEST to HIGHEST: 2 is twice as fast, half as long.
        method: One of METHODS.
        trained: ``time_stretching.trained.Stretcher``, for NETWORK_METHODS.
        samples: Length of the result; default that of the input over the rate, rounded.
        power: Exponent of the magnitudes that the networks give, above 0 (published: 1.4); other
            than 1, the result is brought to the level of the input.
        iterations: Of the search for a phase; default that of the method in ITERATIONS.
        onsets: Put onsets where they belong; without that, the phase vocoder is that of
            ``librosa.effects.time_stretch``.

    Returns:
        float32, as many channels; may leave [-1, 1].

    Raises:
        UserError: The rate or the method is not offered, or other settings are out of range.
    """
    check_rate(rate, "rate")
    if method not in METHODS:
        raise UserError(f"method {method!r}: give one of {', '.join(METHODS)}")
    if iterations is not None:
        require_whole(iterations, "iterations", 0)
    if samples is not None:
        require_whole(samples, "samples", 0)
    if not isinstance(onsets, bool | np.bool_):
        raise UserError(f"onsets {onsets!r}: give True or False")
    audio = np.asarray(audio, np.float32)
    samples = round(audio.shape[-1] / rate) if samples is None else samples
    channels = np.atleast_2d(audio)
    if iterations is None:
        iterations = ITERATIONS.get(method)
    if method == "resample":
        stretched = fit_length(resample(channels, sample_rate * rate, sample_rate), samples)
    elif method in NETWORK_METHODS:
        given = resample(channels, sample_rate, SAMPLE_RATE)
        wanted = -(-samples * SAMPLE_RATE // sample_rate)
        stretched = by_networks(
            given,
            rate,
            method,
            trained,
            samples=wanted,
            power=power,
            iterations=iterations,
            onsets=onsets,
        )
        stretched = fit_length(resample(stretched, SAMPLE_RATE, sample_rate), samples)
    else:
        transform = transform_at(sample_rate)
        stretched = by_spectra(
            channels, transform, rate, samples, iterations=iterations, onsets=onsets
        )
    return stretched.reshape(*audio.shape[:-1], samples)


def by_networks(
    audio: np.ndarray,
    rate: float,
    method: str,
    trained: Stretcher,
    *,
    samples: int,
    power: float = 1.0,
    iterations: int = 0,
    onsets: bool = True,
) -> np.ndarray:
    """``neural`` and ``codes`` at SAMPLE_RATE: (channels, samples) from (channels, any)."""
    peak = np.abs(audio).max(initial=0)
    if peak == 0:
        return np.zeros((len(audio), samples), np.float32)
    gain = np.float32(LEVEL / peak)
    columns = TRANSFORM.columns(samples)
    given = int((columns - 1) * rate) + 2
    codes = resize(encode_audio(audio * gain, given, trained), positions(0, columns, rate))
    if method == "neural":
        codes = trained.correct(codes, rate)

    def magnitudes(start, stop):
        return trained.magnitude(codes, start, stop)

    stretched = by_spectra(
        audio * gain,
        TRANSFORM,
        rate,
        samples,
        magnitudes=magnitudes,
        power=power,
        iterations=iterations,
        onsets=onsets,
    )
    if power != 1:
        loudness = [np.sqrt(np.mean(np.square(one))) for one in (audio * gain, stretched)]
        stretched = stretched * np.float32(loudness[0] / max(loudness[1], 1e-9))
    return stretched / gain


def encode_audio(audio: np.ndarray, columns: int, trained: Stretcher) -> np.ndarray:
    """Codes of a sound's first columns, in parts: (code, columns) from (channels, samples)."""
    margin, codes = trained.context, []
    for start in range(0, columns, _BLOCK):
        stop = min(start + _BLOCK, columns)
        first, last = max(start - margin, 0), min(stop + margin, columns)
        image = trained.scale.image(mixture(TRANSFORM.forward(audio, first, last)))
        codes.append(trained.encode(image)[:, start - first : stop - first])
    return np.concatenate(codes, axis=-1)


def mixture(spectra: np.ndarray) -> np.ndarray:
    """Root mean square of magnitudes over the channels: (bins, columns)."""
    return np.sqrt(np.mean(np.square(np.abs(spectra)), axis=0))


def by_spectra(
    audio: np.ndarray,
    transform: STFT,
    rate: float,
    samples: int,
    *,
    magnitudes: Callable[[int, int], np.ndarray] | None = None,
    power: float = 1.0,
    iterations: int = 0,
    onsets: bool = True,
) -> np.ndarray:
    """Stretch spectra, block by block.

    Args:
        audio: (channels, any) float32.
        transform: ``STFT`` at the rate of the audio.
        rate: Factor on the tempo.
        samples: Length of the result.
        magnitudes: Function from (start, stop) to the magnitudes (bins, stop - start) that the
            mixture of the channels shall have in these columns; default its own, resized.
        power: Exponent of these.
        iterations: Of the search for a phase; 0 keeps that of the phase vocoder.
        onsets: Whether that puts onsets where they belong.

    Returns:
        (channels, samples) float32.
    """
    columns = transform.columns(samples)
    synthesis = Synthesis(transform, (len(audio),), samples)
    # powers between columns keep the level of what moves; librosa takes amplitudes
    between = resize_power if onsets else resize
    turned = tail = None
    found = find_onsets(transform, audio) if onsets else ()
    for start in range(0, columns, _BLOCK):
        stop = min(start + _BLOCK, columns)
        first, known = (start - _KNOWN, _KNOWN) if start else (0, 0)
        last = min(stop + _AHEAD, columns)
        places = positions(first, last, rate)
        offset = int(places[0]) - _AROUND
        given = transform.forward(audio, offset, int(places[-1]) + 2 + _AROUND)
        places = places - offset
        begun = [
            (onset / transform.hop - offset, onset / transform.hop / rate - first)
            for onset in found
        ]
        if onsets:
            rotation = placed_rotations(given, places, begun, turned)
        else:
            rotation = rotations(given, places, turned)
        magnitude = between(np.abs(given), places)
        if magnitudes is not None:
            own = between(mixture(given), places)
            full = np.float32(transform.full_scale)
            wanted = full * (magnitudes(first, last) / full) ** power
            magnitude *= np.divide(wanted, own, out=np.zeros_like(own), where=own > 0)
        spectra = magnitude * unit(columns_at(given, places.astype(int))) * rotation
        if iterations:
            if known:
                spectra[..., :known] = tail
            spectra = griffin_lim(magnitude, transform, spectra, iterations, MOMENTUM, known=known)
        synthesis.add(start, spectra[..., known : stop - first])
        if stop < columns:
            # the next block begins with the columns that this one ends with
            turned = rotation[:, stop - _KNOWN - first]
            tail = spectra[..., stop - _KNOWN - first : stop - first]
    return synthesis.audio()
