"""The training model: generator and discriminator under Keras's own training step.

On every backend, both networks learn from one sum of losses. The generator's adversarial term has
no gradient with respect to the discriminator, and the discriminator's terms have none with respect
to the prediction, so the gradient of the sum is, for each network, that of its own loss.
"""

from typing import Any

import keras
from keras import ops

from common.training.model import TrainingModel
from pix2pix_timbre.losses import (
    LAMBDA,
    column_difference_error,
    discriminator_loss,
    generator_loss,
    mean_absolute_error,
)


class Pix2Pix(TrainingModel):
    """Generator and discriminator, trained together by ``fit`` on batches (input, target).

    The first channel of the input is the origin, and the only one that the discriminator sees.

    Args:
        generator, discriminator: As built by ``pix2pix_timbre.model``. Without a discriminator the
            generator learns from L1 alone.
        l1_weight: Weight of L1 beside the adversarial term.
        difference_weight: Weight of ``column_difference_error``, relative to that of L1.

    Attributes:
        adversarial: Whether the discriminator takes part; until it does, the generator learns from
            the weighted L1. Compiled into the training step: ``AdversaryStart`` changes it.
    """

    loss_names = ("gen_mae", "gen_loss", "disc_loss")  # as published

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model | None = None,
        *,
        l1_weight: float = LAMBDA,
        difference_weight: float = 0.0,
    ) -> None:
        super().__init__("pix2pix")
        self._l1_weight, self._difference_weight = l1_weight, difference_weight
        self.generator = generator
        self.discriminator = discriminator
        self.adversarial = discriminator is not None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The generator's prediction."""
        return self.generator(self.share_out(inputs), training=training)

    @property
    def metrics(self) -> list[keras.Metric]:
        """``gen_mae``; with a discriminator ``gen_loss`` and, once it takes part, ``disc_loss``."""
        count = 1 if self.discriminator is None else 2 + self.adversarial
        return super().metrics[:count]

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The sum of both networks' losses, each of them, and the number of frames."""
        frames = ops.shape(y_pred)[0]
        gen_mae = mean_absolute_error(y, y_pred)
        values, distance = {"gen_mae": gen_mae}, gen_mae
        if self._difference_weight:
            distance += self._difference_weight * column_difference_error(y, y_pred)
        if self.discriminator is None:
            return distance, values, frames
        if not self.adversarial:
            values["gen_loss"] = self._l1_weight * distance
            return values["gen_loss"] + self._zero_for_discriminator(), values, frames
        origin = x[..., :1]
        real_logits = self.discriminator([origin, y], training=training)
        for_generator, for_discriminator = self._judge(origin, y_pred, training)
        values["gen_loss"] = generator_loss(for_generator, distance, self._l1_weight)
        values["disc_loss"] = discriminator_loss(real_logits, for_discriminator)
        return values["gen_loss"] + values["disc_loss"], values, frames

    def _judge(self, origin, y_pred, training):
        """Logits of generated pairs, twice.

        The first has gradients only with respect to the prediction, the second only with respect to
        the discriminator.
        """
        if keras.backend.backend() == "tensorflow":
            return self._judge_once(origin, y_pred, training)
        frozen = [ops.stop_gradient(one.value) for one in self.discriminator.trainable_variables]
        state = [one.value for one in self.discriminator.non_trainable_variables]
        for_generator, _ = self.discriminator.stateless_call(
            frozen, state, [origin, y_pred], training=training
        )
        # the compiler recognises that this was computed already
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
        # gradients of zero for the idle discriminator: backends treat missing ones differently
        return 0.0 * sum(ops.sum(variable) for variable in self.discriminator.trainable_variables)


class AdversaryStart(keras.callbacks.Callback):
    """Callback that lets the discriminator take part from a training step on.

    Args:
        step: Training step of the whole run, counted from 0.
        done: Number of steps that were done before.
    """

    def __init__(self, step: int, done: int = 0) -> None:
        super().__init__()
        self._step = step
        self._done = done

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Set the initial state: a run may be continued before or after the step."""
        self._set_adversarial(self._done >= self._step)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the adversary at its step."""
        if self._done == self._step:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()  # from here on, the state has more metrics
            optimizer = self.model.optimizer
            # the optimiser inside a loss scale
            optimizer = getattr(optimizer, "inner_optimizer", optimizer)
            # not the step: with a loss scale, steps that overflowed do not count
            optimizer.disc_begin.assign(ops.copy(optimizer.iterations))
            self._set_adversarial(True)
        self._done += 1

    def _set_adversarial(self, adversarial):
        if adversarial != self.model.adversarial:
            self.model.adversarial = adversarial
            self.model.make_train_function(force=True)
            self.model.test_function = None  # rebuilt by the next evaluation
