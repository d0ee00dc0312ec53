"""Transforms between audio and spectra, and scaled images of spectra.

A transform has ``bins``, ``hop``, ``columns(samples)``, ``forward(audio)`` and ``inverse(spectra,
samples)``: audio is (..., samples), spectra are complex, (..., bins, columns). Without ``samples``,
``inverse`` returns as much audio as ``forward`` needs for the same number of columns. Each step of
a transform is a column, whose bins are in ascending order of frequency and adjacent in memory.
``full_scale`` is the magnitude of a sine of amplitude 1 in the middle of a bin. No function
modifies its arguments.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any, NamedTuple

import numpy as np

from common.audio.phase import by_column, griffin_lim

_ITERATIONS = 64  # when started from a random phase
_MOMENTUM = 0.99
_SMALLEST = 1e-10  # magnitude, far below the floor of every scale
_FEWEST_WEIGHT = 1e-6  # smallest weight of a sample; below, no window covers it
# block size of a long transform, whose arrays then stay in the processor's cache
_COLUMNS_AT_ONCE = 64


class STFT(NamedTuple):
    """Short-time Fourier transform with a periodic Hann window; column k is centred on ``k * hop``.

    If it is not ``centred``, the window of column k begins there, and no column needs padding.

    The audio is padded with zeros, and spectra are not normalised, as in ``librosa.stft``. The
    precision is that of the audio: float64, or else float32.

    Attributes:
        size: Length of window and Fourier transform in samples.
        hop: Distance of columns in samples, at most half of ``size`` for an inverse.
        centred: Whether windows are centred on their columns.
    """

    size: int
    hop: int
    centred: bool = True

    @property
    def bins(self) -> int:
        """Number of frequencies, from 0 Hz to half the sample rate."""
        return self.size // 2 + 1

    @property
    def full_scale(self) -> float:
        """Magnitude of a sine of amplitude 1: half the sum of the window."""
        return self.size / 4

    def columns(self, samples: int) -> int:
        """Number of columns for a length of audio: one per hop, the last hop padded with zeros.

        If not centred, as many as lie inside the audio; at least one.
        """
        if not self.centred:
            return 1 + max(samples - self.size, 0) // self.hop
        return 1 + -(-samples // self.hop)

    @property
    def before(self) -> int:
        """Samples of a window before its column."""
        return self.size // 2 if self.centred else 0

    def samples(self, columns: int) -> int:
        """Length of audio that has a number of columns."""
        return (columns - 1) * self.hop + (0 if self.centred else self.size)

    def forward(self, audio: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Compute the spectra of columns ``start`` to ``stop``.

        Args:
            audio: (..., samples), real.
            start, stop: Column numbers, ``start`` below ``stop``, also beyond the audio; default
                all.

        Returns:
            (..., bins, stop - start) complex64; complex128 for float64 audio.
        """
        import scipy.fft  # imported here, or --help would take twice as long

        audio = np.asarray(audio)
        if audio.dtype != np.float64:
            audio = audio.astype(np.float32, copy=False)
        window = _window(self.size, audio.dtype)
        samples = audio.shape[-1]
        stop = self.columns(samples) if stop is None else stop
        first = start * self.hop - self.before
        last = first + (stop - start - 1) * self.hop + self.size
        inside = audio[..., min(max(first, 0), samples) : max(last, 0)]
        before = max(min(-first, last - first), 0)
        padding = [(0, 0)] * (audio.ndim - 1)
        padding.append((before, last - first - before - inside.shape[-1]))
        grains = np.lib.stride_tricks.sliding_window_view(
            np.pad(inside, padding), self.size, axis=-1
        )[..., :: self.hop, :]
        spectra = np.empty(
            (*audio.shape[:-1], stop - start, self.bins), np.result_type(audio, np.complex64)
        )
        for begin in range(0, stop - start, _COLUMNS_AT_ONCE):
            part = slice(begin, begin + _COLUMNS_AT_ONCE)
            spectra[..., part, :] = scipy.fft.rfft(grains[..., part, :] * window, axis=-1)
        return np.swapaxes(spectra, -1, -2)

    def inverse(self, spectra: np.ndarray, samples: int | None = None) -> np.ndarray:
        """Audio whose spectra are closest to the given ones (Griffin and Lim 1984, eq. 6).

        Args:
            spectra: (..., bins, columns).
            samples: Length of the audio; default that of its columns. Columns beyond it are
                ignored; audio that no column covers is silent.

        Returns:
            (..., samples) float32.
        """
        samples = self.samples(spectra.shape[-1]) if samples is None else samples
        columns = min(spectra.shape[-1], self.columns(samples))
        synthesis = Synthesis(self, spectra.shape[:-2], samples, columns)
        synthesis.add(0, spectra[..., :columns])
        return synthesis.audio()


