"""Train the network that corrects resized codes, for a trained auto-encoder.

    python -m time_stretching.train_corrector --model runs/stretch --features_path music.h5

The network learns the codes of one of these, at any rate between 0.25 and 4:

  --pairs resized  the resized spectrogram
  --pairs vocoder  the sound of the phase vocoder: the stretched versions in the store
  --pairs true     the same piece, rendered by synthesize_audios.py at another --playback_speed

It is saved in the folder corrector of the model. For a model trained --as_published, it is the
published network.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import Parser, UserError, counted, run
from common.training.run_folder import RunFolder
from common.training.session import TrainingSession
from time_stretching.flags import CLIP_NORM, add_window_flags
from time_stretching.store import Store
from time_stretching.trained import CORRECTOR, load_stretcher

if TYPE_CHECKING:
    from time_stretching.model import Correction


class Session(TrainingSession):
    """The training of the corrector.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: The store has no such pairs, or another split than the auto-encoder.
    """

    system = "time_stretching.corrector"
    script = "time_stretching.train_corrector"
    networks = ("corrector",)
    may_change = (*TrainingSession.may_change, "model")
    may_vary = ("pairs",)
    clip_norm = CLIP_NORM

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of the script."""
        built.add_argument(
            "--model", required=True, type=Path, help="run folder of the auto-encoder"
        )
        built.add_argument(
            "--pairs",
            choices=["resized", "vocoder", "true", "both"],
            help="pairs that the corrector learns from, see below; both means vocoder and true "
            "(default: resized; for published networks: vocoder)",
        )
        add_window_flags(built, lr=1e-3)

    @property
    def folder(self) -> Path:
        """Path of the run folder, inside that of the auto-encoder."""
        return self.flags.model / CORRECTOR

    def check(self) -> None:
        """Open the store."""
        self.store = Store(self.flags.features_path)

    def open_data(self) -> None:
        """Find the pairs and encode them."""
        from time_stretching.pairs import Pairs, find_pairs

        flags = self.flags
        self.stretcher = load_stretcher(flags.model, with_corrector=False)
        share = RunFolder(flags.model).read_config()["flags"]["validation_split"]
        if flags.validation_split != share:
            raise UserError(
                f"--validation_split {flags.validation_split}: {flags.model} held out {share}; "
                "give that, so that no piece is on both sides"
            )
        published = self.stretcher.architecture.published
        kind = flags.pairs or ("vocoder" if published else "resized")
        training, held_out = (
            find_pairs(side, kind, flags.seed) for side in self.store.sides(share)
        )
        if not training:
            raise UserError(
                f"{flags.features_path}: holds no pair for --pairs {kind}; preprocess with "
                "--random_rates or --rates, or render at several --playback_speed"
            )
        make = partial(Pairs, self.store, stretcher=self.stretcher, columns=flags.columns)
        self.set_batches(make, training, held_out)
        kinds = sorted(self.training.summary().items())
        said = ", ".join(counted(count, f"{kind} pair") for kind, count in kinds)
        self.say(f"{said} to train on, {len(held_out):,} held out")

    def describe(self) -> dict[str, Any]:
        """Number of pairs of each kind."""
        return {"pairs": dict(self.training.summary())}

    def make_model(self) -> Correction:
        """Make the untrained corrector."""
        from time_stretching.model import Correction, build_corrector

        architecture = self.stretcher.architecture
        decoder = None if architecture.published else self.stretcher.decoder
        (corrector,) = self.sized(corrector=build_corrector(architecture))
        return Correction(corrector, decoder, self.stretcher.scale)


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
