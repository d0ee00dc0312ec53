"""Training pairs for the corrector: a recording to resize, and the target at the new tempo.

``resized`` pairs: a recording, and its resized spectrogram, which the phase vocoder plays.
``vocoder`` pairs, as published: a recording, and the same recording stretched by the phase vocoder.
``true`` pairs: two renderings of the same notes by the same instrument at different speeds. In
these, the score is played faster, but each note decays as before, because it is a sample.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from common.music.names import tempo_of
from common.training.batches import Batches
from time_stretching.measures import level_difference
from time_stretching.resize import HIGHEST, LOWEST, draw_rates, positions, resize
from time_stretching.spectrogram import BINS, WIDE
from time_stretching.store import Recording
from time_stretching.trained import told

if TYPE_CHECKING:
    from time_stretching.store import Store
    from time_stretching.trained import Stretcher


KINDS = ("resized", "vocoder", "true", "both")  # both: vocoder and true
_RATES = 4  # number of rates at which each recording is resized


class Pair(NamedTuple):
    """Recordings of the same music.

    Attributes:
        source, target: ``Recording``; the target is ``rate`` times as fast. For the kind
            ``resized``, the target is the source, which is resized later.
        rate: Factor on the tempo, from LOWEST to HIGHEST.
        kind: One of KINDS, except "both".
    """

    source: Recording
    target: Recording
    rate: float
    kind: str


def find_pairs(recordings: Sequence[Recording], kind: str, seed: int = 0) -> list[Pair]:
    """Find the pairs among recordings: list of ``Pair``.

    Args:
        recordings: ``Recording`` objects of one store.
        kind: One of KINDS.
        seed: Random seed for the rates of ``resized`` pairs, together with the recordings' names.
    """
    originals = {one.name: one for one in recordings if one.rate == 1}
    pairs = []
    if kind == "resized":
        pairs += [
            Pair(one, one, rate, kind)
            for one in originals.values()
            for rate in draw_rates(one.name, _RATES, seed)
        ]
    if kind in ("vocoder", "both"):
        pairs += [
            Pair(originals[one.name], one, one.rate, "vocoder")
            for one in recordings
            if one.name in originals
        ]
    if kind in ("true", "both"):
        tempi = {name: tempo_of(name) for name in originals}
        for first, (score, speed) in tempi.items():
            for second, (other, speed_there) in tempi.items():
                rate = speed_there / speed
                if first != second and score == other and LOWEST <= rate <= HIGHEST:
                    pairs.append(Pair(originals[first], originals[second], rate, "true"))
    return pairs


def louder(source: np.ndarray, target: np.ndarray, rate: float) -> float:
    """Level difference of two images of the same music, in the scale ``WIDE``.

    Args:
        source, target: Images (BINS, columns).
        rate: Tempo of the target relative to the source.
    """
    columns = min(target.shape[-1], math.ceil(source.shape[-1] / rate))
    resized = resize(source, positions(0, columns, rate))
    decibels = [image * WIDE.range_db for image in (target[:, :columns], resized)]
    return level_difference(*decibels) / WIDE.range_db


class Pairs(Batches):
    """Batches ``((codes, told), (codes, images, valid))`` of windows of pairs.

    All arrays are (batch, columns, features). The first ``codes`` are the resized codes of the
    source, the second ones those of the target. Published networks take no ``told``. ``valid`` is 0
    in columns beyond the end of the target, and 1 elsewhere. The windows depend only on ``seed``
    and ``epoch``.

    Args:
        store: Open ``time_stretching.store.Store``.
        pairs: ``Pair`` objects.
        stretcher: ``time_stretching.trained.Stretcher`` with the encoder.
        columns: Length of a window in columns.
        batch_size: Windows per batch.
        shuffle: Draw windows anew each epoch; otherwise they follow one another from column 0.
        steps: Batches per epoch; default as many as the windows fill.
        seed: Integer.
    """

    def __init__(
        self,
        store: Store,
        pairs: Sequence[Pair],
        stretcher: Stretcher,
        *,
        columns: int,
        batch_size: int,
        shuffle: bool = False,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self._store = store
        self._stretcher = stretcher
        self._columns = columns
        self._shuffle = shuffle
        self._seed = seed
        self._sources, self._pairs = {}, []
        for pair in pairs:
            source = self._encoded(pair.source)
            shift = 0.0
            if pair.kind == "true":
                shift = louder(store.columns(pair.source), store.columns(pair.target), pair.rate)
            target = self._encode(self._wanted(pair) - shift)
            # a rendering may ring longer than its counterpart
            length = min(target.shape[-1], math.ceil(source.shape[-1] / pair.rate))
            self._pairs.append((pair, shift, target, length))
        self._windows = [
            (number, start)
            for number, (*_, length) in enumerate(self._pairs)
            for start in range(0, length, columns)
        ]
        super().__init__(len(self._windows), batch_size, steps)

    def _wanted(self, pair, start=0, stop=None):
        """Return columns of the target image of a pair."""
        if pair.kind != "resized":
            return self._store.columns(pair.target, start, stop)
        if stop is None:
            stop = math.ceil(pair.source.columns / pair.rate)
        places = positions(start, stop, pair.rate)
        first = int(places[0])
        given = WIDE.magnitude(self._store.columns(pair.source, first, int(places[-1]) + 2))
        return WIDE.image(resize(given, places - first))

    def _encode(self, image):
        scaled = WIDE.to(self._stretcher.scale, np.clip(image, 0, 1))
        return self._stretcher.encode(scaled).astype(np.float16)  # to save memory

    def _encoded(self, recording):
        if recording.name not in self._sources:
            self._sources[recording.name] = self._encode(self._store.columns(recording))
        return self._sources[recording.name]

    def cut(
        self, positions_: range, epoch: int
    ) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return the examples at some positions of an epoch as a batch."""
        shape = (len(positions_), self._columns)
        code = self._stretcher.architecture.code
        given = np.zeros((*shape, code), np.float32)
        rates = np.zeros((*shape, 2), np.float32)
        codes = np.zeros((*shape, code), np.float32)
        images = np.zeros((*shape, BINS), np.float32)
        valid = np.zeros(shape, np.float32)
        for row, place in enumerate(positions_):
            number, start = self._window(place, epoch)
            pair, shift, target, length = self._pairs[number]
            stop = min(start + self._columns, length)
            here = slice(0, stop - start)
            places = positions(start, start + self._columns, pair.rate)
            given[row] = resize(self._sources[pair.source.name], places).T
            rates[row] = told(places, pair.rate).T
            codes[row, here] = target[:, start:stop].T
            image = self._wanted(pair, start, stop) - shift
            images[row, here] = WIDE.to(self._stretcher.scale, np.clip(image, 0, 1)).T
            valid[row, here] = 1
        inputs = (given,) if self._stretcher.architecture.published else (given, rates)
        return inputs, (codes, images, valid)

    def _window(self, place, epoch):
        """Number of the pair, and first column, at a position of an epoch."""
        if not self._shuffle:
            return self._windows[place % len(self._windows)]
        rng = np.random.default_rng([self._seed, epoch, place])
        number = self._windows[rng.integers(len(self._windows))][0]
        length = self._pairs[number][-1]
        return number, int(rng.integers(max(length - self._columns, 0) + 1))

    def summary(self) -> Counter[str]:
        """Count the pairs by kind (see KINDS)."""
        return Counter(pair.kind for pair, *_ in self._pairs)
