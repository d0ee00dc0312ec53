"""One Adam with two learning rates, so that one training step trains both networks."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

BETA_1 = 0.5  # as in Isola et al. 2017


class TwoRateAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015) for generator and discriminator together.

    Each network is updated as by an Adam of its own. The discriminator may start later: the steps
    before count neither for its bias correction nor for its learning-rate schedule. (Keras has
    ``MultiOptimizer`` for this, but only from 3.15 on, which needs Python 3.11.)

    Args:
        gen_lr, disc_lr: Learning rates, numbers or schedules; without a discriminator the latter
            is not used.
        ema: Momentum of the weights' moving averages (Polyak and Juditsky 1992); 0 for none.

    Attributes:
        disc_begin: Variable: number of iterations before the discriminator begins; until then its
            gradients are zero.
    """

    def __init__(self, gen_lr: Any, disc_lr: Any = None, ema: float = 0.0) -> None:
        super().__init__(gen_lr, beta_1=BETA_1, use_ema=ema > 0, ema_momentum=ema)
        self._disc_lr = disc_lr
        self._disc_indices = frozenset()

    def build(self, variables: Sequence) -> None:
        """Create the moving averages, and find the variables of the discriminator."""
        super().build(variables)
        self._disc_indices = frozenset(
            index
            for index, variable in enumerate(variables)
            if variable.path.startswith("discriminator")
        )
        self.disc_begin = self.add_variable((), dtype="int32", name="disc_begin")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable with the step count and the learning rate of its network."""
        index = self._get_variable_index(variable)
        steps = self.iterations
        if index in self._disc_indices:
            steps = ops.maximum(steps - ops.cast(self.disc_begin, steps.dtype), 0)
            learning_rate = self._disc_lr(steps) if callable(self._disc_lr) else self._disc_lr
        if keras.backend.backend() == "tensorflow":
            self._fused_update(gradient, variable, learning_rate, index, steps + 1)
        else:
            # replace Adam's bias correction for all steps by that for the network's own steps
            learning_rate *= self._correction(steps + 1) / self._correction(self.iterations + 1)
            super().update_step(gradient, variable, learning_rate)

    def _fused_update(self, gradient, variable, learning_rate, index, steps):
        """Update by one fused kernel of TensorFlow instead of a dozen passes over all weights."""
        import tensorflow as tf

        steps = tf.cast(steps, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**steps,
            beta2_power=self.beta_2**steps,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _correction(self, steps):
        steps = ops.cast(steps, "float32")
        return ops.sqrt(1 - ops.power(self.beta_2, steps)) / (1 - ops.power(self.beta_1, steps))
