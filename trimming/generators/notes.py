"""Notes that the generators learn, on three sides, and what is measured of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from common.cli import UserError, counted
from common.files.audio import fit_length, is_silent, peak, resample
from common.music.notes import NoteLibrary
from common.music.split import split_notes
from common.training.batches import RowBatches
from common.training.spectral_losses import mel_bands, power_spectra
from data import load_audio

RATE = 8000  # Hz
HOP = 128  # samples of a frame
FRAMES = 32
SAMPLES = FRAMES * HOP  # of a note: its first half second
SIZE = 4 * HOP  # samples of the window of a spectrum
BANDS = SIZE // 16
_POWER_FLOOR = 1e-2


class Note(NamedTuple):
    """A note.

    Attributes:
        instrument: ``<family>_<source>_<preset>``.
        pitch: MIDI number.
        audio: (SAMPLES,) float32 with a peak of 1.
    """

    instrument: str
    pitch: int
    audio: np.ndarray


class Sides(NamedTuple):
    """Notes by what they are for; pitches of an instrument are on one side only.

    Attributes:
        training: List of ``Note`` that networks learn.
        validation: That epochs and widths are chosen by.
        test: That nothing is chosen by.
        silent: Number of notes that are left out, because they are silent.
    """

    training: list[Note]
    validation: list[Note]
    test: list[Note]
    silent: int = 0


def read_sides(folder: Path, held_out: float = 0.15) -> Sides:
    """Read the notes of a library.

    Args:
        folder: Folder of notes that are named as in NSynth.
        held_out: Share of the notes of each of the two held-out sides.

    Returns:
        ``Sides``.

    Raises:
        UserError: No notes, or a side without any.
        AudioFileError: A file cannot be read.
    """
    library, notes, silent = NoteLibrary(folder), [], 0
    for instrument in library.instruments:
        for preset in library.presets(instrument):
            for pitch, layers in sorted(library.files(instrument, preset).items()):
                for _, path in sorted(layers.items()):
                    audio = _beginning(path)
                    silent += audio is None
                    if audio is not None:
                        notes.append(Note(f"{instrument}_{preset:03d}", pitch, audio))
    rest, test = _split(notes, held_out)
    training, validation = _split(rest, 2 * held_out)  # those between the shares: one hash
    for name, side in (("trained on", training), ("validated on", validation), ("tested", test)):
        if not side:
            raise UserError(
                f"{folder}: of {counted(len(notes), 'note')}, none is left to be {name}; add notes"
            )
    return Sides(training, validation, test, silent)


def _beginning(path):
    """The first half second of a note, with a peak of 1; None if it is silent."""
    audio, rate = load_audio(path, sample_rate=None)
    audio = fit_length(resample(audio[: 2 * rate], rate, RATE), SAMPLES)
    return None if is_silent(audio) else (audio / peak(audio)).astype(np.float32)


def _split(notes, share):
    return [[notes[index] for index in side] for side in split_notes(notes, share)]


def log_mels(audio: np.ndarray) -> np.ndarray:
    """Logarithm of the power in mel bands, of frames with their centres HOP apart, about -1 to 2.

    Args:
        audio: (notes, SAMPLES).

    Returns:
        (notes, FRAMES, BANDS) float32.
    """
    bands = mel_bands(SIZE, RATE)
    parts = [
        np.asarray(power_spectra(ops.convert_to_tensor(part), SIZE))[:, :FRAMES] @ bands
        for part in np.array_split(audio, -(-len(audio) // 64))
    ]
    return (np.log(np.concatenate(parts) + _POWER_FLOOR) / 5).astype(np.float32)


def stacked(notes: Iterable[Note]) -> np.ndarray:
    """Audios of notes: (notes, SAMPLES)."""
    return np.stack([note.audio for note in notes])


class ArrayBatches(RowBatches):
    """Batches of arrays.

    Args:
        inputs: List of arrays (examples, ...).
        target: Array (examples, ...).
        batch_size: Examples of a batch.
        options: ``shuffle``, ``steps`` and ``seed`` of ``RowBatches``.
    """

    def __init__(
        self, inputs: Sequence[np.ndarray], target: np.ndarray, batch_size: int, **options: object
    ) -> None:
        super().__init__(range(len(target)), batch_size, **options)
        self._inputs, self._target = inputs, target

    def cut(self, positions: range, epoch: int) -> tuple[Any, np.ndarray]:
        """Examples at some positions of an epoch: ``(inputs, targets)``."""
        rows = self.drawn(epoch)[positions.start : positions.stop]
        inputs = tuple(one[rows] for one in self._inputs)
        return inputs if len(inputs) > 1 else inputs[0], self._target[rows]
