"""Train a network that turns notes of any instrument of a set into any other.

    python -m move.train --features_path slices.h5 --output runs/move

The run folder gets encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv, pictures of the curves and of transferred slices, and, after the last epoch,
latents.h5: the latent vectors of the training slices. A quarter of the notes, pairs of instrument
and pitch, is held out.
"""

from __future__ import annotations

from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, add_features_flag, add_run_flag, number, run
from common.music.split import note_of
from common.networks.conditions import NoteConditions
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from move.ages import AGES, age_vectors
from move.store import SliceStore

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from move.model import Architecture, Move


_SHOWN = 6  # number of slices in a picture
_VALIDATION_STEPS = 8
_SHARE = 0.25  # of the notes that is held out


class Session(TrainingSession):
    """The training of a transfer.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Unfit features or flags, nothing left to train on.
    """

    system = "move"
    script = "move.train"
    networks = ("encoder", "decoder")

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        add_features_flag(built, "move")
        add_run_flag(built, "runs/move")
        built.add_flag(
            "--size",
            "small",
            "widths of the layers; published: 67 million weights, as deep as the paper's networks",
            choices=("small", "published"),
        )
        built.add_flag(
            "--modulation",
            "film",
            "how the networks are told the note: a modulation after each layer, a vector beside "
            "the input of the dense layers, or not at all",
            choices=("film", "concatenate", "none"),
        )
        built.add_flag(
            "--age",
            "on",
            "whether the networks are also told how long ago the note of a slice began; off as "
            "published",
            choices=("on", "off"),
        )
        built.add_flag(
            "--translation",
            "mmd",
            "what brings transferred slices to true ones: their maximum mean discrepancy, or an "
            "adversary that learns to tell them apart",
            choices=("mmd", "adversarial"),
        )
        built.add_flag(
            "--latent_dim", 3, "number of dimensions of the latent space", type=number(int, 1, 512)
        )
        built.add_flag(
            "--prior",
            "kl",
            "distance of the latent vectors from the normal distribution: Kullback-Leibler "
            "divergence or maximum mean discrepancy",
            choices=("kl", "mmd"),
        )
        built.add_flag("--prior_weight", 1.0, "weight of that distance", type=number(float, 0))
        built.add_flag(
            "--reconstruction_weight",
            1e4,
            "weight of the mean squared error of the reconstruction",
            type=number(float, above=0),
        )
        built.add_flag(
            "--mmd_weight",
            5.0,
            "weight of the maximum mean discrepancy between transferred slices and true ones, or "
            "of the adversary; 0 trains by reconstruction alone",
            type=number(float, 0),
        )
        how = {"epochs": 20, "validation_split": _SHARE}
        add_training_flags(built, what="slices", batch_size=128, lr=2e-3, **how)

    def check(self) -> None:
        """Open the store."""
        self.store = SliceStore(self.flags.features_path)
        names = sorted({row.instrument for row in self.store.rows})
        self.conditions = NoteConditions(tuple(names))

    def open_data(self) -> None:
        """Split the notes."""
        from move.batches import Transfers

        flags, rows = self.flags, self.store.rows
        sides = self.store.split(flags.validation_split)
        training, held_out = self.split_rows("notes", lambda row: note_of(row.played), sides)
        vectors = self.conditions.vectors(
            [row.instrument for row in rows], [row.pitch for row in rows]
        )
        if flags.age == "on":
            ages = age_vectors([row.age for row in rows])
            vectors = np.concatenate([vectors, ages], axis=1)
        instruments = self.conditions.parts["instrument"]
        make = partial(Transfers, self.store, vectors=vectors, instruments=instruments)
        self.set_batches(make, training, held_out)
        if held_out:
            steps = min(len(self.validation), _VALIDATION_STEPS)
            self.validation = make(held_out, batch_size=flags.batch_size, steps=steps)
        self._trained = None
        counts = [len({note_of(rows[index].played) for index in side}) for side in self.sides]
        self.say(
            f"{len(self.conditions.instruments)} instruments; {counts[0]:,} notes in "
            f"{len(training):,} slices to train on, {counts[1]:,} notes held out"
        )

    def describe(self) -> dict[str, Any]:
        """Settings of the networks, and their slices and conditions."""
        return {
            "architecture": self.architecture._asdict(),
            "slices": self.store.slices._asdict(),
            "conditions": self.conditions._asdict(),
            "levels": self.levels,
        }

    @property
    def levels(self) -> dict[str, float]:
        """Mean level of the notes of each instrument in dB."""
        rows = [row for index in self.sides[0] if not (row := self.store.rows[index]).moved]
        notes = {row.source: (row.instrument, row.level) for row in rows}
        return {
            name: round(mean(level for one, level in notes.values() if one == name), 2)
            for name in self.conditions.instruments
        }

    @property
    def architecture(self) -> Architecture:
        """``move.model.Architecture`` of the flags."""
        from move.model import Architecture

        flags, bins = self.flags, self.store.slices.bins
        condition = self.conditions.length + (AGES if flags.age == "on" else 0)
        return Architecture(bins, condition, flags.size, flags.modulation, flags.latent_dim).check()

    def make_model(self) -> Move:
        """Make the untrained model."""
        from move.model import AdversarialMove, Move, build_critic, build_decoder, build_encoder

        networks = self.sized(
            encoder=build_encoder(self.architecture), decoder=build_decoder(self.architecture)
        )
        settings = {
            "weight": self.flags.reconstruction_weight,
            "prior": self.flags.prior,
            "instruments": self.conditions.parts["instrument"],
        }
        if self.flags.translation == "mmd":
            return Move(*networks, **settings)
        critic = build_critic(self.architecture, len(self.conditions.instruments))
        return AdversarialMove(critic, *networks, **settings)

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Callbacks that fade in the prior over the first third, then the discrepancy."""
        from common.training.callbacks import Ramp

        flags, third = self.flags, self.flags.epochs // 3
        return [
            Ramp(model.beta, flags.prior_weight, 0, third),
            Ramp(model.transfer, flags.mmd_weight, third, 2 * third),
        ]

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """Draw some transfers; after the last epoch, write the latent vectors."""
        from common.report.latents import plot_latents
        from move.plots import plot_transfers
        from move.trained import TrainedMove, write_latents

        if self._trained is None:  # created once, because it compiles
            self._trained = TrainedMove(
                **networks,
                slices=self.store.slices,
                conditions=self.conditions,
                levels=self.levels,
            )
        trained, folder = self._trained, self.run.path
        side = self.sides[1] or self.sides[0]
        shown = side[:: max(len(side) // _SHOWN, 1)][:_SHOWN]
        plot_transfers(
            folder / "transfers.png",
            trained,
            self.store.read(shown),
            [self.store.rows[index] for index in shown],
        )
        if epoch == self.last_epoch:
            rows, mean = write_latents(folder, trained, self.store, self.sides[0])
            names, pitches = [row.instrument for row in rows], [row.pitch for row in rows]
            plot_latents(folder / "latents.png", mean, names, pitches)


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
