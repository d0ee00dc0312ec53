"""Devices of a training: one, several of this machine, or those of several machines.

On TensorFlow, ``tf.distribute``: no strategy for one device, ``MirroredStrategy`` for several,
``MultiWorkerMirroredStrategy`` if ``TF_CONFIG`` names several workers. On JAX,
``keras.distribution.DataParallel``. The result does not depend on the number of devices, except for
rounding and dropout: losses and batch statistics are those of the global batch.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import UserError
from common.files.quiet import silent_stderr
from common.training.fast import fuse_batch_normalization, multiply_convolutions, parts_of

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from common.training.batches import Batches


def start_backend(gpus: str | None) -> None:
    """Import Keras and its backend with only the named GPUs visible.

    TensorFlow prints a dozen lines on stderr when it starts, which no setting of its own silences.
    They are suppressed here, unless ``TF_XLA_FLAGS`` is set; set ``TF_CPP_MIN_LOG_LEVEL`` to 0 to
    see them, for example to find out why a GPU is not found.

    Args:
        gpus: Comma-separated numbers as shown by ``nvidia-smi``, "" for none (CPU), or None for all
            that the environment offers.

    Raises:
        UserError: A named GPU is not found; or Keras is configured for a backend other than
            TensorFlow or JAX, or for one that is not installed.
    """
    if gpus is not None:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    _require_backend()
    os.environ["KERAS_NNX_ENABLED"] = "false"  # a kind of models that the kit does not use
    chatty = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") == "0"
    chatty |= "TF_XLA_FLAGS" in os.environ  # if wrong, TensorFlow says so and ends the process
    with contextlib.nullcontext() if chatty else silent_stderr(), _without("sklearn"):
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices("GPU")  # prints messages once more
    # override the user's keras.json
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    if gpus:
        _require_gpus([number for number in gpus.split(",") if number.strip()])


@contextlib.contextmanager
def _without(package):
    """Let imports of an optional package fail meanwhile, unless it is imported already.

    Where scikit-learn is installed, Keras imports it for wrappers that nothing here uses, which
    takes almost a second.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None
    try:
        yield
    finally:
        del sys.modules[package]


def _require_backend():
    """Raise ``UserError`` if Keras is configured for a backend that is missing or unknown."""
    source, name = "KERAS_BACKEND", os.environ.get("KERAS_BACKEND")
    remedy = "unset it, or set it to tensorflow or jax"
    if not name:
        folder = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
        source, name = Path(folder) / "keras.json", "tensorflow"
        remedy = "correct it or delete it, or set KERAS_BACKEND=tensorflow"
        try:
            config = json.loads(source.read_text(encoding="utf-8"))
            name = config.get("backend", name)
        except OSError:  # no keras.json, or an unreadable one
            pass
        except (ValueError, AttributeError) as error:
            raise UserError(f"{source}: no settings of Keras ({error}); {remedy}") from error
    if name not in ("tensorflow", "jax"):
        raise UserError(f"{source}: asks for {name}, which this kit does not run on; {remedy}")
    if find_spec(name) is None:
        raise UserError(f"{source}: asks for {name}, which is not installed; {remedy}")


def list_gpus() -> list[str]:
    """Names of the visible GPUs."""
    import keras

    try:
        return keras.distribution.list_devices("gpu")
    except RuntimeError:  # JAX without GPU support
        return []


def _require_gpus(numbers):
    import keras

    found = list_gpus()
    if len(found) < len(numbers):
        raise UserError(
            f"--gpu {','.join(numbers)}: {keras.backend.backend()} finds {len(found)} of them; see "
            'nvidia-smi, or give --gpu "" to compute on the CPU'
        )


def jit_setting() -> bool:
    """The value for ``compile(jit_compile=)``: XLA on one GPU with TensorFlow, always with JAX.

    On CPUs it makes convolutional networks of this size slower, and ``tf.distribute`` does not
    support it.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU")) and not tf.distribute.has_strategy()
    return True


def graph_function(function: Callable, **settings: Any) -> Callable:
    """``tf.function`` of a function without branches that depend on a tensor.

    AutoGraph, which would turn such branches into operations, takes seconds.
    """
    import tensorflow as tf

    return tf.function(function, autograph=False, **settings)


def compiled(function: Callable) -> Callable:
    """Compile a function of tensors by Keras's backend: to a graph, or to XLA with JAX."""
    import keras

    if keras.backend.backend() == "tensorflow":
        return graph_function(function)
    import jax

    return jax.jit(function)


def find_devices() -> OneDevice:
    """Return the devices of a training: all that are visible."""
    import keras

    if keras.backend.backend() == "jax":
        names = keras.distribution.list_devices()
        return JaxDevices(names) if len(names) > 1 else OneDevice()
    if keras.backend.backend() != "tensorflow":
        return OneDevice()
    import tensorflow as tf

    if _workers() > 1:
        return TensorFlowDevices(tf.distribute.MultiWorkerMirroredStrategy())
    names = [
        device.name
        for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    ]
    return (
        TensorFlowDevices(tf.distribute.MirroredStrategy(names)) if len(names) > 1 else OneDevice()
    )


