"""Columns: spectra of 40 ms of sound, every 10 ms, by five transforms; and sound of columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from common.audio.nsgt import NSGT, SCALES
from common.audio.phase import griffin_lim
from common.audio.spectrograms import STFT, decibels, sound_of
from common.cli import UserError

KINDS = ("stft", "dct", "cqt", "mel", "erb")
FLOOR_DB = -80.0  # levels below count as silence; 0 dB is a sine of full scale
RATE = 100  # columns a second
BANDS = 30  # of the common spectrum, a little wider than critical bands
_LOWEST, _HIGHEST, _BINS = 64.0, 8000.0, 168  # Hz; 168 bins are 24 an octave
_STEPS = 5  # columns of a Gabor transform from one of our columns to the next
_WINDOW = 4  # columns: 40 ms
_ITERATIONS, _MOMENTUM = 32, 0.99  # of Griffin-Lim
_PADDING = 32  # columns of silence behind the sound, because the Gabor transform is periodic
_SCALES = {"cqt": "constant-q", "mel": "mel", "erb": "erb"}


class Spectra(NamedTuple):
    """Settings of columns.

    Attributes:
        kind: "stft" and "dct" with a window of 40 ms; "cqt", "mel" and "erb": 168 bands of a
            non-stationary Gabor transform from 64 to 8000 Hz, their power averaged over 40 ms.
        sample_rate: Hz, at least 16000.
    """

    kind: str = "erb"
    sample_rate: int = 16000

    def check(self) -> Spectra:
        """Raise ``UserError`` for settings that make no columns; else return them."""
        if self.kind not in KINDS:
            raise UserError(f"--transform {self.kind}: choose one of {', '.join(KINDS)}")
        if self.sample_rate < 2 * _HIGHEST:
            raise UserError(f"--sample_rate {self.sample_rate}: at least {2 * _HIGHEST:g}")
        return self

    @property
    def hop(self) -> int:
        """Distance of columns in samples."""
        return _STEPS * round(self.sample_rate / RATE / _STEPS)

    @property
    def transform(self) -> STFT | NSGT:
        """The transform; for "dct", the STFT of the same windows."""
        if self.kind in _SCALES:
            hop, scale = self.hop // _STEPS, _SCALES[self.kind]
            return NSGT(self.sample_rate, hop, scale, _LOWEST, _HIGHEST, _BINS).check()
        return STFT(_WINDOW * self.hop, self.hop)

    @property
    def frequencies(self) -> np.ndarray:
        """Frequency of each value of a column in Hz."""
        if self.kind in _SCALES:
            return self.transform.frequencies
        size = self.transform.size
        if self.kind == "dct":
            return np.arange(size) * self.sample_rate / (2 * size)
        return np.fft.rfftfreq(size, 1 / self.sample_rate)

    def columns(self, audio: np.ndarray) -> np.ndarray:
        """Levels in dB of audio (samples,), at least ``FLOOR_DB``: (columns, bins) float32."""
        import scipy.fft
        import scipy.ndimage

        if self.kind == "dct":
            size = self.transform.size
            window = np.hanning(size + 1)[:-1]
            padded = np.pad(np.asarray(audio, np.float64), size // 2)
            grains = np.lib.stride_tricks.sliding_window_view(padded, size)[:: self.hop]
            amplitude = np.abs(scipy.fft.dct(grains * window, axis=1)) / window.sum()
        else:
            spectra = self.transform.forward(np.asarray(audio, np.float64)).T
            amplitude = np.abs(spectra) / self.transform.full_scale
        if self.kind in _SCALES:
            power = scipy.ndimage.uniform_filter1d(
                amplitude**2, _WINDOW * _STEPS, axis=0, mode="constant"
            )
            amplitude = np.sqrt(np.maximum(power[::_STEPS], 0))
        return np.maximum(decibels(amplitude), FLOOR_DB).astype(np.float32)

    def audio(self, levels: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Sound of columns, with a phase by Griffin-Lim.

        Args:
            levels: (columns, bins) in dB; ``FLOOR_DB`` and less is silence.
            seed: Random seed of the first phase, where there is a random one.

        Returns:
            (columns * hop,) float32; may leave [-1, 1].

        Raises:
            UserError: The transform is "dct", whose columns make no sound.
        """
        if self.kind == "dct":
            raise UserError("columns of a DCT make no sound; train on another --transform")
        transform = self.transform
        samples = len(levels) * self.hop
        steps = _STEPS if self.kind in _SCALES else 1
        place = np.minimum(np.arange(len(levels) * steps) / steps, len(levels) - 1)
        before = place.astype(int)
        after, share = np.minimum(before + 1, len(levels) - 1), (place - before)[:, np.newaxis]
        fine = (1 - share) * levels[before] + share * levels[after]
        amplitude = np.where(fine > FLOOR_DB, 10 ** (fine / 20), 0) * transform.full_scale
        magnitude = np.pad(amplitude.T, [(0, 0), (0, _PADDING)]).astype(np.float32)
        if steps == 1:
            return sound_of(magnitude, transform, np.random.default_rng(seed))[:samples]
        start = magnitude * np.exp(1j * transform.estimate_phase(magnitude))
        found = griffin_lim(magnitude, transform, start, _ITERATIONS, _MOMENTUM)
        return transform.inverse(found)[:samples]

    def common(self, levels: np.ndarray) -> np.ndarray:
        """Levels in dB of columns (columns, bins) in bands that all transforms share.

        The ``BANDS`` are equally wide on the ERB scale, from 64 to 8000 Hz. So the errors of
        models of different transforms can be compared: (columns, BANDS).
        """
        position, _ = SCALES["erb"]
        low, high = position(_LOWEST), position(_HIGHEST)
        place = (position(self.frequencies) - low) / (high - low) * BANDS
        band = np.where((place >= 0) & (place <= BANDS), np.minimum(place, BANDS - 1), -1)
        belongs = np.arange(BANDS) == np.floor(band)[:, np.newaxis]
        return 10 * np.log10(10 ** (np.asarray(levels, np.float64) / 10) @ belongs + 1e-8)
