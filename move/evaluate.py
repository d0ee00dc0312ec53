"""Evaluate trained transfers on notes that they were not trained on.

    python -m move.evaluate --audio_path data/notes --judge_path other_notes
    python -m move.evaluate --audio_path data/notes --ablation runs/ablation --features_path \
        slices.h5 --seeds 3

prints, for each model:

  LSD             log-spectral distance in dB between held-out slices and their reconstructions,
                  the root mean square over the bins, averaged over the columns
  mmd_ratio       for pairs of instruments, the squared maximum mean discrepancy between transferred
                  held-out notes and true notes of the target at the same pitches, divided by that
                  between the notes as they were and the same true notes: below 1 is nearer
  nearer_of_8     how many of eight descriptors of timbre (``common.audio.descriptors``) are nearer
                  to those of true notes after the transfer, by the first Wasserstein distance;
                  ``not_nearer`` names the others
  pitch_class     share of transferred notes whose pitch class, and whose octave, is heard right by
  octave          SwiftF0 and probabilistic YIN, which know nothing of the notes; the same for true
                  held-out notes
  judge           share of transferred notes that a classifier takes for their target. It learned
                  from the held-out notes, which the models have not seen, if there are five of
                  each instrument; the row of true notes tells how it does on other pitches than it
                  learned from (five-fold)
  other_judge     the same by a classifier that learned from the notes of --judge_path, which should
                  be of other recordings of the same instruments
  from_z          share of held-out slices whose instrument a fresh classifier (random forest, which
                  learned from latent vectors of the training) reads from latent vectors, averaged
                  over the instruments; chance is one over their number
  speed           seconds of audio a second that one core makes of latent vectors
  minutes         that the training took, by its history

The row of reconstructions tells what a transfer can reach: there, the true notes of the target,
coded and decoded, take the place of the transferred ones.

With --recordings, a second table is of recorded notes that are transferred, from any instrument.
--ablation first trains models in that folder, as far as they are not there, and prints one line for
each: MoVE, its networks told the note by no modulation, or beside the input, its loss without the
discrepancy, or with an adversary in place of it, compared by their images alone. With several
--seeds, a line has means and standard deviations.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.descriptors import NAMES
from common.audio.metrics import image_distance
from common.cli import Parser, UserError, add_seed_flag, existing_folder, number, parser, run
from common.latent import decoding_speed
from common.music.split import note_of
from common.report.ablation import (
    add_ablation_flags,
    over_seeds,
    train_variants,
    training_minutes,
)
from common.report.evaluation import held_out
from common.report.note_judges import (
    envelopes,
    heard_right,
    judge_of,
    read_from,
    right_of_others,
)
from common.report.pairs import NoteSound, Pair, change_pairs, describe_pair, load_notes, sounds_of
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from move.slices import COLUMNS, RANGE_DB, cut
from move.trained import load_trained, read_latents

if TYPE_CHECKING:
    from common.report.judges import Judge
    from move.trained import TrainedMove


ABLATION = {  # what the training differs in
    "MoVE": {},
    "no-FiLM": {"modulation": "none"},
    "concatenation": {"modulation": "concatenate"},
    "no-MMD": {"mmd_weight": 0},
    "adversarial": {"translation": "adversarial"},
}
_FEWEST = 5  # held-out notes of an instrument of which a judge can learn
_HEARD = 64  # largest number of true notes that are listened to
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
        "--judge_path", type=existing_folder, help="folder of notes to train a second judge on"
    )
    built.add_argument(
        "--recordings",
        type=existing_folder,
        help="folder of recorded notes of any instruments, named as in NSynth, to transfer as well",
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
    add_ablation_flags(built, ABLATION, epochs=6, steps=50)
    built.add_argument(
        "--features_path", type=Path, help="HDF5 file of move.preprocess to train these on"
    )
    add_seed_flag(built, "choice of notes")
    return built


def discrepancy(images: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """Squared maximum mean discrepancy of the means over time of the slices of two lists.

    Silent slices are left out; NaN if a list has no other.
    """
    from common.networks.mmd import squared_mmd

    seen = [
        np.concatenate([cut(image, COLUMNS).mean(axis=2) for image in part])
        for part in (images, others)
    ]
    heard = [means[means.max(axis=1) > 0] for means in seen]
    return float(squared_mmd(*heard)) if all(map(len, heard)) else math.nan


def compare_images(pair: Pair, judges: dict[str, Judge]) -> dict[str, Any]:
    """Row about a pair: discrepancy, and what the judges say.

    Args:
        pair: ``common.report.pairs.Pair``.
        judges: Dict from the name of a column to a judge of ``envelopes``.
    """
    true, given = ([note.image for note in part] for part in (pair.true, pair.given))
    seen = envelopes(np.stack(pair.made), RANGE_DB)
    return {
        "from": pair.source.removesuffix("_acoustic"),
        "to": pair.target.removesuffix("_acoustic"),
        "notes": len(pair.given),
        "mmd_ratio": discrepancy(pair.made, true) / discrepancy(given, true),
        **{name: float(np.mean(one.names(seen) == pair.target)) for name, one in judges.items()},
    }


def compare_sounds(pair: Pair, sounds: Sequence[np.ndarray], rate: int) -> dict[str, Any]:
    """More of that row: descriptors and pitches of the sounds of the changed notes.

    Args:
        pair: ``common.report.pairs.Pair``.
        sounds: (samples,) of each.
        rate: Hz.
    """
    from scipy.stats import wasserstein_distance

    before, after, truth = describe_pair(pair, sounds, rate)
    farther = [
        name
        for name, made, given, true in zip(NAMES, after, before, truth, strict=True)
        if wasserstein_distance(made, true) >= wasserstein_distance(given, true)
    ]
    return {
        "nearer_of_8": len(NAMES) - len(farther),
        **heard_right(sounds, rate, [note.name.pitch for note in pair.given]),
        "not_nearer": " ".join(farther),
    }


def reconstructed(pair: Pair, trained: TrainedMove) -> tuple[Pair, list[np.ndarray]]:
    """A pair with true notes of the target, coded and decoded, in place of the transfers.

    Of those at the same pitch, the one of the nearest velocity takes the place of a transfer.

    Returns:
        ``(pair, sounds)``.
    """
    made, sounds = [], []
    for asked in (note.name for note in pair.given):
        note = min(
            (note for note in pair.true if note.name.pitch == asked.pitch),
            key=lambda note: abs(note.name.velocity - asked.velocity),
        )
        made.append(trained.change_note(note.image, asked.pitch, pair.target, pair.target))
        sounds.append(trained.note_sound(made[-1], note.level))
    return pair._replace(made=made), sounds


def means(rows: Sequence[dict[str, Any]], **texts: str) -> dict[str, Any]:
    """A row of the means of rows, with other texts."""
    return texts | {
        name: float(np.mean([row[name] for row in rows]))
        for name, value in rows[0].items()
        if not isinstance(value, str)
    }


class Evaluation:
    """Figures of a model.

    Args:
        folder: Run folder.
        args: Flags of the script.
        notes: Those of ``args.audio_path``, if they are loaded already.

    Attributes:
        trained: ``move.trained.TrainedMove``.
        notes: List of ``common.report.pairs.NoteSound``.

    Raises:
        UserError: A folder has no notes for it.
    """

    def __init__(
        self,
        folder: Path,
        args: argparse.Namespace,
        notes: Sequence[NoteSound] | None = None,
    ) -> None:
        self.folder, self.args = folder, args
        self.trained = trained = load_trained(folder)
        self.rng = np.random.default_rng(args.seed)
        find, known = trained.conditions.instrument, trained.conditions.instruments
        self.names = [find(name) for name in args.instruments or known]
        self.notes = notes or load_notes(args.audio_path, trained)
        every = {note_of(note.name) for note in self.notes}
        others = set(held_out(every, [open_run(folder, "move")], str, where=args.audio_path))
        self.count = f"{len(others)} notes of {len(every)} are held out"
        self.held = [note for note in self.notes if note_of(note.name) in others]
        self.seen = envelopes(np.stack([note.image for note in self.held]), RANGE_DB)
        self.judges = {}
        # a judge is tried on other notes than it learned from: those of any velocity count once
        notes = {(note.name.instrument, note_of(note.name)) for note in self.held}
        counts = Counter(name for name, _ in notes)
        if len(counts) > 1 and min(counts.values()) >= _FEWEST:
            self.judges["judge"] = judge_of(self.seen, self.instruments(self.held))
        if args.judge_path:
            learned = load_notes(args.judge_path, trained)
            if len(set(self.instruments(learned))) < 2:
                raise UserError(
                    f"--judge_path {args.judge_path}: notes of one instrument of the model only; a "
                    "judge needs two"
                )
            seen = envelopes(np.stack([note.image for note in learned]), RANGE_DB)
            self.judges["other_judge"] = judge_of(seen, self.instruments(learned))

    @staticmethod
    def instruments(notes: Sequence[NoteSound]) -> np.ndarray:
        """Names of the instruments of notes."""
        return np.array([note.name.instrument for note in notes])

    def pairs(self) -> list[Pair]:
        """Transfers of held-out notes between all pairs of instruments."""
        pairs = change_pairs(
            self.trained,
            self.held,
            self.notes,
            permutations(self.names, 2),
            most=self.args.notes,
            rng=self.rng,
        )
        if not pairs:
            raise UserError(f"{self.args.audio_path}: no held-out note that two instruments play")
        return pairs

    def compared(self, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
        """Rows of the transfers of pairs, images and sounds."""
        return [self._row(pair, sounds_of(self.trained, pair)) for pair in pairs]

    def reconstructions(self, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
        """Rows of the same pairs, of what ``reconstructed`` puts in the place of transfers."""
        return [self._row(*reconstructed(pair, self.trained)) for pair in pairs]

    def _row(self, pair, sounds):
        rate = self.trained.sample_rate
        return compare_images(pair, self.judges) | compare_sounds(pair, sounds, rate)

    def truth(self) -> dict[str, Any]:
        """Row of true held-out notes."""
        asked = np.isin(self.instruments(self.held), self.names)
        chosen = self.rng.permutation(np.flatnonzero(asked))[:_HEARD]
        notes = [self.held[index] for index in chosen]
        found = self._heard(notes)
        if "judge" in self.judges:
            right = right_of_others(
                self.seen,
                self.instruments(self.held),
                [note_of(note.name) for note in self.held],
                self.seen,
            )
            found["judge"] = float(right[asked].mean())
        if "other_judge" in self.judges:
            heard = self.judges["other_judge"].names(self.seen[asked])
            found["other_judge"] = float(np.mean(heard == self.instruments(self.held)[asked]))
        return {"from": "true notes", "to": "", **found}

    def _heard(self, notes):
        audios, pitches = [note.audio for note in notes], [note.name.pitch for note in notes]
        return heard_right(audios, self.trained.sample_rate, pitches)

    def recorded(self) -> list[dict[str, Any]]:
        """Rows of recorded notes: each instrument transferred to all others, and as they are."""
        trained = self.trained
        notes = load_notes(self.args.recordings, trained, known=False)
        sources = sorted(set(self.instruments(notes)))
        pairs = change_pairs(
            trained,
            notes,
            self.notes,
            [(one, other) for one, other in product(sources, self.names) if one != other],
            most=max(self.args.notes // len(self.names), 1),
            rng=self.rng,
        )
        rows = self.compared(pairs)
        if not rows:
            raise UserError(f"{self.args.recordings}: no note at a pitch of --audio_path")
        by_source = {}
        for row in rows:
            by_source.setdefault(row["from"], []).append(row)
        found = [means(part, **{"from": name}) for name, part in by_source.items()]
        known = [note for note in notes if note.name.instrument in trained.conditions.instruments]
        truth = self._heard(notes[:: -(-len(notes) // _HEARD)])
        if known:
            seen = envelopes(np.stack([note.image for note in known]), RANGE_DB)
            for name, judge in self.judges.items():
                truth[name] = float(np.mean(judge.names(seen) == self.instruments(known)))
        return [*found, means(rows, **{"from": "overall"}), {"from": "recordings", **truth}]

    def latents(self) -> dict[str, float]:
        """Log-spectral distance of held-out slices in dB; what is read of their latent vectors."""
        distances, vectors, own = [], [], []
        for note in self.held:
            slices, name = cut(note.image, COLUMNS), note.name.instrument
            pitches, ages = np.full(len(slices), note.name.pitch), 2 * np.arange(len(slices))
            vectors.append(self.trained.encode_slices(slices, pitches, name, ages=ages))
            made = self.trained.decode_slices(vectors[-1], pitches, name, ages=ages)
            distances.append(image_distance(slices, made, RANGE_DB))
            own += [name] * len(slices)
        rows, known = read_latents(self.folder)
        learned = [row.instrument for row in rows]
        told = read_from(known, learned, np.concatenate(vectors), own, self.args.seed)
        return {"LSD": float(np.mean(distances)), "from_z": told}

    def summary(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Row of the model, given those of its pairs."""
        latents = self.rng.standard_normal(
            (round(_SPEED_SECONDS * self.trained.rate), self.trained.dims)
        )
        nearer = [row["nearer_of_8"] for row in rows if "nearer_of_8" in row]
        return {
            "model": self.folder.name,
            **self.latents(),
            **means(rows),
            "worst_mmd_ratio": max(row["mmd_ratio"] for row in rows),
            **({"fewest_nearer": float(min(nearer))} if nearer else {}),
            "speed": decoding_speed(self.trained, latents),
            "minutes": training_minutes(self.folder),
        }


