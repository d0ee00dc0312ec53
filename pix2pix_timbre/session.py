"""The trainings of this system: data, networks, run folder, and samples."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import Parser, UserError, counted
from common.music.names import piece_of
from common.training.devices import OneDevice
from common.training.resuming import recorded_split
from common.training.session import TrainingSession, learning_rate
from data import network_to_frames
from pix2pix_timbre.features import CODEC, FeatureStore, phase_instrument
from pix2pix_timbre.flags import (
    add_adversarial_flags,
    add_flags,
    add_generator_flags,
    published_rates,
    side,
)
from pix2pix_timbre.weights import generator_shape

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from pix2pix_timbre.gan import Pix2Pix
    from pix2pix_timbre.optimizer import TwoRateAdam


class Session(TrainingSession):
    """The training of ``train.py``: generator and discriminator.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Features are missing or unfit, there is no common piece, or no training piece.

    Attributes:
        adversarial: Whether there is a discriminator.
        styled: Whether the generator has a style frame as second channel.
        with_phase: Whether the generator converts the phase as a second channel.
    """

    system = "pix2pix_timbre"
    script = "train.py"
    networks = ("generator", "discriminator")
    begin_anew = ("discriminator",)  # shipped models have none
    may_change = (*TrainingSession.may_change, "dataset_path", "audios_path", "findlr")
    adversarial = True
    styled = False
    with_phase = False

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of a training on a pair of instruments."""
        add_flags(built)
        add_adversarial_flags(built)

    @property
    def folder(self) -> Path:
        """Path of the run folder."""
        name = f"{side(self.flags.origin)}_2_{side(self.flags.target)}"
        return self.flags.output or Path("runs") / name

    def check(self) -> None:
        """Fill in the published learning rates, and open the stores."""
        self._fill_in_rates(published_rates(self.flags.origin, self.flags.target))
        self._stores = self._open_stores()
        self._width = self.flags.width
        path = self.folder / "generator.h5"
        if self.flags.epoch_offset and path.is_file():
            width = generator_shape(path).width
            if isinstance(width, tuple):  # trimmed; --width is that of the discriminator
                self._width = width
            elif width != self.flags.width:
                raise UserError(f"{path}: a generator of width {width}; give --width {width}")

    def _fill_in_rates(self, published):
        for name, rate in zip(("gen_lr", "disc_lr"), published, strict=True):
            if getattr(self.flags, name) is None:
                setattr(self.flags, name, rate)

    def find_devices(self) -> OneDevice:
        """Use a single device to search for learning rates."""
        return OneDevice() if self.flags.findlr else super().find_devices()

    def _open_stores(self):
        """Open all pairs of stores (origin, target)."""
        folder = self.flags.dataset_path
        known = sorted(store.stem for store in folder.glob("*.h5"))
        stores = {}
        origins, targets = (
            [names] if isinstance(names, str) else names
            for names in (self.flags.origin, self.flags.target)
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
            if origin != target or not self.styled
        ]
        if not pairs:
            raise UserError(f"--target {targets[0]}: the origin itself; name another target")
        return pairs

    def open_data(self) -> None:
        """Split the pairs and read their frames."""
        from pix2pix_timbre.augment import Augmentation
        from pix2pix_timbre.pairs import PairedFrames, split_pairs
        from pix2pix_timbre.phase_network import FramesWithPhase
        from pix2pix_timbre.style import StyledFrames

        flags, training, held_out, unpaired = self.flags, [], [], {}
        for origin, target in self._stores:
            *sides, report = split_pairs(origin, target, flags.validation_split)
            training += sides[0]
            held_out += sides[1]
            unpaired = report + unpaired if unpaired else report
        if not training:
            raise UserError(
                f"--validation_split {flags.validation_split}: all {len(held_out)} pairs are held "
                "out; lower it, or add pieces"
            )
        self.pieces = recorded_split((training, held_out), lambda pair: piece_of(pair[0].rendering))
        frames = StyledFrames if self.styled else PairedFrames
        if self.with_phase:
            self._phases = self._phase_stores(self._stores)
            frames = functools.partial(FramesWithPhase, stores=self._phases)
        self.training = frames(
            training,
            flags.batch_size,
            random_offsets=flags.offsets == "random",
            shuffle=True,
            steps=flags.steps_per_epoch,
            augment=Augmentation(flags.augment) if flags.augment else None,
            augment_origin=Augmentation(flags.augment_origin) if flags.augment_origin else None,
            seed=flags.seed,
        )
        self.validation = frames(held_out, flags.batch_size) if held_out else None
        self._samples = self._choose_samples(held_out or training)
        self._predict = None
        self._tell(unpaired)

    def _phase_stores(self, pairs):
        """Open the stores of the phases of all instruments, by name, and check their content."""
        stores = {}
        for store in (store for pair in pairs for store in pair):
            name = phase_instrument(store.instrument)
            path = self.flags.dataset_path / f"{name}.h5"
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
        """Choose a sample for each target instrument: its first pair."""
        from pix2pix_timbre.phase_network import phases_of
        from pix2pix_timbre.samples import Sample

        first = {}
        for pair in pairs:
            first.setdefault(pair[1].store.instrument, pair)
        samples = []
        for instrument, pair in first.items():
            folder = self.run.path / "samples"
            style = None
            if self.styled:
                frames = self.validation or self.training
                style = network_to_frames(frames.style(pair[1])[..., 0])
            if len(first) > 1:
                folder = folder / instrument
            phases = phases_of(pair, self._phases) if self.with_phase else None
            samples.append(Sample(pair, folder, style, self.flags.audios_path, phases))
        return samples

    def _tell(self, unpaired):
        self.say(
            f"{counted(len(self.pieces['training']), 'piece')} to train on "
            f"({counted(self.training.frame_count, 'frame')}), "
            f"{len(self.pieces['held_out'])} held out "
            f"({counted(self.validation.frame_count if self.validation else 0, 'frame')})"
        )
        if not self.validation:
            self.say(
                "no piece is held out: add pieces or raise --validation_split to see validation"
            )
        if unpaired["unpaired_renderings"]:
            alone = counted(unpaired["unpaired_renderings"], "piece")
            self.say(f"{alone} without a partner left out")
        if unpaired["unpaired_columns"]:
            beyond = counted(unpaired["unpaired_columns"], "column")
            self.say(f"{beyond} beyond the end of the partner left out")

    def describe(self) -> dict[str, Any]:
        """Scale and transform of the frames, the split by piece, and widths after trimming."""
        widths = {} if isinstance(self._width, int) else {"widths": list(self._width)}
        return {"codec": CODEC, "split": self.pieces} | widths

    def make_model(self) -> Pix2Pix:
        """Make the untrained networks."""
        return self._assemble(self.adversarial)

    def _assemble(self, adversarial):
        from pix2pix_timbre.gan import Pix2Pix
        from pix2pix_timbre.model import build_discriminator, build_generator

        channels = 2 if self.styled or self.with_phase else 1
        outputs = 2 if self.with_phase else 1
        networks = [build_generator(self._width, channels, self.flags.dropout, outputs)]
        weights = {"difference_weight": self.flags.difference_weight}
        if adversarial:
            networks.append(build_discriminator(self.flags.width))
            weights["l1_weight"] = self.flags.l1_weight
        return Pix2Pix(*networks, **weights)

    def make_optimizer(self) -> TwoRateAdam:
        """Make an Adam with the learning rates of both networks."""
        from pix2pix_timbre.optimizer import TwoRateAdam

        flags = self.flags
        steps = max(self.total_steps - flags.adversarial_start, 1)
        return TwoRateAdam(
            learning_rate(flags.gen_lr, flags.lr_decay, self.total_steps),
            learning_rate(flags.disc_lr, flags.lr_decay, steps),
            flags.ema,
        )

    def build_with(self, gen_lr: Any, disc_lr: Any, *, adversarial: bool) -> Pix2Pix:
        """Make the untrained model, compiled with other learning rates.

        Args:
            gen_lr, disc_lr: Learning rates or schedules.
            adversarial: Whether there is a discriminator.
        """
        from pix2pix_timbre.optimizer import TwoRateAdam

        return self.build(
            lambda: self._assemble(adversarial),
            lambda: TwoRateAdam(gen_lr, disc_lr, self.flags.ema),
        )

    def train(self) -> int:
        """Train, or search for learning rates (``--findlr``); return the exit status."""
        if self.flags.findlr:
            from pix2pix_timbre.findlr import find_learning_rates

            return find_learning_rates(self)
        return super().train()

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Callback that starts the adversary."""
        from pix2pix_timbre.gan import AdversaryStart

        return [AdversaryStart(self.flags.adversarial_start, done)]

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """Write the listening samples."""
        from pix2pix_timbre.trained import Predictor

        if self._predict is None:  # created once, because it compiles
            self._predict = Predictor(networks["generator"])
        for sample in self._samples:
            sample.write(self._predict, epoch)


class MultitargetSession(Session):
    """The training of ``train_multitarget.py``: a generator whose target is set by a style."""

    script = "train_multitarget.py"
    styled = True

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of a training on several instruments."""
        add_flags(built, several=True)
        add_adversarial_flags(built)


class GeneratorSession(Session):
    """The training of ``train_generator.py``: the generator alone."""

    script = "train_generator.py"
    networks = ("generator",)
    adversarial = False

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of a training on a pair of instruments, with one learning rate."""
        add_flags(built)
        add_generator_flags(built)

    @property
    def with_phase(self) -> bool:
        """Whether the generator converts the phase, too, as a second channel."""
        return self.flags.with_phase

    def check(self) -> None:
        """Check as for both networks, and refuse effects on phases."""
        if self.with_phase and (self.flags.augment or self.flags.augment_origin):
            flag = "--augment" if self.flags.augment else "--augment_origin"
            raise UserError(f"{flag}: the effects change magnitudes only; leave out --with_phase")
        super().check()

    def _fill_in_rates(self, published):
        if self.flags.lr is None:
            self.flags.lr = published[0]

    def make_optimizer(self) -> TwoRateAdam:
        """Make an Adam with the generator's learning rate."""
        from pix2pix_timbre.optimizer import TwoRateAdam

        rate = learning_rate(self.flags.lr, self.flags.lr_decay, self.total_steps)
        return TwoRateAdam(rate, ema=self.flags.ema)

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """None: there is no adversary."""
        return []
