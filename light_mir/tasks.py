"""The five tasks: what a network sees and says, and how wrong it is.

| task | sees | says | error |
|---|---|---|---|
| instruments | 1 s, 64 mel bands | one of 12 instruments | share of wrong names |
| pitch | 0.13 s, 36 bands an octave | 360 bins of 20 cents from C1 | share beyond 50 cents |
| chords | 1.2 s, 24 bands an octave | 12 major, 12 minor, or none | share of wrong names |
| drums | 1.6 s, 64 mel bands | 3 x 50: kick, snare, hi-hat | 1 - F1 within 50 ms |
| onsets | the same | 1 x 50: something begins | 1 - F1 within 50 ms |

Pitches are those of CREPE (Kim et al. 2018), drums and onsets those of Esling et al. 2020.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.music.events import event_f1
from common.music.names import PITCH_CLASSES
from light_mir.spectrum import Spectrum

INSTRUMENTS = (
    *("alto_saxophone", "bassoon", "cello", "clarinet", "english_horn", "flute"),
    *("french_horn", "oboe", "piano", "trombone", "trumpet", "violin"),
)
CHORDS = (*(f"{root}:{kind}" for kind in ("maj", "min") for root in PITCH_CLASSES), "N")
DRUMS = ("kick", "snare", "hihat")
LOWEST_PITCH = 24  # MIDI number of C1, the first of the bins of CREPE
CENTS, PITCH_BINS = 20, 360
THRESHOLD = 0.3  # least probability of an event
WITHIN = 0.5  # semitones, of a pitch
_BLUR = 1.25  # bins; 25 cents, as in CREPE
_AROUND = 4  # bins either way over which a pitch is averaged, likewise


class Task(NamedTuple):
    """One of the tasks.

    Attributes:
        name: Key of ``TASKS``.
        spectrum: ``Spectrum`` of its images.
        frames: Columns of an image.
        labels: Names of the outputs.
        events: Whether each column has outputs of its own, independent of each other; else the
            image has one distribution over the labels.
        kernel: (columns, bands) of the convolutions.
        pools: (columns, bands) over which the maximum is taken after each of them.
        step: Columns from one image to the next when a recording is read.
    """

    name: str
    spectrum: Spectrum
    frames: int
    labels: tuple[str, ...]
    events: bool
    kernel: tuple[int, int]
    pools: tuple[tuple[int, int], ...]
    step: int

    @property
    def seconds(self) -> float:
        """Length of the sound that an image stands for."""
        return self.frames * self.spectrum.hop / self.spectrum.rate

    def target(self, text: str) -> np.ndarray:
        """What the network should say, as the store has it.

        Args:
            text: Number of the label; MIDI number of a pitch; or a digit 0 or 1 for each column
                of the first label, then of the next one, and so on.

        Returns:
            (labels,) or (frames, labels) float32, in [0, 1].
        """
        if self.events:
            digits = np.array([*map(int, text)], np.float32)
            return digits.reshape(len(self.labels), self.frames).T
        if self.name == "pitch":
            distance = np.arange(PITCH_BINS) - (float(text) - LOWEST_PITCH) * 100 / CENTS
            target = np.exp(-0.5 * np.square(distance / _BLUR)).astype(np.float32)
            return target / target.sum()
        return np.eye(len(self.labels), dtype=np.float32)[int(text)]

    def error(self, targets: np.ndarray, outputs: np.ndarray) -> float:
        """How wrong a network is, in [0, 1]; see above.

        Args:
            targets: (images, ...) of ``target``.
            outputs: Of the network, in the same shape.
        """
        if self.events:
            second = self.spectrum.hop / self.spectrum.rate
            return 1 - event_f1(
                (second * np.flatnonzero(target[:, column]), second * peaks(output[:, column]))
                for target, output in zip(targets, outputs, strict=True)
                for column in range(len(self.labels))
            )
        if self.name == "pitch":
            far = np.abs(pitch_of(outputs) - pitch_of(targets)) > WITHIN
            return float(np.mean(far))
        return float(np.mean(targets.argmax(axis=1) != outputs.argmax(axis=1)))


def peaks(curve: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Places of the local maxima of a curve (columns,) that reach a threshold: integers."""
    around = np.pad(curve, 1, constant_values=-np.inf)
    is_peak = (curve >= threshold) & (curve > around[:-2]) & (curve >= around[2:])
    return np.flatnonzero(is_peak)


def pitch_of(outputs: np.ndarray) -> np.ndarray:
    """Pitch that distributions over bins stand for: MIDI numbers (frames,), not rounded.

    The mean around the most probable bin, as in CREPE (Kim et al. 2018).

    Args:
        outputs: (frames, 360).
    """
    bins = outputs.argmax(axis=1)[:, np.newaxis] + np.arange(-_AROUND, _AROUND + 1)
    weights = np.take_along_axis(outputs, np.clip(bins, 0, PITCH_BINS - 1), axis=1)
    weights = np.where((bins >= 0) & (bins < PITCH_BINS), weights, 0)
    mean = (weights * bins).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    return LOWEST_PITCH + mean * CENTS / 100


_MEL = Spectrum(rate=16000, size=1024, hop=512, bands=64, lowest=20.0, octave=0)
_HITS = {"spectrum": _MEL, "frames": 50, "events": True, "kernel": (3, 3), "step": 40}
TASKS = {
    task.name: task
    for task in (
        Task(
            *("instruments", _MEL, 32, INSTRUMENTS, False, (3, 3)),
            *(((2, 2), (2, 2), (2, 2)), 16),
        ),
        Task(
            "pitch",
            Spectrum(rate=16000, size=2048, hop=256, bands=288, lowest=32.7032, octave=36),
            *(1, tuple(f"{CENTS * number} cents" for number in range(PITCH_BINS)), False),
            *((1, 9), ((1, 2), (1, 2), (1, 2)), 1),
        ),
        Task(
            "chords",
            Spectrum(rate=16000, size=4096, hop=2048, bands=132, lowest=55.0, octave=24),
            *(8, CHORDS, False, (3, 5), ((1, 2), (2, 2), (2, 2)), 1),
        ),
        Task("drums", labels=DRUMS, pools=((1, 4), (1, 2), (1, 2)), **_HITS),
        Task("onsets", labels=("onset",), pools=((1, 4), (1, 2), (1, 2)), **_HITS),
    )
}


def find_task(name: object) -> Task:
    """A task by its name; ``UserError`` if there is none of this name."""
    if name not in TASKS:
        raise UserError(f"task {name!r}: give one of {', '.join(TASKS)}")
    return TASKS[name]
