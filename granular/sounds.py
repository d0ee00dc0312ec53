"""Sounds of equal length with a class each: how a recording is prepared, and their store."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import fit_length, is_silent, peak
from common.files.store import Store
from common.music.names import find_instrument, parse_note
from common.networks.conditions import NoteConditions

RATES = {16000: 1024, 22050: 2048}  # Hz and samples of a grain, as published
SECONDS = 22528 / 22050  # of a sound, as in the published code: 41 grains
_ONSET = 1e-3  # of the peak: 60 dB below
_HIGH_PASS = 50  # Hz
_PEAK = 0.9
_FADE = 0.02  # seconds
_VELOCITY = re.compile(r"(?<=_\d\d)_\d+$")  # behind a key of General MIDI


class Grains(NamedTuple):
    """How sounds are cut into grains that overlap by three quarters.

    Attributes:
        sample_rate: Hz.
        size: Samples of a grain.
        count: Grains of a sound.
    """

    sample_rate: int = 16000
    size: int = 1024
    count: int = 61

    @classmethod
    def of_rate(cls, sample_rate: int, size: int | None = None) -> "Grains":
        """Grains in sounds of 1.02 s; by default as long as those of the paper."""
        size = size or RATES[sample_rate]
        return cls(sample_rate, size, round(SECONDS * sample_rate / (size // 4)) - 3)

    def check(self) -> "Grains":
        """Raise ``UserError`` unless the sizes make sense; else return them."""
        if self.sample_rate < 1 or self.size < 64 or self.size % 64 or self.count < 1:
            raise UserError(f"grains of {self.size} samples, {self.count} of them: not possible")
        return self

    @property
    def hop(self) -> int:
        """Samples from one grain to the next."""
        return self.size // 4

    @property
    def samples(self) -> int:
        """Samples of a sound."""
        return (self.count + 3) * self.hop

    def prepare(self, audio: np.ndarray) -> np.ndarray | None:
        """A recording as a sound (samples,) float32, or None for a silent one.

        Its mean and what is below 50 Hz are removed; it begins where it comes within 60 dB of its
        peak, which becomes 0.9; it is padded with zeros, or cut with a short fade.

        Args:
            audio: (any,) float32 at ``sample_rate``.
        """
        import scipy.signal

        if is_silent(audio):
            return None
        filters = scipy.signal.butter(2, _HIGH_PASS, "highpass", fs=self.sample_rate, output="sos")
        audio = scipy.signal.sosfilt(filters, audio - audio.mean()).astype(np.float32)
        audio = audio[np.argmax(np.abs(audio) > _ONSET * peak(audio)) :]
        sound = fit_length(audio, self.samples)
        if audio.size > self.samples:
            length = round(_FADE * self.sample_rate)
            sound[-length:] *= np.linspace(1, 0, length, dtype=np.float32)
        return sound * np.float32(_PEAK / peak(sound))


class Labels(NamedTuple):
    """What the network of sequences is told about a sound, as a vector of ones and zeros.

    Attributes:
        classes: Names of folders or of instruments.
        pitched: Whether pitch class and octave are told as well, as of notes.
    """

    classes: tuple[str, ...]
    pitched: bool = False

    @property
    def length(self) -> int:
        """Length of a vector."""
        return self._notes.length if self.pitched else len(self.classes)

    @property
    def _notes(self):
        return NoteConditions(self.classes)

    def vectors(self, names: Sequence[str] | str, pitches: Sequence[int]) -> np.ndarray:
        """Vectors (sounds, length) float32.

        Args:
            names: Class of each sound; or one name for all of them.
            pitches: MIDI number of each; without meaning if not ``pitched``.

        Raises:
            UserError: An unknown class or pitch.
        """
        if self.pitched:
            return self._notes.vectors(names, pitches)
        names = [names] * len(pitches) if isinstance(names, str) else names
        return np.eye(len(self.classes), dtype=np.float32)[[self._place(name) for name in names]]

    def _place(self, name):
        return self.classes.index(self.find(name))

    def find(self, text: str) -> str:
        """The class of a name such as "kick" or "violin"; ``UserError`` if there is none."""
        if text in self.classes:
            return text
        found = find_instrument(text, self.classes)
        if found is None:
            raise UserError(f"{text!r}: no class of the model; it has {', '.join(self.classes)}")
        return found


class Sound(NamedTuple):
    """Origin of a sound.

    Attributes:
        source: Name of the file without suffix.
        label: Its class: the instrument of a note, else the folder.
        pitch: MIDI number of a note; -1 for other sounds.
    """

    source: str
    label: str
    pitch: int

    @classmethod
    def of(cls, name: str) -> "Sound | None":
        """The sound of a file; None for one that is neither a note nor in a folder of a class."""
        note = parse_note(name)
        if note and NoteConditions.reaches(note.pitch):
            return cls(name, note.instrument, note.pitch)
        parts = Path(name).parts
        return cls(name, parts[-2], -1) if len(parts) > 1 else None

    @property
    def unit(self) -> str:
        """Held out together: a note or a hit (``<kit>_<key>_<velocity>``) of any strength."""
        if self.pitch >= 0:
            return f"{self.label}-{self.pitch:03d}"
        return f"{self.label}/{re.sub(_VELOCITY, '', Path(self.source).name)}"


class SoundStore(Store):
    """The store of ``granular.preprocess``, open for reading.

    Args:
        path: HDF5 file.

    Attributes:
        grains: ``Grains``.
        labels: ``Labels`` of all classes in it.
        rows: List of ``Sound``.

    Raises:
        UserError: Missing, damaged, or of another format.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            path, Sound, kind="store of sounds", remake="python -m granular.preprocess"
        )

    def _load(self):
        super()._load()
        self.grains = Grains(*(int(self.settings[name]) for name in Grains._fields))
        if self._images.shape[1:] != (1, self.grains.samples):
            raise ValueError(f"its sounds are {self._images.shape[1:]}")
        classes = tuple(sorted({row.label for row in self.rows}))
        self.labels = Labels(classes, all(row.pitch >= 0 for row in self.rows))

    def audio(self, indices: Sequence[int]) -> np.ndarray:
        """Sounds (indices, samples) float32."""
        return self.read(indices)[:, 0]
