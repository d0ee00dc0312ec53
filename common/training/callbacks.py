"""What a training does beside its steps: seeds by epoch, history, resume states, averages."""

import contextlib

import numpy as np

from common.cli import UserError
from common.training.fast import all_layers


def seed_generators(model):
    """Every ``keras.random.SeedGenerator`` of a model's layers, in the order of the layers."""
    found = (getattr(layer, "seed_generator", None) for layer in all_layers(model))
    return [generator for generator in found if generator is not None]


def reseed(model, seed, epoch):
    """Set the random state of a model's layers (dropout) to one that follows from the epoch.

    So an interrupted run draws in each epoch what an uninterrupted one draws.
    """
    for index, generator in enumerate(seed_generators(model)):
        state = np.random.SeedSequence([seed, epoch, index]).generate_state(2)
        generator.state.assign(state.astype(generator.state.dtype))


def make_callbacks(run, training_data, seed, epoch_ended, *, ema=False):
    """Callbacks that keep the run folder: data and dropout by epoch, history, resume state.

    Training ends with a ``UserError`` at the first step whose losses are not finite.

    Args:
        run: ``RunFolder``.
        training_data: Dataset with an attribute ``epoch``.
        seed: Integer.
        epoch_ended: Function ``(epoch, rows)`` that writes weights and samples, called after the
            history and before the resume state, which makes the epoch final. None where another
            process keeps the folder.
        ema: Whether the optimiser keeps moving averages of the weights: these are validated and
            given to ``epoch_ended``.

    Returns:
        List of ``keras.callbacks.Callback``; with one that logs to TensorBoard, in the folder
        ``tensorboard`` of the run, where that package is installed.
    """
    import time

    import keras

    class EpochCallback(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.rows = run.read_history()

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch
            self.began = time.monotonic()
            training_data.epoch = epoch
            reseed(self.model, seed, epoch)

        def on_train_batch_end(self, batch, logs=None):
            broken = [name for name, value in (logs or {}).items() if not np.isfinite(value)]
            if broken:
                again = "--no-resume then starts afresh"
                if self.epoch:
                    again = (
                        f"--no-resume --epoch_offset {self.epoch} then starts from those weights"
                    )
                raise UserError(
                    f"{run.path}: {' and '.join(broken)} not finite at step {batch + 1} of epoch "
                    f"{self.epoch + 1}; lower the learning rates or train without mixed "
                    f"precision, {again}"
                )

        def on_epoch_end(self, epoch, logs=None):
            values = {name: float(value) for name, value in (logs or {}).items()}
            seconds = round(time.monotonic() - self.began, 2)
            self.rows.append({"epoch": epoch + 1, **values, "seconds": seconds})
            # in every process, since swapping rounds
            with averaged_weights(self.model) if ema else contextlib.nullcontext():
                if epoch_ended is not None:
                    run.write_history(self.rows)
                    epoch_ended(epoch + 1, self.rows)
            if epoch_ended is not None:
                run.save_resume(self.model, epoch + 1)

    callbacks = [EpochCallback()]
    if ema:
        callbacks.append(keras.callbacks.SwapEMAWeights())  # during validation
    if epoch_ended is not None and _has_tensorboard():
        callbacks.append(keras.callbacks.TensorBoard(run.path / "tensorboard", write_graph=False))
    return callbacks


@contextlib.contextmanager
def averaged_weights(model):
    """Context in which a model has the moving averages of its weights instead of the weights."""
    import keras

    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()


def _has_tensorboard():
    from importlib.util import find_spec

    # Keras writes its logs by TensorFlow on every backend
    return find_spec("tensorboard") is not None and find_spec("tensorflow") is not None