def _workers():
    """Number of workers in ``TF_CONFIG``."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 1
    try:
        cluster = json.loads(text)["cluster"]
        return sum(len(cluster.get(job, ())) for job in ("chief", "worker"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"TF_CONFIG: not the description of a cluster ({error!r}); unset it to train on this "
            "machine alone"
        ) from error


class OneDevice:
    """A training on one device.

    Attributes:
        count: Number of devices.
        is_chief: Whether this process writes the files of the run.
    """

    count = 1
    is_chief = True

    def scope(self) -> contextlib.AbstractContextManager:
        """Context manager for building models and optimisers."""
        return contextlib.nullcontext()

    def prepare(self, model: keras.Model) -> None:
        """Make a built model ready for a training on these devices."""
        import keras

        if keras.backend.backend() == "tensorflow":
            fuse_batch_normalization(model)
            if not list_gpus():
                multiply_convolutions(model)

    def steps(self, dataset: Batches) -> int:
        """Number of steps in an epoch of ``common.training.batches.Batches``."""
        return len(dataset)

    def feed(self, training: Batches, validation: Batches | None, epoch: int) -> dict[str, Any]:
        """Data arguments of ``fit``.

        Args:
            training, validation: ``common.training.batches.Batches``; ``validation`` may be None.
            epoch: Number of the first epoch, from 0.
        """
        return {"x": training, "validation_data": validation}

    def agree(self, number: int) -> int:
        """Return the chief's number in every process."""
        return number

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Context manager for the training: a lost worker becomes a ``UserError``."""
        yield


class JaxDevices(OneDevice):
    """Several devices of this machine, on JAX: data parallelism of ``keras.distribution``."""

    def __init__(self, names: list[str]) -> None:
        import keras

        class DataParallel(keras.distribution.DataParallel):
            def get_data_layout(self, data_shape):
                # Each device receives all frames, and TrainingModel distributes them: Keras
                # would use the layout of the first batch for a smaller last one as well.
                axes = [None] * len(data_shape)
                return keras.distribution.TensorLayout(axes, self.device_mesh)

        self.count = len(names)
        self._distribution = DataParallel(devices=names)

    def scope(self) -> contextlib.AbstractContextManager:
        return self._distribution.scope()

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        with self._distribution.scope():
            yield


class TensorFlowDevices(OneDevice):
    """Several devices of this machine or of a cluster, under a strategy of ``tf.distribute``."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy
        self.count = strategy.num_replicas_in_sync
        resolver = strategy.cluster_resolver
        self.is_chief = resolver is None or (
            resolver.task_type in (None, "chief")
            or (resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs)
        )

    def scope(self) -> contextlib.AbstractContextManager:
        return self._strategy.scope()

    def prepare(self, model: keras.Model) -> None:
        import keras

        for layer in parts_of(model):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True

    def steps(self, dataset: Batches) -> int:
        return len(self._spans(dataset))

    def _spans(self, dataset):
        """Positions of each global batch, which has at least one frame per device.

        A last batch that is too small is joined to the one before, because convolutions of
        TensorFlow crash on empty shares.
        """
        spans = [dataset.positions(index) for index in range(len(dataset))]
        if len(spans) > 1 and len(spans[-1]) < self.count:
            spans[-2:] = [range(spans[-2].start, spans[-1].stop)]
        if min(map(len, spans)) < self.count:
            raise UserError(
                f"--batch_size: {min(map(len, spans))} frames cannot be shared among {self.count} "
                "devices; raise it, use fewer devices with --gpu, or give more data"
            )
        return spans

    def feed(self, training: Batches, validation: Batches | None, epoch: int) -> dict[str, Any]:
        arguments = {
            "x": self._distribute(training, itertools.count(epoch)),
            "steps_per_epoch": self.steps(training),  # or Keras would run past the end
        }
        if validation is not None:
            arguments["validation_data"] = self._distribute(validation, itertools.repeat(0))
            arguments["validation_steps"] = self.steps(validation)
        return arguments

    def _distribute(self, dataset, epochs):
        """Give each replica its share of every global batch, computed by its own process."""
        import tensorflow as tf

        spans = self._spans(dataset)
        example = dataset.cut(range(1), 0)
        signature = tf.nest.map_structure(
            lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), example
        )

        def of_worker(context):
            local = context.num_replicas_in_sync // context.num_input_pipelines
            first = context.input_pipeline_id * local

            def shares():
                for epoch in epochs:
                    for span in spans:
                        for replica in range(first, first + local):
                            part = slice(*share_of(len(span), replica, self.count))
                            yield dataset.cut(span[part], epoch)

            dataset_of_worker = tf.data.Dataset.from_generator(shares, output_signature=signature)
            return dataset_of_worker.prefetch(2 * local)

        return self._strategy.distribute_datasets_from_function(of_worker)

    def agree(self, number: int) -> int:
        import tensorflow as tf

        def total():
            context = tf.distribute.get_replica_context
            return self._strategy.run(
                lambda: context().all_reduce("sum", tf.constant(number if self.is_chief else 0))
            )

        with self.guard():
            # every replica of the chief contributes its number
            replicas = self._strategy.experimental_local_results(graph_function(total)())
            return int(replicas[0]) // len(replicas)

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        import tensorflow as tf

        errors = tf.errors
        lost = (errors.UnavailableError, errors.AbortedError, errors.CancelledError)
        try:
            yield
        except lost as error:
            reason = re.sub(r"\{\{.*?\}\} ?", "", str(error.message)).partition("\n")[0]
            raise UserError(
                "a worker of the cluster does not answer any more; start all of them again with "
                f"the same command, and the run goes on after its last finished epoch ({reason})"
            ) from error


def share_of(number: int, replica: int, replicas: int) -> tuple[int, int]:
    """Start and stop of a replica's share of a batch; shares differ by at most one frame."""
    return number * replica // replicas, number * (replica + 1) // replicas
