"""Non-stationary Gabor transform with bands that are equally wide on a scale of pitch.

The transform (Balazs et al. 2011; Velasco et al. 2011 for constant-Q, Necciari et al. 2013 for
ERB) filters the whole audio into bands by its Fourier transform. Here all bands have one rate, so
that their magnitudes make an image. ``NSGT`` has the methods of the transforms of
``common.audio.spectrograms`` and works with its ``Images`` and with ``griffin_lim``.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from common.audio.phase import by_column
from common.cli import UserError

# scale -> (position on the scale of a frequency in Hz, inverse)
SCALES = {
    "constant-q": (np.log2, np.exp2),
    "mel": (  # O'Shaughnessy 1987
        lambda hertz: 2595 * np.log10(1 + hertz / 700),
        lambda mel: 700 * (10 ** (mel / 2595) - 1),
    ),
    "erb": (  # Glasberg and Moore 1990, eq. 4
        lambda hertz: 21.4 * np.log10(1 + 0.00437 * hertz),
        lambda number: (10 ** (number / 21.4) - 1) / 0.00437,
    ),
}


_FAINT = 1e-6  # relative to the largest magnitude; below, no peak is looked for


class NSGT(NamedTuple):
    """Non-stationary Gabor transform; column k is centred on ``k * hop``.

    The centres of the bands are equally spaced on the scale. A band has the shape of a Hann window
    on the scale, 1 at its centre and 0 at the centres of its neighbours; the lowest one reaches
    down to 0 Hz. Audio counts as periodic, with at least one hop of silence between end and
    beginning. A coefficient is a sample of the analytic signal of its band.

    Attributes:
        sample_rate: Hz.
        hop: Distance of columns in samples; see ``check``.
        scale: Name in ``SCALES``.
        lowest, highest: Centres of the first and the last band in Hz.
        bins: Number of bands, at least 3.
    """

    sample_rate: int
    hop: int
    scale: str
    lowest: float
    highest: float
    bins: int

    @property
    def full_scale(self) -> float:
        """Magnitude of a sine of amplitude 1 in the middle of a bin."""
        return 1.0

    @property
    def frequencies(self) -> np.ndarray:
        """Centres of the bands in Hz: (bins,) float64."""
        position, inverse = SCALES[self.scale]
        ends = position(float(self.lowest)), position(float(self.highest))
        return inverse(np.linspace(*ends, self.bins))

    @property
    def is_exact(self) -> bool:
        """Whether ``inverse`` gives all audio back, because the highest band can take all above it.

        Otherwise frequencies above ``highest`` are lost; those between the centres come back.
        """
        return bool(self.sample_rate / 2 - self.frequencies[-2] <= self.sample_rate / self.hop)

    def check(self) -> NSGT:
        """Raise ``UserError`` where a band is wider than the rate of the columns; else return self.

        Then no band contains two frequencies that its samples cannot tell apart (the "painless"
        case of Daubechies, Grossmann and Meyer 1986), and the inverse is exact.
        """
        if not 0 <= self.lowest < self.highest <= self.sample_rate / 2 or self.bins < 3:
            raise UserError(
                f"bands from {self.lowest:g} to {self.highest:g} Hz: give at least three between 0 "
                f"and {self.sample_rate / 2:g} Hz"
            )
        if self.scale == "constant-q" and self.lowest == 0:
            raise UserError("bands of constant Q from 0 Hz: begin above 0 Hz")
        position, inverse = SCALES[self.scale]
        below, last = position(self.frequencies[-2:])
        above = self.sample_rate / 2
        if not self.is_exact:
            above = min(above, inverse(2 * last - below))
        edges = np.array([0, *self.frequencies, above])
        widest = (edges[2:] - edges[:-2]).max()
        if widest > self.sample_rate / self.hop:
            raise UserError(
                f"hop of {self.hop} samples: too long for a band {widest:.1f} Hz wide; take at "
                f"most {int(self.sample_rate / widest)}, or more bins"
            )
        return self

    def columns(self, samples: int) -> int:
        """Number of columns for a length of audio: one per hop, and one for its end."""
        return 1 + -(-samples // self.hop)

    def forward(self, audio: np.ndarray) -> np.ndarray:
        """Spectra (..., bins, columns) complex64 of audio (..., samples); complex128 of float64."""
        import scipy.fft

        audio = np.asarray(audio)
        if audio.dtype != np.float64:
            audio = audio.astype(np.float32, copy=False)
        columns = self.columns(audio.shape[-1])
        lines = _lines(self, columns)
        spectrum = scipy.fft.rfft(audio, columns * self.hop, axis=-1)[..., : lines.places.shape[-1]]
        bands = np.zeros((*audio.shape[:-1], self.bins * columns), spectrum.dtype)
        for places, weights in zip(lines.places, lines.weights, strict=True):
            bands[..., places] = spectrum * weights.astype(audio.dtype)
        bands = bands.reshape(*audio.shape[:-1], self.bins, columns)
        # one side of the spectrum has half of the amplitude
        bands = scipy.fft.ifft(bands, axis=-1, overwrite_x=True)
        bands *= 2 / self.hop
        return by_column(bands, bands.dtype)

    def inverse(self, spectra: np.ndarray, samples: int | None = None) -> np.ndarray:
        """Audio whose spectra are closest to the given ones.

        Args:
            spectra: (..., bins, columns).
            samples: Length of the audio, at most ``columns * hop``; default ``(columns - 1) *
                hop``.

        Returns:
            (..., samples) float32; float64 for complex128.
        """
        import scipy.fft

        columns = spectra.shape[-1]
        samples = (columns - 1) * self.hop if samples is None else samples
        lines = _lines(self, columns)
        bands = scipy.fft.fft(np.ascontiguousarray(spectra), axis=-1)
        bands = bands.reshape(*spectra.shape[:-2], -1)
        spectrum = sum(
            bands[..., places] * weights.astype(bands.real.dtype)
            for places, weights in zip(lines.places, lines.duals, strict=True)
        )
        spectrum *= self.hop / 2
        return scipy.fft.irfft(spectrum, columns * self.hop, axis=-1)[..., :samples]

    def estimate_phase(self, magnitude: np.ndarray) -> np.ndarray:
        """Guess a phase from which ``griffin_lim`` comes further than from a random one.

        All bands around a peak of a column have the phase of its frequency, which is integrated
        over time, as in single pass spectrogram inversion (Beauregard, Harish and Wyse 2015).

        Args:
            magnitude: (bins, columns).

        Returns:
            Radians, same shape.
        """
        position, inverse = SCALES[self.scale]
        low, high = position(float(self.lowest)), position(float(self.highest))
        level = np.log(np.maximum(magnitude, _FAINT * max(float(np.max(magnitude)), _FAINT)))
        around = np.pad(level, [(1, 1), (0, 0)], constant_values=-np.inf)
        below, above = around[:-2], around[2:]
        is_peak = (level > below) & (level >= above)
        with np.errstate(invalid="ignore"):  # at the lowest and the highest band
            bend = below - 2 * level + above
            shift = (below - above) / (2 * np.where(bend < 0, bend, -1))
        shift = np.where(np.isfinite(shift) & is_peak, np.clip(shift, -0.5, 0.5), 0)
        bands = np.arange(self.bins)[:, np.newaxis]
        hertz = inverse(low + (high - low) * (bands + shift) / (self.bins - 1))
        # the nearest peak in each direction
        far = 2 * self.bins
        lower = np.maximum.accumulate(np.where(is_peak, bands, -far), axis=0)
        upper = np.minimum.accumulate(np.where(is_peak, bands, far)[::-1], axis=0)[::-1]
        nearest = np.where(bands - lower <= upper - bands, lower, upper)
        nearest = np.where((nearest < 0) | (nearest >= self.bins), bands, nearest)
        steps = np.take_along_axis(hertz, nearest, axis=0) * (self.hop / self.sample_rate)
        return 2 * np.pi * (np.cumsum(steps, axis=1) % 1)


class Lines(NamedTuple):
    """Where the lines of a Fourier transform of the whole audio go; each is in two bands at most.

    Attributes:
        places: (2, lines) indices in flattened (bins, columns): lower and upper band of each line.
        weights: (2, lines) of analysis.
        duals: (2, lines) of synthesis, the weights divided by the frame operator.
    """

    places: np.ndarray
    weights: np.ndarray
    duals: np.ndarray


@functools.lru_cache(maxsize=8)
def _lines(transform, columns):
    transform.check()
    length = columns * transform.hop
    number = np.arange(length // 2 + 1)
    position, _ = SCALES[transform.scale]
    low, high = position(float(transform.lowest)), position(float(transform.highest))
    hertz = np.maximum(number * transform.sample_rate / length, transform.lowest)
    place = (position(hertz) - low) / (high - low) * (transform.bins - 1)
    last = transform.bins - 1
    if transform.is_exact:
        place = np.minimum(place, last)
    place = place[place < transform.bins]
    lower = np.minimum(place.astype(int), last - 1)
    share = place - lower  # beyond 1 above the highest centre
    weights = np.cos(np.pi / 2 * np.stack([share, share - 1])) ** 2
    weights[0, share > 1] = 0
    operator = np.where(share > 1, 1, np.square(weights).sum(axis=0))
    bands = np.stack([lower, lower + 1])
    places = bands * columns + number[: place.size] % columns
    found = Lines(places, weights, weights / operator)
    for array in found:
        array.setflags(write=False)
    return found
