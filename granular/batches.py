"""Batches of parts of sounds of all classes, equally often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.training.batches import Batches
from granular.sounds import SoundStore

_SOUNDING = 0.01  # peak, relative to that of a sound: 40 dB below


class Sounds(Batches):
    """Batches ``(sounds, sounds)``, (batch, samples) float32.

    What a batch holds depends on ``seed``, its place and, with ``shuffle``, the epoch only.

    Args:
        store: Open ``granular.sounds.SoundStore``.
        indices: Sounds to draw from.
        batch_size: Sounds of a batch.
        part: Grains of the parts that are cut out of the sounds with ``shuffle``. A part begins
            where the sound is heard: of short sounds most would be silent.
        shift: Largest change of pitch in semitones with ``shuffle``, by resampling.
        shuffle: Draw anew each epoch, classes equally often.
        steps: Batches of an epoch; default as many as the sounds fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: SoundStore,
        indices: Sequence[int],
        batch_size: int,
        *,
        part: int | None = None,
        shift: float = 0.0,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(len(indices), batch_size, steps)
        self._store, self._indices = store, np.asarray(indices, int)
        self._part, self._shift, self._shuffle, self._seed = part, shift, shuffle, seed
        labels = [store.rows[index].label for index in indices]
        counts = {label: labels.count(label) for label in set(labels)}
        self._weights = np.array([1 / counts[label] for label in labels]) / len(counts)

    def cut(self, positions: range, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the sounds at some positions of an epoch as a batch."""
        if not self._shuffle:
            sounds = self._store.audio(self._indices[np.asarray(positions) % len(self._indices)])
            return sounds, sounds
        rng = np.random.default_rng([self._seed, epoch, positions[0]])
        chosen = rng.choice(self._indices, len(positions), p=self._weights)
        sounds = self._store.audio(chosen)
        if self._shift:
            sounds = shifted(sounds, rng.uniform(-self._shift, self._shift, len(sounds)))
        sounds = self._parts(sounds, rng)
        return sounds, sounds

    def _parts(self, sounds, rng):
        grains = self._store.grains
        if not self._part or self._part >= grains.count:
            return sounds
        length = (self._part + 3) * grains.hop
        hops = np.abs(sounds).reshape(len(sounds), -1, grains.hop).max(axis=2)
        last = (sounds.shape[1] - length) // grains.hop
        found = []
        for sound, peaks in zip(sounds, hops, strict=True):
            starts = np.flatnonzero(peaks > _SOUNDING * peaks.max())
            start = min(int(rng.choice(starts)), last) * grains.hop
            found.append(sound[start : start + length])
        return np.stack(found)


def shifted(sounds: np.ndarray, semitones: np.ndarray) -> np.ndarray:
    """Sounds (sounds, samples) played faster or slower, by linear interpolation."""
    places = np.arange(sounds.shape[1])
    return np.stack(
        [
            np.interp(places * 2 ** (amount / 12), places, sound, right=0).astype(np.float32)
            for sound, amount in zip(sounds, semitones, strict=True)
        ]
    )
