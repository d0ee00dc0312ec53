"""Train an auto-encoder of sequences of grains, so that whole sounds can be drawn.

    python -m granular.train_sequences --model runs/drums --features_path drums.h5

The networks are saved in the folder sequences of the model, which does not change. The sounds that
the model held out are held out again.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, UserError, add_features_flag, number, run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from granular.sounds import SoundStore
from granular.train_grains import weigh
from granular.trained import SEQUENCES, load_trained

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from granular.sequences import SequenceArchitecture, SequenceModel


class Session(TrainingSession):
    """The training of an auto-encoder of sequences.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: The store does not fit the model.
    """

    system = "granular.sequences"
    script = "granular.train_sequences"
    networks = ("sequence_encoder", "sequence_decoder", "sequence_prior")
    may_change = (*TrainingSession.may_change, "model")
    clip_norm = 5.0

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        built.add_argument("--model", required=True, type=Path, help="run folder of the grains")
        add_features_flag(built, "granular")
        built.add_flag(
            "--size",
            "small",
            "units of the layers: 192, or 512 as published",
            choices=("small", "published"),
        )
        built.add_flag(
            "--latent_dim",
            64,
            "number of dimensions of a sequence's latent vector; published: 256",
            type=number(int, 1, 512),
        )
        built.add_flag(
            "--balance",
            1.0,
            "size of the gradient of the divergence, relative to that of the squared error, which "
            "sets its weight over the first tenth of the run",
            type=number(float, 0),
        )
        built.add_argument(
            "--beta",
            type=number(float, 0),
            help="fixed weight of the divergence instead, 0 in the first tenth of the run and at "
            "its full value from six tenths on; published: 0.01",
        )
        built.add_flag(
            "--shift",
            0.0,
            "largest random change of pitch of a training sound, in semitones; each sound is then "
            "used as it is and in seven other pitches",
            type=number(float, 0, 12),
        )
        add_training_flags(built, what="sounds", batch_size=32, lr=1e-3, epochs=20)

    @property
    def folder(self) -> Path:
        """Path of the run folder, inside that of the grains."""
        return self.flags.model / SEQUENCES

    def open_data(self) -> None:
        """Encode the store."""
        from granular.batches import shifted
        from granular.sequences import Paths

        flags = self.flags
        store, trained = SoundStore(flags.features_path), load_trained(flags.model)
        if store.grains != trained.grains or store.labels != trained.labels:
            raise UserError(
                f"{flags.features_path}: other grains or classes than those of {flags.model}"
            )
        self.store, self._trained = store, trained
        training, held_out = self.split_rows("sounds", lambda row: row.unit)
        rng, paths = np.random.default_rng(flags.seed), []
        for version in range(8 if flags.shift else 1):
            sounds = store.audio(training)
            if version:
                sounds = shifted(sounds, rng.uniform(-flags.shift, flags.shift, len(sounds)))
            paths.append(trained.encode_sounds(sounds))
        given = np.concatenate(paths), [store.rows[index] for index in training]
        others = trained.encode_sounds(store.audio(held_out)) if held_out else given[0][:0]
        sides = [
            list(zip(given[0], given[1] * len(paths), strict=True)),
            list(zip(others, [store.rows[index] for index in held_out], strict=True)),
        ]
        self.set_batches(partial(Paths, labels=store.labels), *sides)
        self.say(f"{len(training):,} sounds to train on, {len(held_out):,} held out")

    def describe(self) -> dict[str, Any]:
        """Settings of the networks, and the number of their steps."""
        return {"architecture": self.architecture._asdict(), "steps": self.store.grains.count}

    @property
    def architecture(self) -> SequenceArchitecture:
        """``granular.sequences.SequenceArchitecture`` of the flags."""
        from granular.sequences import SequenceArchitecture

        flags, trained = self.flags, self._trained
        return SequenceArchitecture(
            trained.dims, trained.labels.length, flags.latent_dim, flags.size
        ).check()

    def make_model(self) -> SequenceModel:
        """Make the untrained model."""
        from granular.sequences import (
            SequenceModel,
            build_sequence_decoder,
            build_sequence_encoder,
            build_sequence_prior,
        )

        return SequenceModel(
            *self.sized(
                sequence_encoder=build_sequence_encoder(self.architecture),
                sequence_decoder=build_sequence_decoder(self.architecture, self.store.grains.count),
                sequence_prior=build_sequence_prior(self.architecture),
            )
        )

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """The callback that sets the weight of the divergence."""
        return weigh(self, model, model.sequence_encoder.trainable_variables, done)


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
