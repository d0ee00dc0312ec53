"""Train the recurrent network that continues recordings, on latent vectors of an auto-encoder.

    python -m vae_generation.train_continuation --model runs/music --features_path windows.h5

The store has to hold recordings cut into windows that overlap by half (preprocess --hop_seconds
1.024 for images of the default size). The network is saved in the folder predictor of the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, UserError, add_features_flag, counted, number, run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from vae_generation.store import ImageStore
from vae_generation.trained import PREDICTOR, load_trained

if TYPE_CHECKING:
    from vae_generation.continuation import Predictor


class Session(TrainingSession):
    """The training of the recurrent network.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: The store does not fit the model, or has no sequence.
    """

    system = "vae_generation.continuation"
    script = "vae_generation.train_continuation"
    networks = ("predictor",)
    may_change = (*TrainingSession.may_change, "model")

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of the script."""
        built.add_argument(
            "--model", required=True, type=Path, help="run folder of the auto-encoder"
        )
        add_features_flag(built, "vae_generation")
        built.add_flag(
            "--steps", 16, "number of windows in a training sequence", type=number(int, 2)
        )
        built.add_flag(
            "--units", 128, "number of units of the recurrent network", type=number(int, 1)
        )
        add_training_flags(built, what="sequences", batch_size=32, lr=1e-3)

    @property
    def folder(self) -> Path:
        """Path of the run folder, inside that of the auto-encoder."""
        return self.flags.model / PREDICTOR

    def check(self) -> None:
        """Refuse flags that this training does not use."""
        given = [name for name in ("ema", "steps_per_epoch") if getattr(self.flags, name)]
        if given:
            named = ", ".join(f"--{name}" for name in given)
            raise UserError(f"{named}: not used by this training; leave it out")

    def open_data(self) -> None:
        """Encode the store, and normalise the vectors by mean and deviation of the training set."""
        from vae_generation.continuation import HOP_SHARE, Sequences

        flags = self.flags
        store, trained = ImageStore(flags.features_path), load_trained(flags.model)
        if store.spectrogram != trained.spectrogram:
            raise UserError(
                f"{flags.features_path}: other spectrograms than those of {flags.model}"
            )
        hop_seconds = HOP_SHARE * store.spectrogram.frames * store.spectrogram.hop
        hop_seconds /= store.spectrogram.sample_rate
        tracks = [
            self._tracks(store, trained, side, hop_seconds)
            for side in store.split(flags.validation_split)
        ]
        if not tracks[0]:
            raise UserError(
                f"{flags.features_path}: no recording of more than {flags.steps} windows that "
                f"follow one another at {hop_seconds:.3f} s; preprocess recordings with "
                f"--hop_seconds {hop_seconds:.3f}, or lower --steps"
            )
        self._scale = self._scale_of(np.concatenate(tracks[0]), hop_seconds)
        mean, spread = (np.float32(self._scale[name]) for name in ("mean", "spread"))
        tracks = [[(track - mean) / spread for track in side] for side in tracks]
        settings = {"steps": flags.steps, "batch_size": flags.batch_size, "seed": flags.seed}
        self.training = Sequences(tracks[0], shuffle=True, **settings)
        self.validation = Sequences(tracks[1], **settings) if tracks[1] else None
        self.say(f"{counted(len(tracks[0]), 'sequence')} to train on, {len(tracks[1]):,} held out")

    def _tracks(self, store, trained, side, hop_seconds):
        from vae_generation.continuation import tracks_of
        from vae_generation.latents import encode_store

        if not side:
            return []
        recordings = tracks_of(encode_store(trained, store, side), hop_seconds).values()
        return [track for parts in recordings for track in parts if len(track) > self.flags.steps]

    def _scale_of(self, vectors, hop_seconds):
        """Mean and deviation of the run; for a new run, those of the given vectors."""
        if self.flags.resume and self.run.finished_epochs:
            scale = self.run.read_config().get("scale", {})
            if {"mean", "spread", "hop_seconds"} <= scale.keys():
                return scale
        mean, spread = vectors.mean(axis=0), vectors.std(axis=0) + 1e-3
        return {
            "mean": mean.astype(float).tolist(),
            "spread": spread.astype(float).tolist(),
            "hop_seconds": hop_seconds,
        }

    def describe(self) -> dict[str, Any]:
        """Mean and deviation of the vectors."""
        return {"scale": self._scale}

    def make_model(self) -> Predictor:
        """Make the untrained network."""
        from vae_generation.continuation import Predictor
        from vae_generation.model import build_predictor

        network = build_predictor(len(self._scale["mean"]), self.flags.units)
        return Predictor(*self.sized(predictor=network))


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
