"""The codec: audio <-> short-time spectra <-> images in [0, 1].

Windows of four hops, periodic Hann, as NoaCahan/TimeStretching has them: 2048 samples and a hop of
512 at 16 kHz, 1025 bins. Spectra are not normalised: a sine of full range has magnitude 512 (54 dB)
there. Arrays are (..., columns, bins), audio (..., samples). No function modifies its arguments.
"""

from typing import NamedTuple

import numpy as np

SAMPLE_RATE = 16000  # Hz, of the networks
HOP = 512  # samples, at that rate
OVERLAP = 4  # hops in a window
BINS = OVERLAP * HOP // 2 + 1
_SMALLEST = 1e-10  # magnitude, far below every floor
_FEWEST = 8  # samples of a hop


class Transform(NamedTuple):
    """A short-time Fourier transform; column k is centred on sample ``k * hop``.

    Attributes:
        hop: Samples from column to column, a quarter of the window.
    """

    hop: int = HOP

    @classmethod
    def at(cls, sample_rate):
        """The transform whose hop and window last as long at another rate, in Hz."""
        return cls(max(round(HOP * sample_rate / SAMPLE_RATE), _FEWEST))

    @property
    def window(self):
        """Periodic Hann window of four hops, float32."""
        from scipy.signal import get_window  # not above: --help would take three times as long

        return get_window("hann", OVERLAP * self.hop).astype(np.float32)

    def columns(self, samples):
        """Number of columns of a signal: one per hop, the last hop completed with zeros."""
        return 1 + -(-samples // self.hop)

    def forward(self, audio, start=0, stop=None):
        """Spectra of columns ``start`` to ``stop``; before and after the signal there are zeros.

        Args:
            audio: (..., samples), real.
            start, stop: Columns; any range, default all.

        Returns:
            (..., stop - start, bins) complex64.
        """
        import scipy.fft

        audio = np.asarray(audio, np.float32)
        samples = audio.shape[-1]
        stop = self.columns(samples) if stop is None else stop
        reach = OVERLAP // 2 * self.hop
        first, last = start * self.hop - reach, (stop - 1) * self.hop + reach
        inside = audio[..., min(max(first, 0), samples) : max(last, 0)]
        before = max(min(-first, last - first), 0)
        padding = [(0, 0)] * (audio.ndim - 1)
        padding.append((before, last - first - before - inside.shape[-1]))
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(inside, padding), OVERLAP * self.hop, axis=-1
        )
        return scipy.fft.rfft(windows[..., :: self.hop, :] * self.window, axis=-1)

    def inverse(self, spectra, samples=None):
        """Audio of spectra: (..., samples) float32, by default ``(columns - 1) * hop`` of them.

        The least-squares signal (Griffin and Lim 1984, eq. 6).
        """
        columns = spectra.shape[-2]
        samples = (columns - 1) * self.hop if samples is None else samples
        synthesis = Synthesis(self, spectra.shape[:-2], samples)
        synthesis.add(0, spectra[..., : self.columns(samples), :])
        return synthesis.audio()


class Synthesis:
    """``Transform.inverse`` in parts: spectra are added as they come.

    Args:
        transform: ``Transform``.
        shape: Of the audio without its last axis, such as (channels,).
        samples: Length of the audio.
    """

    def __init__(self, transform, shape, samples):
        self._transform = transform
        self._samples = samples
        columns = transform.columns(samples)
        self._hops = np.zeros((*shape, columns + OVERLAP - 1, transform.hop), np.float32)
        square = np.square(transform.window).reshape(OVERLAP, transform.hop)
        self._weight = np.zeros((columns + OVERLAP - 1, transform.hop), np.float32)
        for part in range(OVERLAP):
            self._weight[part : part + columns] += square[part]

    def add(self, start, spectra):
        """Add spectra (*shape, columns, bins), the first of which is column ``start``."""
        import scipy.fft

        size = OVERLAP * self._transform.hop
        grains = scipy.fft.irfft(spectra, size, axis=-1) * self._transform.window
        columns = spectra.shape[-2]
        # with a hop of a quarter window each quarter of a grain falls into exactly one hop
        quarters = grains.reshape(*grains.shape[:-1], OVERLAP, self._transform.hop)
        for part in range(OVERLAP):
            self._hops[..., start + part : start + part + columns, :] += quarters[..., part, :]

    def audio(self):
        """The audio, when every column has been added: (*shape, samples) float32."""
        reach = OVERLAP // 2
        # where no window has weight there is no sample to return: all samples lie inside
        hops = self._hops[..., reach:, :] / np.maximum(self._weight[reach:], 1e-6)
        return hops.reshape(*hops.shape[:-2], -1)[..., : self._samples]


def decibels(magnitude):
    """20 log10 of magnitudes; float32, nothing below -200."""
    return 20 * np.log10(np.maximum(np.asarray(magnitude, np.float32), _SMALLEST))


class Scale(NamedTuple):
    """The dB that 0 and 1 of an image stand for; magnitudes beyond are clipped.

    Attributes:
        floor_db, ceiling_db: Of magnitudes that are not normalised.
    """

    floor_db: float
    ceiling_db: float

    @property
    def range_db(self):
        """dB from 0 to 1."""
        return self.ceiling_db - self.floor_db

    def image(self, magnitude):
        """Image of magnitudes: float32 in [0, 1], same shape."""
        image = (decibels(magnitude) - self.floor_db) / self.range_db
        return np.clip(image, 0, 1).astype(np.float32)

    def magnitude(self, image):
        """Inverse of ``image`` between floor and ceiling; float32."""
        level = np.asarray(image, np.float32) * self.range_db + self.floor_db
        return np.float32(10) ** (level / 20).astype(np.float32)

    def change_to(self, other):
        """Numbers such that ``image * factor + offset``, clipped to [0, 1], is of another scale."""
        return (
            self.range_db / other.range_db,
            (self.floor_db - other.floor_db) / other.range_db,
        )

    def to(self, other, image):
        """An image of this scale in another one; float32."""
        factor, offset = self.change_to(other)
        return np.clip(np.asarray(image, np.float32) * np.float32(factor) + offset, 0, 1).astype(
            np.float32
        )


PUBLISHED = Scale(-105.0, 25.0)  # clip((20 log10|X| - 25 + 130) / 130, 0, 1)
WIDE = Scale(-105.0, 55.0)  # of stores: nothing of a signal in [-1, 1] is clipped
