"""Knowledge distillation: a network learns from the outputs of another one (Hinton et al. 2015).

What a larger network makes of an example says more than the label does, such as how nearly it was
taken for another one (arXiv:1503.02531, here at temperature 1).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class Distilled(keras.utils.PyDataset):
    """Batches whose targets are mixed with the outputs of a teacher.

    For losses that are linear in the target, such as the cross-entropies, this is the same as a
    mixture of the two losses.

    Args:
        batches: ``common.training.batches.Batches`` of (inputs, targets).
        teacher: Keras model with one output, of the shape of the targets.
        share: Part of the targets that the teacher takes, in [0, 1].
    """

    def __init__(self, batches: Any, teacher: keras.Model, share: float) -> None:
        super().__init__()
        self._batches, self._teacher, self._share = batches, teacher, share

    @property
    def epoch(self) -> int:
        """Number of the next epoch, from 0."""
        return self._batches.epoch

    @epoch.setter
    def epoch(self, number: int) -> None:
        self._batches.epoch = number

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        inputs, targets = self._batches[index]
        taught = np.asarray(self._teacher.predict_on_batch(inputs))
        return inputs, (targets + self._share * (taught - targets)).astype(np.float32)
