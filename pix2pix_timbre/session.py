"""A training of this system: its data, networks, run folder, and the way from start to end."""

import functools
from pathlib import Path

from common.cli import UserError
from common.music.names import piece_of
from common.training.devices import OneDevice, find_devices, jit_setting, start_backend
from common.training.session import TrainingSession, network_writer
from common.training.setup import learning_rate
from pix2pix_timbre.features import CODEC, FeatureStore, phase_instrument
from pix2pix_timbre.flags import side


class Session(TrainingSession):
    """Stores, split, run folder and devices of one training.

    Args:
        args: Parsed flags of ``pix2pix_timbre.flags``.
        gen_lr: Learning rate of the generator.
        disc_lr: Learning rate of the discriminator; None trains the generator alone.
        adversarial_start: Step from which on the discriminator takes part.
        styled: Whether the generator is told its target by a style frame.
        with_phase: Whether the generator converts the phase, too, as a second channel.

    Raises:
        UserError: Missing or unfit features, no pieces in common, nothing left to train on.
    """

    system = "pix2pix_timbre"
    begin_anew = ("discriminator",)  # shipped models have none
    may_change = (*TrainingSession.may_change, "dataset_path", "audios_path", "findlr")

    def __init__(
        self,
        args,
        gen_lr,
        disc_lr=None,
        *,
        adversarial_start=0,
        styled=False,
        with_phase=False,
    ):
        # fails before Keras is imported, which takes seconds
        self.args = args
        self._rates = gen_lr, disc_lr
        self._adversarial_start = adversarial_start
        self._styled = styled
        self._with_phase = with_phase
        stores = self._open_stores()
        output = args.output or Path("runs") / f"{side(args.origin)}_2_{side(args.target)}"
        super().__init__(args, output)
        self.adversarial = disc_lr is not None
        self.networks = ["generator", "discriminator"] if self.adversarial else ["generator"]
        self.require_networks()
        start_backend(args.gpu)
        self.devices = OneDevice() if args.findlr else find_devices()
        self._split(stores)

    def _open_stores(self):
        """Pairs of stores, origin and target, of all that is to be converted."""
        folder = self.args.dataset_path
        known = sorted(store.stem for store in folder.glob("*.h5"))
        stores = {}
        origins, targets = (
            [names] if isinstance(names, str) else names
            for names in (self.args.origin, self.args.target)
        )
        for instrument in [*origins, *targets]:
            path = folder / f"{instrument}.h5"
            if not path.is_file():
                raise UserError(
                    f"{path}: no features of {instrument!r}; {folder} has "
                    f"{', '.join(known) if known else 'none: run compute_features.py'}"
                )
            if instrument not in stores:
                stores[instrument] = FeatureStore(path)
        pairs = [
            (stores[origin], stores[target])
            for origin in origins
            for target in targets
            if origin != target or not self._styled
        ]
        if not pairs:
            raise UserError(f"--target {targets[0]}: the origin itself; name another target")
        return pairs

    def _split(self, stores):
        from pix2pix_timbre.augment import Augmentation
        from pix2pix_timbre.pairs import PairedFrames, split_pairs
        from pix2pix_timbre.phase_network import FramesWithPhase
        from pix2pix_timbre.style import StyledFrames

        args, training, held_out, unpaired = self.args, [], [], {}
        for origin, target in stores:
            *sides, report = split_pairs(origin, target, args.validation_split)
            training += sides[0]
            held_out += sides[1]
            unpaired = report + unpaired if unpaired else report
        if not training:
            raise UserError(
                f"--validation_split {args.validation_split}: all {len(held_out)} pairs are held "
                "out; lower it, or add pieces"
            )
        self.pieces = {
            name: sorted({piece_of(origin.rendering) for origin, _ in pairs})
            for name, pairs in (("training", training), ("held_out", held_out))
        }
        frames = StyledFrames if self._styled else PairedFrames
        if self._with_phase:
            self._phases = self._phase_stores(stores)
            frames = functools.partial(FramesWithPhase, stores=self._phases)
        self.training = frames(
            training,
            args.batch_size,
            random_offsets=args.offsets == "random",
            shuffle=True,
            steps=args.steps_per_epoch,
            augment=Augmentation(args.augment) if args.augment else None,
            seed=args.seed,
        )
        self.validation = frames(held_out, args.batch_size) if held_out else None
        self._samples = self._choose_samples(held_out or training)
        self._describe(unpaired)

    def _phase_stores(self, pairs):
        """Stores of the phases of all instruments, by name; they hold what the others hold."""
        stores = {}
        for store in (store for pair in pairs for store in pair):
            name = phase_instrument(store.instrument)
            path = self.args.dataset_path / f"{name}.h5"
            if not path.is_file():
                raise UserError(f"{path}: no such file; run compute_features.py --with_phase")
            stores[name] = FeatureStore(path)
            if stores[name].columns != store.columns:
                raise UserError(
                    f"{path}: holds other audios than {store.path}; run compute_features.py "
                    "--with_phase"
                )
        return stores

    def _choose_samples(self, pairs):
        """A sample for each target instrument: its first pair."""
        from pix2pix_timbre.phase_network import phases_of
        from pix2pix_timbre.samples import Sample

        first = {}
        for pair in pairs:
            first.setdefault(pair[1].store.instrument, pair)
        samples = []
        for instrument, pair in first.items():
            folder = self.run.path / "samples"
            style = None
            if self._styled:
                frames = self.validation or self.training
                style = (frames.style(pair[1])[..., 0] + 1) / 2
            if len(first) > 1:
                folder = folder / instrument
            phases = phases_of(pair, self._phases) if self._with_phase else None
            samples.append(Sample(pair, folder, style, self.args.audios_path, phases))
        return samples

    def _describe(self, unpaired):
        self.say(
            f"{len(self.pieces['training'])} pieces to train on "
            f"({self.training.frame_count:,} frames), {len(self.pieces['held_out'])} held out "
            f"({self.validation.frame_count if self.validation else 0:,} frames)"
        )
        if not self.validation:
            self.say(
                "no piece is held out: add pieces or raise --validation_split to see validation"
            )
        if unpaired["unpaired_renderings"]:
            self.say(f"{unpaired['unpaired_renderings']} pieces have no partner and are left out")
        if unpaired["unpaired_columns"]:
            self.say(f"{unpaired['unpaired_columns']} columns reach beyond their partner's end")

    def settings(self):
        """What ``config.json`` holds beside flags and versions."""
        return {"codec": CODEC, "split": self.pieces}

    def build(self, gen_lr, disc_lr, *, adversarial):
        """The untrained model, compiled; with the same weights each time.

        Args:
            gen_lr, disc_lr: Learning rates or schedules.
            adversarial: Whether there is a discriminator.
        """
        from pix2pix_timbre.gan import Pix2Pix
        from pix2pix_timbre.model import build_discriminator, build_generator

        args = self.args
        self.set_up_keras()
        with self.devices.scope():
            channels = 2 if self._styled or self._with_phase else 1
            outputs = 2 if self._with_phase else 1
            networks = [build_generator(args.width, channels, args.dropout, outputs)]
            if adversarial:
                networks.append(build_discriminator(args.width))
            for network in networks:
                self.devices.prepare(network)
            model = Pix2Pix(*networks)
            model.compile_adam(gen_lr, disc_lr, args.ema, jit_compile=jit_setting())
        return model

    def make_model(self):
        """The model that is to be trained, with the learning rates of the flags."""
        gen_lr, disc_lr = self._rates
        decay = self.args.lr_decay
        if self.adversarial:
            steps = max(self.total_steps - self._adversarial_start, 1)
            disc_lr = learning_rate(disc_lr, decay, steps)
        gen_lr = learning_rate(gen_lr, decay, self.total_steps)
        return self.build(gen_lr, disc_lr, adversarial=self.adversarial)

    def run_as_asked(self):
        """Search the learning rates or train, as ``--findlr`` says; the script's exit status."""
        if self.args.findlr:
            from pix2pix_timbre.findlr import find_learning_rates

            return find_learning_rates(self)
        return self.train()

    def extra_callbacks(self, model, done):
        """Lets the adversary start in its time."""
        from pix2pix_timbre.gan import AdversaryStart

        if model.discriminator is None:
            return []
        return [AdversaryStart(self._adversarial_start, done)]

    def epoch_writer(self, model):
        """Function that writes weights, curves and samples after an epoch."""
        from common.report.plots import plot_history
        from pix2pix_timbre.convert import Predictor

        networks, save = network_writer(self, model)
        predict = Predictor(networks["generator"])

        def write(epoch, rows):
            save()
            plot_history(self.run.path / "history.png", rows)
            for sample in self._samples:
                sample.write(predict, epoch)

        return write
