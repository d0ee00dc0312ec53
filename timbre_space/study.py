"""Trainings in memory that answer questions about penalties: two stages, from one first stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from common.music.instruments import family_of
from common.training.callbacks import Ramp, reseed
from timbre_space.columns import Columns
from timbre_space.model import Architecture, Space, build_decoder, build_encoder
from timbre_space.ratings import Ratings
from timbre_space.store import ColumnStore
from timbre_space.train import WEIGHTS, one_hot, scale_of, scaled

_BATCH, _RATE = 256, 1e-3
_EPOCH = 50  # steps


class Settings(NamedTuple):
    """Sizes of the trainings of a study.

    Attributes:
        units: Units of each of the three hidden layers.
        latent_dim: Dimensions of the space.
        steps: Steps of either stage.
    """

    units: int = 256
    latent_dim: int = 16
    steps: int = 500


class Data(NamedTuple):
    """Columns of a store, scaled.

    Attributes:
        store: ``ColumnStore``.
        classes: Names of the instruments that are trained on.
        columns: (columns, bins), all of the store.
        labels: (columns, classes).
        sides: Indices to train on, and held out.
        scale: Dict with ``mean`` and ``deviation``.
    """

    store: ColumnStore
    classes: list[str]
    columns: np.ndarray
    labels: np.ndarray
    sides: tuple[list[int], list[int]]
    scale: dict[str, float]

    @classmethod
    def of(cls, store: ColumnStore, classes: Sequence[str], share: float = 0.1) -> Data:
        """Read a store, and hold out a share of its notes."""
        names = [row.instrument for row in store.rows]
        places = [classes.index(name) if name in classes else -1 for name in names]
        sides = tuple([i for i in side if places[i] >= 0] for side in store.split(share))
        levels = store.levels()
        scale = scale_of(levels[sides[0]])
        labels = one_hot(places, len(classes))
        return cls(store, list(classes), scaled(levels, scale), labels, sides, scale)

    @property
    def known(self) -> np.ndarray:
        """Which columns are of the instruments that are trained on: (columns,) bool."""
        return self.labels.any(axis=1)

    def everything(self) -> tuple[list[str], np.ndarray]:
        """Names of all instruments with relatives in the store, those trained on first, and labels.

        Others, whose family no instrument of the training has, are left out.
        """
        families = {family_of(name) for name in self.classes}
        others = sorted({row.instrument for row in self.store.rows} - set(self.classes))
        names = [*self.classes, *(name for name in others if family_of(name) in families)]
        place = {name: number for number, name in enumerate(names)}
        return names, one_hot(
            [place.get(row.instrument, -1) for row in self.store.rows], len(names)
        )


class Trainer:
    """One model whose second stage is trained again and again from the end of its first one.

    Args:
        data: ``Data``.
        ratings: ``Ratings`` of its classes.
        kind: Penalty.
        settings: ``Settings``.
        seed: Random seed.
        first: Values of the variables after a first stage, of another ``Trainer`` with the same
            data, settings and seed; None trains it.
    """

    def __init__(
        self,
        data: Data,
        ratings: Ratings,
        kind: str,
        settings: Settings,
        *,
        seed: int,
        first: list[np.ndarray] | None = None,
    ) -> None:
        keras.utils.set_random_seed(seed)
        bins = data.columns.shape[1]
        architecture = Architecture(bins, (settings.units,) * 3, settings.latent_dim).check()
        networks = build_encoder(architecture), build_decoder(architecture)
        self.model = Space(*networks, data.classes, ratings, kind)
        self.model.compile(keras.optimizers.Adam(_RATE), jit_compile=False)
        self._data, self._kind, self._seed = data, kind, seed
        self._epochs = max(settings.steps // _EPOCH, 1)
        self._steps = settings.steps // self._epochs
        if first is None:
            ramp = Ramp(self.model.beta, 1.0, 0, self._epochs // 2)
            self._fit([ramp], 0)
            first = [np.copy(keras.ops.convert_to_numpy(one)) for one in self._learned()]
        self.first = first

    def _learned(self):
        return [*self.model.trainable_variables, *self.model.optimizer.variables]

    def _fit(self, callbacks, stage):
        reseed(self.model, self._seed, stage)
        batches = Columns(
            self._data.sides[0],
            _BATCH,
            columns=self._data.columns,
            labels=self._data.labels,
            shuffle=True,
            steps=self._steps * self._epochs,
            seed=self._seed + 1000 * stage,
        )
        if stage == 0:  # in epochs, for the warm-up
            for epoch in range(self._epochs):
                batches_of = _Part(batches, epoch * self._steps, self._steps)
                self.model.fit(
                    batches_of,
                    initial_epoch=epoch,
                    epochs=epoch + 1,
                    verbose=0,
                    callbacks=callbacks,
                )
            return
        self.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=callbacks)

    def second(self, ratings: Ratings | None) -> None:
        """Train the second stage with some ratings, or without a penalty."""
        for variable, value in zip(self._learned(), self.first, strict=True):
            variable.assign(value)
        self.model.beta.assign(1.0)
        self.model.strength.assign(0.0 if ratings is None else WEIGHTS[self._kind])
        if ratings is not None:
            self.model.rate(ratings)
        self._fit([], 1)

    def latents(self) -> np.ndarray:
        """Mean latent vectors of all columns of the store."""
        return self.model.encoder.predict(self._data.columns, batch_size=1024, verbose=0)[0]

    def errors(self) -> dict[str, float]:
        """Errors of held-out columns: mean squared difference and negative log-likelihood per
        value, of scaled levels; and mean squared difference in the common bands in dB.
        """
        data = self._data
        chosen = data.columns[data.sides[1]]
        mean = self.model.encoder.predict(chosen, batch_size=1024, verbose=0)[0]
        decoded = self.model.decoder.predict(mean, batch_size=1024, verbose=0)
        square = float(np.mean(np.square(decoded - chosen)))
        deviation = float(keras.ops.convert_to_numpy(self.model.log_deviation))
        spectra, scale = data.store.spectra, data.scale
        bands = [
            spectra.common(levels * scale["deviation"] + scale["mean"])
            for levels in (decoded, chosen)
        ]
        return {
            "squared": square,
            "likelihood": square * np.exp(-2 * deviation) / 2 + deviation + np.log(2 * np.pi) / 2,
            "common_db2": float(np.mean(np.square(bands[0] - bands[1]))),
        }


class _Part(keras.utils.PyDataset):
    def __init__(self, batches, start, steps):
        super().__init__()
        self._batches, self._start, self._steps = batches, start, steps

    def __len__(self):
        return self._steps

    def __getitem__(self, index):
        return self._batches[self._start + index]


def centre_distances(latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Distances (classes, classes) of the centres of classes of vectors (number, dims)."""
    centres = labels.T @ latents / labels.sum(axis=0)[:, np.newaxis]
    return np.linalg.norm(centres[:, np.newaxis] - centres, axis=-1)


