"""Base class of trainings, from flags to the last epoch, which all systems share."""

from __future__ import annotations

import abc
import contextlib
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from common.cli import Parser, UserError, parser, printable
from common.training.devices import (
    OneDevice,
    find_devices,
    jit_setting,
    list_gpus,
    start_backend,
)
from common.training.flags import parsed
from common.training.resuming import continued_config, new_pieces, recorded_split
from common.training.run_folder import RunFolder
from common.training.weights import load_into
from common.work.lock import only_run
from common.work.machine import computes_bfloat16
from common.work.memory import keep_freed_memory

if TYPE_CHECKING:
    import keras

    from common.training.batches import Batches
    from common.training.model import TrainingModel


class TrainingSession(abc.ABC):
    """Base class of a training: data, model, run folder, and the order of steps.

    A subclass provides the data (``check``, ``open_data``), the model (``make_model``), and
    additional files (``describe``, ``after_epoch``).

    Args:
        flags: Values of all flags of ``build_parser``. (``train`` of the script fills in
            the defaults.)

    Attributes:
        system: Name of the system, for ``config.json``.
        script: Name of the script.
        networks: Names of the model's attributes that are saved as ``<name>.h5``.
        begin_anew: Those that may be missing when --epoch_offset continues from weights.
        may_change: Names of flags that may differ when a run is continued.
        may_vary: Names of entries of ``describe`` that may differ as well.
        clip_norm: Largest norm of the gradients of all weights together, or None.
        flags: Namespace of the flags.
        run: ``RunFolder``.
        devices: A class of ``common.training.devices``.
        store: Data whose ``rows`` are split by ``split_rows``.
        sides: Indices of the rows to train on and held out, which ``split_rows`` sets.
        training, validation: ``common.training.batches.Batches``; the latter may be None.

    Raises:
        UserError: Unfit flags or data. What ``check`` finds is reported before Keras is imported,
            which takes seconds.
    """

    system = ""
    script = ""
    networks: tuple[str, ...] = ()
    begin_anew: tuple[str, ...] = ()
    may_change: tuple[str, ...] = (
        "output",
        "gpu",
        "resume",
        "epochs",
        "debug",
        "features_path",
    )
    may_vary: tuple[str, ...] = ()
    clip_norm: float | None = None

    def __init__(self, **flags: Any) -> None:
        self._given = flags
        self.flags = SimpleNamespace(**flags)
        self._recorded = {}
        self.check()
        self.run = RunFolder(self.folder)
        self._require_networks()
        self._trimming = self._read_trimming()
        keep_freed_memory()
        start_backend(self.flags.gpu)
        self.devices = self.find_devices()
        self.open_data()

    # Provided by a system

    @staticmethod
    @abc.abstractmethod
    def add_flags(built: Parser) -> None:
        """Add the flags of the script to a ``common.cli.parser``."""

    @property
    def folder(self) -> Path:
        """Path of the run folder."""
        return self.flags.output

    def check(self) -> None:  # noqa: B027 (may stay empty)
        """Check the flags, and open files that do not need Keras."""

    def find_devices(self) -> OneDevice:
        """Return the devices to train on."""
        return find_devices()

    @abc.abstractmethod
    def open_data(self) -> None:
        """Set ``training`` and ``validation``."""

    @abc.abstractmethod
    def make_model(self) -> TrainingModel:
        """Return the untrained ``common.training.model.TrainingModel``, not compiled."""

    def make_optimizer(self) -> keras.Optimizer:
        """Return the optimiser: Adam, with learning rate, decay and averages from the flags."""
        import keras

        rate = learning_rate(self.flags.lr, self.flags.lr_decay, self.total_steps)
        averages = {"use_ema": True, "ema_momentum": self.flags.ema} if self.flags.ema else {}
        return keras.optimizers.Adam(rate, global_clipnorm=self.clip_norm, **averages)

    def describe(self) -> dict[str, Any]:
        """Return a dict of further entries of ``config.json``, besides flags and versions.

        If ``split_rows`` does not add it, ``split`` is a dict from ``training`` and ``held_out`` to
        names of pieces.
        """
        return {}

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Return further Keras callbacks, for a model that was trained for ``done`` steps."""
        return []

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:  # noqa: B027 (may stay empty)
        """Write further files, besides weights, history and its curves.

        Args:
            epoch: Number of the epoch, from 1.
            networks: Dict from the names of ``networks`` to stand-alone Keras models, the same
                objects each time.
        """

    # Shared by all systems

    @classmethod
    def build_parser(cls, description: str | None) -> Parser:
        """Return the script's parser, given its docstring."""
        built = parser(description)
        cls.add_flags(built)
        return built

    @classmethod
    def script_functions(cls, description: str | None) -> tuple[Callable, Callable, Callable]:
        """Return the functions of the script that trains with this class.

        Args:
            description: The script's docstring.

        Returns:
            ``(build_parser, train, main)``.
        """

        def build_parser():
            """Return the script's parser."""
            return cls.build_parser(description)

        def train(**flags):
            """Train with some flags given and the others at their defaults; return the run folder.

            Args:
                flags: Values as on the command line; lists for several words.

            Raises:
                UserError: A flag is unknown or has an invalid value.
            """
            session = cls(**parsed(build_parser(), flags))
            session.train()
            return session.run.path

        def main(argv=None):
            """Run the script; return its exit status."""
            return cls(**vars(build_parser().parse_args(argv))).train()

        return build_parser, train, main

    def split_rows(
        self,
        what: str,
        name_of: Callable[[Any], str],
        sides: tuple[list[int], list[int]] | None = None,
    ) -> tuple[list[int], list[int]]:
        """Split the rows of ``store``: set ``sides``, and record their names in ``config.json``.

        Args:
            what: What is held out, in plural, for the message.
            name_of: Function that returns the name of a row that is recorded.
            sides: Lists of the indices of the rows to train on and held out. By default,
                ``store.split`` holds out the share --validation_split of the names.

        Returns:
            ``(training, held_out)``, which are ``sides``.

        Raises:
            UserError: Nothing is left to train on.
        """
        rows = self.store.rows
        self.sides = sides or self.store.split(self.flags.validation_split, name_of)
        if not self.sides[0]:
            raise UserError(
                f"--validation_split {self.flags.validation_split}: all {what} are held out; lower "
                f"it, or give more {what}"
            )
        names = recorded_split(self.sides, lambda index: name_of(rows[index]))
        self._recorded = {"split": names}
        return self.sides

    def set_batches(
        self, make: Callable[..., Batches], training: Sequence, held_out: Sequence
    ) -> None:
        """Set ``training``, and ``validation`` if anything is held out.

        Args:
            make: Function of items and of ``batch_size``, ``shuffle``, ``steps`` and ``seed`` that
                returns ``common.training.batches.Batches``.
            training, held_out: Items of both sides of the split.
        """
        flags = self.flags
        once = {"shuffle": True, "steps": flags.steps_per_epoch, "seed": flags.seed}
        self.training = make(training, batch_size=flags.batch_size, **once)
        self.validation = make(held_out, batch_size=flags.batch_size) if held_out else None

    def sized(self, **networks: keras.Model | None) -> list[keras.Model | None]:
        """Give networks the layers that trimming left them, if the run goes on from such networks.

        Args:
            networks: Networks as their builders give them, by their names in ``networks``; None for
                one that the model does not have.

        Returns:
            List in the same order; a trimmed network has new weights.

        Raises:
            UserError: ``config.json`` records layers that the network does not have.
        """
        from common.training.rebuild import trimmed

        sizes, where = self._trimming.get("trimmed", {}), self.run.path / "config.json"
        return [
            trimmed(network, sizes[name], where) if network and name in sizes else network
            for name, network in networks.items()
        ]

    def say(self, text: str) -> None:
        """Print a line, but only in the chief process."""
        if self.devices.is_chief:
            print(printable(text))

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch of the run."""
        return self.flags.epoch_offset + self.flags.epochs

    @property
    def total_steps(self) -> int:
        """Training steps of the run."""
        return self.flags.epochs * self.devices.steps(self.training)

    def build(
        self,
        make_model: Callable[[], TrainingModel] | None = None,
        make_optimizer: Callable[[], keras.Optimizer] | None = None,
    ) -> TrainingModel:
        """Return the untrained, compiled model, with the same weights each time.

        Args:
            make_model, make_optimizer: Functions to call instead of the methods of these names.
        """
        set_up_keras(self.flags.seed, self.flags.mixed_precision)
        with self.devices.scope():
            model = (make_model or self.make_model)()
            self.devices.prepare(model)
            model.compile((make_optimizer or self.make_optimizer)(), jit_compile=jit_setting())
        return model

    def train(self) -> int:
        """Train, or continue to train, to the last epoch; return the script's exit status."""
        with only_run(self.run.path) if self.devices.is_chief else contextlib.nullcontext():
            finished = self.devices.agree(self._begin() if self.devices.is_chief else 0)
            if finished >= self.last_epoch:
                self.say(
                    f"{self.run.path}: finished after epoch {finished}; raise --epochs to go on"
                )
                return 0
            slow = not (list_gpus() or computes_bfloat16())
            if self.flags.mixed_precision == "bfloat16" and slow:
                self.say(
                    "--mixed_precision bfloat16: this processor has no instructions for it and "
                    "emulates it slowly; leave the flag out to train in float32"
                )
            model = self.build()
            self._load(model, finished)
            with self.devices.guard():
                self._fit(model, finished or self.flags.epoch_offset)
                self.devices.agree(0)  # no worker exits before the chief has written everything
        return 0

    def _begin(self):
        """Start or continue the run in its folder; return the number of finished epochs."""
        flags, run = self.flags, self.run
        finished = run.start(resume=flags.resume, from_weights=flags.epoch_offset > 0)
        config = self._config()
        if finished:
            old, script = run.read_config(), self.build_parser("")
            # the decay depends on the number of epochs
            decided = set() if flags.lr_decay == "none" else {"epochs"}
            config = continued_config(
                run.path,
                old,
                config,
                may_change=set(self.may_change) - decided,
                may_vary=self.may_vary,
                defaults={
                    name for name, value in self._given.items() if value == script.get_default(name)
                },
            )
            if finished < self.last_epoch:
                self._say_what_is_new(old.get("split"), config.get("split"))
        if finished < self.last_epoch:
            run.write_config(config)
        return finished

    def _say_what_is_new(self, old, new):
        if old and new and any(new_pieces(old, new).values()):
            counts = new_pieces(old, new)
            self.say(
                f"{self.run.path}: new pieces since the run began: {counts['training']} to train "
                f"on, {counts['held_out']} held out"
            )

    def _config(self):
        """Content of ``config.json``."""
        flags = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(self.flags).items()
        }
        return {
            "system": self.system,
            "script": self.script,
            "flags": flags,
            "versions": versions(),
            **self.describe(),
            **self._trimming,
            **self._recorded,
        }

    def _require_networks(self):
        for name in self.networks:
            path = self.run.path / f"{name}.h5"
            needed = self.flags.epoch_offset and name not in self.begin_anew
            if needed and not path.is_file():
                raise UserError(
                    f"{path}: no such file; --epoch_offset {self.flags.epoch_offset} goes on from "
                    "it"
                )

    def _read_trimming(self):
        """What ``config.json`` says about the trimming of networks that the run goes on from."""
        if not (self.flags.epoch_offset and (self.run.path / "config.json").is_file()):
            return {}
        config = self.run.read_config()
        return {name: config[name] for name in ("trimmed", "trimming") if name in config}

    def _load(self, model, finished):
        """Load the weights with which the run continues."""
        if finished:
            self.run.load_resume(model, finished)
            self.say(f"{self.run.path}: going on after epoch {finished}")
        elif self.flags.epoch_offset:
            for name in self.networks:
                path = self.run.path / f"{name}.h5"
                if path.is_file() or name not in self.begin_anew:
                    load_into(getattr(model, name), path)
                else:
                    self.say(f"{path}: no such file; the {name} begins anew")

    def _fit(self, model, finished):
        from common.training.callbacks import make_callbacks

        done = (finished - self.flags.epoch_offset) * self.devices.steps(self.training)
        try:
            model.fit(
                **self.devices.feed(self.training, self.validation, finished),
                initial_epoch=finished,
                epochs=self.last_epoch,
                shuffle=False,  # the data set shuffles itself, by its seed
                verbose="auto" if self.devices.is_chief else 0,
                callbacks=[*make_callbacks(self, model), *self.callbacks(model, done)],
            )
        except KeyboardInterrupt as stop:
            if not self.run.finished_epochs:
                raise
            command = "the same command" + ("" if self.flags.resume else " without --no-resume")
            raise KeyboardInterrupt(
                f"{command} goes on after epoch {self.run.finished_epochs}"
            ) from stop


def set_up_keras(seed: int, mixed_precision: str = "off") -> None:
    """Seed every random generator and choose the dtype policy.

    Args:
        seed: Integer.
        mixed_precision: "float16", "bfloat16" or "off".
    """
    import keras

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(
        "float32" if mixed_precision == "off" else f"mixed_{mixed_precision}"
    )


def learning_rate(
    initial: float, decay: str, steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return a learning rate, or a schedule.

    Args:
        initial: First learning rate.
        decay: "none"; "linear" or "cosine" to 0.
        steps: Training steps of the whole run.
    """
    import keras

    schedules = keras.optimizers.schedules
    if decay == "linear":
        return schedules.PolynomialDecay(initial, max(steps, 1), end_learning_rate=0.0)
    if decay == "cosine":
        return schedules.CosineDecay(initial, max(steps, 1))
    return initial


def versions() -> dict[str, str]:
    """Versions of Python and of the relevant packages: dict of strings."""
    from importlib.metadata import PackageNotFoundError, version

    import keras

    found = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in ("keras", "tensorflow", "jax", "numpy", "h5py"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
