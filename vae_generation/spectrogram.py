"""Spectrograms of one fixed size, and the way back to sound.

The scale is absolute: 0 and 1 of an image stand for ``floor_db`` and ``ceiling_db``, where 0 dB is
a sine of full range. So every image can be heard without the recording that it came from.
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
    """Settings of a spectrogram; its methods go from audio to images and back.

    Attributes:
        kind: "mel": power in mel bands, in dB; "log": amplitude in dB; "linear": amplitude.
        sample_rate: Hz.
        fft_size, hop: Samples.
        bins: Mel bands, or FFT bins from 0 Hz on.
        frames: Columns of an image.
        floor_db, ceiling_db: What 0 and 1 stand for; of "linear", 0 stands for silence.
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
        """Length of the audio that one image shows."""
        return (self.frames - 1) * self.hop

    @property
    def seconds(self) -> float:
        """Duration of the audio that one image shows."""
        return self.samples / self.sample_rate

    def check(self) -> "Spectrogram":
        """Raise ``UserError`` for settings that make no spectrogram; else return them."""
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
        """What makes the images: ``common.audio.spectrograms.Images``."""
        limits = self.floor_db, self.ceiling_db
        return Images(
            STFT(self.fft_size, self.hop),
            Linear(*limits) if self.kind == "linear" else Scale(*limits),
            self.frames,
            Mel(self.sample_rate, self.fft_size, self.bins) if self.kind == "mel" else None,
            self.bins,
        )

    def image(self, audio: np.ndarray) -> tuple[np.ndarray, float]:
        """The image of the beginning of an audio, what is missing silent.

        Args:
            audio: (samples,) in [-1, 1], at ``sample_rate``.

        Returns:
            ``(image, clipped)``: (bins, columns) float32 in [0, 1]; share of its values that were
            above ``ceiling_db``.
        """
        raw = self.images.unclipped(audio)
        return np.clip(raw, 0, 1).astype(np.float32), float((raw > 1).mean())

    def decibels(self, image: np.ndarray) -> np.ndarray:
        """The values of an image in dB."""
        return self.images.scale.level(image)

    def audio(self, image: np.ndarray, *, seed: int = 0, exact: bool = False) -> np.ndarray:
        """Sound of an image, its phase by Griffin and Lim 1984 with momentum (Perraudin 2013).

        Args:
            image: (bins, columns) in [0, 1]; any number of columns.
            seed: Of the phase that the search begins with.
            exact: Solve for the mel spectrum with the constraint that no power is negative
                (slower), instead of setting negative values of the least-squares solution to 0.

        Returns:
            ((columns - 1) * hop,) float32, turned down where it would leave [-1, 1].
        """
        return safe_peak(self.images.audio(image, np.random.default_rng(seed), exact=exact))


class Linear(Scale):
    """Amplitude: 0 stands for silence, 1 for ``ceiling_db``."""

    def unclipped(self, magnitude: np.ndarray) -> np.ndarray:
        """Amplitudes over that of the ceiling."""
        return magnitude / 10 ** (self.ceiling_db / 20)

    def magnitude(self, image: np.ndarray) -> np.ndarray:
        """Inverse of ``unclipped``."""
        return image * np.float32(10 ** (self.ceiling_db / 20))

    def level(self, image: np.ndarray) -> np.ndarray:
        """dB of the values of an image, at least ``floor_db``."""
        return np.maximum(decibels(self.magnitude(image)), self.floor_db)
