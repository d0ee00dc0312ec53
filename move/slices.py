"""Slices of a spectrogram: 500 Mel bands of a non-stationary Gabor transform by 125 ms."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from common.audio.fades import cross_fade
from common.audio.nsgt import NSGT
from common.audio.phase import griffin_lim
from common.audio.spectrograms import Images, Scale
from common.cli import UserError

COLUMNS = 16  # of a slice
HOP = COLUMNS // 2  # columns from one slice to the next in a recording
RATES = (22050, 16000)  # Hz; the first is that of the paper
RANGE_DB = 80.0
FAINT = 1 - 60 / RANGE_DB  # largest value of a slice that is taken for silence
_PUBLISHED_HOP = 172  # samples at 22,050 Hz: 40 slices are a note of five seconds
_MOMENTUM = 0.99  # of Griffin-Lim
_LOWEST, _HIGHEST = 30.0, 10000.0  # Hz
_SCALE = Scale(-RANGE_DB, 0.0)  # dB, relative to the loudest value of a note
_MOST_GAIN = 20.0  # dB by which a note is raised or lowered at most
# columns of silence behind the audio, into which what the transform takes for periodic may ring
_PADDING = 32


class Slices(NamedTuple):
    """Settings of an image and its slices.

    A note's image is relative to its loudest value, which is 1; 0 stands for 80 dB below.

    Attributes:
        sample_rate: Hz, one of ``RATES``.
        bins: Number of Mel bands.
    """

    sample_rate: int = RATES[0]
    bins: int = 500

    def check(self) -> "Slices":
        """Raise ``UserError`` for settings that make no image; else return them."""
        if self.sample_rate not in RATES:
            raise UserError(f"--sample_rate {self.sample_rate}: choose one of {RATES}")
        self.transform.check()
        return self

    @property
    def hop(self) -> int:
        """Distance of columns in samples: 7.8 ms."""
        return round(_PUBLISHED_HOP * self.sample_rate / RATES[0])

    @property
    def transform(self) -> NSGT:
        """``common.audio.nsgt.NSGT`` of the images."""
        highest = min(_HIGHEST, self.sample_rate / 2)
        return NSGT(self.sample_rate, self.hop, "mel", _LOWEST, highest, self.bins)

    @property
    def samples(self) -> int:
        """Samples of a slice."""
        return COLUMNS * self.hop

    def images(self, columns: int) -> Images:
        """``common.audio.spectrograms.Images`` of a number of columns."""
        return Images(self.transform, _SCALE, columns)

    def image(self, audio: np.ndarray) -> tuple[np.ndarray, float]:
        """Image of an audio of any length.

        Args:
            audio: (samples,) float32 at ``sample_rate``.

        Returns:
            ``(image, peak)``: (bins, columns) float32 in [0, 1], a whole number of slices wide; the
            largest magnitude, which is 1 in the image. The image of silence is 0, its peak 0.
        """
        columns = COLUMNS * max(-(-audio.size // self.samples), 1)
        padded = np.zeros((columns + _PADDING - 1) * self.hop, np.float32)
        padded[: audio.size] = audio
        magnitude = np.abs(self.transform.forward(padded))[:, :columns]
        peak = float(magnitude.max())
        if peak == 0:
            return np.zeros_like(magnitude), 0.0
        return _SCALE.image(magnitude / peak), peak

    def audio(
        self,
        image: np.ndarray,
        iterations: int,
        peak: float = 1.0,
        known: Sequence[float] | np.ndarray = (),
    ) -> np.ndarray:
        """Sound of an image, its phase by the fast Griffin-Lim algorithm.

        Args:
            image: (bins, columns), at least 0; may exceed 1.
            iterations: Number of projections.
            peak: Magnitude that 1 stands for.
            known: Audio (samples,) with which the sound begins; a whole number of hops.

        Returns:
            (columns * hop,) float32; may leave [-1, 1].
        """
        transform, columns = self.transform, image.shape[1]
        padded = np.pad(image, [(0, 0), (0, _PADDING)])
        magnitude = _magnitude(padded) * np.float32(peak)
        start = magnitude * np.exp(1j * transform.estimate_phase(magnitude))
        begun = len(known) // (2 * self.hop)  # later columns hear of what is not known
        if begun:
            whole = np.zeros((columns + _PADDING - 1) * self.hop, np.float32)
            whole[: len(known)] = known
            start[:, :begun] = transform.forward(whole)[:, :begun]
        found = griffin_lim(magnitude, transform, start, iterations, _MOMENTUM, known=begun)
        return transform.inverse(found)[: columns * self.hop]


def cut(image: np.ndarray, hop: int = HOP) -> np.ndarray:
    """Slices (slices, bins, COLUMNS) of an image (bins, columns), ``hop`` columns apart."""
    starts = range(0, image.shape[1] - COLUMNS + 1, hop)
    return np.stack([image[:, start : start + COLUMNS] for start in starts])


def _magnitude(image):
    """Magnitudes of values, of which 0 is silence."""
    return np.where(image > 0, _SCALE.magnitude(image), np.float32(0))


def join(slices: np.ndarray) -> np.ndarray:
    """Image (bins, columns) of slices (slices, bins, COLUMNS) of a note that overlap by half."""
    return cross_fade(slices, HOP)


def join_notes(slices: np.ndarray) -> np.ndarray:
    """Like ``join``, for slices that may belong to different notes: magnitudes are cross-faded.

    Cross-fading levels would make a partial that only one of two slices has drop by many decibels,
    which leaves a gap wherever the pitch changes.
    """
    joined = cross_fade(_magnitude(slices), HOP)
    return np.maximum(_SCALE.unclipped(joined), 0).astype(np.float32)


def as_loud(made: np.ndarray, given: np.ndarray, ages: Sequence[int] | np.ndarray) -> np.ndarray:
    """Slices whose notes have the same energy as those that they were made from.

    Each note gets one gain, at most 20 dB, so that it still decays as its instrument does: a note
    of a piano that was made from one of a violin still fades.

    Args:
        made, given: (slices, bins, COLUMNS), on the same scale.
        ages: Half slices since the note began, (slices,); a note begins where it is 0.

    Returns:
        As ``made``, float32; values may exceed 1.
    """
    powers = [np.square(_magnitude(slices)).sum(axis=(1, 2)) for slices in (given, made)]
    notes = np.cumsum(np.asarray(ages) == 0)
    wanted, found = (np.bincount(notes, power) for power in powers)
    sounds = (wanted > 0) & (found > 0)
    gains = np.zeros(wanted.size)
    gains[sounds] = 10 * np.log10(wanted[sounds] / found[sounds])
    change = np.clip(gains, -_MOST_GAIN, _MOST_GAIN)[notes] / RANGE_DB
    changed = np.maximum(made + change[:, np.newaxis, np.newaxis], 0)
    return np.where(made > 0, changed, 0).astype(np.float32)
