"""Losses of Pix2Pix, each a plain mean over batch and pixels."""

from typing import Any

from keras import ops

from pix2pix_timbre.flags import LAMBDA


def mean_absolute_error(target: Any, prediction: Any) -> Any:
    """L1 distance of two batches of frames in [-1, 1]: scalar (Isola et al. 2017, eq. 3)."""
    return ops.mean(ops.abs(ops.cast(target, prediction.dtype) - prediction))


def column_difference_error(target: Any, prediction: Any) -> Any:
    """L1 distance of the changes from each column to the next: scalar.

    Args:
        target, prediction: Frames (batch, bins, columns, channels) in [-1, 1]. An attack that is
            smeared over several columns costs here what it hardly costs in L1.
    """
    changes = [ops.diff(one, axis=2) for one in (ops.cast(target, prediction.dtype), prediction)]
    return ops.mean(ops.abs(changes[0] - changes[1]))


def cross_entropy(logits: Any, real: bool) -> Any:
    """Binary cross-entropy of logits with the same label for all: scalar.

    Args:
        logits: Any shape.
        real: The label: True for real, False for generated.
    """
    # -log(sigmoid(z)) = softplus(-z) and -log(1 - sigmoid(z)) = softplus(z)
    return ops.mean(ops.softplus(-logits if real else logits))


def generator_loss(generated_logits: Any, distance: Any, l1_weight: float = LAMBDA) -> Any:
    """Adversarial term plus the weighted L1 distance: scalar (Isola et al. 2017, eq. 4)."""
    return cross_entropy(generated_logits, real=True) + l1_weight * distance


def discriminator_loss(real_logits: Any, generated_logits: Any) -> Any:
    """Cross-entropy of the real plus that of the generated pairs (a sum, as published): scalar."""
    return cross_entropy(real_logits, real=True) + cross_entropy(generated_logits, real=False)
