"""Evaluate a space, or the transforms and penalties that make one.

    python -m timbre_space.evaluate --audio_path orchestra --pictures pictures
    python -m timbre_space.evaluate --study erb.h5 stft.h5 dct.h5 cqt.h5 mel.h5 --seeds 3
    python -m timbre_space.evaluate --leave_out erb.h5 --penalties l2 --seeds 3

The first prints, for a trained space:

  reconstruction  error of held-out notes: mean squared difference of the scaled levels, and
                  log-spectral distance in dB
  ratings         rank correlation of the distances between the centres of the instruments with the
                  ratings
  families        share of the notes of instruments that the space was not trained on whose nearest
                  instrument is of the same family; chance is the share of such instruments
  curves          Spearman's correlation of drawn curves, a rise and a fall, with what their paths
                  have, decoded and in the sound
  maps            roughness of the maps of descriptors: 0 for a slope, 1.7 for random values

The second and the third train small spaces in memory. --study prints:

  transforms      for each store and penalty, errors of held-out notes, and the rank correlation
  common          squared error in dB^2 after both spectra were summed up in the same 30 bands, of
                  each store, trained without penalty

--leave_out prints, for each seed, the mean over instruments of the rank correlation of their
distances from the others with the ratings, and how many are nearest to one of their family:

  no penalty      after as many steps as the others
  penalty         of all rated pairs
  held out        each instrument in turn is left out of the penalty and judged
  permuted        trained with the ratings of permuted instruments, judged by the true ones
  spectra         the spectra of notes of the same pitch, compared without a space
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, UserError, add_seed_flag, existing_folder, number, parser, run, say
from common.files.audio import find_recordings
from common.music.instruments import family_of
from common.music.names import parse_note
from common.report.evaluation import held_out
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from data import load_audio
from timbre_space.preprocess import sustained
from timbre_space.ratings import (
    merge,
    rank_correlation,
    rank_correlations,
    read_ratings,
    row_correlation,
)
from timbre_space.store import ColumnStore
from timbre_space.train import RATINGS

if TYPE_CHECKING:
    from timbre_space.trained import Landmarks, TrainedSpace

COLUMNS = 6  # of a note
_CURVE_SECONDS = 3.0


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("pictures",))
    what = built.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--audio_path", type=existing_folder, help="folder of notes to evaluate a space with"
    )
    what.add_argument(
        "--study", type=Path, nargs="+", metavar="STORE", help="stores to train small spaces on"
    )
    what.add_argument(
        "--leave_out",
        type=Path,
        metavar="STORE",
        help="store to train small spaces on, each instrument in turn left out of the penalty",
    )
    add_model_flag(built, "timbre_space_erb")
    built.add_argument(
        "--ratings_path",
        type=Path,
        default=RATINGS,
        help="CSV file with the columns a, b, rating, study (default: "
        "data/ratings/synthetic.csv, which no listener gave)",
    )
    built.add_argument("--pictures", type=Path, help="folder for pictures of the space")
    built.add_flag("--steps", 500, "steps of either stage of a study", type=number(int, 1))
    built.add_flag("--latent_dim", 16, "dimensions of the spaces of a study", type=number(int, 1))
    built.add_flag("--seeds", 1, "number of trainings of a kind in a study", type=number(int, 1))
    built.add_argument(
        "--penalties",
        nargs="+",
        choices=("neighbours", "l2", "gaussian", "prior"),
        default=["neighbours", "l2", "gaussian", "prior"],
        help="penalties of --study (default: all); --leave_out takes the first one",
    )
    add_seed_flag(built, "choice of notes, and the first training of a study")
    return built


def notes_of(folder: Path, trained: TrainedSpace) -> list[tuple[str, int, np.ndarray, str]]:
    """Sustained columns of the notes of a folder: list of (instrument, pitch, levels, note)."""
    found = []
    for name, path in find_recordings(folder).files.items():
        note = parse_note(name)
        if note is not None:
            audio, _ = load_audio(path, sample_rate=trained.sample_rate)
            levels, _ = sustained(audio, trained.spectra, COLUMNS)
            if len(levels):
                unit = f"{note.instrument}-{note.pitch:03d}"
                found.append((note.instrument, note.pitch, levels, unit))
    if not found:
        raise UserError(f"{folder}: no sounding notes named as in NSynth")
    return found


def curves_followed(trained: TrainedSpace, landmarks: Landmarks) -> list[dict[str, Any]]:
    """Rows of how well paths follow drawn curves, for each descriptor."""
    from timbre_space.descriptors import SHOWN, curve_path, described

    steps = round(_CURVE_SECONDS * trained.rate)
    curve = np.sin(np.linspace(-np.pi / 2, 3 * np.pi / 2, steps))
    rows = []
    for name in SHOWN:
        way, targets = curve_path(trained, landmarks, curve, name, steps=steps)
        hertz = trained.spectra.frequencies
        decoded = described(trained.decode_columns(way), hertz)[name]
        sound = described(trained.spectra.columns(trained.decode(way))[:steps], hertz)[name]
        rows.append(
            {
                "curve": name,
                "decoded": rank_correlation(targets, decoded),
                "in_the_sound": rank_correlation(targets, sound),
            }
        )
    return rows


def evaluate(args: argparse.Namespace) -> None:
    """Print all about a space."""
    from timbre_space.descriptors import descriptor_maps, roughness
    from timbre_space.plots import plot_distances, plot_maps, plot_space
    from timbre_space.study import centre_distances
    from timbre_space.train import one_hot, scaled
    from timbre_space.trained import load_trained, read_latents

    trained, landmarks = load_trained(args.model), read_latents(args.model)
    notes = notes_of(args.audio_path, trained)
    config = open_run(args.model, "timbre_space")
    known = [note for note in notes if note[0] in trained.instruments]
    units = {note[3] for note in known}
    others = set(held_out(units, [config], str, where=args.audio_path))
    levels = np.concatenate([note[2] for note in known if note[3] in others])
    made = trained.decode_columns(trained.encode_columns(levels))
    rows = [
        {
            "held_out_notes": len(others),
            "columns": len(levels),
            "squared": float(
                np.mean(np.square(scaled(levels, trained.scale) - scaled(made, trained.scale)))
            ),
            "LSD": float(np.sqrt(np.square(levels - made).mean(axis=1)).mean()),
        }
    ]
    print(as_text(rows), end="\n\n")
    ratings = merge(read_ratings(args.ratings_path), trained.instruments)
    places = [trained.instruments.index(row.instrument) for row in landmarks.rows]
    labels = one_hot(places, len(trained.instruments))
    distances = centre_distances(landmarks.vectors, labels)
    print(as_text([{"ratings": args.ratings_path.name, **rank_correlations(distances, ratings)}]))
    families = [family_of(name) for name in trained.instruments]
    rows = []
    for name in sorted({note[0] for note in notes} - set(trained.instruments)):
        if family_of(name) not in families:
            continue
        nearest = [
            int(
                np.argmin(landmarks.distances(trained.encode_columns(note[2]), trained.instruments))
            )
            for note in notes
            if note[0] == name
        ]
        votes = np.bincount(nearest, minlength=len(families))
        rows.append(
            {
                "not_trained_on": name,
                "nearest": trained.instruments[int(votes.argmax())],
                "family": float(np.mean([families[one] == family_of(name) for one in nearest])),
                "chance": float(np.mean([family == family_of(name) for family in families])),
            }
        )
    if rows:
        print("", as_text(rows), sep="\n")
    if trained.spectra.kind != "dct":
        print("", as_text(curves_followed(trained, landmarks)), sep="\n")
    maps = descriptor_maps(trained, landmarks.axes, 25)
    rough = {name: float(np.mean(list(map(roughness, maps[name].values())))) for name in maps}
    print("", as_text([{"maps": "roughness", **rough}]), sep="\n")
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
        plot_space(args.pictures / "space.png", landmarks.vectors, landmarks.rows)
        plot_distances(args.pictures / "distances.png", {"latent": distances}, ratings)
        plot_maps(args.pictures / "maps.png", maps)
        say(f"{args.pictures}: space.png, distances.png, maps.png")


def study(args: argparse.Namespace) -> None:
    """Train small spaces, and print what becomes of them."""
    from timbre_space.study import Data, Settings, Trainer, centre_distances

    settings = Settings(latent_dim=args.latent_dim, steps=args.steps)
    stores = [ColumnStore(path) for path in args.study]
    ratings = _rated(stores[0], args.ratings_path)
    classes = ratings.instruments
    rows, common = [], []
    for store in stores:
        data, first = Data.of(store, classes), None
        for kind in ("none", *args.penalties):
            built = "l2" if kind == "none" else kind
            trainer = Trainer(data, ratings, built, settings, seed=args.seed, first=first)
            first = trainer.first
            trainer.second(None if kind == "none" else ratings)
            distances = centre_distances(trainer.latents()[data.known], data.labels[data.known])
            errors = trainer.errors()
            rows.append(
                {
                    "transform": store.spectra.kind,
                    "penalty": kind,
                    "squared": errors["squared"],
                    "likelihood": errors["likelihood"],
                    "spearman": rank_correlations(distances, ratings)["spearman"],
                }
            )
            if kind == "none":
                found = [errors["common_db2"]]
                for seed in range(args.seed + 1, args.seed + args.seeds):
                    again = Trainer(data, ratings, built, settings, seed=seed)
                    again.second(None)
                    found.append(again.errors()["common_db2"])
                each = {f"seed_{number}": value for number, value in enumerate(found)}
                mean = float(np.mean(found))
                common.append({"common": store.spectra.kind, **each, "mean": mean})
    print(as_text(rows), end="\n\n")
    print(as_text(common))


def leave_out(args: argparse.Namespace) -> None:
    """Print rows about spaces without penalty, with it, with one instrument left out, permuted."""
    from timbre_space.study import (
        Data,
        Settings,
        Trainer,
        centre_distances,
        chance_of_kin,
        nearest_is_kin,
        spectral_distances,
    )

    store = ColumnStore(args.leave_out)
    ratings = _rated(store, args.ratings_path)
    data = Data.of(store, ratings.instruments)
    names, labels = data.everything()
    chosen, count, rows = labels.any(axis=1), len(data.classes), []
    chance = sum(chance_of_kin(names, place) for place in range(count))
    settings = Settings(latent_dim=args.latent_dim, steps=args.steps)

    def report(title, seed, found):
        judged = list(enumerate(found if len(found) > 1 else found * count))
        correlations = [row_correlation(one[:count, :count], ratings, i) for i, one in judged]
        kin = sum(nearest_is_kin(one, names, place) for place, one in judged)
        row = {"space": title, "seed": seed, "correlation": float(np.mean(correlations))}
        rows.append(row | {"kin": f"{kin} of {count}", "chance": float(chance)})

    for seed in range(args.seed, args.seed + args.seeds):
        trainer = Trainer(data, ratings, args.penalties[0], settings, seed=seed)
        order = np.random.default_rng(seed).permutation(count)
        wrong = ratings._replace(
            mean=ratings.mean[np.ix_(order, order)],
            deviation=ratings.deviation[np.ix_(order, order)],
        )
        for title, given in (
            ("no penalty", [None]),
            ("penalty", [ratings]),
            ("held out", [ratings.without(name) for name in data.classes]),
            ("permuted", [wrong]),
        ):
            found = []
            for one in given:
                trainer.second(one)
                found.append(centre_distances(trainer.latents()[chosen], labels[chosen]))
            report(title, str(seed), found)
    report("spectra", "", [spectral_distances(data, labels)])
    print(as_text(rows))


def _rated(store, path):
    """Ratings of those instruments of a store that have any."""
    rows = read_ratings(path)
    rated = {name.removesuffix("_acoustic") for row in rows for name in (row.a, row.b)}
    present = sorted({row.instrument for row in store.rows})
    return merge(rows, [name for name in present if name.removesuffix("_acoustic") in rated])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    stores = args.study or list(filter(None, [args.leave_out]))
    if stores:
        for path in stores:
            ColumnStore(path).close()
        read_ratings(args.ratings_path)
    else:
        open_run(args.model, "timbre_space")
    start_backend(None)
    (study if args.study else leave_out if args.leave_out else evaluate)(args)
    return 0


if __name__ == "__main__":
    run(main)
