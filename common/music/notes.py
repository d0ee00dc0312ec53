"""Libraries of single notes, in the folder structure of NSynth.

A note is one audio file ``<family>_<source>_<preset:03d>-<pitch:03d>-<velocity:03d>.wav`` (or
``.flac``), directly in the folder or in its sub-folder ``audio``, as in NSynth's train, valid and
test folders (Engel et al. 2017, https://magenta.tensorflow.org/datasets/nsynth). ``examples.json``
is not needed, because the names have all information.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.files.audio import read_header, resample
from common.music.names import parse_note
from data import load_audio

MAX_SUBSTITUTION = 6  # semitones; beyond, a resampled note no longer sounds like its instrument
NOTE_SECONDS = 4.0  # length of a note in NSynth, and largest length of a note here

_FADE_SECONDS = 0.01
# characters not allowed in an instrument's name, which becomes a folder's name
_NOT = r"/:\x00-\x1f\x7f"
_INSTRUMENT = re.compile(
    rf"(\w(?:[^{_NOT}]*?[^{_NOT}\s])?)(?:_(\d{{3}})|:(\d{{1,3}}(?:,\d{{1,3}})*))?"
)
_SUFFIXES = (".wav", ".flac")


def parse_instrument(text: str) -> tuple[str, tuple[int, ...] | None]:
    """Split the name of an instrument from its presets.

    Args:
        text: ``keyboard_acoustic``, ``keyboard_acoustic:0,4,9`` or, as NSynth writes one preset,
            ``keyboard_acoustic_004``.

    Returns:
        ``(name, presets)``; ``presets`` is a tuple of numbers without repetition, or None when the
        text names none.

    Raises:
        UserError: The text has another form.
    """
    match = _INSTRUMENT.fullmatch(text)
    if not match:
        raise UserError(
            f"instrument {text!r}: write <family>_<source>, or <family>_<source>:<preset>,<preset>"
        )
    name, nsynth_preset, presets = match.groups()
    numbers = nsynth_preset or presets
    return name, numbers and tuple(dict.fromkeys(int(number) for number in numbers.split(",")))


class NoteLibrary:
    """The notes in one folder. Only names are read at first; a note is opened when it is played.

    Args:
        path: The folder, or one that holds the notes in ``audio``.

    Raises:
        UserError: There is no such folder, or no file with the name of a note.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        folder = self.path / "audio" if (self.path / "audio").is_dir() else self.path
        if not folder.is_dir():
            raise UserError(f"{path}: no such folder of notes")
        self._voices = {}
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (300,000 of them)
                note = parse_note(stem) if suffix.lower() in _SUFFIXES else None
                if note is not None:
                    presets = self._voices.setdefault(note.instrument, {})
                    layers = presets.setdefault(note.preset, {}).setdefault(note.pitch, {})
                    layers.setdefault(note.velocity, entry.path)
        if not self._voices:
            raise UserError(
                f"{path}: no notes named <family>_<source>_<preset>-<pitch>-<velocity>.wav or .flac"
            )

    @property
    def instruments(self) -> list[str]:
        """Names of the instruments, sorted."""
        return sorted(self._voices)

    def presets(self, instrument: str) -> list[int]:
        """Preset numbers of an instrument, ascending; ``UserError`` when it is unknown."""
        if instrument not in self._voices:
            raise UserError(
                f"{self.path}: no instrument {instrument!r}; it has {', '.join(self.instruments)}"
            )
        return sorted(self._voices[instrument])

    def default_preset(self, instrument: str) -> int:
        """Preset 0, or the first one if there is no preset 0 (as in NSynth's test set)."""
        return self.presets(instrument)[0]

    def files(self, instrument: str, preset: int) -> dict:
        """Paths of the notes of one preset: dict from pitch to a dict from velocity to path.

        Raises:
            UserError: The library has no such instrument or preset.
        """
        presets = self.presets(instrument)
        if preset not in presets:
            raise UserError(
                f"{self.path}: {instrument} has no preset {preset}; it has "
                f"{', '.join(map(str, presets))}"
            )
        return self._voices[instrument][preset]

    def voice(self, instrument: str, preset: int) -> Voice:
        """The notes of one preset as a ``Voice``; ``UserError`` if there are none."""
        return Voice(f"{instrument}_{preset:03d}", self.files(instrument, preset))


class Voice:
    """One preset of an instrument; notes are loaded when first played, and kept.

    Attributes:
        name: As in NSynth, ``keyboard_acoustic_004``.
        files: Dict from pitch to a dict from velocity to the path of the note.
        sample_rate: Hz; the rate of the lowest note's file, to which all others are resampled.
    """

    def __init__(self, name: str, files: dict[int, dict[int, Path]]) -> None:
        self.name = name
        self.files = files
        self._notes = {}  # (pitch, file) -> samples; None if silent
        self._chosen = {}  # (pitch, velocity) -> chosen note
        lowest = files[min(files)]
        self.sample_rate = read_header(lowest[min(lowest)]).samplerate

    def note(self, pitch: int, velocity: int) -> tuple[np.ndarray, int]:
        """Samples of a note.

        The nearest velocity of the pitch is taken. If there is no file for the pitch, or it is
        silent, the nearest other pitch, at most ``MAX_SUBSTITUTION`` semitones away, is resampled.

        Args:
            pitch: MIDI number.
            velocity: MIDI velocity, 1 to 127.

        Returns:
            ``(samples, distance)``: float32 at ``sample_rate``, at most ``NOTE_SECONDS`` long and
            ending without a click, shared and not to be modified; semitones to the pitch of the
            file that was used.

        Raises:
            UserError: No pitch is near enough; the message names instrument and pitch.
            AudioFileError: The file of the note cannot be read.
        """
        if (pitch, velocity) not in self._chosen:
            self._chosen[pitch, velocity] = self._choose(pitch, velocity)
        return self._chosen[pitch, velocity]

    def _choose(self, pitch, velocity):
        near = [source for source in self.files if abs(source - pitch) <= MAX_SUBSTITUTION]
        for source in sorted(near, key=lambda source: (abs(source - pitch), source)):
            layer = min(self.files[source], key=lambda known: (abs(known - velocity), known))
            key = (pitch, source, layer)
            if key not in self._notes:
                self._notes[key] = self._load(self.files[source][layer], pitch - source)
            if self._notes[key] is not None:
                return self._notes[key], abs(source - pitch)
        raise UserError(
            f"{self.name}: no sounding note within {MAX_SUBSTITUTION} semitones of pitch {pitch}; "
            f"it has {min(self.files)} to {max(self.files)}: transpose, or add notes"
        )

    def _load(self, path, semitones):
        note, rate = load_audio(path, sample_rate=None)
        # reading a note as if it had another sample rate transposes it
        note = resample(note, rate * 2 ** (semitones / 12), self.sample_rate)
        note = note[: int(NOTE_SECONDS * self.sample_rate)].copy()
        fade = min(int(_FADE_SECONDS * self.sample_rate), len(note))
        note[len(note) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        return note if note.any() else None
