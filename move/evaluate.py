"""Evaluate trained transfers on notes that they were not trained on.

    python -m move.evaluate --audio_path data/notes --judge_path other_notes

prints, for each model:

  reconstruction  log-spectral distance in dB between held-out slices and their reconstructions,
                  the root mean square over the bins, averaged over the columns
  discrepancy     for pairs of instruments, the squared maximum mean discrepancy between transferred
                  held-out notes and true notes of the target at the same pitches, divided by that
                  between the notes as they were and the same true notes: below 1 is nearer
  descriptors     how many of eight descriptors of timbre (``common.audio.descriptors``) are nearer
                  to those of true notes after the transfer, by the first Wasserstein distance
  judges          share of transferred notes that a classifier takes for their target, and whose
                  pitch class and octave probabilistic YIN hears right; the same for true held-out
                  notes. The classifier is trained on the notes of --judge_path, which should be of
                  other recordings of the same instruments (default: none, and no such column)
  speed           seconds of audio a second that one core makes of latent vectors
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from common.audio.metrics import image_distance
from common.cli import Parser, UserError, add_seed_flag, existing_folder, number, parser, run
from common.files.audio import find_recordings, fit_length
from common.latent import decoding_speed
from common.music.names import NoteName, parse_note
from common.music.pitch import frequency
from common.music.split import note_of
from common.report.evaluation import held_out
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from data import load_audio
from move.slices import COLUMNS, RANGE_DB, cut, join
from move.trained import ITERATIONS

if TYPE_CHECKING:
    from common.report.note_judges import Classifier
    from move.trained import TrainedMove


_SECONDS = 3.0  # length of what is compared of each note
_LOWEST = 28  # MIDI number from which on pitches are listened for
_SPEED_SECONDS = 10


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--audio_path",
        required=True,
        type=existing_folder,
        help="folder of notes named as in NSynth",
    )
    add_model_flag(built, "move_orchestra", several=True)
    built.add_argument(
        "--judge_path", type=existing_folder, help="folder of notes to train the classifier on"
    )
    built.add_argument(
        "--instruments",
        nargs="+",
        metavar="NAME",
        help="instruments whose pairs are evaluated (default: all of the model)",
    )
    built.add_flag(
        "--notes", 8, "largest number of transferred notes of a pair", type=number(int, 1)
    )
    add_seed_flag(built, "choice of notes")
    return built


class Notes(NamedTuple):
    """Notes of a folder, three seconds each.

    Attributes:
        names: List of ``common.music.names.NoteName``.
        audios: List of (samples,) float32 at the rate of the model.
        images: List of (bins, columns) float32.
    """

    names: list
    audios: list
    images: list


def load_notes(folder: Path, trained: TrainedMove) -> Notes:
    """The ``Notes`` of a folder that a model can be told."""
    found, conditions = Notes([], [], []), trained.conditions
    for name, path in find_recordings(folder).files.items():
        note = parse_note(name)
        if note and note.instrument in conditions.instruments and conditions.reaches(note.pitch):
            audio, rate = load_audio(path, sample_rate=trained.sample_rate)
            audio = fit_length(audio, int(_SECONDS * rate))
            if audio.any():
                found.names.append(note)
                found.audios.append(audio)
                found.images.append(trained.slices.image(audio)[0])
    if not found.names:
        raise UserError(
            f"{folder}: no notes of {', '.join(conditions.instruments)}, named as in NSynth"
        )
    return found


class Pair(NamedTuple):
    """Notes of one instrument that were transferred to another.

    Attributes:
        source, target: Names.
        given: Indices of the notes.
        true: Indices of true notes of the target at the same pitches.
        made: Transferred images of the notes.
    """

    source: str
    target: str
    given: list
    true: list
    made: list


def transfer_pairs(
    trained: TrainedMove,
    notes: Notes,
    others: set[str],
    names: Sequence[str],
    *,
    most: int,
    rng: np.random.Generator,
) -> list[Pair]:
    """Transfer held-out notes between all pairs of instruments.

    Args:
        trained: ``move.trained.TrainedMove``.
        notes: ``Notes``.
        others: Names of the held-out notes.
        names: Instruments.
        most: Largest number of notes of a pair.
        rng: ``numpy.random.Generator`` that chooses them.

    Returns:
        List of ``Pair``.
    """
    pairs = []
    for source, target in permutations(names, 2):
        played = {note.pitch for note in notes.names if note.instrument == target}
        given = [
            index
            for index, note in enumerate(notes.names)
            if note.instrument == source and note_of(note) in others and note.pitch in played
        ]
        given = sorted(rng.permutation(given)[:most].astype(int).tolist())
        pitches = {notes.names[index].pitch for index in given}
        true = [
            index
            for index, note in enumerate(notes.names)
            if note.instrument == target and note.pitch in pitches
        ]
        made = []
        for index in given:
            slices = cut(notes.images[index])
            pitch = np.full(len(slices), notes.names[index].pitch)
            made.append(join(trained.transfer(slices, pitch, target, source)))
        if given:
            pairs.append(Pair(source, target, given, true, made))
    return pairs


def discrepancy(images: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Squared maximum mean discrepancy of the means over time of the slices of two lists."""
    from common.networks.mmd import squared_mmd

    seen = [
        np.concatenate([cut(image, COLUMNS).mean(axis=2) for image in part])
        for part in (images, others)
    ]
    return float(squared_mmd(*(means[means.max(axis=1) > 0] for means in seen)))


