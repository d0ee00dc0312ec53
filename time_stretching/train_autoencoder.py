"""Train an auto-encoder on a store of spectrograms.

    python -m time_stretching.train_autoencoder --features_path music.h5 --output runs/stretch

The run folder receives encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv and pictures of the curves and of reconstructions. ``published`` in the history is the
error in the published scale, 0 to 1 for 130 dB. --as_published builds the published networks on
the published scale; what was published of the rest is --lr 1e-4 --batch_size 128.
"""

from pathlib import Path

from common.cli import UserError, number, parser, run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession, network_writer
from time_stretching.spectrogram import PUBLISHED, WIDE, Scale
from time_stretching.store import Store

_SHOWN = 3  # recordings in a picture


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--features_path", required=True, type=Path, help="store of time_stretching.preprocess"
    )
    built.add_argument("--output", type=Path, default=Path("runs/stretch"), help="run folder")
    built.add_argument(
        "--as_published", action="store_true", help="the published networks, on the published scale"
    )
    built.add_argument(
        "--floor_db",
        type=number(float, WIDE.floor_db, 0),
        default=WIDE.floor_db,
        help="dB of the magnitude that 0 stands for, of magnitudes that are not normalised: 54 is "
        f"a sine of full range (default: {WIDE.floor_db:g}, as published)",
    )
    built.add_argument(
        "--columns",
        type=number(int, 1),
        default=96,
        help="of a window, 31.25 to the second (default: 96)",
    )
    add_training_flags(built, what="windows", batch_size=16, lr=3e-4)
    return built


class Session(TrainingSession):
    """Store, split, run folder and devices of one training.

    Args:
        args: Parsed flags.

    Raises:
        UserError: Unfit features or flags, nothing left to train on.
    """

    system = "time_stretching"
    networks = ("encoder", "decoder")
    may_change = (*TrainingSession.may_change, "features_path")

    def __init__(self, args):
        super().__init__(args, args.output)
        if args.as_published and args.floor_db != WIDE.floor_db:
            raise UserError("--floor_db: the scale of --as_published has its own; leave it out")
        self.store = Store(args.features_path)
        self.scale = PUBLISHED if args.as_published else Scale(args.floor_db, WIDE.ceiling_db)
        self.require_networks()
        self.sides = self.store.split(args.validation_split)
        if not self.sides[0]:
            raise UserError(
                f"--validation_split {args.validation_split}: all pieces are held out; lower it"
            )
        self.find_devices()
        from time_stretching.model import AS_PUBLISHED, Architecture
        from time_stretching.windows import Windows

        self.architecture = AS_PUBLISHED if args.as_published else Architecture()
        settings = {"columns": args.columns, "batch_size": args.batch_size}
        self.training = Windows(
            self.store,
            self.sides[0],
            self.scale,
            shuffle=True,
            steps=args.steps_per_epoch,
            seed=args.seed,
            **settings,
        )
        held_out = self.sides[1]
        self.validation = (
            Windows(self.store, held_out, self.scale, **settings) if held_out else None
        )
        self.say(f"{len(self.sides[0]):,} recordings to train on, {len(held_out):,} held out")

    def settings(self):
        """What ``config.json`` holds beside flags and versions."""
        return {
            "architecture": self.architecture._asdict(),
            "scale": self.scale._asdict(),
            "split": {
                name: sorted({recording.name for recording in side})
                for name, side in zip(("training", "held_out"), self.sides, strict=True)
            },
        }

    def make_model(self):
        """The model that is to be trained, compiled."""
        from time_stretching.components import find_components
        from time_stretching.model import (
            CLIP_NORM,
            AutoEncoder,
            begin_with,
            build_decoder,
            build_encoder,
        )

        self.set_up_keras()
        with self.devices.scope():
            networks = build_encoder(self.architecture), build_decoder(self.architecture)
            if not self.architecture.published:
                found = find_components(
                    self.store, self.sides[0], self.scale, self.architecture.code
                )
                begin_with(*networks, found)
            model = AutoEncoder(*networks, self.scale)
            self.compile_adam(model, global_clipnorm=CLIP_NORM)
        return model

    def epoch_writer(self, model):
        """Function that writes weights and pictures after an epoch."""
        from common.report.plots import plot_history
        from time_stretching.plots import plot_images

        networks, save = network_writer(self, model)
        shown = (self.sides[1] or self.sides[0])[:_SHOWN]

        def write(epoch, rows):
            save()
            plot_history(self.run.path / "history.png", rows)
            pictures = {}
            for recording in shown:
                image = WIDE.to(self.scale, self.store.read(recording, 0, self.args.columns))
                code = networks["encoder"](image[None], training=False)
                found = networks["decoder"](code, training=False)
                name = f"{recording.name}, rate {recording.rate:.3g}"
                pictures[name] = image
                pictures[f"{name}, decoded"] = found[0]
            plot_images(self.run.path / "reconstructions.png", pictures, columns=2)

        return write


def main(argv=None):
    """Run the script; its exit status."""
    return Session(build_parser().parse_args(argv)).train()


if __name__ == "__main__":
    run(main)
