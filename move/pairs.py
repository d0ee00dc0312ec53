"""Notes that are transferred from one instrument to another, beside true notes of the other one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import find_recordings, fit_length
from common.music.names import NoteName, parse_note
from data import load_audio
from move.slices import cut, join
from move.trained import ITERATIONS

if TYPE_CHECKING:
    from move.trained import TrainedMove


_SECONDS = 3.0  # length of what is compared of each note


class NoteSound(NamedTuple):
    """A note of a folder, three seconds of it.

    Attributes:
        name: ``common.music.names.NoteName``.
        audio: (samples,) float32 at the rate of the model.
        image: (bins, columns) float32.
        peak: Magnitude that 1 stands for in the image; a transfer has the same.
    """

    name: NoteName
    audio: np.ndarray
    image: np.ndarray
    peak: float


def load_notes(folder: Path, trained: TrainedMove, *, known: bool = True) -> list[NoteSound]:
    """The sounding notes of a folder that a model can be told; those named as in NSynth.

    Args:
        folder: Folder of recordings.
        trained: ``move.trained.TrainedMove``.
        known: Whether to leave out instruments that the model does not know.

    Raises:
        UserError: There is none.
    """
    found, conditions = [], trained.conditions
    for text, path in find_recordings(folder).files.items():
        name = parse_note(text)
        if (
            name
            and conditions.reaches(name.pitch)
            and not (known and name.instrument not in conditions.instruments)
        ):
            audio, rate = load_audio(path, sample_rate=trained.sample_rate)
            audio = fit_length(audio, int(_SECONDS * rate))
            if audio.any():
                found.append(NoteSound(name, audio, *trained.slices.image(audio)))
    if not found:
        which = f"notes of {', '.join(conditions.instruments)}" if known else "notes"
        raise UserError(f"{folder}: no {which}, named as in NSynth")
    return found


class Pair(NamedTuple):
    """Notes of one instrument that were transferred to another.

    Attributes:
        source, target: Names.
        given: List of ``NoteSound``.
        true: List of ``NoteSound`` of the target at the same pitches.
        made: List of the transferred images of ``given``.
    """

    source: str
    target: str
    given: list
    true: list
    made: list


def transfer_pairs(
    trained: TrainedMove,
    notes: Sequence[NoteSound],
    true: Sequence[NoteSound],
    names: Iterable[tuple[str, str]],
    *,
    most: int,
    rng: np.random.Generator,
) -> list[Pair]:
    """Transfer notes between pairs of instruments.

    Args:
        trained: ``move.trained.TrainedMove``.
        notes: Notes to transfer.
        true: True notes of the targets; notes are transferred whose pitch the target has.
        names: Pairs of instruments, such as ("flute_acoustic", "violin_acoustic"); the model need
            not know the first one.
        most: Largest number of notes of a pair.
        rng: ``numpy.random.Generator`` that chooses them.

    Returns:
        List of ``Pair``, of those that have a note.
    """
    pairs, known = [], trained.conditions.instruments
    for source, target in names:
        played = {note.name.pitch for note in true if note.name.instrument == target}
        given = [
            note for note in notes if note.name.instrument == source and note.name.pitch in played
        ]
        given = [given[index] for index in sorted(rng.permutation(len(given))[:most])]
        pitches = {note.name.pitch for note in given}
        same = [
            note for note in true if note.name.instrument == target and note.name.pitch in pitches
        ]
        told = source if source in known else None
        made = [change(trained, note, target, told) for note in given]
        if given:
            pairs.append(Pair(source, target, given, same, made))
    return pairs


def change(trained: TrainedMove, note: NoteSound, target: str, source: str | None) -> np.ndarray:
    """Image (bins, columns) of a note that is transferred.

    Args:
        trained: ``move.trained.TrainedMove``.
        note: ``NoteSound``.
        target: Name of an instrument.
        source: That of the note, or None.
    """
    slices = cut(note.image)
    return join(trained.transfer(slices, np.full(len(slices), note.name.pitch), target, source))


def sounds_of(trained: TrainedMove, pair: Pair) -> list[np.ndarray]:
    """Sounds (samples,) of the transfers of a pair, each at the level of its note."""
    return [
        trained.slices.audio(image, ITERATIONS, note.peak)
        for image, note in zip(pair.made, pair.given, strict=True)
    ]


def describe_notes(
    audios: Sequence[np.ndarray], names: Sequence[NoteName], rate: int
) -> np.ndarray:
    """Descriptors of those audios of notes that sound: (8, notes), in the order of ``NAMES``."""
    from common.audio.descriptors import describe
    from common.music.pitch import frequency

    found = [
        list(describe(audio, rate, frequency(name.pitch)).values())
        for audio, name in zip(audios, names, strict=True)
        if audio.any()
    ]
    return np.array(found).T
