"""The five methods of time stretching.

| method | magnitude | phase |
|---|---|---|
| neural | codes of the auto-encoder: resized, corrected, decoded | phase vocoder |
| codes | codes of the auto-encoder: resized, decoded | phase vocoder, then Griffin-Lim |
| vocoder | spectrogram: resized | phase vocoder |
| interp | spectrogram: resized | phase vocoder, then Griffin-Lim |
| resample | the audio is resampled, which changes the pitch | |

The phase vocoder corrects the timing of onsets (``time_stretching.phase``). "neural" and "codes"
work at 16 kHz, the others at the sample rate of the audio. The networks process the root mean
square of the channels. Every channel is then multiplied, bin by bin, by the factor with which the
networks changed it. So differences of level between channels stay as they were, as do differences
of phase (``time_stretching.phase.rotations``), and silence stays silence.
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
# default number of Griffin-Lim iterations
ITERATIONS = {"neural": 0, "codes": 16, "vocoder": 0, "interp": 16}
LEVEL = 0.98  # peak to which audio is scaled for the networks
_BLOCK = 1024  # columns per block, which limits the memory
_KNOWN = OVERLAP - 1  # columns that a block shares with the one before
_AHEAD = 16  # further columns that are computed with a block, for onsets and Griffin-Lim
_AROUND = 4 * OVERLAP  # further columns of the input on both sides, for onsets at the ends


def check_rate(rate: float, name: str = "--rate") -> float:
    """Raise ``UserError`` if a rate is not from LOWEST to HIGHEST; otherwise return it."""
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
    """Change the duration of audio.

    Args:
        audio: (samples,) or (channels, samples) float32.
        sample_rate: Hz.
        rate: Factor on the tempo, from LOWEST to HIGHEST: 2 is twice as fast, half as long.
        method: One of METHODS.
        trained: ``time_stretching.trained.Stretcher``, for NETWORK_METHODS.
        samples: Length of the result; default the length of the input divided by the rate.
        power: Exponent of the magnitudes that the networks predict, above 0 (published: 1.4).
            Unless it is 1, the result is scaled to the level of the input.
        iterations: Number of Griffin-Lim iterations; default that of the method in ITERATIONS.
        onsets: Correct the timing of onsets. Without, the phase vocoder is that of
            ``librosa.effects.time_stretch``.

    Returns:
        float32, with the same channels; may leave [-1, 1].

    Raises:
        UserError: Unknown method, or a setting out of range.
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
    """Stretch audio (channels, any) at SAMPLE_RATE by "neural" or "codes": (channels, samples)."""
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
    """Encode the first columns of audio (channels, samples), in blocks: (code, columns)."""
    margin, codes = trained.context, []
    for start in range(0, columns, _BLOCK):
        stop = min(start + _BLOCK, columns)
        first, last = max(start - margin, 0), min(stop + margin, columns)
        image = trained.scale.image(mixture(TRANSFORM.forward(audio, first, last)))
        codes.append(trained.encode(image)[:, start - first : stop - first])
    return np.concatenate(codes, axis=-1)


def mixture(spectra: np.ndarray) -> np.ndarray:
    """Root mean square of the channels' magnitudes: (bins, columns)."""
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
        magnitudes: Function of (start, stop) that returns the wanted magnitudes (bins, stop -
            start) for the ``mixture`` of the channels; default the resized ones of the input.
        power: Exponent of these magnitudes.
        iterations: Number of Griffin-Lim iterations; 0 keeps the phase of the phase vocoder.
        onsets: Whether to correct the timing of onsets.

    Returns:
        (channels, samples) float32.
    """
    columns = transform.columns(samples)
    synthesis = Synthesis(transform, (len(audio),), samples)
    # interpolating powers keeps the level of moving partials; librosa interpolates amplitudes
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
            # the next block begins with the last columns of this one
            turned = rotation[:, stop - _KNOWN - first]
            tail = spectra[..., stop - _KNOWN - first : stop - first]
    return synthesis.audio()
