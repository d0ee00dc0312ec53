"""What the training scripts of this system share: flags, data, outputs of an epoch."""

import argparse
from pathlib import Path

import numpy as np

from common.cli import UserError, number, on_off
from common.features import CODEC, FeatureStore, piece_of
from common.training import RunFolder, set_up_keras, start_backend, versions
from data import (
    FRAME_COLUMNS,
    db_to_amplitude,
    forward_transform,
    inverse_transform,
    load_audio,
    read_header,
    write_audio,
)

# Generator and discriminator learning rates of the published trainings, by (origin, target).
LEARNING_RATES = {
    ("keyboard_acoustic", "guitar_acoustic"): (5e-5, 5e-6),
    ("keyboard_acoustic", "string_acoustic"): (1e-5, 1e-5),
    ("keyboard_acoustic", "synth_lead_synthetic"): (1e-4, 1e-5),
    ("keyboard_acoustic", "any"): (1e-5, 5e-6),
}
OTHER_PAIRS = (5e-5, 5e-6)  # where nothing is published: the rates of the first pair

# What may differ between the parts of one run.
MAY_CHANGE = ("dataset_path", "audios_path", "output", "gpu", "resume", "epochs", "findlr", "debug")

NETWORKS = ("generator", "discriminator")
SAMPLE_FRAMES = 4  # of the validation piece that is rendered after each epoch: 12 s


def add_flags(built):
    """Add the flags that every training script of this system has."""
    built.add_argument(
        "--dataset_path", required=True, type=Path, help="folder of compute_features.py"
    )
    built.add_argument("--origin", required=True, help="instrument to convert from")
    built.add_argument("--target", required=True, help="instrument to convert to")
    built.add_argument(
        "--gpu", help="GPUs to use, such as 0 or 0,1 (default: what the environment offers)"
    )
    built.add_argument(
        "--epochs",
        type=number(int, 1),
        default=100,
        help="epochs of the whole run, counted from --epoch_offset (default: 100)",
    )
    built.add_argument(
        "--epoch_offset",
        type=number(int, 0),
        default=0,
        help="epochs that the weights in the output folder have behind them already: the run "
        "starts from these weights and counts on (default: 0)",
    )
    built.add_argument("--batch_size", type=number(int, 1), default=8, help="frames (default: 8)")
    built.add_argument(
        "--validation_split",
        type=number(float, 0, below=1),
        default=0.1,
        help="share of the pieces held out (default: 0.1)",
    )
    built.add_argument(
        "--findlr",
        type=on_off,
        nargs="?",
        const=True,
        default=False,
        help="search the learning rate instead of training",
    )
    built.add_argument(
        "--width",
        type=number(int, 1, 256),
        default=64,
        help="filters of the first block (default: 64, as published)",
    )
    built.add_argument(
        "--dropout",
        type=number(float, 0, below=1),
        default=0.5,
        help="rate in the generator's first three up blocks (default: 0.5, as published)",
    )
    built.add_argument("--seed", type=number(int, 0), default=0, help="of all randomness")
    built.add_argument(
        "--offsets",
        choices=["regular", "random"],
        default="regular",
        help="cut frames at multiples of 256 columns, or anywhere (default: regular)",
    )
    built.add_argument(
        "--lr_decay",
        choices=["none", "linear", "cosine"],
        default="none",
        help="let the learning rates fall to 0 over the run (default: none, as published)",
    )
    built.add_argument(
        "--mixed_precision",
        choices=["off", "float16", "bfloat16"],
        default="off",
        help="arithmetic of the hidden layers (default: off, float32)",
    )
    built.add_argument(
        "--steps_per_epoch",
        type=number(int, 1),
        help="batches of an epoch (default: once through all frames)",
    )
    built.add_argument("--output", type=Path, help="run folder (default: runs/<origin>_2_<target>)")
    built.add_argument(
        "--audios_path",
        type=Path,
        help="folder of the audios, for the phase of the listening samples (default: their phase "
        "is estimated)",
    )
    built.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with the run in the output folder, or discard it (default: go on)",
    )


def save_networks(model, folder):
    """Write ``generator.h5`` and ``discriminator.h5``."""
    from pix2pix_timbre.weights import save_h5

    for name in NETWORKS:
        save_h5(getattr(model, name), folder / f"{name}.h5")


