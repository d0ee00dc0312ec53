"""Train the continuous model: mel spectra as paths of latent vectors, without their loudness.

    python -m latent_exploration.continuous.train --features_path spectra.h5 --output runs/c

The run folder gets encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv and a picture of the curves. The encoder hears spectra relative to their loudness, and
the decoder is told it; adversaries, a classifier and a ridge regression, take out of the latent
vectors what else tells it. The regression is done for each folder of recordings by itself. With
--adversary 0, there is nothing of this. A tenth of the recordings is held out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, add_features_flag, add_run_flag, number, run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from latent_exploration.continuous.frames import HOP, PAIR, RATE
from latent_exploration.continuous.store import SpectraStore

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from latent_exploration.continuous.model import Architecture, ContinuousVAE


class Session(TrainingSession):
    """The training of the model.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Unfit spectra or flags, nothing left to train on.
    """

    system = "latent_exploration"
    script = "latent_exploration.continuous.train"
    networks = ("encoder", "decoder")
    begin_anew = ()
    clip_norm = 500.0

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        add_features_flag(built, "latent_exploration.continuous")
        add_run_flag(built, "runs/continuous")
        built.add_flag("--width", 96, "channels of a hidden layer", type=int)
        built.add_flag("--depth", 4, "hidden layers of each network", type=int)
        built.add_flag("--latent_dim", 16, "length of a latent vector", type=int)
        built.add_flag(
            "--beta", 0.1, "weight of the Kullback-Leibler divergence", type=number(float, 0)
        )
        built.add_flag(
            "--adversary",
            30.0,
            "strength with which the encoder works against readers of the loudness; faded in "
            "from a fifth to three fifths of the epochs",
            type=number(float, 0),
        )
        add_training_flags(built, what="excerpts of 1.4 s", batch_size=16, lr=1e-3)

    def check(self) -> None:
        """Open the store."""
        self.store = SpectraStore(self.flags.features_path)

    def open_data(self) -> None:
        """Split the recordings, and divide their loudness into classes."""
        from latent_exploration.continuous.batches import Collections, Excerpts
        from latent_exploration.continuous.model import LOUDNESS_CLASSES

        rows = self.store.rows
        self.architecture.check()
        training, held_out = self.split_rows("recordings", lambda row: row.source)
        loudness = np.concatenate([self.store.frames(rows[index]).loudness for index in training])
        shares = np.arange(1, LOUDNESS_CLASSES) / LOUDNESS_CLASSES
        edges = np.quantile(loudness, shares)
        relative = self.architecture.told
        self.collections = Collections([row.source for row in rows])
        excerpts = partial(
            Excerpts, self.store, edges=edges, collections=self.collections, relative=relative
        )
        self.set_batches(excerpts, training, held_out)
        minutes = [
            sum(rows[index].columns for index in side) * PAIR * HOP / RATE / 60
            for side in self.sides
        ]
        self.say(f"{minutes[0]:.1f} minutes to train on, {minutes[1]:.1f} minutes held out")

    def describe(self) -> dict[str, Any]:
        """Settings of the networks."""
        return {"architecture": self.architecture._asdict()}

    @property
    def architecture(self) -> Architecture:
        """``latent_exploration.continuous.model.Architecture`` of the flags."""
        from latent_exploration.continuous.model import Architecture

        flags = self.flags
        told = flags.adversary > 0
        return Architecture(flags.width, flags.depth, flags.latent_dim, told).check()

    def make_model(self) -> ContinuousVAE:
        """Make the untrained model."""
        from latent_exploration.continuous.model import ContinuousVAE, build_decoder, build_encoder

        networks = self.sized(
            encoder=build_encoder(self.architecture), decoder=build_decoder(self.architecture)
        )
        return ContinuousVAE(*networks, self.flags.beta, len(self.collections))

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Callback that fades in the adversaries."""
        from common.training.callbacks import Ramp

        fifth = self.flags.epochs // 5
        return [Ramp(model.strength, self.flags.adversary, fifth, 3 * fifth)]


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