def spectral_distances(data: Data, labels: np.ndarray) -> np.ndarray:
    """How far the spectra of instruments are from each other, without any space.

    Args:
        data: ``Data``.
        labels: (columns, classes), one-hot.

    Returns:
        (classes, classes): differences of mean scaled levels, as root mean squares over the bins,
        means over the pitches that both have; infinite where there are none.
    """
    pitches = np.array([row.pitch for row in data.store.rows])
    means = np.full((len(np.unique(pitches)), labels.shape[1], data.columns.shape[1]), np.nan)
    for number, pitch in enumerate(np.unique(pitches)):
        here = labels * (pitches == pitch)[:, np.newaxis]
        there = here.any(axis=0)
        means[number, there] = (here.T @ data.columns)[there] / here.sum(axis=0)[there, np.newaxis]
    squares = np.square(means[:, :, np.newaxis] - means[:, np.newaxis]).mean(axis=-1)
    both = np.isfinite(squares)
    total = np.where(both, np.sqrt(squares), 0).sum(axis=0)
    count = both.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def nearest_is_kin(distances: np.ndarray, instruments: Sequence[str], place: int) -> bool:
    """Whether the nearest of the other instruments is of the same family."""
    apart = np.where(np.arange(len(instruments)) == place, np.inf, distances[place])
    return family_of(instruments[int(np.argmin(apart))]) == family_of(instruments[place])


def chance_of_kin(instruments: Sequence[str], place: int) -> float:
    """Share of the other instruments that are of the same family."""
    own = family_of(instruments[place])
    others = [name for number, name in enumerate(instruments) if number != place]
    return float(np.mean([family_of(name) == own for name in others]))
