"""Spectrogram images of a fixed size, and their conversion to audio.

The scale is absolute: the values 0 and 1 of an image mean ``floor_db`` and ``ceiling_db``, where
0 dB is a full-scale sine. So an image can be converted to audio without the recording it came from.
"""

from typing import NamedTuple

import numpy as np

from common.audio.spectrograms import STFT, Images, Mel, Scale, decibels
from common.cli import UserError
from common.files.audio import safe_peak

KINDS = ("mel", "log", "linear")
DEFAULT_FFT = {"mel": 2048, "log": 512, "linear": 512}  # samples, for 256 bins
FRAMES = 64  # columns of the default duration


class Spectrogram(NamedTuple):
    """Settings of a spectrogram, with methods that convert between audio and images.

    Attributes:
        kind: "mel": power in mel bands, in dB; "log": amplitude in dB; "linear": amplitude.
        sample_rate: Hz.
        sample_rate: Hz.
        fft_size, hop: In samples.
        bins: Number of mel bands, or of FFT bins from 0 Hz on.
        frames: Number of columns of an image.
        floor_db, ceiling_db: Levels of the values 0 and 1; for "linear", 0 means silence.
    """

    kind: str = "mel"
    sample_rate: int = 16000
    fft_size: int = 2048
    hop: int = 512
    bins: int = 256
    frames: int = FRAMES
    floor_db: float = -80.0
    ceiling_db: float = 0.0

    @property
    def samples(self) -> int:
        """Length in samples of the audio in one image."""
        return (self.frames - 1) * self.hop

    @property
    def seconds(self) -> float:
        """Length in seconds of the audio in one image."""
        return self.samples / self.sample_rate

    def check(self) -> "Spectrogram":
        """Raise ``UserError`` if the settings do not fit together; otherwise return them."""
        if self.kind not in KINDS:
            raise UserError(f"--spectrogram {self.kind}: choose one of {', '.join(KINDS)}")
        if self.kind != "mel" and self.bins > self.fft_size // 2 + 1:
            raise UserError(
                f"--bins {self.bins}: an FFT of {self.fft_size} has {self.fft_size // 2 + 1}; "
                "raise --fft_size"
            )
        if self.floor_db >= self.ceiling_db:
            raise UserError(f"--floor_db {self.floor_db}: must be below {self.ceiling_db}")
        if self.hop > self.fft_size // 2:
            raise UserError(
                f"--hop {self.hop}: at most half of --fft_size, or nothing can be heard again"
            )
        if self.kind == "mel" and not self.images.mel.basis.any(axis=1).all():
            raise UserError(
                f"--bins {self.bins}: some mel bands lie between the bins of --fft_size "
                f"{self.fft_size}; raise it, or take fewer bins"
            )
        return self

    @property
    def images(self) -> Images:
        """The converter ``common.audio.spectrograms.Images`` for these settings."""
        limits = self.floor_db, self.ceiling_db
        return Images(
            STFT(self.fft_size, self.hop),
            Linear(*limits) if self.kind == "linear" else Scale(*limits),
            self.frames,
            Mel(self.sample_rate, self.fft_size, self.bins) if self.kind == "mel" else None,
            self.bins,
        )

    def image(self, audio: np.ndarray) -> tuple[np.ndarray, float]:
        """Convert the beginning of audio to an image; missing audio counts as silence.

        Args:
            audio: (samples,) in [-1, 1], at ``sample_rate``.

        Returns:
            ``(image, clipped)``: (bins, columns) float32 in [0, 1]; share of the values that were
            above ``ceiling_db`` and were clipped.
        """
        raw = self.images.unclipped(audio)
        return np.clip(raw, 0, 1).astype(np.float32), float((raw > 1).mean())

    def decibels(self, image: np.ndarray) -> np.ndarray:
        """Convert the values of an image to dB."""
        return self.images.scale.level(image)

    def audio(self, image: np.ndarray, *, seed: int = 0, exact: bool = False) -> np.ndarray:
        """Convert an image to audio by Griffin-Lim (1984) with momentum (Perraudin et al. 2013).

        Args:
            image: (bins, columns) in [0, 1]; any number of columns.
            seed: Random seed for the initial phase.
            exact: Solve for the mel spectrum with the constraint that no power is negative
                (slower), instead of setting negative values of the least-squares solution to 0.

        Returns:
            ((columns - 1) * hop,) float32, turned down where it would leave [-1, 1].
        """
        return safe_peak(self.images.audio(image, np.random.default_rng(seed), exact=exact))


class Linear(Scale):
    """Linear scale: 0 means silence, 1 means ``ceiling_db``."""

    def unclipped(self, magnitude: np.ndarray) -> np.ndarray:
        """Divide amplitudes by that of the ceiling."""
        return magnitude / 10 ** (self.ceiling_db / 20)

    def magnitude(self, image: np.ndarray) -> np.ndarray:
        """Inverse of ``unclipped``."""
        return image * np.float32(10 ** (self.ceiling_db / 20))

    def level(self, image: np.ndarray) -> np.ndarray:
        """Convert the values of an image to dB, at least ``floor_db``."""
        return np.maximum(decibels(self.magnitude(image)), self.floor_db)
