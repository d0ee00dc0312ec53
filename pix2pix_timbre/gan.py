"""The training model: generator and discriminator under Keras's own training step.

Both networks learn from one loss, on every backend: the generator's adversarial term has no
gradient for the discriminator, and the discriminator's terms have none for the prediction, so the
gradient of the sum is for each network that of its own loss.
"""

import keras
from keras import ops

from common.training.model import DistributedModel
from pix2pix_timbre.losses import LAMBDA, discriminator_loss, generator_loss, mean_absolute_error
from pix2pix_timbre.optimizer import TwoRateAdam


class Pix2Pix(DistributedModel):
    """Generator and discriminator, trained together by ``fit`` on batches (input, target).

    The first channel of the input is the origin, and all that the discriminator sees of it.

    Args:
        generator, discriminator: As built by ``pix2pix_timbre.model``. Without a discriminator the
            generator learns from L1 alone.

    Attributes:
        adversarial: Whether the discriminator takes part; until it does, the generator learns from
            LAMBDA times L1. Compiled into the training step: ``AdversaryStart`` changes it.
    """

    def __init__(self, generator, discriminator=None):
        super().__init__(name="pix2pix")
        self.generator = generator
        self.discriminator = discriminator
        self.adversarial = discriminator is not None
        self._gen_mae = keras.metrics.Mean(name="gen_mae")
        self._gen_loss = keras.metrics.Mean(name="gen_loss")
        self._disc_loss = keras.metrics.Mean(name="disc_loss")
        self.build(generator.input_shape)

    def build(self, input_shape):
        """Nothing to build: both networks come with their variables."""
        self.built = True

    def call(self, inputs, training=None):
        """The generator's prediction."""
        return self.generator(self.share_out(inputs), training=training)

    @property
    def metrics(self):
        """``gen_mae``, ``gen_loss`` and, once it takes part, ``disc_loss``: the published names."""
        if self.discriminator is None:
            return [self._gen_mae]
        adversarial = [self._disc_loss] if self.adversarial else []
        return [self._gen_mae, self._gen_loss, *adversarial]

    def compile_adam(self, gen_lr, disc_lr=None, ema=0.0, **settings):
        """Compile with ``TwoRateAdam``.

        Args:
            gen_lr, disc_lr: Learning rates or schedules; the latter only with a discriminator.
            ema: Momentum of the weights' moving averages; 0 for none.
            settings: Further arguments of ``compile``.
        """
        self.compile(optimizer=TwoRateAdam(gen_lr, disc_lr, ema), **settings)
        self.optimizer.build(self.trainable_variables)  # resuming and strategies need its variables

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of both networks' losses; updates the metrics with each."""
        frames = ops.shape(y_pred)[0]  # a smaller last batch weighs less in the metrics
        return self.replica_loss(self._total_loss(x, y, y_pred, frames, training), frames)

    def _total_loss(self, x, y, y_pred, frames, training):
        gen_mae = mean_absolute_error(y, y_pred)
        self._gen_mae.update_state(gen_mae, frames)
        if self.discriminator is None:
            return gen_mae
        if not self.adversarial:
            self._gen_loss.update_state(LAMBDA * gen_mae, frames)
            return LAMBDA * gen_mae + self._zero_for_discriminator()
        origin = x[..., :1]
        real_logits = self.discriminator([origin, y], training=training)
        for_generator, for_discriminator = self._judge(origin, y_pred, training)
        gen_loss = generator_loss(for_generator, gen_mae)
        disc_loss = discriminator_loss(real_logits, for_discriminator)
        self._gen_loss.update_state(gen_loss, frames)
        self._disc_loss.update_state(disc_loss, frames)
        return gen_loss + disc_loss

    def _judge(self, origin, y_pred, training):
        """Logits of generated pairs, twice.

        The first has gradients for the prediction alone, the second for the discriminator alone.
        """
        if keras.backend.backend() == "tensorflow":
            return self._judge_once(origin, y_pred, training)
        frozen = [ops.stop_gradient(one.value) for one in self.discriminator.trainable_variables]
        state = [one.value for one in self.discriminator.non_trainable_variables]
        for_generator, _ = self.discriminator.stateless_call(
            frozen, state, [origin, y_pred], training=training
        )
        # the compiler finds that this is computed already
        generated = [origin, ops.stop_gradient(y_pred)]
        return for_generator, self.discriminator(generated, training=training)

    def _judge_once(self, origin, y_pred, training):
        import tensorflow as tf

        @tf.custom_gradient
        def judge(y_pred, *weights):
            before = [tf.convert_to_tensor(variable.value) for variable in state]
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch([y_pred, *weights])
                logits, after = self.discriminator.stateless_call(
                    list(weights), before, [origin, y_pred], training=training
                )

            def gradients(for_generator, for_discriminator, *_):
                return (
                    tape.gradient(logits, y_pred, for_generator),
                    *tape.gradient(logits, weights, for_discriminator),
                )

            return (tf.identity(logits), tf.identity(logits), *after), gradients

        state = self.discriminator.non_trainable_variables
        weights = [
            tf.convert_to_tensor(one.value) for one in self.discriminator.trainable_variables
        ]
        for_generator, for_discriminator, *after = judge(y_pred, *weights)
        for variable, value in zip(state, after, strict=True):
            variable.assign(value)
        return for_generator, for_discriminator

    def _zero_for_discriminator(self):
        # gives the idle discriminator gradients of zero: backends differ on missing ones
        return 0.0 * sum(ops.sum(variable) for variable in self.discriminator.trainable_variables)


class AdversaryStart(keras.callbacks.Callback):
    """Lets the discriminator take part from a training step on.

    Args:
        step: Training step of the whole run, counted from 0.
        done: Steps of the run that have been done before.
    """

    def __init__(self, step, done=0):
        super().__init__()
        self._step = step
        self._done = done

    def on_train_begin(self, logs=None):
        """The run may go on after the start, or before it."""
        self._set_adversarial(self._done >= self._step)

    def on_train_batch_begin(self, batch, logs=None):
        """Start the adversary when its step has come."""
        if self._done == self._step:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()  # the state has more metrics from here on
            optimizer = self.model.optimizer
            optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss scale
            # not the step: with a loss scale, steps that overflowed do not count
            optimizer.disc_begin.assign(ops.copy(optimizer.iterations))
            self._set_adversarial(True)
        self._done += 1

    def _set_adversarial(self, adversarial):
        if adversarial != self.model.adversarial:
            self.model.adversarial = adversarial
            self.model.make_train_function(force=True)
            self.model.test_function = None  # made again by the next evaluation
