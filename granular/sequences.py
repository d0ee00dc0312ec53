"""Networks of the auto-encoder of sequences of grains, the model in training, and its use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from common.cli import UserError
from common.networks.gaussian import Sampling, kl_divergence
from common.trained import load_networks, reading_config
from common.training.batches import Batches
from common.training.model import TrainingModel
from granular.model import gaussian_heads
from granular.sounds import Labels

if TYPE_CHECKING:
    from granular.sounds import Sound

SIZES = {"small": 192, "published": 512}


class SequenceArchitecture(NamedTuple):
    """Settings of the networks.

    Attributes:
        grain_dim: Dimensions of a grain's latent vector.
        condition: Length of the vector that tells the class.
        latent_dim: Dimensions of the latent space of sequences.
        size: Key of ``SIZES``.
    """

    grain_dim: int
    condition: int
    latent_dim: int = 64
    size: str = "small"

    def check(self) -> SequenceArchitecture:
        """Raise ``UserError`` if settings do not fit together; else return them."""
        if self.size not in SIZES or min(self.grain_dim, self.condition, self.latent_dim) < 1:
            raise UserError(f"sequences of size {self.size!r}: not known")
        return self


def _dense(units, hidden, name):
    hidden = layers.Dense(units, name=f"{name}_dense")(hidden)
    hidden = layers.LayerNormalization(name=f"{name}_norm")(hidden)
    return layers.LeakyReLU(0.2, name=f"{name}_relu")(hidden)


def build_sequence_encoder(architecture: SequenceArchitecture) -> keras.Model:
    """Network from sequences of any length to the distribution of their latent vectors.

    Returns:
        Keras model: (batch, grains, grain_dim) -> ``[mean, log_variance]``.
    """
    units = SIZES[architecture.size]
    grains = hidden = layers.Input((None, architecture.grain_dim), name="grains")
    for number in (1, 2):
        hidden = _dense(units, hidden, f"encoder_{number}")
    hidden = layers.LSTM(units, name="encoder_lstm")(hidden)
    hidden = _dense(units, hidden, "encoder_3")
    return keras.Model(
        grains, gaussian_heads(hidden, architecture.latent_dim), name="sequence_encoder"
    )


def build_sequence_decoder(architecture: SequenceArchitecture, steps: int) -> keras.Model:
    """Network from latent vectors and classes to sequences; its weights fit any number of steps.

    Returns:
        Keras model: (batch, latent_dim), (batch, condition) -> (batch, steps, grain_dim).
    """
    units = SIZES[architecture.size]
    latent = layers.Input((architecture.latent_dim,), name="latent")
    condition = layers.Input((architecture.condition,), name="class")
    hidden = layers.Concatenate(name="decoder_join")([latent, condition])
    for number in (1, 2):
        hidden = _dense(units, hidden, f"decoder_{number}")
    hidden = layers.RepeatVector(steps, name="decoder_steps")(hidden)
    hidden = layers.LSTM(units, return_sequences=True, name="decoder_lstm")(hidden)
    told = layers.RepeatVector(steps, name="decoder_class")(condition)
    hidden = layers.Concatenate(name="decoder_join_again")([hidden, told])
    for number in (3, 4):
        hidden = _dense(units, hidden, f"decoder_{number}")
    outputs = layers.Dense(architecture.grain_dim, dtype="float32", name="grain")(hidden)
    return keras.Model([latent, condition], outputs, name="sequence_decoder")


def build_sequence_prior(architecture: SequenceArchitecture) -> keras.Model:
    """Network from classes to the distribution of the latent vectors of their sequences.

    The latent vector of a sequence tells its class; from one distribution for all classes, another
    class than that which the decoder is told would be drawn (Sohn et al. 2015, section 4).

    Returns:
        Keras model: (batch, condition) -> ``[mean, log_variance]``.
    """
    condition = layers.Input((architecture.condition,), name="class")
    hidden = _dense(SIZES[architecture.size], condition, "prior")
    heads = gaussian_heads(hidden, architecture.latent_dim, log_variance=0.0)
    return keras.Model(condition, heads, name="sequence_prior")


def divergence(posterior: Sequence[Any], prior: Sequence[Any]) -> Any:
    """Kullback-Leibler divergence of diagonal Gaussians (batch, dims) from others: (batch,).

    Args:
        posterior, prior: Mean and log variance.
    """
    (mean, log_variance), (expected, log_width) = posterior, prior
    # of what is normal with regard to the prior
    spread = ops.exp(log_width / 2)
    return kl_divergence((mean - expected) / spread, log_variance - log_width)


class SequenceModel(TrainingModel):
    """Auto-encoder of sequences, trained by ``fit`` on batches of ``Paths``.

    The loss is the squared error of the grains' latent vectors, as sum over the dimensions and mean
    over the grains, plus ``beta`` times the Kullback-Leibler divergence of a sequence.

    Args:
        encoder, decoder, prior: As built by this module.

    Attributes:
        beta: Variable.
    """

    loss_names = ("loss", "reconstruction", "divergence", "weight")

    def __init__(self, encoder: keras.Model, decoder: keras.Model, prior: keras.Model) -> None:
        super().__init__("sequences")
        self.sequence_encoder, self.sequence_decoder = encoder, decoder
        self.sequence_prior = prior
        self.sampling = Sampling()
        self.beta = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="beta"
        )

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, ...]:
        """Reconstruction; mean and log variance, and those of the prior."""
        path, told = (self.share_out(part) for part in inputs)
        mean, log_variance = self.sequence_encoder(path, training=training)
        latent = self.sampling(mean, log_variance) if training else mean
        made = self.sequence_decoder([latent, told], training=training)
        return made, (mean, log_variance), self.sequence_prior(told, training=training)

    def parts(self, x: Any, y: Any, y_pred: Any = None) -> list[Any]:
        """Squared error and divergence, unweighted, as means."""
        made, posterior, prior = self(x, training=True) if y_pred is None else y_pred
        errors = ops.sum(ops.square(ops.cast(y, "float32") - made), axis=-1)
        return [ops.mean(errors), ops.mean(divergence(posterior, prior))]

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """The loss, its parts unweighted."""
        error, distance = self.parts(x, y, y_pred)
        loss = error + self.beta * distance
        values = (loss, error, distance, ops.convert_to_tensor(self.beta))
        return loss, dict(zip(self.loss_names, values, strict=True)), ops.shape(y_pred[0])[0]


class Paths(Batches):
    """Batches ``((paths, told), paths)`` of latent vectors of grains, and of classes.

    Args:
        sounds: Pairs of a path (grains, grain_dim) float32 and its ``granular.sounds.Sound``.
        batch_size: Sounds of a batch.
        labels: ``granular.sounds.Labels``.
        shuffle: Draw anew each epoch, classes equally often.
        steps: Batches of an epoch; default as many as the sounds fill.
        seed: Integer.
    """

    def __init__(
        self,
        sounds: Sequence[tuple[np.ndarray, Sound]],
        batch_size: int,
        *,
        labels: Labels,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(sounds), batch_size, steps)
        self._shuffle, self._seed = shuffle, seed
        self._paths, rows = np.stack([path for path, _ in sounds]), [row for _, row in sounds]
        self._told = labels.vectors([row.label for row in rows], [row.pitch for row in rows])
        names = np.array([row.label for row in rows])
        known, places, counts = np.unique(names, return_inverse=True, return_counts=True)
        self._weights = 1 / (counts[places] * len(known))

    def cut(self, positions: range, epoch: int) -> Any:
        """Return the paths at some positions of an epoch as a batch."""
        chosen = np.asarray(positions) % len(self._paths)
        if self._shuffle:
            rng = np.random.default_rng([self._seed, epoch, positions[0]])
            chosen = rng.choice(len(self._paths), len(positions), p=self._weights)
        return (self._paths[chosen], self._told[chosen]), self._paths[chosen]


class TrainedSequences:
    """The auto-encoder of sequences at work.

    Args:
        networks: Dict with the Keras models ``sequence_encoder``, ``sequence_decoder``, which is
            built for ``steps`` steps, and ``sequence_prior``.
        architecture: ``SequenceArchitecture``.
        steps: Grains of a sound of the training.

    Attributes:
        dims: Length of a sequence's latent vector.
    """

    def __init__(
        self,
        networks: dict[str, keras.Model],
        architecture: SequenceArchitecture,
        steps: int,
    ) -> None:
        self.sequence_encoder = networks["sequence_encoder"]
        self.sequence_decoder = networks["sequence_decoder"]
        self.sequence_prior = networks["sequence_prior"]
        self._architecture, self._decoders = architecture, {steps: self.sequence_decoder}
        self.steps, self.dims = steps, architecture.latent_dim
        for network in networks.values():
            network.compile(jit_compile=False)

    def encode(self, path: np.ndarray) -> np.ndarray:
        """Mean latent vectors (sounds, dims) of paths (sounds, grains, grain_dim)."""
        return np.asarray(self.sequence_encoder.predict_on_batch(path)[0])

    def draw(self, told: np.ndarray, temperature: float, rng: np.random.Generator) -> np.ndarray:
        """Latent vectors (sounds, dims) of the distributions of classes (sounds, condition)."""
        mean, log_variance = (
            np.asarray(part) for part in self.sequence_prior.predict_on_batch(told)
        )
        noise = rng.standard_normal(mean.shape)
        return mean + temperature * np.exp(log_variance / 2) * noise

    def decode(self, z: np.ndarray, told: np.ndarray, steps: int | None = None) -> np.ndarray:
        """Paths (sounds, steps, grain_dim) of latent vectors (sounds, dims) and classes."""
        steps = steps or self.steps
        if steps not in self._decoders:
            longer = build_sequence_decoder(self._architecture, steps)
            longer.set_weights(self.sequence_decoder.get_weights())
            longer.compile(jit_compile=False)
            self._decoders[steps] = longer
        given = [np.asarray(z, np.float32), np.asarray(told, np.float32)]
        return np.asarray(self._decoders[steps].predict_on_batch(given))


def open_sequences(folder: Path, config: dict[str, Any]) -> TrainedSequences:
    """The ``TrainedSequences`` of a folder of ``granular.train_sequences``."""
    with reading_config(folder):
        architecture = SequenceArchitecture(**config["architecture"]).check()
        steps = int(config["steps"])
    networks = {
        "sequence_encoder": build_sequence_encoder(architecture),
        "sequence_decoder": build_sequence_decoder(architecture, steps),
        "sequence_prior": build_sequence_prior(architecture),
    }
    return TrainedSequences(load_networks(folder, networks), architecture, steps)
