"""Train a variational auto-encoder on a store of spectrogram images.

    python -m vae_generation.train --features_path notes.h5 --output runs/notes

The run folder gets encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv, pictures of the curves and of reconstructions, and, after the last epoch, latents.h5:
the latent distributions of the training images. With --conditional, encoder and decoder also get
instrument, pitch and velocity, so that the decoder can make a requested note.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from common.cli import Parser, add_features_flag, add_run_flag, counted, number, run
from common.music.titles import note_title
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from vae_generation.condition import Conditions
from vae_generation.store import UNKNOWN, ImageStore

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from vae_generation.model import VAE


_SHOWN = 6  # number of reconstructions in a picture


def stride(text: str) -> list[int]:
    """Argument type: one stride for both axes, "2", or one for each, "2x1" (rows, columns)."""
    try:
        parts = [int(part) for part in text.split("x")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2) or not all(1 <= part <= 8 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no stride, such as 2 or 2x1")
    return [parts[0], parts[-1]]  # a list, as it is read from config.json


def _title(example):
    if example.pitch == UNKNOWN:
        return f"{example.source.rpartition('/')[2]}, {example.start:g} s"
    return note_title(example.instrument, example.pitch, example.velocity)


class Session(TrainingSession):
    """The training of the auto-encoder.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Features or flags do not fit, or nothing is left to train on.
    """

    system = "vae_generation"
    script = "vae_generation.train"
    networks = ("encoder", "decoder")

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of the script."""
        add_features_flag(built, "vae_generation")
        add_run_flag(built, "runs/vae")
        built.add_argument(
            "--latent_dim",
            type=number(int, 1, 4096),
            default=128,
            help="number of dimensions of the latent space (default: 128; 2 for a plane)",
        )
        built.add_argument(
            "--filters",
            type=number(int, 1, 4096),
            nargs="+",
            default=[512, 256, 128, 64, 32],
            help="number of filters in each layer of the encoder (default: 512 256 128 64 32)",
        )
        built.add_argument(
            "--kernels",
            type=number(int, 1, 31),
            nargs="+",
            help="kernel size of each layer (default: 3 for all)",
        )
        built.add_argument(
            "--strides",
            type=stride,
            nargs="+",
            help="stride of each layer, such as 2 or 2x1 for rows x columns (default: 2 "
            "for all, 2x1 for the last)",
        )
        built.add_argument(
            "--conditional",
            action="store_true",
            help="train a model that is told instrument, pitch and velocity",
        )
        built.add_argument(
            "--reconstruction_weight",
            type=number(float, above=0),
            default=1e6,
            help="weight of the mean squared error relative to the KL divergence in nats "
            "(default: 1e6)",
        )
        built.add_flag(
            "--mmd_weight",
            0.0,
            "weight of the maximum mean discrepancy between the latent vectors of a batch and the "
            "normal distribution, which makes them fill it, such as 5000; faded in over the second "
            "quarter of the epochs",
            type=number(float, 0),
        )
        built.add_flag(
            "--kl_warmup",
            10,
            "number of epochs over which the KL divergence is faded in",
            type=number(int, 0),
            metavar="EPOCHS",
        )
        add_training_flags(built, what="images", batch_size=32, lr=5e-4)

    def check(self) -> None:
        """Open the store and read its notes."""
        self.store = ImageStore(self.flags.features_path)
        conditional = self.flags.conditional
        self.conditions = Conditions.of(self.store.rows) if conditional else None

    def open_data(self) -> None:
        """Split the images by their sources."""
        from vae_generation.images import Images

        flags = self.flags
        self.architecture = self._architecture()
        sides = self.store.split(flags.validation_split)
        training, held_out = self.split_rows("images", lambda row: row.source, sides)
        vectors = self.conditions.vectors(self.store.rows) if self.conditions else None
        make = partial(Images, self.store, conditions=vectors)
        self.set_batches(make, training, held_out)
        self._trained = None
        self.say(f"{counted(len(training), 'image')} to train on, {len(held_out):,} held out")

    def _architecture(self):
        from vae_generation.model import Architecture

        flags, spectrogram = self.flags, self.store.spectrogram
        layers = len(flags.filters)
        return Architecture(
            spectrogram.bins,
            spectrogram.frames,
            tuple(flags.filters),
            tuple(flags.kernels or [3] * layers),
            tuple(map(tuple, flags.strides or [(2, 2)] * (layers - 1) + [(2, 1)])),
            flags.latent_dim,
            self.conditions.length if self.conditions else 0,
        ).check()

    def describe(self) -> dict[str, Any]:
        """Settings of the networks, and their images and conditions."""
        return {
            "architecture": self.architecture._asdict(),
            "spectrogram": self.store.spectrogram._asdict(),
            "conditions": self.conditions._asdict() if self.conditions else None,
        }

    def make_model(self) -> VAE:
        """Make the untrained auto-encoder."""
        from vae_generation.model import VAE, build_decoder, build_encoder

        networks = self.sized(
            encoder=build_encoder(self.architecture), decoder=build_decoder(self.architecture)
        )
        return VAE(*networks, self.flags.reconstruction_weight)

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Callbacks that fade in the KL divergence (Bowman et al. 2016) and the discrepancy."""
        from common.training.callbacks import Ramp

        quarter = self.flags.epochs // 4
        return [
            Ramp(model.beta, 1.0, 0, self.flags.kl_warmup),
            Ramp(model.attraction, self.flags.mmd_weight, quarter, 2 * quarter),
        ]

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """Draw some reconstructions; after the last epoch, write the latent distributions."""
        from vae_generation.latents import encode_store
        from vae_generation.plots import plot_latents, plot_reconstructions
        from vae_generation.trained import TrainedVAE

        if self._trained is None:  # made only once, because that compiles it
            spectrogram = self.store.spectrogram
            self._trained = TrainedVAE(
                **networks, spectrogram=spectrogram, conditions=self.conditions
            )
        trained, folder = self._trained, self.run.path
        shown = (self.sides[1] or self.sides[0])[:_SHOWN]
        images = self.store.read(shown)
        examples = [self.store.rows[index] for index in shown]
        found = trained.reconstruct(images, trained.condition_vectors(examples))
        titles = [_title(one) for one in examples]
        plot_reconstructions(folder / "reconstructions.png", titles, images, found)
        if epoch == self.last_epoch:
            latents = encode_store(trained, self.store, self.sides[0])
            latents.save(folder / "latents.h5")
            plot_latents(folder / "latents.png", latents)


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
