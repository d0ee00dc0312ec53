"""One Adam with two learning rates, so that one training step trains both networks."""

import keras
from keras import ops

BETA_1 = 0.5  # as in Isola et al. 2017


class TwoRateAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015) for generator and discriminator together.

    Does to each network what an Adam of its own would do. The discriminator's may begin later: the
    steps before count neither for its bias correction nor for its learning-rate schedule. (Keras
    has ``MultiOptimizer`` for this, but only from 3.15 on, which needs Python 3.11.)

    Args:
        gen_lr, disc_lr: Learning rates, numbers or schedules.
        disc_start: Step from which on the discriminator has gradients other than zero.
    """

    def __init__(self, gen_lr, disc_lr, disc_start=0):
        super().__init__(gen_lr, beta_1=BETA_1)
        self._disc_lr = disc_lr
        self._disc_start = disc_start
        self._disc_indices = frozenset()

    def build(self, variables):
        """Make the averages of the trainable variables, and find the discriminator's."""
        super().build(variables)
        self._disc_indices = frozenset(
            index
            for index, variable in enumerate(variables)
            if variable.path.startswith("discriminator")
        )

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, by the learning rate of its network."""
        if self._get_variable_index(variable) in self._disc_indices:
            learning_rate = self._discriminator_rate()
        super().update_step(gradient, variable, learning_rate)

    def _discriminator_rate(self):
        begun = ops.maximum(self.iterations - self._disc_start, 0)
        rate = self._disc_lr(begun) if callable(self._disc_lr) else self._disc_lr
        if not self._disc_start:
            return rate
        # undo the correction for all steps, which Adam is about to apply, in favour of its own
        return rate * self._correction(begun + 1) / self._correction(self.iterations + 1)

    def _correction(self, steps):
        steps = ops.cast(steps, "float32")
        return ops.sqrt(1 - ops.power(self.beta_2, steps)) / (1 - ops.power(self.beta_1, steps))
