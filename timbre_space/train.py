"""Train a space of timbres that is arranged by ratings.

    python -m timbre_space.train --features_path erb.h5 --output runs/space

The run folder gets encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv, a picture of the curves, and, after the last epoch, latents.h5, the latent vectors of
the training columns, and a picture of them. A tenth of the notes, pairs of instrument and pitch, is
held out. The penalty is switched on after --plain_epochs, as published.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, UserError, add_features_flag, add_run_flag, number, run
from common.music.split import note_of
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from timbre_space.ratings import Ratings, merge, read_ratings
from timbre_space.store import ColumnStore

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from timbre_space.model import Architecture, Space

RATINGS = Path(__file__).parent.parent / "data" / "ratings" / "synthetic.csv"
WEIGHTS = {"neighbours": 1000.0, "l2": 100.0, "gaussian": 100.0, "prior": 1.0}


class Session(TrainingSession):
    """The training of a space.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Unfit columns, ratings or flags, nothing left to train on.
    """

    system = "timbre_space"
    script = "timbre_space.train"
    networks = ("encoder", "decoder")

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        add_features_flag(built, "timbre_space")
        add_run_flag(built, "runs/space")
        built.add_argument(
            "--ratings_path",
            type=Path,
            default=RATINGS,
            help="CSV file with the columns a, b, rating, study (default: "
            "data/ratings/synthetic.csv, which no listener gave)",
        )
        built.add_argument(
            "--instruments",
            nargs="+",
            metavar="NAME",
            help="instruments to train on (default: all of the features)",
        )
        built.add_flag(
            "--penalty",
            "neighbours",
            "what arranges the space: affinities of neighbours, squared differences of distances, "
            "the same with targets drawn anew in each step, or a prior for each instrument",
            choices=(*WEIGHTS, "none"),
        )
        built.add_argument(
            "--penalty_weight",
            type=number(float, above=0),
            help="weight of the penalty (default: 1000 for neighbours, 100 for l2 and gaussian)",
        )
        built.add_argument(
            "--plain_epochs",
            type=number(int, 0),
            help="number of epochs before the penalty (default: half of --epochs)",
        )
        built.add_flag(
            "--beta", 1.0, "weight of the Kullback-Leibler divergence", type=number(float, 0)
        )
        built.add_flag(
            "--beta_warmup",
            20,
            "number of epochs over which the divergence is faded in, once",
            type=number(int, 0),
            metavar="EPOCHS",
        )
        built.add_argument(
            "--units",
            type=number(int, 1, 8192),
            nargs="+",
            default=[2000, 2000, 2000],
            help="units of the hidden layers of the encoder; the decoder mirrors them (default: "
            "2000 2000 2000, as published)",
        )
        built.add_flag(
            "--latent_dim", 64, "number of dimensions of the space", type=number(int, 1, 512)
        )
        add_training_flags(built, what="columns", batch_size=128, lr=1e-3)

    def check(self) -> None:
        """Open the store and the ratings."""
        self.store = ColumnStore(self.flags.features_path)
        known = sorted({row.instrument for row in self.store.rows})
        self.classes = [
            _instrument(name, known) for name in dict.fromkeys(self.flags.instruments or known)
        ]
        self.ratings = None
        if self.flags.penalty != "none":
            self.ratings = merge(read_ratings(self.flags.ratings_path), self.classes)

    def open_data(self) -> None:
        """Split the notes and scale the columns."""
        from timbre_space.columns import Columns

        flags, rows = self.flags, self.store.rows
        place = {name: number for number, name in enumerate(self.classes)}
        sides = tuple(
            [index for index in side if rows[index].instrument in place]
            for side in self.store.split(flags.validation_split)
        )
        training, held_out = self.split_rows("notes", note_of, sides)
        levels = self.store.levels()
        self.scale = scale_of(levels[training])
        labels = one_hot([place.get(row.instrument, -1) for row in rows], len(place))
        columns = scaled(levels, self.scale)
        make = partial(Columns, columns=columns, labels=labels)
        self.set_batches(make, training, held_out)
        counts = [len({note_of(rows[index]) for index in side}) for side in self.sides]
        self.say(
            f"{len(place)} instruments; {counts[0]:,} notes in {len(training):,} columns to train "
            f"on, {counts[1]:,} notes held out"
        )
        self._say_what_is_rated(self.ratings)

    def _say_what_is_rated(self, ratings: Ratings | None) -> None:
        if ratings is None:
            return
        missing = ratings.uncovered
        names = "; ".join(f"{a} and {b}" for a, b in missing[:10])
        more = f", and {len(missing) - 10} more" if len(missing) > 10 else ""
        said = f"{int(ratings.rated.sum()) // 2} pairs are rated"
        self.say(said + (f"; not rated and left out: {names}{more}" if missing else ""))

    def describe(self) -> dict[str, Any]:
        """Settings of the networks and their columns, scale, and instruments."""
        return {
            "architecture": self.architecture._asdict(),
            "spectra": self.store.spectra._asdict(),
            "scale": self.scale,
            "instruments": self.classes,
        }

    @property
    def architecture(self) -> Architecture:
        """``timbre_space.model.Architecture`` of the flags."""
        from timbre_space.model import Architecture

        bins = len(self.store.spectra.frequencies)
        return Architecture(bins, tuple(self.flags.units), self.flags.latent_dim).check()

    def make_model(self) -> Space:
        """Make the untrained model."""
        from timbre_space.model import Space, build_decoder, build_encoder

        networks = self.sized(
            encoder=build_encoder(self.architecture), decoder=build_decoder(self.architecture)
        )
        kind = "l2" if self.flags.penalty == "none" else self.flags.penalty
        return Space(*networks, self.classes, self.ratings, kind)

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Callbacks that fade in the divergence, and switch on the penalty."""
        from common.training.callbacks import Ramp

        flags = self.flags
        plain = flags.epochs // 2 if flags.plain_epochs is None else flags.plain_epochs
        weight = flags.penalty_weight or WEIGHTS.get(flags.penalty, 0.0)
        return [
            Ramp(model.beta, flags.beta, 0, flags.beta_warmup),
            Ramp(model.strength, weight, plain, plain + 1),
        ]

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """After the last epoch, write the latent vectors and a picture of them."""
        if epoch < self.last_epoch:
            return
        from timbre_space.plots import plot_space
        from timbre_space.trained import TrainedSpace, write_latents

        trained = TrainedSpace(
            **networks, spectra=self.store.spectra, scale=self.scale, instruments=self.classes
        )
        rows, vectors = write_latents(self.run.path, trained, self.store, self.sides[0])
        plot_space(self.run.path / "latents.png", vectors, rows)


def _instrument(name, known):
    from common.music.names import find_instrument

    found = find_instrument("_".join(name.split()), known)
    if found is None:
        raise UserError(f"--instruments {name}: not in the features, which have {', '.join(known)}")
    return found


def scale_of(levels: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of all levels of a training set, in dB."""
    return {"mean": float(levels.mean()), "deviation": float(levels.std())}


def scaled(levels: np.ndarray, scale: dict[str, float]) -> np.ndarray:
    """Levels in dB, scaled to mean 0 and variance 1 over a training set: float32."""
    return ((levels - scale["mean"]) / scale["deviation"]).astype(np.float32)


def one_hot(places: list[int], count: int) -> np.ndarray:
    """Labels (places, count) float32; -1 belongs to none."""
    return (np.asarray(places)[:, np.newaxis] == np.arange(count)).astype(np.float32)


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