class Synthesis:
    """``STFT.inverse`` in parts: spectra are added one part after the other.

    Args:
        transform: ``STFT``.
        shape: Shape of the audio without its last axis, such as (channels,).
        samples: Length of the audio.
        columns: Number of columns that will be added; default that of ``samples``.
    """

    def __init__(
        self, transform: STFT, shape: tuple[int, ...], samples: int, columns: int | None = None
    ) -> None:
        self._transform, self._samples = transform, samples
        most = transform.columns(samples)
        # each part of a grain, one hop long, falls into exactly one hop
        self._parts = -(-transform.size // transform.hop)
        self._hops = np.zeros((*shape, most + self._parts - 1, transform.hop), np.float32)
        self._weight = np.zeros(self._hops.shape[-2:], np.float32)
        square = self._in_parts(np.square(_window(transform.size)))
        columns = most if columns is None else columns
        for part in range(self._parts):
            self._weight[part : part + columns] += square[part]

    def add(self, start: int, spectra: np.ndarray) -> None:
        """Add spectra (*shape, bins, columns) that begin at column ``start``."""
        import scipy.fft

        size, columns = self._transform.size, spectra.shape[-1]
        grains = scipy.fft.irfft(np.swapaxes(spectra, -1, -2), size, axis=-1)
        parts = self._in_parts(grains.astype(np.float32, copy=False) * _window(size))
        for part in range(self._parts):
            self._hops[..., start + part : start + part + columns, :] += parts[..., part, :]

    def _in_parts(self, grains):
        """Cut grains (..., size), padded with zeros, into (..., parts, hop)."""
        missing = self._parts * self._transform.hop - self._transform.size
        if missing:
            grains = np.pad(grains, [(0, 0)] * (grains.ndim - 1) + [(0, missing)])
        return grains.reshape(*grains.shape[:-1], self._parts, self._transform.hop)

    def audio(self) -> np.ndarray:
        """Return the audio after every column has been added: (*shape, samples) float32."""
        first = self._transform.before
        inside = slice(first, first + self._samples)
        audio = self._hops.reshape(*self._hops.shape[:-2], -1)[..., inside]
        return audio / np.maximum(self._weight.ravel()[inside], _FEWEST_WEIGHT)


@functools.lru_cache(maxsize=8)
def _window(size, dtype=np.float32):
    """Periodic Hann window, read-only."""
    from scipy.signal import get_window

    window = get_window("hann", size).astype(dtype)
    window.setflags(write=False)
    return window


class CQT(NamedTuple):
    """Constant-Q transform of librosa (Schoerkhuber and Klapuri 2010), bins equally wide in pitch.

    Attributes:
        sample_rate: Hz.
        hop: Distance of columns in samples; a multiple of ``2 ** (octaves - 1)``.
        lowest: Frequency of the lowest bin in Hz.
        bins: Number of frequencies.
        bins_per_octave: Number of bins per octave.
    """

    sample_rate: int
    hop: int
    lowest: float
    bins: int
    bins_per_octave: int

    @property
    def full_scale(self) -> np.ndarray:
        """Magnitude of a sine of amplitude 1 in each bin: (bins, 1) float64."""
        from librosa import cqt_frequencies
        from librosa.filters import wavelet_lengths

        frequencies = cqt_frequencies(
            self.bins, fmin=self.lowest, bins_per_octave=self.bins_per_octave
        )
        lengths, _ = wavelet_lengths(freqs=frequencies, sr=self.sample_rate)
        return np.sqrt(lengths)[:, np.newaxis] / 2

    def columns(self, samples: int) -> int:
        """Number of columns for a length of audio: one for each hop that begins in it."""
        return 1 + samples // self.hop

    def forward(self, audio: np.ndarray) -> np.ndarray:
        """Spectra (..., bins, columns) complex64 of audio (..., samples) float32."""
        import librosa

        audio = np.asarray(audio, np.float32)
        return by_column(librosa.cqt(audio, n_bins=self.bins, **self._settings()), np.complex64)

    def inverse(self, spectra: np.ndarray, samples: int | None = None) -> np.ndarray:
        """Approximate inverse; frequencies below the lowest or above the highest bin are lost.

        Args:
            spectra: (..., bins, columns).
            samples: Length of the audio; default ``(columns - 1) * hop``.

        Returns:
            (..., samples) float32.
        """
        import librosa

        samples = (spectra.shape[-1] - 1) * self.hop if samples is None else samples
        return librosa.icqt(spectra, length=samples, **self._settings())

    def _settings(self):
        return {
            "sr": self.sample_rate,
            "hop_length": self.hop,
            "fmin": self.lowest,
            "bins_per_octave": self.bins_per_octave,
        }


class Mel(NamedTuple):
    """Triangular bands of equal height over the bins of an STFT, as librosa's (Slaney's mel scale).

    Attributes:
        sample_rate: Hz.
        size: Length of the STFT in samples.
        bands: Number of bands, from 0 Hz to half the sample rate.
    """

    sample_rate: int
    size: int
    bands: int

    @property
    def basis(self) -> np.ndarray:
        """Filters (bands, bins) float32, read-only; a band between two bins has a row of zeros."""
        return _mel_basis(self)

    def forward(self, power: np.ndarray) -> np.ndarray:
        """Convert power in bins, (..., bins, columns), to power in bands, (..., bands, columns)."""
        return np.matmul(self.basis, power)

    def inverse(self, power: np.ndarray, *, exact: bool = False) -> np.ndarray:
        """Find a power in bins that gives nearly the power in bands.

        Args:
            power: (bands, columns), not negative.
            exact: Solve with the constraint that no power is negative (slower), instead of setting
                negative values of the least-squares solution to 0.

        Returns:
            (bins, columns), not negative.
        """
        if exact:
            from librosa.util import nnls

            return nnls(self.basis, power)
        return np.maximum(_mel_inverse(self) @ power, 0)

    def smooth_inverse(self, power: np.ndarray, updates: int = 8) -> np.ndarray:
        """Find a power in bins that has nearly the power in bands, and no gaps between them.

        Levels are interpolated between the middles of the bands, and improved by multiplicative
        updates (Richardson 1972; Lee and Seung 2001, eq. 5). ``inverse`` sets many bins to 0, whose
        neighbours then are heard in all of the valleys between partials.

        Args:
            power: (bands, columns), not negative.
            updates: Number of them.

        Returns:
            (bins, columns) float32, not negative.
        """
        basis, below, share = _mel_between(self)
        means = np.maximum(power, _SMALLEST**2) / basis.sum(axis=1)[:, np.newaxis]
        logarithm = np.log(means)
        found = np.exp((1 - share) * logarithm[below] + share * logarithm[below + 1])
        weights = np.maximum(basis.sum(axis=0), 1e-6)[:, np.newaxis]
        for _ in range(updates):
            ratio = power / np.maximum(basis @ found, _SMALLEST**2)
            found *= basis.T @ ratio / weights
        return found.astype(np.float32)


@functools.lru_cache(maxsize=4)
def _mel_between(mel):
    """Sparse filters; for each bin the last band below it, and its share of the way to the next."""
    from scipy.sparse import csr_array

    basis = mel.basis.astype(float)
    bins = np.arange(basis.shape[1])
    middles = (basis @ bins) / basis.sum(axis=1)
    place = np.interp(bins, middles, np.arange(mel.bands))
    below = np.minimum(place.astype(int), mel.bands - 2)
    return csr_array(basis), below, (place - below)[:, np.newaxis]


@functools.lru_cache(maxsize=4)
def _mel_basis(mel):
    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty bands
        basis = librosa.filters.mel(sr=mel.sample_rate, n_fft=mel.size, n_mels=mel.bands, norm=None)
    basis.setflags(write=False)
    return basis


@functools.lru_cache(maxsize=4)
def _mel_inverse(mel):
    return np.linalg.pinv(mel.basis).astype(np.float32)


def decibels(magnitude: np.ndarray) -> np.ndarray:
    """Convert magnitudes to dB (20 log10); float32, at least -200."""
    return 20 * np.log10(np.maximum(np.asarray(magnitude, np.float32), _SMALLEST))


class Scale(NamedTuple):
    """Scale of an image: the levels in dB of the values 0 and 1; magnitudes beyond are clipped.

    Attributes:
        floor_db, ceiling_db: Levels in dB; 0 dB is magnitude 1.
    """

    floor_db: float
    ceiling_db: float

    @property
    def range_db(self) -> float:
        """Range of the scale in dB."""
        return self.ceiling_db - self.floor_db

    def place(self, level: np.ndarray) -> np.ndarray:
        """Map levels in dB to image values without clipping: 0 at the floor, 1 at the ceiling."""
        return (level - self.floor_db) / self.range_db

    def level(self, image: np.ndarray) -> np.ndarray:
        """Inverse of ``place``: map image values to levels in dB."""
        return image * self.range_db + self.floor_db

    def unclipped(self, magnitude: np.ndarray) -> np.ndarray:
        """``image`` without its limits."""
        return self.place(decibels(magnitude))

    def image(self, magnitude: np.ndarray) -> np.ndarray:
        """Convert magnitudes to an image: float32 in [0, 1], same shape."""
        return np.clip(self.unclipped(magnitude), 0, 1).astype(np.float32)

    def magnitude(self, image: np.ndarray) -> np.ndarray:
        """Inverse of ``image`` between floor and ceiling; float32."""
        level = self.level(np.asarray(image, np.float32))
        return np.float32(10) ** (level / 20).astype(np.float32)

    def change_to(self, other: Scale) -> tuple[float, float]:
        """``(factor, offset)``, so that clipped ``image * factor + offset`` has the other scale."""
        return (self.range_db / other.range_db, (self.floor_db - other.floor_db) / other.range_db)

    def to(self, other: Scale, image: np.ndarray) -> np.ndarray:
        """Convert an image of this scale to another scale; float32."""
        factor, offset = self.change_to(other)
        moved = np.asarray(image, np.float32) * np.float32(factor) + offset
        return np.clip(moved, 0, 1).astype(np.float32)


def sound_of(
    magnitude: np.ndarray,
    transform: STFT | CQT,
    rng: np.random.Generator,
    iterations: int = _ITERATIONS,
) -> np.ndarray:
    """Audio of a magnitude, with its phase found by ``griffin_lim`` from a random one.

    Args:
        magnitude: (bins, columns) float32.
        transform: Such as ``STFT``.
        rng: ``numpy.random.Generator``.
        iterations: Number of projections.

    Returns:
        ((columns - 1) * hop,) float32; may leave [-1, 1].
    """
    start = magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape)).astype(np.complex64)
    return transform.inverse(griffin_lim(magnitude, transform, start, iterations, _MOMENTUM))


