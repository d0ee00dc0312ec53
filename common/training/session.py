"""A training from its flags to its last epoch: what the trainings of all systems share."""

import contextlib
from pathlib import Path

from common.cli import UserError
from common.training.callbacks import make_callbacks
from common.training.devices import find_devices, jit_setting, start_backend
from common.training.run_folder import RunFolder
from common.training.setup import learning_rate, set_up_keras, versions
from common.training.weights import load_into
from common.work.lock import only_run


class TrainingSession:
    """Run folder, devices, and the way from start to end.

    A system says what ``system``, ``networks`` and ``may_change`` are, opens its data as
    ``training`` and ``validation`` (``validation`` may be None), begins with ``find_devices``, and
    gives ``make_model`` and ``settings``; ``epoch_writer`` if there is more to write than networks
    and curves, ``extra_callbacks`` if it has any.

    Args:
        args: Parsed flags, with those of ``common.training.flags.add_training_flags``.
        output: Run folder.

    Attributes:
        system: Name of the system, for ``config.json``.
        networks: Names of the attributes of the model that are saved as ``<name>.h5``.
        begin_anew: Those of them that may be missing where --epoch_offset goes on from weights.
        may_change: Names of flags that may differ between the parts of one run.
    """

    system = ""
    networks = ()
    begin_anew = ()
    may_change = ("output", "gpu", "resume", "epochs", "debug")

    def __init__(self, args, output):
        self.args = args
        self.run = RunFolder(output)

    def find_devices(self):
        """Start the backend and find the ``devices``: before that, Keras is not imported."""
        start_backend(self.args.gpu)
        self.devices = find_devices()

    def say(self, text):
        """Print, once for all workers."""
        if self.devices.is_chief:
            print(text)

    @property
    def last_epoch(self):
        """Number of the epoch that ends the run."""
        return self.args.epoch_offset + self.args.epochs

    @property
    def total_steps(self):
        """Training steps of the run."""
        return self.args.epochs * self.devices.steps(self.training)

    def config(self):
        """Content of ``config.json``."""
        flags = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(self.args).items()
        }
        return {
            "system": self.system,
            "flags": flags,
            "versions": versions(),
            **self.settings(),
        }

    def set_up_keras(self):
        """Seed Keras and choose its arithmetic, so that each model begins with the same weights."""
        set_up_keras(self.args.seed, self.args.mixed_precision)

    def compile_adam(self, model, **options):
        """Compile a model with Adam, its rate, decay and averages by the flags.

        Args:
            model: With all its weights; made within the scope of ``devices``.
            options: Of ``keras.optimizers.Adam``.
        """
        import keras

        rate = learning_rate(self.args.lr, self.args.lr_decay, self.total_steps)
        if self.args.ema:
            options |= {"use_ema": True, "ema_momentum": self.args.ema}
        model.compile(keras.optimizers.Adam(rate, **options), jit_compile=jit_setting())
        model.optimizer.build(model.trainable_variables)  # resuming needs its variables

    def train(self):
        """Train, or go on training, to the last epoch; the exit status of the script."""
        with only_run(self.run.path) if self.devices.is_chief else contextlib.nullcontext():
            return self._train()

    def _train(self):
        args, folder = self.args, self.run
        finished = 0
        if self.devices.is_chief:
            decays = args.lr_decay != "none"
            may_change = set(self.may_change) - ({"epochs"} if decays else set())
            finished = folder.start(
                self.config(),
                resume=args.resume,
                may_change=may_change,
                from_weights=args.epoch_offset > 0,
            )
        finished = self.devices.agree(finished)
        if finished >= self.last_epoch:
            self.say(f"{folder.path}: finished after epoch {finished}; raise --epochs to go on")
            return 0
        model = self.make_model()
        if finished:
            folder.load_resume(model, finished)
            self.say(f"{folder.path}: going on after epoch {finished}")
        elif args.epoch_offset:
            for name in self.networks:
                path = folder.path / f"{name}.h5"
                if path.is_file() or name not in self.begin_anew:
                    load_into(getattr(model, name), path)
                else:
                    self.say(f"{path}: no such file; the {name} begins anew")
        with self.devices.guard():
            self._fit(model, finished or args.epoch_offset)
            self.devices.agree(0)  # no worker leaves before the chief has written everything
        return 0

    def _fit(self, model, finished):
        done = (finished - self.args.epoch_offset) * self.devices.steps(self.training)
        callbacks = make_callbacks(
            self.run,
            self.training,
            self.args.seed,
            self.epoch_writer(model) if self.devices.is_chief else None,
            ema=self.args.ema > 0,
        )
        model.fit(
            **self.devices.feed(self.training, self.validation, finished),
            initial_epoch=finished,
            epochs=self.last_epoch,
            shuffle=False,  # the dataset shuffles itself, by its seed
            verbose="auto" if self.devices.is_chief else 0,
            callbacks=[*callbacks, *self.extra_callbacks(model, done)],
        )

    def epoch_writer(self, model):
        """Function of an epoch and the rows of the history that writes what an epoch leaves."""
        from common.report.plots import plot_history

        _, save = network_writer(self, model)

        def write(epoch, rows):
            save()
            plot_history(self.run.path / "history.png", rows)

        return write

    def extra_callbacks(self, model, done):
        """Callbacks of the system, for a model that has learned for ``done`` steps of the run."""
        return []

    def require_networks(self):
        """Raise ``UserError`` where weights to start from are missing, as --epoch_offset asks."""
        for name in self.networks:
            path = self.run.path / f"{name}.h5"
            needed = self.args.epoch_offset and name not in self.begin_anew
            if needed and not path.is_file():
                raise UserError(
                    f"{path}: no such file; --epoch_offset {self.args.epoch_offset} goes on from it"
                )


def network_writer(session, model):
    """Function that saves the networks of a model as they are, and returns stand-alone copies.

    Args:
        session: ``TrainingSession``.
        model: With ``session.networks`` as attributes.

    Returns:
        ``(networks, save)``: dict from name to a copy for other Keras code; function that brings
        the copies up to date and writes their files.
    """
    from common.training.weights import save_h5, stand_alone

    networks = {name: stand_alone(getattr(model, name)) for name in session.networks}

    def save():
        for name, network in networks.items():
            network.set_weights(getattr(model, name).get_weights())
            save_h5(network, session.run.path / f"{name}.h5")

    return networks, save
