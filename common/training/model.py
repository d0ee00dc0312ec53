"""Base class of models in training: the same result on one device and on several."""

import abc
import types
from typing import Any

import keras

from common.training.devices import graph_function


class TrainingModel(keras.Model, abc.ABC):
    """Model that trains built networks by Keras's own training step (``fit``).

    A subclass has its networks as attributes, names its losses in ``loss_names``, and implements
    ``loss_terms`` and ``call``; ``call`` has to pass its inputs through ``share_out``.

    Args:
        name: Name of the model.

    Attributes:
        loss_names: Names of all losses that ``loss_terms`` may return, in the order of the history.
    """

    loss_names: tuple[str, ...] = ("loss",)

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        # A mapping that Keras does not track, because the means do not belong in a resume state.
        self._means = types.MappingProxyType(
            {loss: keras.metrics.Mean(name=loss) for loss in self.loss_names}
        )
        self.built = True  # all networks come with their variables

    @abc.abstractmethod
    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """Compute the losses of a batch, or of one replica's share of it, as means.

        Args:
            x, y: Inputs and targets from the data set.
            y_pred: What ``call`` returns for ``x``.
            training: Whether this is a training step.

        Returns:
            ``(total, values, weight)``: the scalar to minimise; dict from names of ``loss_names``
            to scalars for the history; number of items that they are means over, such as frames.
        """

    @property
    def metrics(self) -> list[keras.Metric]:
        """Means of the losses since the start of the epoch."""
        return list(self._means.values())

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss that Keras minimises, and update the means."""
        total, values, weight = self.loss_terms(x, y, y_pred, training)
        for name, value in values.items():
            self._means[name].update_state(value, weight)
        return self._share_of_mean(total, weight)

    def compile(self, optimizer: keras.Optimizer, **settings: Any) -> None:
        """Compile, and create the optimiser's variables, which resuming and strategies need."""
        super().compile(optimizer=optimizer, **settings)
        self.optimizer.build(self.trainable_variables)

    def share_out(self, frames: Any) -> Any:
        """Distribute frames over JAX devices if they can have equal shares.

        On TensorFlow, each replica receives only its share anyway.
        """
        distribution = keras.distribution.distribution()
        if distribution is None or frames.shape[0] % distribution.device_mesh.devices.size:
            return frames
        axes = [distribution.batch_dim_name, *[None] * (len(frames.shape) - 1)]
        layout = keras.distribution.TensorLayout(axes, distribution.device_mesh)
        return keras.distribution.distribute_tensor(frames, layout)

    def gather(self, values: Any) -> Any:
        """Values (batch, ...) of all replicas together, for a loss that is no mean over examples.

        Such a loss is then the same on every replica, and its gradient that of the whole batch.
        """
        if not self._is_shared():
            return values
        import tensorflow as tf

        return tf.distribute.get_replica_context().all_gather(values, axis=0)

    def make_train_function(self, force: bool = False) -> None:
        """Create the training function: that of Keras on one device, our own on several.

        On several devices, Keras 3 would show only the losses of the first replica's share, and it
        cannot train on several workers at all.
        """
        if not self._is_shared():
            super().make_train_function(force)
        elif self.train_function is None or force:
            self.train_function = self._on_replicas(self.train_step)

    def make_test_function(self, force: bool = False) -> None:
        """Like ``make_train_function``, for evaluation."""
        if not self._is_shared():
            super().make_test_function(force)
        elif self.test_function is None or force:
            self.test_function = self._on_replicas(self.test_step)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would read a batch to build a model that is built already, and fail on unequal
        # shares.
        pass

    def _is_shared(self):
        # on JAX, a single program sees the whole batch
        return (
            keras.backend.backend() == "tensorflow"
            and self.distribute_strategy.num_replicas_in_sync > 1
        )

    def _share_of_mean(self, mean, weight):
        """Contribution of this replica to the mean over the global batch.

        ``tf.distribute`` adds up the gradients of all replicas. (Losses of ``keras.losses`` divide
        by the number of replicas by themselves, which is right for shares of one size only.)
        """
        if not self._is_shared():
            return mean
        import tensorflow as tf

        weight = tf.cast(weight, mean.dtype)
        whole = tf.distribute.get_replica_context().all_reduce("sum", weight)
        return mean * tf.math.divide_no_nan(weight, whole)

    def _on_replicas(self, step):
        def run(batch):
            self.distribute_strategy.run(step, args=(batch,))

        compiled_run = graph_function(run, reduce_retracing=True)

        def function(iterator):
            compiled_run(next(iterator))
            return self.get_metrics_result()

        return function
