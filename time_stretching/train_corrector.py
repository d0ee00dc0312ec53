"""Train the network that corrects resized codes, for a trained auto-encoder.

    python -m time_stretching.train_corrector --model runs/stretch --features_path music.h5

It learns the codes, at any rate between 0.25 and 4, of the resized spectrogram (--pairs resized),
of the phase vocoder's sound (--pairs vocoder: the stretched versions in the store), or of the same
piece as synthesize_audios.py rendered it at another --playback_speed (--pairs true). The network
goes to the folder corrector of the model, and is published or ours as that is.
"""

from pathlib import Path

from common.cli import UserError, number, parser, run
from common.training.flags import add_training_flags
from common.training.run_folder import RunFolder
from common.training.session import TrainingSession
from time_stretching.store import Store
from time_stretching.trained import CORRECTOR, load_stretcher


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--model", required=True, type=Path, help="run folder of the auto-encoder")
    built.add_argument(
        "--features_path", required=True, type=Path, help="store of time_stretching.preprocess"
    )
    built.add_argument(
        "--pairs",
        choices=["resized", "vocoder", "true", "both"],
        help="what to learn from; both: vocoder and true (default: resized; for published networks "
        "vocoder)",
    )
    built.add_argument(
        "--columns", type=number(int, 1), default=96, help="of a window (default: 96)"
    )
    add_training_flags(built, what="windows", batch_size=16, lr=1e-3)
    return built


class Session(TrainingSession):
    """Pairs, run folder and devices of one training.

    Args:
        args: Parsed flags.

    Raises:
        UserError: A store without such pairs, or another split than that of the auto-encoder.
    """

    system = "time_stretching.corrector"
    networks = ("corrector",)
    may_change = (*TrainingSession.may_change, "features_path", "model")

    def __init__(self, args):
        super().__init__(args, args.model / CORRECTOR)
        self.require_networks()
        store = Store(args.features_path)
        self.find_devices()
        self.stretcher = load_stretcher(args.model, with_corrector=False)
        share = RunFolder(args.model).read_config()["flags"]["validation_split"]
        if args.validation_split != share:
            raise UserError(
                f"--validation_split {args.validation_split}: {args.model} held out {share}; give "
                "that, so that no piece is on both sides"
            )
        from time_stretching.pairs import Pairs, find_pairs

        kind = args.pairs
        if kind is None:
            kind = "vocoder" if self.stretcher.architecture.published else "resized"
        sides = [find_pairs(side, kind, args.seed) for side in store.split(share)]
        if not sides[0]:
            raise UserError(
                f"{args.features_path}: holds no pair for --pairs {kind}; preprocess with "
                "--random_rates or --rates, or render at several --playback_speed"
            )
        settings = {"columns": args.columns, "batch_size": args.batch_size}
        self.training = Pairs(
            store,
            sides[0],
            self.stretcher,
            shuffle=True,
            steps=args.steps_per_epoch,
            seed=args.seed,
            **settings,
        )
        self.validation = Pairs(store, sides[1], self.stretcher, **settings) if sides[1] else None
        kinds = self.training.summary()
        said = ", ".join(f"{count:,} {kind} pairs" for kind, count in sorted(kinds.items()))
        self.say(f"{said} to train on, {len(sides[1]):,} held out")

    def settings(self):
        """What ``config.json`` holds beside flags and versions."""
        return {"pairs": dict(self.training.summary())}

    def make_model(self):
        """The model that is to be trained, compiled."""
        from time_stretching.model import CLIP_NORM, Correction, build_corrector

        architecture = self.stretcher.architecture
        self.set_up_keras()
        with self.devices.scope():
            decoder = None if architecture.published else self.stretcher.decoder
            model = Correction(build_corrector(architecture), decoder, self.stretcher.scale)
            self.compile_adam(model, global_clipnorm=CLIP_NORM)
        return model


def main(argv=None):
    """Run the script; its exit status."""
    return Session(build_parser().parse_args(argv)).train()


if __name__ == "__main__":
    run(main)
