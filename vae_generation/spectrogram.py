"""Spectrograms of one fixed size, and the way back to sound.

The scale is absolute: 0 and 1 of an image stand for ``floor_db`` and ``ceiling_db``, where 0 dB is
a sine of full range. So every image can be heard without the recording that it came from.
"""

import functools
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import safe_peak

KINDS = ("mel", "log", "linear")
GRIFFIN_LIM_ITERATIONS = 64
GRIFFIN_LIM_MOMENTUM = 0.99
_DEFAULT_FFT = {"mel": 2048, "log": 512, "linear": 512}
FRAMES = 64  # of the default duration


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
    def samples(self):
        """Length of the audio that one image shows."""
        return (self.frames - 1) * self.hop

    @property
    def seconds(self):
        """Duration of the audio that one image shows."""
        return self.samples / self.sample_rate

    def check(self):
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
        if self.kind == "mel" and not np.all(self._mel_basis().any(axis=1)):
            raise UserError(
                f"--bins {self.bins}: some mel bands lie between the bins of --fft_size "
                f"{self.fft_size}; raise it, or take fewer bins"
            )
        return self

    def image(self, audio):
        """The image of the beginning of an audio, what is missing silent.

        Args:
            audio: (samples,) in [-1, 1], at ``sample_rate``.

        Returns:
            ``(image, clipped)``: (bins, frames) float32 in [0, 1]; share of its values that were
            above ``ceiling_db``.
        """
        import librosa

        padded = np.zeros(self.samples, np.float32)
        padded[: min(audio.size, self.samples)] = audio[: self.samples]
        spectrum = librosa.stft(padded, n_fft=self.fft_size, hop_length=self.hop)
        amplitude = np.abs(spectrum) * np.float32(self._amplitude_scale())
        if self.kind == "mel":
            power = np.matmul(self._mel_basis(), amplitude**2)
            raw = self._from_db(10 * np.log10(np.maximum(power, 1e-20)))
        elif self.kind == "log":
            raw = self._from_db(20 * np.log10(np.maximum(amplitude[: self.bins], 1e-10)))
        else:
            raw = amplitude[: self.bins] / 10 ** (self.ceiling_db / 20)
        return np.clip(raw, 0, 1).astype(np.float32), float((raw > 1).mean())

    def _from_db(self, decibels):
        return (decibels - self.floor_db) / (self.ceiling_db - self.floor_db)

    def decibels(self, image):
        """The values of an image in dB."""
        if self.kind == "linear":
            loudness = 20 * np.log10(np.maximum(image, 1e-10)) + self.ceiling_db
            return np.maximum(loudness, self.floor_db)
        return image * (self.ceiling_db - self.floor_db) + self.floor_db

    def amplitude(self, image, *, exact=False):
        """The magnitude of the STFT that an image stands for.

        Args:
            image: (bins, frames) in [0, 1].
            exact: Solve for the mel spectrum with the constraint that no power is negative
                (slower), instead of setting negative values of the least-squares solution to 0.

        Returns:
            (fft_size // 2 + 1, frames) float32, of an STFT as librosa computes it.
        """
        image = np.clip(np.asarray(image, np.float32), 0, 1)
        if self.kind == "linear":
            found = image * 10 ** (self.ceiling_db / 20)
        else:
            found = 10 ** (self.decibels(image) / 20)
            found[image <= 0] = 0  # the floor stands for all that is fainter
        if self.kind == "mel":
            found = self._from_mel(found**2, exact)
        padded = np.zeros((self.fft_size // 2 + 1, image.shape[1]), np.float32)
        padded[: len(found)] = found / self._amplitude_scale()
        return padded

    def _from_mel(self, power, exact):
        if exact:
            from librosa.util import nnls

            return np.sqrt(nnls(self._mel_basis(), power))
        return np.sqrt(np.maximum(_inverse(self) @ power, 0))

    def audio(self, image, *, seed=0, exact=False):
        """Sound of an image, its phase by Griffin and Lim 1984 with momentum (Perraudin 2013).

        Args:
            image: (bins, frames) in [0, 1]; any number of frames.
            seed: Of the phase that the search begins with.
            exact: As in ``amplitude``.

        Returns:
            ((frames - 1) * hop,) float32, turned down where it would leave [-1, 1].
        """
        import librosa

        found = librosa.griffinlim(
            self.amplitude(image, exact=exact),
            n_iter=GRIFFIN_LIM_ITERATIONS,
            hop_length=self.hop,
            n_fft=self.fft_size,
            momentum=GRIFFIN_LIM_MOMENTUM,
            random_state=seed,
        )
        return safe_peak(found.astype(np.float32))

    def _amplitude_scale(self):
        # a sine of full range has the amplitude 1: that of a Hann window's sum halved
        return 2 / (self.fft_size / 2)

    def _mel_basis(self):
        return _mel_basis(self.sample_rate, self.fft_size, self.bins)


@functools.lru_cache(maxsize=4)
def _mel_basis(sample_rate, fft_size, bins):
    import warnings

    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty bands: ``Spectrogram.check`` refuses them
        basis = librosa.filters.mel(sr=sample_rate, n_fft=fft_size, n_mels=bins, norm=None)
    basis.setflags(write=False)
    return basis


@functools.lru_cache(maxsize=4)
def _inverse(spectrogram):
    basis = _mel_basis(spectrogram.sample_rate, spectrogram.fft_size, spectrogram.bins)
    return np.linalg.pinv(basis).astype(np.float32)


def default_fft(kind):
    """FFT size that gives 256 bins of a kind of spectrogram their due resolution."""
    return _DEFAULT_FFT[kind]
