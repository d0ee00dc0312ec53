"""Classic granular resynthesis: grains of a corpus, chosen by descriptors (Schwarz 2007)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.signal

from common.audio.descriptors import describe_shape
from common.cli import UserError
from common.files.audio import find_recordings, fit_length
from data import load_audio
from granular.sounds import Grains

_SILENCE = 1e-4  # root mean square of a grain
_MOST = 20_000  # grains of a corpus


class Corpus(NamedTuple):
    """Grains and what describes them.

    Attributes:
        grains: (grains, size), each of root mean square 1.
        descriptors: (grains, descriptors).
        sample_rate: Hz.
    """

    grains: np.ndarray
    descriptors: np.ndarray
    sample_rate: int

    @classmethod
    def of(cls, audios: Iterable[np.ndarray], sample_rate: int, size: int) -> Corpus:
        """The corpus of some audios (samples,), of at most 20,000 grains at equal distances."""
        found = []
        for audio in audios:
            cut = cut_grains(audio, size)
            levels = np.sqrt(np.square(cut).mean(axis=1))
            found.append(cut[levels > _SILENCE] / levels[levels > _SILENCE, np.newaxis])
        grains = np.concatenate(found)
        if not len(grains):
            raise UserError("the corpus is silent; name another folder")
        grains = grains[:: -(-len(grains) // _MOST)]
        return cls(grains, describe_grains(grains, sample_rate), sample_rate)

    @classmethod
    def of_folder(cls, folder: Path, grains: Grains) -> Corpus:
        """The corpus of the recordings in and below a folder."""
        files = find_recordings(folder).files.values()
        if not files:
            raise UserError(f"{folder}: no audio file in it or below it")
        rate = grains.sample_rate
        return cls.of((load_audio(path, sample_rate=rate)[0] for path in files), rate, grains.size)

    def nearest(self, grains: np.ndarray) -> np.ndarray:
        """Indices of the grains that are most alike others (any, size), none of them silent."""
        from scipy.spatial import cKDTree

        spread = self.descriptors.std(axis=0) + 1e-9
        tree = cKDTree(self.descriptors / spread)
        return tree.query(describe_grains(grains, self.sample_rate) / spread)[1]

    def resynthesize(self, audio: np.ndarray) -> np.ndarray:
        """Audio (samples,) of the corpus, whose grains have the levels of those of the audio."""
        size = self.grains.shape[1]
        cut = cut_grains(audio, size)
        levels = np.sqrt(np.square(cut).mean(axis=1))
        heard = levels > _SILENCE
        chosen = np.zeros_like(cut)
        if heard.any():
            chosen[heard] = self.grains[self.nearest(cut[heard])] * levels[heard, np.newaxis]
        hop, window = size // 4, scipy.signal.get_window("hann", size)
        made, weights = np.zeros((2, (len(cut) + 3) * hop))
        for place, grain in enumerate(chosen):
            part = slice(place * hop, place * hop + size)
            made[part] += window * grain
            weights[part] += window
        return (made / np.maximum(weights, 0.1)).astype(np.float32)[: audio.size]


def cut_grains(audio: np.ndarray, size: int) -> np.ndarray:
    """Overlapping grains (grains, size) of an audio that is padded with zeros."""
    hop = size // 4
    count = max(-(-audio.size // hop) - 1, 1)
    audio = fit_length(np.asarray(audio, np.float32), (count + 3) * hop)
    return np.lib.stride_tricks.sliding_window_view(audio, size)[::hop]


def describe_grains(grains: np.ndarray, sample_rate: int) -> np.ndarray:
    """Centroid, bandwidth, rolloff, flatness and sharpness of grains: (grains, 5).

    Frequencies are in octaves and flatness in nepers, so that differences count as they are heard.
    """
    window = scipy.signal.get_window("hann", grains.shape[1])
    powers = np.abs(np.fft.rfft(grains * window)) ** 2 + 1e-12
    hertz = np.fft.rfftfreq(grains.shape[1], 1 / sample_rate)
    found = np.array([list(describe_shape(power, hertz).values()) for power in powers])
    return np.log2(np.maximum(found, 1e-6))
