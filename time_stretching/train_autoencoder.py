"""Train an auto-encoder on a store of spectrograms.

    python -m time_stretching.train_autoencoder --features_path music.h5 --output runs/stretch

The run folder gets encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv and pictures of the curves and of reconstructions. The column ``published`` of the
history is the error in the published scale, 0 to 1 for 130 dB. To train as published, use
--as_published --lr 1e-4 --batch_size 128.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.spectrograms import Scale
from common.cli import Parser, UserError, add_run_flag, counted, number, run
from common.training.resuming import recorded_split
from common.training.session import TrainingSession
from time_stretching.flags import CLIP_NORM, add_window_flags
from time_stretching.spectrogram import PUBLISHED, WIDE
from time_stretching.store import Store

if TYPE_CHECKING:
    import keras

    from time_stretching.model import AutoEncoder


_SHOWN = 3  # number of recordings in a picture


class Session(TrainingSession):
    """The training of the auto-encoder.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Features or flags do not fit, or nothing is left to train on.
    """

    system = "time_stretching"
    script = "time_stretching.train_autoencoder"
    networks = ("encoder", "decoder")
    clip_norm = CLIP_NORM

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of the script."""
        add_run_flag(built, "runs/stretch")
        built.add_argument(
            "--as_published",
            action="store_true",
            help="build the published networks, on the published scale",
        )
        built.add_argument(
            "--floor_db",
            type=number(float, WIDE.floor_db, 0),
            default=WIDE.floor_db,
            help="level of magnitudes in dB that becomes 0, where a sine of full range is "
            f"at 54 dB (default: {WIDE.floor_db:g}, as published)",
        )
        add_window_flags(built, lr=3e-4)

    def check(self) -> None:
        """Open the store and split its recordings by piece."""
        flags = self.flags
        if flags.as_published and flags.floor_db != WIDE.floor_db:
            raise UserError("--floor_db: the scale of --as_published has its own; leave it out")
        self.scale = PUBLISHED if flags.as_published else Scale(flags.floor_db, WIDE.ceiling_db)
        self.store = Store(flags.features_path)
        self.sides = self.store.sides(flags.validation_split)
        if not self.sides[0]:
            raise UserError(
                f"--validation_split {flags.validation_split}: all pieces are held out; lower it"
            )

    def open_data(self) -> None:
        """Cut the recordings into windows."""
        from time_stretching.model import AS_PUBLISHED, Architecture
        from time_stretching.windows import Windows

        flags = self.flags
        training, held_out = self.sides
        self.architecture = AS_PUBLISHED if flags.as_published else Architecture()
        make = partial(Windows, self.store, scale=self.scale, columns=flags.columns)
        self.set_batches(make, training, held_out)
        recordings = counted(len(training), "recording")
        self.say(f"{recordings} to train on, {len(held_out):,} held out")

    def describe(self) -> dict[str, Any]:
        """Architecture of the networks, scale of their images, and split by recording."""
        return {
            "architecture": self.architecture._asdict(),
            "scale": self.scale._asdict(),
            "split": recorded_split(self.sides, lambda recording: recording.name),
        }

    def make_model(self) -> AutoEncoder:
        """Make the untrained auto-encoder; ours is initialised with principal components."""
        from time_stretching.components import find_components
        from time_stretching.model import AutoEncoder, begin_with, build_decoder, build_encoder

        networks = build_encoder(self.architecture), build_decoder(self.architecture)
        if not self.architecture.published:
            found = find_components(self.store, self.sides[0], self.scale, self.architecture.code)
            begin_with(*networks, found)
        encoder, decoder = networks
        return AutoEncoder(*self.sized(encoder=encoder, decoder=decoder), self.scale)

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """Draw some reconstructions."""
        from time_stretching.plots import plot_images

        pictures = {}
        for recording in (self.sides[1] or self.sides[0])[:_SHOWN]:
            image = WIDE.to(self.scale, self.store.columns(recording, 0, self.flags.columns))
            code = networks["encoder"](image.T[None], training=False)
            found = networks["decoder"](code, training=False)
            name = f"{recording.name}, rate {recording.rate:.3g}"
            pictures |= {name: image, f"{name}, decoded": np.asarray(found[0]).T}
        plot_images(self.run.path / "reconstructions.png", pictures, columns=2)


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
