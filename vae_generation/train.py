"""Train a variational auto-encoder on a store of spectrogram images.

    python -m vae_generation.train --features_path notes.h5 --output runs/notes

The run folder receives encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv, pictures of the curves and of reconstructions, and, after the last epoch, latents.h5:
the latent distributions of what was trained on. --conditional trains a model that is told
instrument, pitch and velocity, and so can be asked for a note.
"""

from pathlib import Path

from common.cli import UserError, number, parser, run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession, network_writer
from vae_generation.condition import Conditions
from vae_generation.flags import stride
from vae_generation.store import ImageStore


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--features_path", required=True, type=Path, help="store of vae_generation.preprocess"
    )
    built.add_argument("--output", type=Path, default=Path("runs/vae"), help="run folder")
    built.add_argument(
        "--latent_dim",
        type=number(int, 1, 4096),
        default=128,
        help="length of a latent vector (default: 128; 2 for a plane)",
    )
    built.add_argument(
        "--filters",
        type=number(int, 1, 4096),
        nargs="+",
        default=[512, 256, 128, 64, 32],
        help="filters of the encoder's layers (default: 512 256 128 64 32)",
    )
    built.add_argument(
        "--kernels",
        type=number(int, 1, 31),
        nargs="+",
        help="kernel sizes of these (default: 3 each)",
    )
    built.add_argument(
        "--strides",
        type=stride,
        nargs="+",
        help="strides of these, 2 or 2x1 (rows x columns) each (default: 2 each, the last 2x1)",
    )
    built.add_argument(
        "--conditional", action="store_true", help="tell the networks instrument, pitch, velocity"
    )
    built.add_argument(
        "--reconstruction_weight",
        type=number(float, above=0),
        default=1e6,
        help="of the mean squared error, against nats of divergence (default: 1e6)",
    )
    built.add_argument(
        "--kl_warmup",
        type=number(int, 0),
        default=10,
        metavar="EPOCHS",
        help="epochs over which the divergence comes in (default: 10)",
    )
    add_training_flags(built, what="images", batch_size=32, lr=5e-4)
    return built


class Session(TrainingSession):
    """Store, split, run folder and devices of one training.

    Args:
        args: Parsed flags.

    Raises:
        UserError: Unfit features or flags, nothing left to train on.
    """

    system = "vae_generation"
    networks = ("encoder", "decoder")
    may_change = (*TrainingSession.may_change, "features_path")

    def __init__(self, args):
        super().__init__(args, args.output)
        self.store = ImageStore(args.features_path)
        examples = self.store.rows
        self.conditions = Conditions.of(examples) if args.conditional else None
        self.require_networks()
        self.find_devices()
        self.architecture = self._architecture()
        self.sides = self.store.split(args.validation_split)
        if not self.sides[0]:
            raise UserError(
                f"--validation_split {args.validation_split}: all images are held out; lower it"
            )
        vectors = self.conditions.vectors(examples) if self.conditions else None
        from vae_generation.images import Images

        self.training = Images(
            self.store,
            self.sides[0],
            args.batch_size,
            conditions=vectors,
            shuffle=True,
            steps=args.steps_per_epoch,
            seed=args.seed,
        )
        held_out = self.sides[1]
        self.validation = (
            Images(self.store, held_out, args.batch_size, conditions=vectors) if held_out else None
        )
        self.say(f"{len(self.sides[0]):,} images to train on, {len(held_out):,} held out")

    def _architecture(self):
        from vae_generation.model import Architecture

        args, spectrogram = self.args, self.store.spectrogram
        layers = len(args.filters)
        return Architecture(
            spectrogram.bins,
            spectrogram.frames,
            tuple(args.filters),
            tuple(args.kernels or [3] * layers),
            tuple(map(tuple, args.strides or [(2, 2)] * (layers - 1) + [(2, 1)])),
            args.latent_dim,
            self.conditions.length if self.conditions else 0,
        ).check()

    def settings(self):
        """What ``config.json`` holds beside flags and versions."""
        return {
            "architecture": self.architecture._asdict(),
            "spectrogram": self.store.spectrogram._asdict(),
            "conditions": self.conditions._asdict() if self.conditions else None,
            "split": {
                name: sorted({self.store.rows[index].source for index in side})
                for name, side in zip(("training", "held_out"), self.sides, strict=True)
            },
        }

    def make_model(self):
        """The model that is to be trained, compiled."""
        from vae_generation.model import VAE, build_decoder, build_encoder

        args = self.args
        self.set_up_keras()
        with self.devices.scope():
            networks = build_encoder(self.architecture), build_decoder(self.architecture)
            for network in networks:
                self.devices.prepare(network)
            model = VAE(*networks, args.reconstruction_weight)
            self.compile_adam(model)
        return model

    def extra_callbacks(self, model, done):
        """Lets the divergence come in."""
        from vae_generation.model import KLWarmUp

        return [KLWarmUp(self.args.kl_warmup)]

    def epoch_writer(self, model):
        """Function that writes weights and pictures after an epoch, latents after the last one."""
        from common.report.plots import plot_history
        from vae_generation.latents import encode_store
        from vae_generation.plots import plot_latents, plot_reconstructions
        from vae_generation.trained import TrainedVAE

        networks, save = network_writer(self, model)
        trained = TrainedVAE(**networks, **self._described())
        shown = (self.sides[1] or self.sides[0])[:6]

        def write(epoch, rows):
            save()
            folder = self.run.path
            plot_history(folder / "history.png", rows)
            images = self.store.read(shown)
            examples = [self.store.rows[index] for index in shown]
            found = trained.reconstruct(images, trained.condition_vectors(examples))
            names = [f"{one.source.rpartition('/')[2]} {one.start:g} s" for one in examples]
            plot_reconstructions(folder / "reconstructions.png", names, images, found)
            if epoch == self.last_epoch:
                latents = encode_store(trained, self.store, self.sides[0])
                latents.save(folder / "latents.h5")
                plot_latents(folder / "latents.png", latents)

        return write

    def _described(self):
        return {"spectrogram": self.store.spectrogram, "conditions": self.conditions}


def main(argv=None):
    """Run the script; its exit status."""
    return Session(build_parser().parse_args(argv)).train()


if __name__ == "__main__":
    run(main)
