"""Notes that are changed from one instrument to another, beside true notes of the other one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from common.audio.descriptors import NAMES, describe
from common.audio.loudness import at_loudness
from common.cli import UserError, about, counted
from common.files.audio import find_recordings, fit_length
from common.music.instruments import in_words
from common.music.names import NoteName, parse_note
from common.music.pitch import frequency
from common.networks.conditions import NoteConditions
from common.report.page import mp3
from common.report.plots import Panel, figure_png, image_grid, new_figure
from common.report.space import Exhibit
from data import load_audio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAIRS = 4  # that are found unless others are named


class NoteModel(Protocol):
    """A model that changes the instrument of notes.

    Attributes:
        conditions: What it can be told of a note.
        sample_rate: Hz.
        note_seconds: Length of what it is shown of a note.
    """

    conditions: NoteConditions
    sample_rate: int
    note_seconds: float

    def note_image(self, audio: np.ndarray) -> tuple[np.ndarray, float]:
        """``(image, level)`` of a note (samples,): (bins, columns), and what 1 stands for in it."""

    def change_note(
        self, image: np.ndarray, pitch: int, target: str, source: str | None
    ) -> np.ndarray:
        """Image of a note of an instrument, or of one that is not known, by another."""

    def changed_level(self, level: float, target: str, source: str | None) -> float:
        """What 1 stands for in the image that ``change_note`` returns."""

    def note_sound(self, image: np.ndarray, level: float) -> np.ndarray:
        """Sound (samples,) of an image."""


class NoteSound(NamedTuple):
    """A note of a folder, as much of it as a model is shown.

    Attributes:
        name: ``common.music.names.NoteName``.
        audio: (samples,) float32 at the rate of the model.
        image: (bins, columns) float32.
        level: What 1 stands for in the image.
    """

    name: NoteName
    audio: np.ndarray
    image: np.ndarray
    level: float


def load_notes(folder: Path, trained: NoteModel, *, known: bool = True) -> list[NoteSound]:
    """The sounding notes of a folder that a model can be told; those named as in NSynth.

    Args:
        folder: Folder of recordings.
        trained: ``NoteModel``.
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
            audio = fit_length(audio, int(trained.note_seconds * rate))
            if audio.any():
                found.append(NoteSound(name, audio, *trained.note_image(audio)))
    if not found:
        which = f"notes of {', '.join(conditions.instruments)}" if known else "notes"
        raise UserError(f"{folder}: no {which}, named as in NSynth")
    return found


class Pair(NamedTuple):
    """Notes of one instrument that were changed to another.

    Attributes:
        source, target: Names.
        given: List of ``NoteSound``.
        true: List of ``NoteSound`` of the target at the same pitches.
        made: List of the images of ``given`` after the change.
    """

    source: str
    target: str
    given: list
    true: list
    made: list


