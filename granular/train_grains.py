"""Train an auto-encoder of grains.

    python -m granular.train_grains --features_path drums.h5 --output runs/drums

The run folder gets encoder.h5, decoder.h5 and, with the decoder filter_post, post.h5, which consist
of stock layers, config.json, history.csv with its curves, and, after the last epoch, latents.h5:
latent vectors of grains of the training. A share of the sounds is held out, by their names.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from common.cli import Parser, add_features_flag, add_run_flag, number, run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from granular.sounds import SoundStore

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from granular.model import Architecture, GrainModel

_MEASURED = 0.05, 0.1  # shares of the steps between which gradients are measured


class Session(TrainingSession):
    """The training of an auto-encoder of grains.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Unfit features or flags, nothing left to train on.
    """

    system = "granular"
    script = "granular.train_grains"
    networks = ("encoder", "decoder", "post")
    clip_norm = 5.0

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        add_features_flag(built, "granular")
        add_run_flag(built, "runs/granular")
        built.add_flag(
            "--decoder",
            "filter_post",
            "how a latent vector becomes a grain: convolutions, or a filter for noise, without or "
            "with post-processing",
            choices=("transposed", "upsampling", "filter", "filter_post"),
        )
        built.add_flag(
            "--encoder",
            "spectrum",
            "what the encoder is given of a grain: its spectrum, or as published its waveform, for "
            "strided convolutions",
            choices=("spectrum", "convolution"),
        )
        built.add_flag(
            "--size",
            "small",
            "widths of the layers; published: 128 channels with residual units, 512 units",
            choices=("small", "published"),
        )
        built.add_flag(
            "--latent_dim",
            64,
            "number of dimensions of a grain's latent vector; published: 96 or 128",
            type=number(int, 1, 512),
        )
        built.add_argument(
            "--as_published",
            action="store_true",
            help="divide the sum of overlapping grains by their number, which makes the ends of a "
            "sound twice as loud as its inside (default: by the sum of the windows), and limit the "
            "output of the post-processing by a softsign (default: do not)",
        )
        built.add_flag(
            "--balance",
            0.3,
            "size of the gradient of the divergence, relative to that of the reconstruction, which "
            "sets its weight in the first tenth of the run; published: 1",
            type=number(float, 0),
        )
        built.add_argument(
            "--beta",
            type=number(float, 0),
            help="fixed weight of the divergence instead, 0 in the first tenth of the run and at "
            "its full value from six tenths on; published: 0.003",
        )
        built.add_flag(
            "--floor",
            1e-5,
            "power below which the logarithm of the loss tells nothing; published: 0.005, with "
            "which short sounds become silent",
            type=number(float, above=0),
        )
        built.add_argument(
            "--mel",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="compare spectra in bands of the Mel scale as well (default: do)",
        )
        built.add_flag(
            "--part",
            24,
            "grains of a part of a sound that is trained on; published: all of it",
            type=number(int, 1),
        )
        built.add_flag(
            "--shift",
            0.0,
            "largest random change of pitch of a training sound, in semitones",
            type=number(float, 0, 12),
        )
        add_training_flags(built, what="sounds", batch_size=8, lr=1e-3, epochs=20)

    def check(self) -> None:
        """Open the store."""
        self.store = SoundStore(self.flags.features_path)
        if self.flags.decoder != "filter_post":
            self.networks = ("encoder", "decoder")

    def open_data(self) -> None:
        """Split the sounds."""
        from granular.batches import Sounds

        flags = self.flags
        training, held_out = self.split_rows("sounds", lambda row: row.unit)
        make = partial(Sounds, self.store, part=flags.part, shift=flags.shift)
        self.set_batches(make, training, held_out)
        self.say(
            f"{len(self.store.labels.classes)} classes; {len(training):,} sounds to train on, "
            f"{len(held_out):,} held out"
        )

    def describe(self) -> dict[str, Any]:
        """Settings of the networks, and their grains and classes."""
        return {
            "architecture": self.architecture._asdict(),
            "grains": self.store.grains._asdict(),
            "labels": self.store.labels._asdict(),
        }

    @property
    def architecture(self) -> Architecture:
        """``granular.model.Architecture`` of the flags."""
        from granular.model import Architecture

        flags = self.flags
        names = "latent_dim", "decoder", "size", "encoder", "as_published"
        return Architecture(
            self.store.grains.size, **{name: getattr(flags, name) for name in names}
        ).check()

    def make_model(self) -> GrainModel:
        """Make the untrained model."""
        from granular.model import GrainModel, build_decoder, build_encoder, build_post

        post = build_post(self.architecture) if "post" in self.networks else None
        networks = self.sized(
            encoder=build_encoder(self.architecture),
            decoder=build_decoder(self.architecture),
            post=post,
        )
        rate = self.store.grains.sample_rate if self.flags.mel else None
        return GrainModel(*networks, self.architecture, floor=self.flags.floor, mel_rate=rate)

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """The callback that sets the weight of the divergence."""
        return weigh(self, model, model.encoder.trainable_variables, done)

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """After the last epoch, write latent vectors of the training's grains."""
        if epoch == self.last_epoch:
            from granular.trained import TrainedGrains, write_latents

            trained = TrainedGrains(
                networks, self.architecture, self.store.grains, self.store.labels
            )
            write_latents(self.run.path, trained, self.store, self.sides[0])


def weigh(
    session: TrainingSession, model: TrainingModel, variables: list, done: int
) -> list[keras.callbacks.Callback]:
    """Callbacks that set the variable ``beta`` of a model by ``--beta`` or ``--balance``."""
    from common.training.balance import GradientBalance
    from common.training.callbacks import Ramp

    flags = session.flags
    if flags.beta is not None:
        return [Ramp(model.beta, flags.beta, flags.epochs // 10, 6 * flags.epochs // 10)]
    if not flags.balance:
        return []
    begin, end = (int(share * session.total_steps) for share in _MEASURED)
    return [
        GradientBalance(
            model.beta,
            model.parts,
            variables,
            session.training,
            done=done,
            begin=begin,
            end=end + 1,
            every=max((end - begin) // 10, 1),
            ratio=flags.balance,
        )
    ]


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
