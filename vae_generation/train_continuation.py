"""Train the recurrent network that continues a recording, on latent vectors of an auto-encoder.

    python -m vae_generation.train_continuation --model runs/music --features_path windows.h5

The store holds recordings cut into windows that follow one another at half an image (preprocess
--hop_seconds 1.024 for images of the default size). The network goes to the folder predictor of
the model.
"""

from pathlib import Path

import numpy as np

from common.cli import UserError, number, parser, run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from vae_generation.store import ImageStore


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--model", required=True, type=Path, help="run folder of the auto-encoder")
    built.add_argument(
        "--features_path", required=True, type=Path, help="store of vae_generation.preprocess"
    )
    built.add_argument(
        "--steps", type=number(int, 2), default=16, help="windows of a sequence (default: 16)"
    )
    built.add_argument(
        "--units", type=number(int, 1), default=128, help="of the network (default: 128)"
    )
    add_training_flags(built, what="sequences", batch_size=32, lr=1e-3)
    return built


class Session(TrainingSession):
    """Sequences, run folder and devices of one training.

    Args:
        args: Parsed flags.

    Raises:
        UserError: A store that does not fit the model, or holds no sequence.
    """

    system = "vae_generation.continuation"
    networks = ("predictor",)
    may_change = (*TrainingSession.may_change, "features_path", "model")

    def __init__(self, args):
        from vae_generation.continuation import FOLDER, HOP_SHARE, Sequences, tracks_of
        from vae_generation.latents import encode_store
        from vae_generation.trained import load_trained

        super().__init__(args, args.model / FOLDER)
        self.require_networks()
        self.find_devices()
        store, trained = ImageStore(args.features_path), load_trained(args.model)
        if store.spectrogram != trained.spectrogram:
            raise UserError(f"{args.features_path}: other spectrograms than those of {args.model}")
        hop_seconds = HOP_SHARE * store.spectrogram.frames * store.spectrogram.hop
        hop_seconds /= store.spectrogram.sample_rate
        sides = store.split(args.validation_split)
        tracks = [
            [
                track
                for parts in tracks_of(encode_store(trained, store, side), hop_seconds).values()
                for track in parts
                if len(track) > args.steps
            ]
            if side
            else []
            for side in sides
        ]
        if not tracks[0]:
            raise UserError(
                f"{args.features_path}: no recording of more than {args.steps} windows that follow "
                f"one another at {hop_seconds:.3f} s; preprocess recordings with --hop_seconds "
                f"{hop_seconds:.3f}, or lower --steps"
            )
        everything = np.concatenate(tracks[0])
        mean, spread = everything.mean(axis=0), everything.std(axis=0) + 1e-3
        tracks = [[(track - mean) / spread for track in side] for side in tracks]
        self._scale = {
            "mean": mean.astype(float).tolist(),
            "spread": spread.astype(float).tolist(),
            "hop_seconds": hop_seconds,
        }
        settings = {"steps": args.steps, "batch_size": args.batch_size, "seed": args.seed}
        self.training = Sequences(tracks[0], shuffle=True, **settings)
        self.validation = Sequences(tracks[1], **settings) if tracks[1] else None
        self.say(f"{len(tracks[0])} sequences to train on, {len(tracks[1])} held out")

    def settings(self):
        """What ``config.json`` holds beside flags and versions."""
        return {"scale": self._scale}

    def make_model(self):
        """The model that is to be trained, compiled."""
        from vae_generation.continuation import Predictor
        from vae_generation.model import build_predictor

        self.set_up_keras()
        with self.devices.scope():
            model = Predictor(build_predictor(len(self._scale["mean"]), self.args.units))
            self.compile_adam(model)
        return model


def main(argv=None):
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.ema or args.steps_per_epoch:
        raise UserError("--ema, --steps_per_epoch: not used by this training; leave them out")
    return Session(args).train()


if __name__ == "__main__":
    run(main)