def change_pairs(
    trained: NoteModel,
    notes: Sequence[NoteSound],
    true: Sequence[NoteSound],
    names: Iterable[tuple[str, str]],
    *,
    most: int,
    rng: np.random.Generator,
) -> list[Pair]:
    """Change notes between pairs of instruments.

    Args:
        trained: ``NoteModel``.
        notes: Notes to change.
        true: True notes of the targets; notes are changed whose pitch the target has.
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
        made = [trained.change_note(note.image, note.name.pitch, target, told) for note in given]
        if given:
            pairs.append(Pair(source, target, given, same, made))
    return pairs


def sounds_of(trained: NoteModel, pair: Pair) -> list[np.ndarray]:
    """Sounds (samples,) of the changed notes of a pair."""
    source = pair.source if pair.source in trained.conditions.instruments else None
    return [
        trained.note_sound(image, trained.changed_level(note.level, pair.target, source))
        for image, note in zip(pair.made, pair.given, strict=True)
    ]


def describe_notes(
    audios: Sequence[np.ndarray], names: Sequence[NoteName], rate: int
) -> np.ndarray:
    """Descriptors of those audios of notes that sound: (8, notes), in the order of ``NAMES``."""
    found = [
        list(describe(audio, rate, frequency(name.pitch)).values())
        for audio, name in zip(audios, names, strict=True)
        if audio.any()
    ]
    return np.array(found).T


def describe_pair(pair: Pair, sounds: Sequence[np.ndarray], rate: int) -> tuple[np.ndarray, ...]:
    """``describe_notes`` of the notes of a pair, of their changed sounds, and of the true notes."""
    given, true = (
        ([note.audio for note in part], [note.name for note in part])
        for part in (pair.given, pair.true)
    )
    groups = given, (sounds, given[1]), true
    return tuple(describe_notes(*group, rate) for group in groups)


def pairs_of(
    words: Sequence[str] | None, conditions: NoteConditions, notes: Sequence[NoteSound]
) -> list[tuple[str, str]]:
    """Pairs of instruments that have notes of the same pitch.

    Args:
        words: Such as "flute=violin"; without any, up to four pairs are found, in which each
            instrument is converted once at most, and is a target once at most.
        conditions: Names of the instruments that may be meant.
        notes: Notes that are there.

    Raises:
        UserError: A word is no pair, an instrument is not known, or a pair has no common pitch.
    """
    pitches = {}
    for note in notes:
        pitches.setdefault(note.name.instrument, set()).add(note.name.pitch)
    found = []
    for word in words or ():
        source, mark, target = word.partition("=")
        if not mark:
            raise UserError(f"--transfers {word!r}: write it as flute=violin")
        with about(f"--transfers {word}"):
            pair = conditions.instrument(source), conditions.instrument(target)
        if not pitches.get(pair[0], set()) & pitches.get(pair[1], set()):
            raise UserError(f"--transfers {word}: --audio_path has no pitch that both play")
        found.append(pair)
    for one, other in () if words else permutations(sorted(pitches), 2):
        free = all(one != source and other != target for source, target in found)
        if free and pitches[one] & pitches[other] and len(found) < _PAIRS:
            found.append((one, other))
    if not found:
        raise UserError("--audio_path: has no pitch that two instruments play")
    return found


def exhibits(pair: Pair, trained: NoteModel) -> list[Exhibit]:
    """For a page: changed notes of a pair, and the descriptors of all of its notes."""
    source, target = in_words(pair.source), in_words(pair.target)
    first, made = pair.given[0], sounds_of(trained, pair)
    again = trained.change_note(first.image, first.name.pitch, pair.source, pair.source)
    labels = (f"{source}, pitch {first.name.pitch}", "reconstruction", f"as {target}")
    panels = [
        Panel(image, label)
        for image, label in zip((first.image, again, pair.made[0]), labels, strict=True)
    ]
    sounds = *(trained.note_sound(one, first.level) for one in (first.image, again)), made[0]
    rate = trained.sample_rate
    groups = zip((source, "transferred", target), describe_pair(pair, made, rate), strict=True)
    heading = f"From {source} to {target}"
    return [
        Exhibit(
            heading,
            figure_png(image_grid(panels, size=(3, 3)), dpi=80),
            "The first sound is the note with nothing changed but the phase.",
            [
                (label, mp3(at_loudness(audio, rate), rate))
                for label, audio in zip(labels, sounds, strict=True)
            ],
        ),
        Exhibit(
            f"{heading}: descriptors",
            figure_png(draw_descriptors(dict(groups)), dpi=80),
            f"Distributions over {counted(len(made), 'note')}, their transfers, and "
            f"{counted(len(pair.true), 'true note')} of the target at the same pitches; a line is "
            "the median.",
        ),
    ]


def draw_descriptors(groups: Mapping[str, np.ndarray]) -> Figure:
    """Draw the distributions of eight descriptors as violins, with a line at the median.

    Args:
        groups: Dict from label to descriptors (8, notes), in the order of
            ``common.audio.descriptors.NAMES``.
    """
    figure, axes = new_figure(2, 4, (12, 5))
    for number, (axis, name) in enumerate(zip(axes.ravel(), NAMES, strict=True)):
        values = [descriptors[number] for descriptors in groups.values()]
        drawn = axis.violinplot(values, showmedians=True, showextrema=False)
        for place, (body, one) in enumerate(zip(drawn["bodies"], values, strict=True)):
            body.set(facecolor=f"C{place}", alpha=0.5)
            axis.scatter(np.full(len(one), place + 1), one, s=6, color=f"C{place}")
        axis.set_title(name, fontsize=11)
        axis.set_xticks(range(1, len(groups) + 1), groups, fontsize=8)
        axis.tick_params(axis="y", labelsize=8)
    return figure
