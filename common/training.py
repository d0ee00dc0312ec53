"""What every training shares: seeds, the run folder, resuming and the learning-rate finder."""

import contextlib
import csv
import json
import platform
import re
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.features import CODEC
from common.hdf5 import UNREADABLE, open_hdf5
from data import replace_when_done

_RESUME = re.compile(r"resume-(\d+)\.weights\.h5")


def set_up_keras(seed, mixed_precision="off"):
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


def versions():
    """Versions of Python and of the packages that a training depends on."""
    from importlib.metadata import PackageNotFoundError, version

    import keras

    found = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in ("keras", "tensorflow", "jax", "numpy", "h5py"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_json(path, content):
    """Write JSON with sorted keys; the file appears whole or not at all."""
    with replace_when_done(path) as temporary:
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        # what of a file's name is not UTF-8 becomes an escape of JSON
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


class RunFolder:
    """The folder of one training: ``config.json``, ``history.csv``, weights, resume state, samples.

    Args:
        path: Folder; made when the run starts.
    """

    def __init__(self, path):
        self.path = Path(path)

    @property
    def resume_file(self):
        """Newest resume state, or None."""
        states = sorted(self.path.glob("resume-*.weights.h5"), key=self._epoch_of)
        return states[-1] if states else None

    @staticmethod
    def _epoch_of(path):
        match = _RESUME.fullmatch(path.name)
        return int(match[1]) if match else -1

    @property
    def finished_epochs(self):
        """Number of the epoch that the newest resume state ended; 0 without one."""
        return self._epoch_of(self.resume_file) if self.resume_file else 0

    def read_config(self):
        """Content of ``config.json``; ``UserError`` when it is missing or damaged."""
        path = self.path / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; {self.path} is no run folder") from None
        except ValueError as error:
            raise UserError(f"{path}: not readable as JSON ({error})") from error
        if not isinstance(config, dict):
            raise UserError(f"{path}: not the configuration of a run")
        return config

    def check_codec(self):
        """Raise ``UserError`` when the run's codec is not that of ``data.py``."""
        codec = self.read_config().get("codec")
        if codec != CODEC:
            raise UserError(f"{self.path}: trained with codec {codec}, but this is {CODEC}")

    def start(self, config, *, resume, may_change=(), from_weights=False):
        """Take the folder for a run, or find that one goes on in it.

        Args:
            config: Dict for ``config.json``; its ``flags`` are those of the command line.
            resume: Go on when there is a resume state; otherwise it is thrown away.
            may_change: Names of flags that may differ from those of the run that goes on.
            from_weights: The run starts from the weights in the folder, and may replace them.

        Returns:
            Number of finished epochs.

        Raises:
            UserError: The run in the folder was started with other flags, or the folder holds
                weights that the run would overwrite.
        """
        finished = self.finished_epochs if resume else 0
        if finished:
            old = self.read_config().get("flags", {})
            for name, value in config["flags"].items():
                if name not in may_change and old.get(name) != value:
                    raise UserError(
                        f"{self.path}: its run was started with --{name} {old.get(name)}, not "
                        f"{value}; choose another --output, or --no-resume to start it afresh"
                    )
        elif resume and not from_weights and self._holds_foreign_weights():
            raise UserError(
                f"{self.path}: holds weights but nothing to resume from; choose another --output, "
                "go on from them with --epoch_offset, or replace them with --no-resume"
            )
        else:
            for state in self.path.glob("resume-*.weights.h5"):
                state.unlink()
        write_json(self.path / "config.json", config)
        return finished

    def _holds_foreign_weights(self):
        # A run that was killed in its first epoch has weights at most of that epoch, and no resume
        # state yet: it may begin again. Its history tells.
        history = self.path / "history.csv"
        if not any(self.path.glob("*.h5")):
            return False
        return not history.exists() or len(history.read_text().splitlines()) > 2

    def save_resume(self, model, epoch):
        """Keep the state of model and optimisers after an epoch, instead of older ones."""
        newest = self._resume_file(epoch)
        with replace_when_done(newest) as temporary:
            model.save_weights(temporary)
        for state in self.path.glob("resume-*.weights.h5"):
            if state != newest:
                state.unlink()

    def load_resume(self, model, epoch):
        """Restore the state after an epoch into a built and compiled model."""
        path = self._resume_file(epoch)
        try:
            open_hdf5(path).close()  # Keras opens it by its path
            model.load_weights(path)
        except UNREADABLE as error:
            raise UserError(
                f"{path}: cannot be resumed from ({error}); --no-resume starts afresh"
            ) from error

    def _resume_file(self, epoch):
        return self.path / f"resume-{epoch:04d}.weights.h5"

    def read_history(self):
        """Rows of ``history.csv`` up to the newest resume state, as dicts of numbers or None."""
        path = self.path / "history.csv"
        if not self.finished_epochs or not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                {name: float(value) if value else None for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
        rows = [{**row, "epoch": int(row["epoch"])} for row in rows]
        return [row for row in rows if row["epoch"] <= self.finished_epochs]

    def write_history(self, rows):
        """Write ``history.csv``: a row per epoch."""
        write_rows(self.path / "history.csv", rows)


def write_rows(path, rows):
    """Write dicts as CSV, what is None or missing as an empty field; whole or not at all."""
    names = dict.fromkeys(name for row in rows for name in row)
    with (
        replace_when_done(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(names))
        writer.writeheader()
        writer.writerows(
            {
                name: f"{value:.6g}" if isinstance(value, float) else value
                for name, value in row.items()
            }
            for row in rows
        )


def seed_generators(model):
    """Every ``keras.random.SeedGenerator`` of a model's layers, in the order of the layers."""
    from common.layers import all_layers

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


def learning_rate(initial, decay, steps):
    """A learning rate, or the schedule that it follows.

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


SWEEP = (1e-9, 1.0)  # learning rates from and to, as published
SWEEP_STOP = 100  # times the best loss
SLOPE_DECADES = 0.5  # of learning rates, over which the slope of a loss is taken


def sweep_learning_rate(model, dataset, steps, losses):
    """Train for one batch each at exponentially growing learning rates (Smith 2017, section 3.3).

    Args:
        model: Compiled with ``sweep_schedule(steps)`` as learning rate of every optimiser.
        dataset: Indexable batches, gone through repeatedly.
        steps: Length of the sweep.
        losses: Names of the metrics to watch.

    Returns:
        List of dicts: ``learning_rate`` and the losses of that batch. Ends early when a loss is not
        finite or reaches SWEEP_STOP times its best value.
    """
    schedule, rows, best = sweep_schedule(steps), [], {}
    for step in range(steps):
        model.reset_metrics()
        x, y = dataset[step % len(dataset)]
        results = model.train_on_batch(x, y, return_dict=True)
        values = {name: float(results[name]) for name in losses}
        if not all(np.isfinite(value) for value in values.values()):
            break
        rows.append({"learning_rate": float(schedule(step)), **values})
        best = {name: min(value, best.get(name, value)) for name, value in values.items()}
        if any(value >= SWEEP_STOP * best[name] for name, value in values.items()):
            break
    return rows


def sweep_schedule(steps):
    """Learning rates from SWEEP[0] to SWEEP[1] in ``steps`` equal factors."""
    import keras

    start, stop = SWEEP
    return keras.optimizers.schedules.ExponentialDecay(start, max(steps - 1, 1), stop / start)


def smooth(values, share=0.05):
    """Running mean over a share of the values, mirrored at the ends: same length."""
    reach = max(round(len(values) * share / 2), 1)
    padded = np.pad(
        np.asarray(values, float), reach, mode="reflect" if len(values) > reach else "edge"
    )
    return np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")


def steepest_descent(rates, losses):
    """Learning rate at which the loss falls by the greatest share per decade; None if never.

    The slope of the logarithm, so that a loss that starts high and falls to a hundredth is judged
    like one that starts low, by least squares over half a decade. Only what comes before its lowest
    value counts: after it the loss is unstable, and falls too.

    Args:
        rates: Ascending in equal factors.
        losses: As many.
    """
    if len(losses) < 3:
        return None
    logarithms = np.log(np.maximum(losses, np.finfo(np.float32).tiny))
    falling = logarithms[: int(np.argmin(smooth(logarithms))) + 1]
    reach = max(round(SLOPE_DECADES / 2 / np.log10(rates[1] / rates[0])), 1)
    if len(falling) < 2 * reach + 1:
        return None
    slopes = np.correlate(falling, np.arange(-reach, reach + 1), mode="valid")
    index = int(np.argmin(slopes))
    return float(rates[reach + index]) if slopes[index] < 0 else None
