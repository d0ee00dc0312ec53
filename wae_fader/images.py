"""Images of whole notes: Mel spectrograms of a fixed size, and their sound."""

from typing import NamedTuple

import numpy as np

from common.audio.spectrograms import STFT, Mel, Scale, sound_of
from common.cli import UserError
from common.files.audio import fit_length

ITERATIONS = 32  # of Griffin-Lim
_SCALE = Scale(-80.0, 0.0)  # dB, relative to the loudest value of a note
_SMALLEST = 1e-20  # power


class NoteImages(NamedTuple):
    """Settings of the image of a note, with methods that convert between audio and images.

    The image is relative to its loudest value, which is 1; 0 stands for 80 dB below. The level that
    it takes away is returned beside it, in dB of a full-scale sine.

    Attributes:
        sample_rate: Hz.
        fft_size, hop: In samples.
        bins: Number of Mel bands.
        frames: Number of columns; the window of the first one begins with the audio, that of the
            last one ends with it.
    """

    sample_rate: int = 16000
    fft_size: int = 2048
    hop: int = 512
    bins: int = 192
    frames: int = 64

    def check(self) -> "NoteImages":
        """Raise ``UserError`` for settings that make no image; else return them."""
        if self.hop > self.fft_size // 2 or self.frames < 2:
            raise UserError(f"{self.frames} columns, a hop of {self.hop}: make no image")
        if not self.mel.basis.any(axis=1).all():
            raise UserError(f"{self.bins} bands: some lie between bins of {self.fft_size} samples")
        return self

    @property
    def transform(self) -> STFT:
        """``common.audio.spectrograms.STFT`` of the images."""
        return STFT(self.fft_size, self.hop, centred=False)

    @property
    def mel(self) -> Mel:
        """``common.audio.spectrograms.Mel`` of the images."""
        return Mel(self.sample_rate, self.fft_size, self.bins)

    @property
    def hertz(self) -> np.ndarray:
        """Frequency of the middle of each band: (bins,)."""
        return self.mel.basis.argmax(axis=1) * self.sample_rate / self.fft_size

    def mean_power(self, image: np.ndarray) -> np.ndarray:
        """Mean power of each band (bins,) of an image, 1 for its largest value."""
        return np.square(_SCALE.magnitude(image)).mean(axis=-1)

    @property
    def samples(self) -> int:
        """Length of a note in samples."""
        return self.transform.samples(self.frames)

    @property
    def seconds(self) -> float:
        """Length of a note in seconds."""
        return self.samples / self.sample_rate

    def image(self, audio: np.ndarray) -> tuple[np.ndarray, float]:
        """Image of the beginning of an audio; what is missing counts as silence.

        Args:
            audio: (samples,) float32 at ``sample_rate``.

        Returns:
            ``(image, level)``: (bins, frames) float32 in [0, 1]; the level in dB that 1 stands for.
            The image of silence is 0, its level minus infinity.
        """
        spectra = self.transform.forward(fit_length(audio, self.samples), 0, self.frames)
        power = self.mel.forward(np.square(np.abs(spectra) / self.transform.full_scale))
        loudest = power.max()
        if loudest <= _SMALLEST:
            return np.zeros(power.shape, np.float32), -np.inf
        decibels = 10 * np.log10(np.maximum(power / loudest, _SMALLEST))
        return np.clip(_SCALE.place(decibels), 0, 1).astype(np.float32), 10 * np.log10(loudest)

    def audio(
        self, image: np.ndarray, level: float = 0.0, *, iterations: int = ITERATIONS, seed: int = 0
    ) -> np.ndarray:
        """Sound of an image, its phase by the fast Griffin-Lim algorithm, its ends faded.

        Args:
            image: (bins, frames) in [0, 1]; 0 becomes silence.
            level: dB that 1 stands for.
            iterations: Number of projections.
            seed: Integer, for the first phase.

        Returns:
            (samples,) float32; may leave [-1, 1].
        """
        image = np.clip(image, 0, 1)
        power = np.where(image > 0, np.square(_SCALE.magnitude(image)), 0).astype(np.float32)
        factor = self.transform.full_scale * 10 ** (level / 20)
        magnitude = np.sqrt(self.mel.smooth_inverse(power)) * np.float32(factor)
        rng = np.random.default_rng(seed)
        return self.faded(sound_of(magnitude, self.transform, rng, iterations))

    def faded(self, sound: np.ndarray) -> np.ndarray:
        """A sound (samples,) whose ends are faded.

        At the ends few windows overlap, and near its own end a window is almost 0: the inverse
        transform divides by its square there, and so amplifies errors, which were heard as clicks.
        The first and the last quarter of a window are faded by that square instead.
        """
        audio, quarter = sound.copy(), self.fft_size // 4
        rise = np.square(1 - np.cos(2 * np.pi * np.arange(quarter) / self.fft_size))
        audio[:quarter] *= rise.astype(np.float32)
        audio[-quarter:] *= rise[::-1].astype(np.float32)
        return audio


SIZES = {
    "small": NoteImages(),
    "published": NoteImages(22050, 2048, 256, 500, 128),
}
RANGE_DB = _SCALE.range_db
