"""The base of what is trained: the same result on one device and on several."""

import abc
import types

import keras


class TrainingModel(keras.Model, abc.ABC):
    """Built networks under Keras's own training step, for ``fit`` on what ``devices`` feeds it.

    A subclass has its networks as attributes, names its losses, and implements ``loss_terms`` and
    ``call``, which passes what it is given through ``share_out``.

    Args:
        name: Of the model.

    Attributes:
        loss_names: Names of all losses that ``loss_terms`` may give, in the order of the history.
    """

    loss_names = ("loss",)

    def __init__(self, name):
        super().__init__(name=name)
        # A mapping that Keras does not look into: the means are no part of a resume state.
        self._means = types.MappingProxyType(
            {loss: keras.metrics.Mean(name=loss) for loss in self.loss_names}
        )
        self.built = True  # all networks come with their variables

    @abc.abstractmethod
    def loss_terms(self, x, y, y_pred, training):
        """The losses of a batch, or of one replica's share of it; each a mean.

        Args:
            x, y: Inputs and targets, as the dataset gives them.
            y_pred: What ``call`` returns for ``x``.
            training: Whether the networks learn from this.

        Returns:
            ``(total, values, weight)``: the scalar to minimise; dict from names of ``loss_names``
            to scalars for the history; number of what they are means over, such as frames.
        """

    @property
    def metrics(self):
        """Means of the losses since the beginning of the epoch."""
        return list(self._means.values())

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras minimises; updates the means."""
        total, values, weight = self.loss_terms(x, y, y_pred, training)
        for name, value in values.items():
            self._means[name].update_state(value, weight)
        return self._share_of_mean(total, weight)

    def compile(self, optimizer, **settings):
        """As Keras does, and make the optimiser's variables: resuming and strategies need them."""
        super().compile(optimizer=optimizer, **settings)
        self.optimizer.build(self.trainable_variables)

    def share_out(self, frames):
        """Frames, laid out over the devices of JAX if these can have equal shares.

        On TensorFlow each replica receives its share alone.
        """
        distribution = keras.distribution.distribution()
        if distribution is None or frames.shape[0] % distribution.device_mesh.devices.size:
            return frames
        axes = [distribution.batch_dim_name, *[None] * (len(frames.shape) - 1)]
        layout = keras.distribution.TensorLayout(axes, distribution.device_mesh)
        return keras.distribution.distribute_tensor(frames, layout)

    def make_train_function(self, force=False):
        """As Keras does, on one device.

        On several, Keras 3 would show the losses of the first replica's share after each step, and
        cannot train on several workers at all.
        """
        if not self._is_shared():
            super().make_train_function(force)
        elif self.train_function is None or force:
            self.train_function = self._on_replicas(self.train_step)

    def make_test_function(self, force=False):
        """As ``make_train_function``, for evaluation."""
        if not self._is_shared():
            super().make_test_function(force)
        elif self.test_function is None or force:
            self.test_function = self._on_replicas(self.test_step)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would read a batch to build a model that is built, and fail on unequal shares.
        pass

    def _is_shared(self):
        # JAX shows one program the whole batch
        return (
            keras.backend.backend() == "tensorflow"
            and self.distribute_strategy.num_replicas_in_sync > 1
        )

    def _share_of_mean(self, mean, weight):
        """What this replica contributes to the mean over the global batch.

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
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def run(batch):
            self.distribute_strategy.run(step, args=(batch,))

        def function(iterator):
            run(next(iterator))
            return self.get_metrics_result()

        return function