class Images(NamedTuple):
    """Convert audio to images of a fixed size, and images to sound.

    Magnitudes are divided by ``full_scale`` of the transform first, so that levels have the same
    meaning with every transform: 0 dB is a sine of amplitude 1.

    Attributes:
        transform: Such as ``STFT``, ``CQT`` or ``common.audio.nsgt.NSGT``.
        scale: ``Scale``, or an object with its methods ``unclipped`` and ``magnitude``.
        columns: Number of columns of an image.
        mel: ``Mel`` for power in bands; None for the bins of the transform. Needs ``Scale``.
        bins: Rows of an image without ``mel``, from the lowest on; None for all.
    """

    transform: Any
    scale: Any
    columns: int
    mel: Mel | None = None
    bins: int | None = None

    @property
    def samples(self) -> int:
        """Length in samples of the audio in one image."""
        return (self.columns - 1) * self.transform.hop

    def spectra(self, audio: np.ndarray) -> np.ndarray:
        """Spectra of the audio in one image: (bins of the transform, columns) complex64."""
        padded = np.zeros(self.samples)  # double precision, because the faintest bins matter, too
        padded[: min(audio.size, self.samples)] = audio[: self.samples]
        return self.transform.forward(padded).astype(np.complex64, copy=False)

    def unclipped(self, audio: np.ndarray) -> np.ndarray:
        """``image`` without clipping: (bins, columns) float32, above 1 if too loud."""
        amplitude = np.abs(self.spectra(audio)) * np.float32(1 / self.transform.full_scale)
        if self.mel is None:
            return self.scale.unclipped(amplitude[: self.bins])
        power = self.mel.forward(amplitude**2)
        return self.scale.place(10 * np.log10(np.maximum(power, _SMALLEST**2)))

    def image(self, audio: np.ndarray) -> np.ndarray:
        """Convert the beginning of audio (samples,) to an image; missing audio counts as silence.

        Returns:
            (bins, columns) float32 in [0, 1].
        """
        return np.clip(self.unclipped(audio), 0, 1).astype(np.float32)

    def magnitude(self, image: np.ndarray, *, exact: bool = False) -> np.ndarray:
        """Convert an image to magnitudes of the transform; 0 becomes silence.

        Args:
            image: (bins, columns) in [0, 1], of any number of columns.
            exact: As in ``Mel.inverse``.

        Returns:
            (bins of the transform, columns) float32.
        """
        image = np.clip(np.asarray(image, np.float32), 0, 1)
        found = np.where(image > 0, self.scale.magnitude(image), np.float32(0))
        if self.mel is not None:
            found = np.sqrt(self.mel.inverse(found**2, exact=exact))
        found = np.pad(found, [(0, self.transform.bins - len(found)), (0, 0)])
        return (found * self.transform.full_scale).astype(np.float32)

    def audio(
        self,
        image: np.ndarray,
        rng: np.random.Generator,
        *,
        exact: bool = False,
        iterations: int = _ITERATIONS,
    ) -> np.ndarray:
        """Convert an image to sound by ``griffin_lim``, started from a random phase.

        Args:
            image: As in ``magnitude``.
            rng: ``numpy.random.Generator``.
            exact: As in ``Mel.inverse``.
            iterations: Number of projections.

        Returns:
            ((columns - 1) * hop,) float32; may leave [-1, 1].
        """
        return sound_of(self.magnitude(image, exact=exact), self.transform, rng, iterations)
