"""The training model: generator and discriminator under Keras's own training step.

Both networks learn from one loss, on every backend: the generator's adversarial term sees a copy of
the discriminator without gradients, and the discriminator's terms see a prediction without
gradients, so the gradient of the sum is for each network that of its own loss.
"""

import keras
from keras import ops

from pix2pix_timbre.losses import LAMBDA, discriminator_loss, generator_loss, mean_absolute_error
from pix2pix_timbre.optimizer import TwoRateAdam


class Pix2Pix(keras.Model):
    """Generator and discriminator, trained together by ``fit`` on batches (origin, target).

    Args:
        generator, discriminator: As built by ``pix2pix_timbre.model``.

    Attributes:
        adversarial: Whether the discriminator takes part; without it the generator learns from
            LAMBDA times L1 alone. Compiled into the training step: ``AdversaryStart`` changes it.
    """

    def __init__(self, generator, discriminator, adversarial=True):
        super().__init__(name="pix2pix")
        self.generator = generator
        self.discriminator = discriminator
        self.adversarial = adversarial
        self._gen_mae = keras.metrics.Mean(name="gen_mae")
        self._gen_loss = keras.metrics.Mean(name="gen_loss")
        self._disc_loss = keras.metrics.Mean(name="disc_loss")
        self.build(generator.input_shape)

    def build(self, input_shape):
        """Nothing to build: both networks come with their variables."""
        self.built = True

    def call(self, inputs, training=None):
        """The generator's prediction."""
        return self.generator(inputs, training=training)

    @property
    def metrics(self):
        """``gen_mae``, ``gen_loss`` and, once it takes part, ``disc_loss``: the published names."""
        adversarial = [self._disc_loss] if self.adversarial else []
        return [self._gen_mae, self._gen_loss, *adversarial]

    def compile_adam(self, gen_lr, disc_lr, disc_start=0, **settings):
        """Compile with ``TwoRateAdam``.

        Args:
            gen_lr, disc_lr: Learning rates or schedules.
            disc_start: Step at which the discriminator begins, as given to ``AdversaryStart``.
            settings: Further arguments of ``compile``.
        """
        optimizer = TwoRateAdam(gen_lr, disc_lr, disc_start)
        optimizer.build(self.trainable_variables)  # resuming and strategies need its variables
        self.compile(optimizer=optimizer, **settings)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of both networks' losses; updates the metrics with each."""
        frames = ops.shape(y_pred)[0]  # a smaller last batch weighs less in the metrics
        gen_mae = mean_absolute_error(y, y_pred)
        self._gen_mae.update_state(gen_mae, frames)
        if not self.adversarial:
            self._gen_loss.update_state(LAMBDA * gen_mae, frames)
            return LAMBDA * gen_mae + self._zero_for_discriminator()
        frozen_logits, _ = self.discriminator.stateless_call(
            [
                ops.stop_gradient(variable.value)
                for variable in self.discriminator.trainable_variables
            ],
            [variable.value for variable in self.discriminator.non_trainable_variables],
            [x, y_pred],
            training=training,
        )
        gen_loss = generator_loss(frozen_logits, gen_mae)
        real_logits = self.discriminator([x, y], training=training)
        generated_logits = self.discriminator([x, ops.stop_gradient(y_pred)], training=training)
        disc_loss = discriminator_loss(real_logits, generated_logits)
        self._gen_loss.update_state(gen_loss, frames)
        self._disc_loss.update_state(disc_loss, frames)
        return gen_loss + disc_loss

    def _zero_for_discriminator(self):
        # gives the idle discriminator gradients of zero: backends differ on missing ones
        return 0.0 * sum(ops.sum(variable) for variable in self.discriminator.trainable_variables)


class AdversaryStart(keras.callbacks.Callback):
    """Lets the discriminator take part from a training step on.

    Args:
        step: Training step of the whole run, counted from 0.
    """

    def __init__(self, step):
        super().__init__()
        self._step = step

    def on_train_begin(self, logs=None):
        """Find where the run stands; it may go on after the start, or before it."""
        self._done = int(self.model.optimizer.iterations.numpy())
        self._set_adversarial(self._done >= self._step)

    def on_train_batch_begin(self, batch, logs=None):
        """Start the adversary when its step has come."""
        if self._done == self._step and not self.model.adversarial:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()  # the state has more metrics from here on
            self._set_adversarial(True)
        self._done += 1

    def _set_adversarial(self, adversarial):
        self.model.adversarial = adversarial
        self.model.make_train_function(force=True)
        self.model.test_function = None  # made again by the next evaluation