def evaluate(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Print all about one model; a row for the table of models."""
    found = Evaluation(folder, args)
    pairs = found.pairs()
    rows = found.compared(pairs)
    print(f"{folder}: {found.count}\n")
    last = [
        means(part, **{"from": name, "to": ""})
        for name, part in (("overall", rows), ("reconstructions", found.reconstructions(pairs)))
    ]
    last.append(found.truth())
    print(as_text([*rows, *last]), end="\n\n")
    if args.recordings:
        print(as_text(found.recorded()), end="\n\n")
    return found.summary(rows)


def train_ablation(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Train the models of the ablation, and evaluate them: rows, one of each variant.

    Only images are compared, because it takes most of the time to make and to hear sounds.
    """
    from move.train import train

    rows, notes = [], None
    for name, folders in train_variants(train, ABLATION, args, batch_size=64).items():
        found = []
        for folder in folders:
            one = Evaluation(folder, args, notes)
            notes = one.notes
            found.append(one.summary([compare_images(pair, one.judges) for pair in one.pairs()]))
        rows.append(over_seeds(found) | {"model": name})
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    if args.ablation and not args.features_path:
        raise UserError("--ablation: also name --features_path, the slices to train on")
    if args.ablation and args.recordings:
        raise UserError("--recordings: an ablation compares images only; leave it out")
    for folder in () if args.ablation else args.model:
        open_run(folder, "move")
    start_backend(None)
    if args.ablation:
        print(as_text(train_ablation(args)))
    else:
        print(as_text([evaluate(folder, args) for folder in args.model]))
    return 0


if __name__ == "__main__":
    run(main)
