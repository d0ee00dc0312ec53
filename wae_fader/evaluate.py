"""Evaluate trained models on notes that they were not trained on.

    python -m wae_fader.evaluate --features_path notes.h5 --model runs/fader
    python -m wae_fader.evaluate --features_path notes.h5 --ablation runs/ablation --seeds 3

prints, for each model:

  LSD             log-spectral distance in dB between held-out notes and their reconstructions: the
                  root mean square over the bands, averaged over the columns
  mmd_prior       squared maximum mean discrepancy of latent vectors of held-out notes from the
                  normal distribution; a row tells that of as many samples of the same
  style_from_z    share of held-out notes whose style a fresh classifier (random forest, trained on
                  latent vectors of the training notes) reads from the latent vector, averaged over
                  the styles; likewise pitch class and octave. A row tells chance
  style           share of generated notes that a judge takes for the style they were asked for:
                  points of the normal distribution, at random notes of --octaves, each decoded in
                  every style; ..._in_range: those only whose pitch the style has in the features;
                  ..._of_sound: the image of the sound of some (--sounds)
  pitch_class     share of these whose pitch class, and whose octave, is heard right (SwiftF0 and
  octave          probabilistic YIN, which know nothing of the notes)
  speed           seconds of audio that one core makes in a second
  minutes         that the training took, by its history

The judge of the style learned from the held-out notes, which no model has seen; the row of true
notes tells how it does on held-out notes of other pitches (five-fold). With --judge_path, another
column is of a judge that learned from other recordings. --ablation first trains four models in that
folder, as far as they are not there: told nothing, the note, note and style, and the latter with
the adversary. With several --seeds, each is a line of means and standard deviations.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.metrics import image_distance
from common.cli import Parser, UserError, add_seed_flag, number, parser, run
from common.latent import decoding_speed
from common.music.split import note_of
from common.report.ablation import (
    add_ablation_flags,
    over_seeds,
    train_variants,
    training_minutes,
)
from common.report.note_judges import (
    envelopes,
    heard_right,
    judge_of,
    read_from,
    right_of_others,
)
from common.report.tables import as_text
from common.trained import open_run, shipped
from common.training.devices import start_backend
from wae_fader.images import RANGE_DB
from wae_fader.store import Note, NoteStore
from wae_fader.trained import load_trained, read_latents

if TYPE_CHECKING:
    from wae_fader.trained import TrainedFader

ABLATION = {  # name of the paper -> what the training differs in
    "WAE-MMD": {"conditions": "none", "adversary": "off"},
    "WAE-note": {"conditions": "note", "adversary": "off"},
    "WAE-style": {"conditions": "style", "adversary": "off"},
    "WAE-Fader": {"conditions": "style", "adversary": "on"},
}
_FEWEST = 3  # held-out notes of a style
_SPEED_NOTES = 8
_FEW = 400  # latent vectors of a discrepancy


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--features_path",
        required=True,
        type=Path,
        help="HDF5 file made by wae_fader.preprocess, with held-out notes of the models",
    )
    built.add_argument(
        "--model",
        type=Path,
        nargs="+",
        help="run folders (default: models/wae_fader_orchestra)",
    )
    built.add_argument(
        "--judge_path",
        type=Path,
        help="HDF5 file of wae_fader.preprocess, of other recordings, for a second judge",
    )
    built.add_flag("--notes", 24, "number of generated notes of a style", type=number(int, 1))
    built.add_flag("--sounds", 48, "largest number of them that are heard", type=number(int, 1))
    built.add_flag(
        "--octaves",
        (3, 4),
        "first and last octave of generated notes",
        nargs=2,
        type=number(int, 0, 8),
        metavar=("FIRST", "LAST"),
    )
    add_ablation_flags(built, ABLATION, epochs=6, steps=40)
    add_seed_flag(built, "points and notes")
    return built


def read_all(
    folder: Path, rows: Sequence[Note], latents: np.ndarray, seed: int
) -> dict[str, float]:
    """What of style, pitch class and octave is read from latent vectors, and their discrepancy.

    Args:
        folder: Run folder, whose latent vectors of the training are learned from.
        rows: Held-out notes.
        latents: Their latent vectors (notes, dims).
        seed: Random seed of what is drawn.
    """
    from common.networks.mmd import PRIOR_SCALES, squared_mmd

    rng = np.random.default_rng(seed)
    learned, known = read_latents(folder)
    found, kernel = {}, {"width": latents.shape[1], "scales": PRIOR_SCALES}
    some = rng.permutation(latents)[:_FEW]
    samples = rng.standard_normal((2, *some.shape)).astype(np.float32)
    found["mmd_prior"] = float(squared_mmd(some, samples[0], **kernel))
    found["mmd_of_samples"] = float(squared_mmd(*samples, **kernel))
    for name, label in (
        ("style_from_z", lambda row: row.style),
        ("class_from_z", lambda row: row.pitch % 12),
        ("octave_from_z", lambda row: row.pitch // 12 - 1),
    ):
        labels, truth = ([label(row) for row in side] for side in (learned, rows))
        found[name] = read_from(known, labels, latents, truth, seed)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    if args.octaves[0] > args.octaves[1]:
        raise UserError("--octaves: the first one is above the last one")
    store = NoteStore(args.features_path)
    known = read_judge_notes(args.judge_path, store) if args.judge_path else None
    given = args.model or ([] if args.ablation else [shipped("wae_fader_orchestra")])
    for folder in given:
        open_run(folder, "wae_fader")
    start_backend(None)
    names = Counter([*ABLATION, *(folder.name for folder in given)])
    models = {folder.name if names[folder.name] == 1 else str(folder): [folder] for folder in given}
    if args.ablation:
        from wae_fader.train import train

        models |= train_variants(train, ABLATION, args)
    print(as_text(Evaluation(store, models, args, known).rows()))
    return 0


def read_judge_notes(path: Path, store: NoteStore) -> tuple[list[Note], np.ndarray]:
    """Notes and images of ``--judge_path``.

    Raises:
        UserError: They are not comparable to those of ``store``, or of one style only.
    """
    with NoteStore(path) as known:
        if known.images != store.images:
            raise UserError(
                f"--judge_path {path}: images of another size than in {store.path}; make both with "
                "one --size"
            )
        styles = sorted({row.style for row in known.rows})
        if len(styles) < 2:
            raise UserError(f"--judge_path {path}: notes of {styles[0]} only; a judge needs two")
        return known.rows, known.read(range(len(known)))


class Evaluation:
    """Figures of some models, all on the same notes.

    Args:
        store: ``wae_fader.store.NoteStore``.
        models: Dict from the name of a line to run folders, which differ in the seed.
        args: Flags of the script.
        known: What ``read_judge_notes`` returns, for a second judge.
    """

    def __init__(
        self,
        store: NoteStore,
        models: dict[str, list[Path]],
        args: argparse.Namespace,
        known: tuple[list[Note], np.ndarray] | None = None,
    ) -> None:
        self.args, self.store, self.models = args, store, models
        folders = [folder for group in models.values() for folder in group]
        self.trained = {folder: load_trained(folder) for folder in folders}
        for folder, trained in self.trained.items():
            unknown = {row.style for row in store.rows} - set(trained.conditions.instruments)
            if unknown or trained.images != store.images:
                what = f"style {min(unknown)}" if unknown else "images of another size"
                raise UserError(f"{store.path}: has {what}, which {folder.name} does not know")
        _, held = store.sides([open_run(folder, "wae_fader") for folder in folders])
        self.held = [store.rows[index] for index in held]
        others = {note_of(row) for row in self.held}
        # a judge is tried on other notes than it learned from: those of any velocity count once
        styles = Counter(style for style, _ in {(row.style, note_of(row)) for row in self.held})
        if len(styles) < 2 or min(styles.values()) < _FEWEST:
            least = min(styles, key=styles.get)
            raise UserError(
                f"{store.path}: {styles[least]} held-out notes of {least} among {len(styles)} "
                f"styles; a judge needs {_FEWEST} of each of two"
            )
        self.images = store.read(held)
        self.seen = envelopes(self.images, RANGE_DB)
        self.judges = {"style": judge_of(self.seen, [row.style for row in self.held])}
        if known:
            rows, images = known
            learned = envelopes(images, RANGE_DB)
            self.judges["other_judge"] = judge_of(learned, [row.style for row in rows])
        every = {note_of(row) for row in store.rows}
        print(f"{len(others)} of {len(every)} notes are held out, {len(self.held)} images\n")

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table: one of each model, of true notes, and of chance."""
        rows = [
            over_seeds([self.row(name, folder) for folder in group])
            for name, group in self.models.items()
        ]
        styles = {row.style for row in self.held}
        chance = {
            "mmd_prior": rows[0]["mmd_of_samples"],
            "style_from_z": 1 / len(styles),
            "class_from_z": 1 / len({row.pitch % 12 for row in self.held}),
            "octave_from_z": 1 / len({row.pitch // 12 for row in self.held}),
            "style": 1 / len(styles),
        }
        for row in rows:
            del row["mmd_of_samples"]
        return [*rows, {"model": "true notes", **self.truth()}, {"model": "chance", **chance}]

    def row(self, name: str, folder: Path) -> dict[str, Any]:
        """All about one model."""
        trained = self.trained[folder]
        latents = trained.encode_images(self.images)
        made = trained.decode_images(
            latents,
            [row.pitch for row in self.held],
            [row.style for row in self.held],
        )
        return {
            "model": name,
            "LSD": image_distance(self.images, made, RANGE_DB),
            **read_all(folder, self.held, latents, self.args.seed),
            **self.generated(trained),
            "speed": decoding_speed(
                trained,
                np.random.default_rng(self.args.seed).standard_normal((_SPEED_NOTES, trained.dims)),
            ),
            "minutes": training_minutes(folder),
        }

    def generated(self, trained: TrainedFader) -> dict[str, float]:
        """What is heard of generated notes, as far as the decoder is told of it."""
        if not trained.told:
            return {}
        rng = np.random.default_rng(self.args.seed)
        first, last = (12 * (octave + 1) for octave in self.args.octaves)
        styles = trained.conditions.instruments
        latents = rng.standard_normal((self.args.notes, trained.dims))
        pitches = rng.integers(first, last + 12, self.args.notes)
        asked = np.tile(styles, self.args.notes)
        latents, pitches = (np.repeat(one, len(styles), axis=0) for one in (latents, pitches))
        made = trained.decode_images(latents, pitches, asked)
        chosen = rng.permutation(len(made))[: self.args.sounds]
        found, sounds = {}, [trained.images.audio(image) for image in made[chosen]]
        if trained.told == trained.conditions.length:
            rows = self.store.rows
            reach = {
                style: [row.pitch for row in rows if row.style == style] or [0] for style in styles
            }
            inside = [
                min(reach[style]) <= pitch <= max(reach[style])
                for style, pitch in zip(asked, pitches, strict=True)
            ]
            for name, judge in self.judges.items():
                right = judge.names(envelopes(made, RANGE_DB)) == asked
                found[name] = float(np.mean(right))
                found[f"{name}_in_range"] = float(np.mean(right[inside])) if any(inside) else ""
            heard = [trained.images.image(sound)[0] for sound in sounds]
            right = (
                self.judges["style"].names(envelopes(np.stack(heard), RANGE_DB)) == asked[chosen]
            )
            found["style_of_sound"] = float(np.mean(right))
        return found | heard_right(sounds, trained.sample_rate, pitches[chosen])

    def truth(self) -> dict[str, float]:
        """What the judges say of true held-out notes of the same octaves."""
        first, last = self.args.octaves
        inside = np.array([first <= row.pitch // 12 - 1 <= last for row in self.held])
        if not inside.any():
            return {}
        styles, notes = [row.style for row in self.held], [note_of(row) for row in self.held]
        right = right_of_others(self.seen, styles, notes, self.seen)
        found = {"style_in_range": float(right[inside].mean())}
        if "other_judge" in self.judges:
            heard = self.judges["other_judge"].names(self.seen[inside])
            found["other_judge_in_range"] = float(np.mean(heard == np.array(styles)[inside]))
        rng = np.random.default_rng(self.args.seed)
        chosen = rng.permutation(np.flatnonzero(inside))[: self.args.sounds]
        pitches = np.array([row.pitch for row in self.held])[chosen]
        trained = next(iter(self.trained.values()))
        sounds = [trained.images.audio(image) for image in self.images[chosen]]
        heard = self.seen.copy()
        heard[chosen] = envelopes(
            np.stack([trained.images.image(sound)[0] for sound in sounds]), RANGE_DB
        )
        right = right_of_others(self.seen, styles, notes, heard)
        found["style_of_sound"] = float(right[chosen].mean())
        return found | heard_right(sounds, trained.sample_rate, pitches)


if __name__ == "__main__":
    run(main)
