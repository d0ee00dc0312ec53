"""Models whose training gives the same result on one device and on several."""

import keras


class DistributedModel(keras.Model):
    """A built model for ``fit`` on what ``common.training.devices`` feeds it.

    ``call`` passes the frames through ``share_out``, and ``compute_loss`` the mean over the frames
    that it sees through ``replica_loss``.
    """

    def replica_loss(self, loss, frames):
        """What this replica contributes to the mean loss of the global batch.

        ``tf.distribute`` adds up the gradients of all replicas. (Losses of ``keras.losses`` divide
        by the number of replicas by themselves, which is right for shares of one size only.)

        Args:
            loss: Mean over the frames of this replica, scalar.
            frames: Their number.

        Returns:
            The loss times the replica's share of the frames; without a strategy, the loss.
        """
        if not self._is_shared():
            return loss
        import tensorflow as tf

        frames = tf.cast(frames, loss.dtype)
        return loss * frames / tf.distribute.get_replica_context().all_reduce("sum", frames)

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

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would read a batch to build a model that is built, and fail on unequal shares.
        pass

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

    def _is_shared(self):
        # JAX shows one program the whole batch
        return (
            keras.backend.backend() == "tensorflow"
            and self.distribute_strategy.num_replicas_in_sync > 1
        )

    def _on_replicas(self, step):
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def run(batch):
            self.distribute_strategy.run(step, args=(batch,))

        def function(iterator):
            run(next(iterator))
            return self.get_metrics_result()

        return function
