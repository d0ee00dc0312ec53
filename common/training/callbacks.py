"""Keras callbacks of a training: seeds per epoch, history, weights, resume state."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from common.cli import UserError
from common.report.plots import plot_history
from common.training.fast import parts_of
from common.training.weights import save_h5, stand_alone

if TYPE_CHECKING:
    from common.training.model import TrainingModel
    from common.training.session import TrainingSession


def make_callbacks(
    session: TrainingSession, model: TrainingModel
) -> list[keras.callbacks.Callback]:
    """Create the callbacks that write the run folder of a training.

    Args:
        session: ``common.training.session.TrainingSession``.
        model: The model of the session, built.

    Returns:
        List of ``keras.callbacks.Callback``. If the package ``tensorboard`` is installed, one of
        them logs to the folder ``tensorboard`` of the run.
    """
    callbacks = [EpochKeeper(session, model)]
    if session.flags.ema:
        callbacks.append(keras.callbacks.SwapEMAWeights())  # during validation
    # Keras needs TensorFlow for these logs, whatever the backend
    if (
        session.devices.is_chief
        and importlib.util.find_spec("tensorboard")
        and importlib.util.find_spec("tensorflow")
    ):
        folder = session.run.path / "tensorboard"
        callbacks.append(keras.callbacks.TensorBoard(folder, write_graph=False))
    return callbacks


class EpochKeeper(keras.callbacks.Callback):
    """Seeds data and dropout at the start of each epoch, and writes all files at its end.

    Written are history, weights, curves, the files of ``after_epoch``, and last the resume state,
    which completes the epoch. With ``--ema``, the weights are moving averages. Training ends with a
    ``UserError`` at the first step with a loss that is not finite.

    Args:
        session: ``common.training.session.TrainingSession``.
        model: The session's model, built.
    """

    def __init__(self, session: TrainingSession, model: TrainingModel) -> None:
        super().__init__()
        self._session = session
        self._writes = session.devices.is_chief  # only the chief writes the folder
        self._rows = session.run.read_history()
        self._networks = {}  # stand-alone copies that are saved
        if self._writes:
            self._networks = {name: stand_alone(getattr(model, name)) for name in session.networks}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the random state of this epoch, independent of earlier ones."""
        self._epoch = epoch
        self._began = time.monotonic()
        self._session.training.epoch = epoch
        reseed(self.model, self._session.flags.seed, epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise ``UserError`` if a loss is not finite."""
        broken = [name for name, value in (logs or {}).items() if not np.isfinite(value)]
        if broken:
            again = "--no-resume then starts afresh"
            if self._epoch:
                again = f"--no-resume --epoch_offset {self._epoch} then starts from those weights"
            raise UserError(
                f"{self._session.run.path}: {' and '.join(broken)} not finite at step {batch + 1} "
                f"of epoch {self._epoch + 1}; lower the learning rates or train without mixed "
                f"precision, {again}"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write all files of the epoch."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        seconds = round(time.monotonic() - self._began, 2)
        self._rows.append({"epoch": epoch + 1, **values, "seconds": seconds})
        averages = averaged_weights(self.model) if self._session.flags.ema else None
        # in every process, because swapping rounds the weights
        with averages or contextlib.nullcontext():
            if self._writes:
                self._write(epoch + 1)
        if self._writes:
            self._session.run.save_resume(self.model, epoch + 1)

    def _write(self, epoch):
        run = self._session.run
        run.write_history(self._rows)
        for name, network in self._networks.items():
            network.set_weights(getattr(self.model, name).get_weights())
            save_h5(network, run.path / f"{name}.h5")
        plot_history(run.path / "history.png", self._rows)
        self._session.after_epoch(epoch, self._networks)


class Ramp(keras.callbacks.Callback):
    """Callback that raises a weight of a loss linearly from 0, epoch by epoch.

    Args:
        variable: Scalar variable of the model.
        target: Value at the end of the ramp.
        begin, end: Numbers of epochs: the weight is 0 in the first ``begin`` epochs, and reaches
            the target in epoch ``end``, counted from 1.
    """

    def __init__(self, variable: Any, target: float, begin: int, end: int) -> None:
        super().__init__()
        self._variable, self._target = variable, target
        self._begin, self._length = begin, max(end - begin, 1)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the weight for this epoch."""
        share = (epoch + 1 - self._begin) / self._length
        self._variable.assign(self._target * min(max(share, 0.0), 1.0))


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Context manager that replaces the weights of a model by their moving averages."""
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()


def seed_generators(model: keras.Model) -> list[keras.random.SeedGenerator]:
    """List every ``keras.random.SeedGenerator`` of a model once, in the order of its layers."""
    found = [generator for layer in parts_of(model) for generator in layer._seed_generators]
    return list(dict.fromkeys(found))


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the random state of a model (dropout, sampling), derived from seed and epoch.

    So a resumed run draws the same numbers in each epoch as an uninterrupted one.
    """
    for index, generator in enumerate(seed_generators(model)):
        state = np.random.SeedSequence([seed, epoch, index]).generate_state(2)
        generator.state.assign(state.astype(generator.state.dtype))
