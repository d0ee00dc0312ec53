"""Train a network that makes the sound of a note of its image, for the models of wae_fader.train.

    python -m wae_fader.train_mcnn --model runs/fader --features_path notes.h5 --audio_path notes

The run folder is <model>/mcnn. Notes that the model holds out are held out. --render mcnn of
wae_fader.generate and .mix then uses the network; python -m wae_fader.renderers compares it with
Griffin-Lim.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import Parser, UserError, add_features_flag, counted, existing_folder, number, run
from common.trained import open_run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from wae_fader.store import NoteStore

if TYPE_CHECKING:
    from wae_fader.mcnn import Mcnn


class Session(TrainingSession):
    """The training of the network of sounds.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: The store does not fit the model, or audio is missing.
    """

    system = "wae_fader.mcnn"
    script = "wae_fader.train_mcnn"
    networks = ("mcnn",)
    may_change = (*TrainingSession.may_change, "model", "audio_path")

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        built.add_argument(
            "--model", required=True, type=Path, help="run folder of the auto-encoder"
        )
        add_features_flag(built, "wae_fader")
        built.add_argument(
            "--audio_path",
            required=True,
            type=existing_folder,
            help="folder of notes that the store was made of",
        )
        built.add_flag("--heads", 4, "number of heads", type=number(int, 1))
        built.add_flag("--width", 64, "features of the first layer of a head", type=number(int, 2))
        add_training_flags(built, what="notes", batch_size=8, lr=1e-3, split=False)

    @property
    def folder(self) -> Path:
        """Path of the run folder, inside that of the auto-encoder."""
        return self.flags.model / "mcnn"

    def check(self) -> None:
        """Open the store."""
        config = open_run(self.flags.model, "wae_fader")
        self.store = NoteStore(self.flags.features_path)
        if config.get("images") != self.store.images._asdict():
            raise UserError(f"{self.store.path}: other images than those of {self.flags.model}")
        self._sides = self.store.sides([config])
        if not self._sides[0]:
            raise UserError(f"{self.store.path}: no note that the model was trained on")

    def open_data(self) -> None:
        """Read images and sounds."""
        from wae_fader.mcnn import Sounds, read_sounds

        flags = self.flags
        images, sounds = zip(
            *[
                (self.store.read(side), read_sounds(self.store, side, flags.audio_path))
                for side in self._sides
            ],
            strict=True,
        )
        self.training = Sounds(
            images[0],
            sounds[0],
            flags.batch_size,
            shuffle=True,
            steps=flags.steps_per_epoch,
            seed=flags.seed,
        )
        self.validation = Sounds(images[1], sounds[1], flags.batch_size, steps=8)
        self.say(f"{counted(len(images[0]), 'note')} to train on, {len(images[1]):,} held out")

    def describe(self) -> dict[str, Any]:
        """Nothing more than the flags."""
        return {}

    def make_model(self) -> Mcnn:
        """Make the untrained model."""
        from wae_fader.mcnn import Mcnn, build_mcnn

        network = build_mcnn(self.store.images, self.flags.heads, self.flags.width)
        return Mcnn(*self.sized(mcnn=network))


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
