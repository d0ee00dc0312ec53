"""Adversaries: a classifier that an encoder works against, and a critic of what a decoder makes.

Both share one loss and one optimiser with the network that works against them. The classifier reads
the latent vector behind ``reverse_gradient``, so that what makes it better makes the encoder worse
for it (Ganin and Lempitsky 2015; Lample et al. 2017 alternate the two instead). It keeps a latent
vector from telling a class.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops


def build_classifier(
    dims: int, classes: int, units: Sequence[int] = (64, 64), pace: float = 1.0
) -> keras.Model:
    """Network from latent vectors (batch, dims) to logits (batch, classes) float32.

    Args:
        dims, classes: Lengths of a latent vector and of a label.
        units: Widths of its hidden layers.
        pace: How many times as fast as other networks it learns by Adam, whose steps do not depend
            on the size of a gradient: its weights are so many times smaller, and its activations
            are multiplied (Karras et al. 2018, section 4.1). A slow adversary is outrun.
    """
    inputs = hidden = layers.Input((dims,), name="latent")
    scaled = _Scaled(pace)
    for number, width in enumerate(units, start=1):
        dense = layers.Dense(width, **scaled.start(), name=f"classifier_dense_{number}")
        hidden = layers.LeakyReLU(0.2, name=f"classifier_relu_{number}")(scaled(dense, hidden))
    last = layers.Dense(classes, **scaled.start(), dtype="float32", name="classifier_logits")
    return keras.Model(inputs, scaled(last, hidden), name="classifier")


def build_frame_classifier(
    dims: int, classes: int, kernel: int = 5, pace: float = 1.0
) -> keras.Model:
    """Network from paths (batch, steps, dims) to logits (batch, steps, classes) float32.

    It sees some steps before and after each; widths as in the adversary of wavae (Caillon et al.
    2020), which predicts a Gaussian instead. The numbers of a vector are standardised, because what
    a small one tells is no less to be read.

    Args:
        dims, classes: Lengths of a latent vector and of a label.
        kernel: Size of the convolutions.
        pace: As in ``build_classifier``.
    """
    scaled = _Scaled(pace, 2.0)
    inputs = layers.Input((None, dims), name="path")
    hidden = layers.BatchNormalization(center=False, scale=False, name="classifier_norm")(inputs)
    for number, width in enumerate((64, 256), start=1):
        convolution = layers.Conv1D(
            width, kernel, padding="same", **scaled.start(), name=f"classifier_conv_{number}"
        )
        hidden = scaled(convolution, hidden)
        hidden = layers.LeakyReLU(0.2, name=f"classifier_relu_{number}")(hidden)
    dense = layers.Dense(64, **scaled.start(), name="classifier_dense")
    hidden = layers.LeakyReLU(0.2, name="classifier_relu_3")(scaled(dense, hidden))
    last = layers.Dense(classes, **scaled.start(), name="classifier_logits")
    return keras.Model(inputs, scaled(last, hidden), name="classifier")


class _Scaled:
    """Puts a multiplication by the pace after each layer, whose first weights are divided by it.

    Args:
        pace: As in ``build_classifier``.
        variance: Variance of the first outputs, relative to that of the inputs.
    """

    def __init__(self, pace, variance=1.0):
        self._pace, self._variance, self._number = pace, variance, 0

    def start(self):
        initial = keras.initializers.VarianceScaling(self._variance / self._pace**2)
        return {"kernel_initializer": initial}

    def __call__(self, layer, hidden):
        self._number += 1
        name = f"classifier_pace_{self._number}"
        return layers.Rescaling(self._pace, dtype="float32", name=name)(layer(hidden))


def reverse_gradient(values: Any, strength: Any) -> Any:
    """The values; their gradient is multiplied by ``-strength``.

    Args:
        values: Tensor.
        strength: Number or scalar tensor, at least 0.
    """
    return ops.stop_gradient(values * (1 + strength)) - values * strength


def adversarial_loss(
    classifier: keras.Model, latents: Any, labels: Any, strength: Any, training: bool | None = None
) -> Any:
    """Cross-entropy of a classifier, to be minimised by it and by the encoder together.

    Args:
        classifier: Result of ``build_classifier`` or ``build_frame_classifier``.
        latents: (batch, dims), or (batch, steps, dims).
        labels: (batch, classes), or (batch, steps, classes), one-hot.
        strength: Weight of the encoder's part, which is minus the cross-entropy; the classifier's
            is 1.

    Returns:
        Scalar, the mean in nats.
    """
    logits = classifier(reverse_gradient(latents, strength), training=training)
    losses = keras.losses.categorical_crossentropy(labels, logits, from_logits=True)
    return ops.mean(losses)


def translation_losses(
    critic: keras.Model,
    true: Any,
    made: Any,
    domains: tuple[Any, Any],
    *,
    weights: Any,
    training: bool | None = None,
) -> tuple[Any, Any]:
    """Losses of a critic of several domains, and of what translates between them.

    The critic has an output for each domain, which tells true examples of the domain from
    translated ones (Choi et al. 2020, section 3.2). Losses are cross-entropies, that of the
    translation the one that does not saturate (Goodfellow et al. 2014, section 3). Both are
    minimised together: the critic learns nothing from the second one, and the translation nothing
    from the first one.

    Args:
        critic: Network from examples to logits (batch, domains).
        true: Examples (batch, ...).
        made: Translated examples (batch, ...).
        domains: (batch, domains) one-hot of ``true``, and the same of ``made``.
        weights: (batch, 1); 0 leaves an example out.

    Returns:
        ``(critic's, translation's)``: scalars in nats, means over the batch. The value of the
        second one is always 0; only its gradient counts.
    """

    def logit(examples, chosen):
        return ops.sum(critic(examples, training=training) * chosen, axis=-1, keepdims=True)

    own, target = domains
    fixed = logit(ops.stop_gradient(made), target)
    judging = ops.softplus(-logit(true, own)) + ops.softplus(fixed)
    # what is taken away has the same gradient by the critic's weights
    making = ops.softplus(-logit(made, target)) - ops.softplus(-fixed)
    return ops.mean(weights * judging), ops.mean(weights * making)
