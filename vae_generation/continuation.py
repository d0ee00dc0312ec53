"""Continue sequences of latent vectors by a recurrent network: training data, training and use."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from common.cli import UserError
from common.trained import load_networks, open_run
from common.training.batches import Batches
from common.training.model import TrainingModel
from vae_generation.trained import PREDICTOR

if TYPE_CHECKING:
    import keras

    from vae_generation.latents import Latents


HOP_SHARE = 0.5  # distance of windows, relative to the length of an image
_MIN_LOG_VARIANCE = -6.0  # smallest predicted log variance, of normalised latent vectors


class Predictor(TrainingModel):
    """Recurrent network, trained on the negative log-likelihood of the next vectors.

    Args:
        network: As built by ``vae_generation.model.build_predictor``.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__("latent_predictor")
        self.predictor = network

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Predict mean and log variance of each next vector, concatenated."""
        return self.predictor(self.share_out(inputs), training=training)

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """Compute the loss in nats per vector."""
        mean, log_variance = ops.split(y_pred, 2, axis=-1)
        log_variance = ops.maximum(log_variance, _MIN_LOG_VARIANCE)
        y = ops.cast(y, "float32")
        terms = log_variance + ops.square(y - mean) / ops.exp(log_variance) + math.log(2 * math.pi)
        loss = ops.mean(ops.sum(terms, axis=-1) / 2)
        return loss, {"loss": loss}, ops.shape(y_pred)[0]


class Sequences(Batches):
    """Batches (sequence, next vectors) of latent vectors: the second is the first, one step later.

    Args:
        tracks: List of (windows, latent_dim) float32.
        steps: Length of a sequence; shorter tracks are not used.
        batch_size: Sequences per batch.
        shuffle: Draw order and beginnings in each epoch.
        seed: Integer.
    """

    def __init__(
        self,
        tracks: Sequence[np.ndarray],
        steps: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        self._tracks = [track for track in tracks if len(track) > steps]
        self._steps = steps
        self._shuffle = shuffle
        self._seed = seed
        self._starts = [
            (number, start)
            for number, track in enumerate(self._tracks)
            for start in range(0, len(track) - steps, max(steps // 2, 1))
        ]
        super().__init__(len(self._starts), batch_size)

    def cut(self, positions: range, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the sequences at some positions of an epoch: ``(vectors, next vectors)``."""
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._starts)) if self._shuffle else range(len(self._starts))
        shifts = rng.integers(0, max(self._steps // 2, 1), len(self._starts))
        rows = []
        for place in positions:
            number, start = self._starts[order[place]]
            track = self._tracks[number]
            if self._shuffle:
                start = min(start + int(shifts[place]), len(track) - self._steps - 1)
            rows.append(track[start : start + self._steps + 1])
        stack = np.stack(rows)
        return stack[:, :-1], stack[:, 1:]


def tracks_of(latents: Latents, hop_seconds: float) -> dict[str, list[np.ndarray]]:
    """Arrange latent vectors as sequences in time.

    Args:
        latents: ``vae_generation.latents.Latents``.
        hop_seconds: Distance of consecutive windows; a sequence ends where the distance differs.

    Returns:
        Dict from the recording's name to a list of (windows, latent_dim) arrays.
    """
    places = {}
    for index, example in enumerate(latents.examples):
        if example.pitch < 0:
            places.setdefault(example.source, []).append((example.start, index))
    tracks = {}
    for source, found in places.items():
        found.sort()
        parts = [[found[0]]]
        for before, after in itertools.pairwise(found):
            if abs(after[0] - before[0] - hop_seconds) > 0.01:
                parts.append([])
            parts[-1].append(after)
        tracks[source] = [latents.mean[[index for _, index in part]] for part in parts]
    return tracks


class Continuation:
    """A trained recurrent network, with mean and deviation of its vectors.

    Args:
        predictor: Keras model of ``build_predictor``.
        mean, spread: Mean and standard deviation of the training vectors, (latent_dim,).
        hop_seconds: Distance of the windows.
    """

    def __init__(
        self,
        predictor: keras.Model,
        mean: Sequence[float] | np.ndarray,
        spread: Sequence[float] | np.ndarray,
        hop_seconds: float,
    ) -> None:
        self.predictor = predictor
        self._mean, self._spread = np.asarray(mean), np.asarray(spread)
        self.hop_seconds = hop_seconds
        predictor.compile(jit_compile=False)

    def __call__(
        self, vectors: np.ndarray, number: int, rng: np.random.Generator, temperature: float = 1.0
    ) -> np.ndarray:
        """Predict the vectors that follow a sequence.

        Args:
            vectors: (windows, latent_dim), at least one.
            number: Number of vectors to predict.
            rng: ``numpy.random.Generator``.
            temperature: Factor on the spread of the samples; 0 takes the most likely vectors.

        Returns:
            (number, latent_dim) float32.
        """
        known = list((np.asarray(vectors) - self._mean) / self._spread)
        for _ in range(number):
            given = np.stack(known)[np.newaxis].astype(np.float32)
            predicted = np.asarray(self.predictor(given, training=False))[0, -1]
            mean, log_variance = np.split(predicted, 2)
            deviation = np.exp(np.maximum(log_variance, _MIN_LOG_VARIANCE) / 2)
            known.append(mean + temperature * deviation * rng.standard_normal(mean.shape))
        return (np.stack(known[len(vectors) :]) * self._spread + self._mean).astype(np.float32)


def load_continuation(folder: Path) -> Continuation:
    """Open the recurrent network of an auto-encoder; ``UserError`` if there is none."""
    folder = Path(folder) / PREDICTOR
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder; train it with python -m vae_generation.train_continuation"
        )
    return open_continuation(folder, open_run(folder, "vae_generation.continuation"))


def open_continuation(folder: Path, config: dict[str, Any]) -> Continuation:
    """Open the ``Continuation`` in its folder, given the content of ``config.json``."""
    from vae_generation.model import build_predictor

    try:
        scale = config["scale"]
        network = build_predictor(len(scale["mean"]), config["flags"]["units"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder}/config.json: damaged ({error!r})") from error
    networks = load_networks(folder, {"predictor": network})
    return Continuation(networks["predictor"], scale["mean"], scale["spread"], scale["hop_seconds"])