def compare(
    pairs: list[Pair], trained: TrainedMove, notes: Notes, judge: Classifier | None
) -> list[dict[str, Any]]:
    """Rows about each pair: discrepancy, descriptors, pitches, and what the judge says.

    Args:
        pairs: List of ``Pair``.
        trained: ``move.trained.TrainedMove``.
        notes: ``Notes``.
        judge: ``common.report.note_judges.Classifier``, or None.
    """
    from scipy.stats import wasserstein_distance

    rate, rows = trained.sample_rate, []
    for pair in pairs:
        asked = [notes.names[index] for index in pair.given]
        sounds = [trained.slices.audio(image, ITERATIONS) for image in pair.made]
        before, truth = (
            described([notes.audios[i] for i in part], [notes.names[i] for i in part], rate)
            for part in (pair.given, pair.true)
        )
        after = described(sounds, asked, rate)
        nearer = [
            wasserstein_distance(*one) < wasserstein_distance(*other)
            for one, other in zip(
                zip(after, truth, strict=True), zip(before, truth, strict=True), strict=True
            )
        ]
        true, given = ([notes.images[i] for i in part] for part in (pair.true, pair.given))
        ratio = discrepancy(pair.made, true) / discrepancy(given, true)
        row = {
            "from": pair.source.removesuffix("_acoustic"),
            "to": pair.target.removesuffix("_acoustic"),
            "notes": len(asked),
            "mmd_ratio": ratio,
            "nearer_of_8": int(np.sum(nearer)),
            **heard_right(sounds, asked, rate),
        }
        if judge is not None:
            row["judge"] = judge.accuracy(np.stack(pair.made), [pair.target] * len(asked))
        rows.append(row)
    return rows


def described(audios: Sequence[np.ndarray], notes: Sequence[NoteName], rate: int) -> np.ndarray:
    """Descriptors of sounding audios of notes: (8, notes)."""
    from common.audio.descriptors import describe

    found = [
        list(describe(audio, rate, frequency(note.pitch)).values())
        for audio, note in zip(audios, notes, strict=True)
        if audio.any()
    ]
    return np.array(found).T


def heard_right(
    audios: Sequence[np.ndarray], notes: Sequence[NoteName], rate: int
) -> dict[str, float]:
    """``right`` of what is heard in audios of notes."""
    from common.report.note_judges import heard_pitch, right

    heard = np.array([heard_pitch(audio, rate, _LOWEST) for audio in audios])
    return right(heard, np.array([note.pitch for note in notes]))


def evaluate(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Print all about one model; a row for the table of models."""
    from common.report.note_judges import Classifier
    from move.trained import load_trained

    trained = load_trained(folder)
    rate, rng = trained.sample_rate, np.random.default_rng(args.seed)
    notes = load_notes(args.audio_path, trained)
    every = set(map(note_of, notes.names))
    others = set(held_out(every, [open_run(folder, "move")], str, where=args.audio_path))
    known = trained.conditions.instruments
    names = [trained.conditions.instrument(name) for name in args.instruments or known]
    judge = None
    if args.judge_path:
        learned = load_notes(args.judge_path, trained)
        instruments = [note.instrument for note in learned.names]
        judge = Classifier(np.stack(learned.images), instruments, RANGE_DB)
    real = [index for index, note in enumerate(notes.names) if note_of(note) in others]
    distances = []
    for index in real:
        slices, note = cut(notes.images[index], COLUMNS), notes.names[index]
        pitch, name = np.full(len(slices), note.pitch), note.instrument
        made = trained.transfer(slices, pitch, name, name)
        distances.append(image_distance(slices, made, RANGE_DB))
    pairs = transfer_pairs(trained, notes, others, names, most=args.notes, rng=rng)
    if not pairs:
        raise UserError(f"{args.audio_path}: no held-out note that two instruments play")
    rows = compare(pairs, trained, notes, judge)
    numbers = [name for name, value in rows[0].items() if not isinstance(value, str)]
    means = {name: float(np.mean([row[name] for row in rows])) for name in numbers}
    asked = [index for index in real if notes.names[index].instrument in names]
    chosen = rng.permutation(asked)[: 8 * args.notes]
    truth = heard_right([notes.audios[i] for i in chosen], [notes.names[i] for i in chosen], rate)
    if judge is not None:
        stack = np.stack([notes.images[index] for index in asked])
        truth["judge"] = judge.accuracy(stack, [notes.names[index].instrument for index in asked])
    print(f"{folder}: {len(others)} notes of {len(every)} are held out\n")
    last = [{"from": "overall", "to": "", **means}, {"from": "true notes", "to": "", **truth}]
    print(as_text([*rows, *last]), end="\n\n")
    latents = rng.standard_normal((round(_SPEED_SECONDS * trained.rate), trained.dims))
    return {
        "model": folder.name,
        "LSD": float(np.mean(distances)),
        "worst_mmd_ratio": max(row["mmd_ratio"] for row in rows),
        "fewest_nearer": min(row["nearer_of_8"] for row in rows),
        "speed": decoding_speed(trained, latents),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    for folder in args.model:
        open_run(folder, "move")
    start_backend(None)
    print(as_text([evaluate(folder, args) for folder in args.model]))
    return 0


if __name__ == "__main__":
    run(main)
