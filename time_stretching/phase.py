"""Phase vocoder: the phase of stretched audio is that of the input, rotated.

Unlike a plain phase vocoder, this one corrects the timing of onsets, and keeps the level of steady
sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.audio.phase import unit
from time_stretching.resize import columns_at
from time_stretching.spectrogram import OVERLAP

if TYPE_CHECKING:
    from common.audio.spectrograms import STFT


MOMENTUM = 0.9  # momentum of Griffin-Lim when it starts from this phase
_RISE = 2.0  # smallest increase of a bin's amplitude that counts as an onset of the bin
_GRAINS = 8  # grains per hop in the search for onsets
_GRAINS_AT_ONCE = 1 << 16  # limits the memory
_NEARBY = 12  # grains; of two onsets closer than this, only the stronger one counts


def rotations(
    spectra: np.ndarray, places: np.ndarray, first: np.ndarray | None = None
) -> np.ndarray:
    """Rotation of each bin by the phase vocoder, relative to its column of the input.

    In the phase vocoder (Flanagan and Golden 1966; Laroche and Dolson 1999, eq. 4 to 6) with equal
    hops of analysis and synthesis, the phase advances as it does in the input between column
    floor(place) and the next one. Here it is written as the phase of column floor(place) plus a
    rotation. All channels share the rotation, which follows from the sum of their cross-spectra, so
    that differences of phase between channels stay as they were. For one channel the result is the
    phase of ``librosa.phase_vocoder``.

    Args:
        spectra: (channels, bins, columns) of the input, one column beyond the last place.
        places: (count,) ascending, in columns of the input.
        first: (bins,) rotation at the first place, of magnitude 1; default none.

    Returns:
        (bins, count) complex64 of magnitude 1.
    """
    steps = _steps(spectra, places).astype(np.complex128)
    first = np.ones(spectra.shape[-2]) if first is None else first
    return unit(np.cumprod(np.concatenate([first[:, np.newaxis], steps], axis=-1), axis=-1))


def _steps(spectra, places):
    """Factors between consecutive rotations: (bins, count - 1)."""
    at = np.asarray(places).astype(int)
    after, before = columns_at(spectra, at[:-1] + 1), columns_at(spectra, at[1:])
    return unit(np.sum(after * np.conj(before), axis=0))


def placed_rotations(
    spectra: np.ndarray,
    places: np.ndarray,
    onsets: Sequence[tuple[float, float]],
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Like ``rotations``, but with correct timing of onsets and constant level of steady sounds.

    In the phase vocoder, the first column whose window contains an onset decides when it is heard,
    wherever in the window it lies. So onsets are up to half a window early or late. Here the bins
    that become louder are reset (Robel 2003): in the column nearest to the onset, they get the
    phase of the input, shifted in time. From there they advance as usual; the earlier columns whose
    windows contain the onset are computed backwards.

    In the phase vocoder, the bins of a partial also drift apart, until the partial cancels itself.
    So, in columns whose window contains no onset, the bins around each peak get the rotation of the
    peak: identity phase locking (Laroche and Dolson 1999, section V).

    Args:
        spectra, places, first: See ``rotations``.
        onsets: List of (input, output), ascending: time of each onset in the input, in columns of
            the spectra, and in the output, as an index into ``places``.

    Returns:
        (bins, count) complex64 of magnitude 1.
    """
    at = np.asarray(places).astype(int)
    steps = _steps(spectra, places)
    loudness = np.sqrt(np.sum(np.square(np.abs(spectra)), axis=0))
    bins = np.arange(spectra.shape[-2])
    sees_onset = np.zeros(at.size, bool)
    begins = {}
    for given, wanted in onsets:
        sees_onset |= np.abs(places - given) < OVERLAP / 2
        if 0 <= round(given) < spectra.shape[-1] and 0 <= round(wanted) < at.size:
            begins[round(wanted)] = given, wanted
    rotation = np.empty((bins.size, at.size), np.complex64, order="F")
    turned = np.ones(bins.size, np.complex64) if first is None else first
    for column in range(at.size):
        if column:
            turned = turned * steps[:, column - 1]
        if column in begins:
            given, wanted = begins[column]
            near = round(given)
            # the last column whose window does not contain the onset
            before = loudness[:, max(near - OVERLAP + 1, 0)]
            new = loudness[:, near] > _RISE * before
            # a shift in time by one hop turns the phase of bin k by 2 pi k / OVERLAP
            moved = (wanted - column) - (given - near)
            shift = np.exp(-2j * np.pi / OVERLAP * bins * moved)
            cross = np.sum(spectra[..., near] * np.conj(spectra[..., at[column]]), axis=0)
            aim = unit(cross) * shift
            turned = np.where(new, aim, turned)
            for earlier in range(column - 1, -1, -1):
                if at[earlier] <= given - OVERLAP / 2:
                    break
                aim = aim * np.conj(steps[:, earlier])
                rotation[new, earlier] = aim[new]
        if not sees_onset[column]:
            turned = turned[_nearest_peaks(loudness[:, at[column]])]
        rotation[:, column] = turned
    return unit(rotation)


def _nearest_peaks(loudness):
    """Nearest peak of each bin: (bins,) int; a peak exceeds the two bins on each side.

    Args:
        loudness: (bins,).
    """
    from scipy.ndimage import maximum_filter1d

    peaks = np.flatnonzero((loudness == maximum_filter1d(loudness, 5)) & (loudness > 0))
    if not peaks.size:
        return np.arange(loudness.size)
    borders = (peaks[1:] + peaks[:-1]) / 2
    return peaks[np.searchsorted(borders, np.arange(loudness.size))]


def find_onsets(transform: STFT, audio: np.ndarray) -> np.ndarray:
    """Find onsets in samples: (onsets,) int, ascending, including the first sample.

    The energy is that of the differentiated signal, which emphasises high frequencies. At an onset,
    the energy of the next quarter of a hop (8 ms) is four times that of the 1.25 hops before, and
    greater than anywhere nearby.

    Args:
        transform: ``STFT`` at the rate of the audio.
        audio: (channels, samples).
    """
    from scipy.ndimage import maximum_filter1d

    grain = max(transform.hop // _GRAINS, 1)
    count = audio.shape[-1] // grain
    energy = np.zeros(count)
    for start in range(0, count, _GRAINS_AT_ONCE):
        part = audio[:, start * grain : min(start + _GRAINS_AT_ONCE, count) * grain]
        square = np.sum(np.square(np.diff(part, axis=-1, prepend=part[:, :1])), axis=0)
        energy[start : start + _GRAINS_AT_ONCE] = square.reshape(-1, grain).sum(axis=-1)
    if not energy.any():
        return np.zeros(1, int)
    total = np.concatenate([[0], np.cumsum(energy + 1e-5 * energy.mean())])
    places = np.arange(count)
    begin, end = np.maximum(places - 10, 0), np.minimum(places + 2, count)
    before = (total[places] - total[begin]) / np.maximum(places - begin, 1)
    before[0] = total[1]  # the first sample always counts as onset
    rise = (total[end] - total[places]) / (end - places) / before
    highest = maximum_filter1d(rise, 2 * _NEARBY + 1)
    found = [0]
    for place in np.flatnonzero((rise == highest) & (rise > _RISE**2)):
        start = place * grain
        near = np.abs(np.diff(audio[:, start : start + 2 * grain], axis=-1)).sum(axis=0)
        found.append(start + int(np.argmax(near)))
    return np.array(found, int)