class Session:
    """Stores, split and run folder of one training.

    Args:
        args: Parsed flags of ``add_flags``.

    Raises:
        UserError: Missing or unfit features, no pieces in common, nothing left to train on.
    """

    def __init__(self, args):
        # fails before Keras is imported, which takes seconds
        self.origin = self._store(args.dataset_path, args.origin)
        self.target = self._store(args.dataset_path, args.target)
        output = args.output or Path("runs") / f"{args.origin}_2_{args.target}"
        self.run = RunFolder(output)
        self.args = args
        if args.epoch_offset:
            self._require_networks()
        start_backend(args.gpu)

        from common.pairs import PairedFrames, split_pairs

        training, held_out, unpaired = split_pairs(self.origin, self.target, args.validation_split)
        if not training:
            raise UserError(
                f"--validation_split {args.validation_split}: all {len(held_out)} pairs are held "
                "out; lower it, or add pieces"
            )
        self.pieces = {
            side: sorted({piece_of(origin) for origin, _ in pairs})
            for side, pairs in (("training", training), ("held_out", held_out))
        }
        set_up_keras(args.seed, args.mixed_precision)
        self.training = PairedFrames(
            self.origin,
            self.target,
            training,
            args.batch_size,
            random_offsets=args.offsets == "random",
            shuffle=True,
            steps=args.steps_per_epoch,
            seed=args.seed,
        )
        self.validation = None
        if held_out:
            self.validation = PairedFrames(self.origin, self.target, held_out, args.batch_size)
        self._sample_pair = (held_out or training)[0]
        if args.audios_path is not None:
            for side in ("origin", "target"):
                read_header(self._audio_file(side))  # not after an epoch of training
        self._say(unpaired)

    @staticmethod
    def _store(folder, instrument):
        path = folder / f"{instrument}.h5"
        if not path.is_file():
            known = sorted(store.stem for store in folder.glob("*.h5"))
            raise UserError(
                f"{path}: no features of {instrument!r}; {folder} has "
                f"{', '.join(known) if known else 'none: run compute_features.py'}"
            )
        return FeatureStore(path)

    def _say(self, unpaired):
        print(
            f"{len(self.pieces['training'])} pieces to train on "
            f"({self.training.frame_count:,} frames), {len(self.pieces['held_out'])} held out "
            f"({self.validation.frame_count if self.validation else 0:,} frames)"
        )
        if not self.validation:
            print("no piece is held out: add pieces or raise --validation_split to see validation")
        if unpaired["unpaired_renderings"]:
            print(f"{unpaired['unpaired_renderings']} pieces have no partner and are left out")
        if unpaired["unpaired_columns"]:
            print(f"{unpaired['unpaired_columns']} columns reach beyond their partner's end")

    @property
    def last_epoch(self):
        """Number of the epoch that ends the run."""
        return self.args.epoch_offset + self.args.epochs

    @property
    def total_steps(self):
        """Training steps of the whole run."""
        return self.args.epochs * len(self.training)

    def config(self):
        """Content of ``config.json``."""
        flags = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(self.args).items()
        }
        return {
            "system": "pix2pix_timbre",
            "flags": flags,
            "codec": CODEC,
            "split": self.pieces,
            "versions": versions(),
        }

    def _sample(self, predict):
        """Convert the beginning of the validation piece.

        Args:
            predict: As for ``pix2pix_timbre.convert.Conversion``.

        Returns:
            Dict of images in [0, 1]: ``input``, ``prediction``, ``target``.
        """
        from pix2pix_timbre.convert import convert_image

        columns = SAMPLE_FRAMES * FRAME_COLUMNS
        origin, target = (
            np.asarray(store.read(name, 0, columns), np.float32).T
            for store, name in zip((self.origin, self.target), self._sample_pair, strict=True)
        )
        columns = min(origin.shape[1], target.shape[1])
        origin = origin[:, :columns]
        return {
            "input": origin,
            "prediction": convert_image(predict, origin),
            "target": target[:, :columns],
        }

    def _write_samples(self, predict, epoch):
        """Write the sample of an epoch as picture and audio; input and target with the first."""
        from common.report import plot_images

        images = self._sample(predict)
        folder = self.run.path / "samples"
        plot_images(folder / f"epoch_{epoch:03d}.png", images, error=("prediction", "target"))
        for name, image in images.items():
            stem = f"epoch_{epoch:03d}" if name == "prediction" else name
            path = folder / f"{stem}.wav"
            first = epoch == self.args.epoch_offset + 1
            if name == "prediction" or first or not path.exists():
                magnitude = db_to_amplitude(image)
                audio = inverse_transform(magnitude, self._phase(name, magnitude))
                write_audio(path, audio / max(1.0, float(np.abs(audio).max())))

    def write_epoch(self, predict, epoch, rows):
        """Write what one looks at after an epoch: the curves and the sample."""
        from common.report import plot_history

        plot_history(self.run.path / "history.png", rows)
        self._write_samples(predict, epoch)

    def load_networks(self, model):
        """Start from the weights in the run folder, as ``--epoch_offset`` asks."""
        from pix2pix_timbre.weights import load_into

        for name in NETWORKS:
            load_into(getattr(model, name), self.run.path / f"{name}.h5")

    def _require_networks(self):
        for name in NETWORKS:
            path = self.run.path / f"{name}.h5"
            if not path.is_file():
                raise UserError(
                    f"{path}: no such file; --epoch_offset {self.args.epoch_offset} goes on from it"
                )

    def _phase(self, name, magnitude):
        from common.phase import griffin_lim

        if self.args.audios_path is None:
            return griffin_lim(magnitude)
        audio, _ = load_audio(self._audio_file("target" if name == "target" else "origin"))
        return forward_transform(audio)[1][:, : magnitude.shape[1]]

    def _audio_file(self, side):
        rendering = self._sample_pair[side == "target"]
        return self.args.audios_path / getattr(self.args, side) / f"{rendering}.wav"
