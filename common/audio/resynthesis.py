"""Sound of a converted magnitude, whose phase is found as ``--phase`` says; also in parts.

Every method is an object with a ``hop``, the distance of the columns that it needs, and a method
``push``, which takes the next columns and returns the next audio.
"""

import functools
from collections.abc import Callable

import numpy as np

from common.audio.partials import PartialTracker
from common.audio.phase import ESTIMATORS, ITERATIONS, Codec, estimate_phase, griffin_lim
from data import HOP, forward_transform, inverse_transform

_AHEAD = 32  # columns that are known beyond a column when its phase is estimated
_MIXED = Codec(HOP // 2)
_BLOCK = 256  # columns that are searched at once; their arrays stay in the processor's cache


class Estimated:
    """A phase by an estimator of ``common.audio.phase``, for columns half a window apart.

    Args:
        method: Name in ``ESTIMATORS``.
    """

    hop = HOP

    def __init__(self, method: str) -> None:
        self._method = method
        self._magnitude = self._phase = None
        self._known = 0

    def push(
        self, wanted: np.ndarray, played: np.ndarray, phase: np.ndarray, last: bool = False
    ) -> np.ndarray:
        """Add columns, and return the audio that is ready.

        Args:
            wanted: Magnitude that is to be heard, (channels, BINS, columns).
            played, phase: Magnitude of the recording, and its phase in radians; same shape.
            last: Whether these are the last columns.

        Returns:
            (channels, samples) float32; in total ``hop`` samples for each column but one.
        """
        magnitude, phase = _joined(self._magnitude, wanted), _joined(self._phase, phase)
        columns = magnitude.shape[-1]
        # the phase of the last columns depends on what comes next, so they wait
        done = columns if last else columns - _AHEAD
        self._magnitude, self._phase = magnitude, phase
        if done < 2:
            return np.zeros((len(wanted), 0), np.float32)
        estimated = estimate_phase(self._method, magnitude, phase, self._known)[..., :done]
        # samples between two columns need both, so one column is kept for the next part
        self._magnitude, self._known = magnitude[..., done - 1 :], 1
        self._phase = np.concatenate([estimated[..., -1:], phase[..., done:]], axis=-1)
        return inverse_transform(magnitude[..., :done], estimated)


class Mixed:
    """The phase of the recording where it fits, and of tracked partials elsewhere, then improved.

    ``common.audio.partials.PartialTracker``, then Griffin-Lim, for columns a quarter of a window
    apart. In parts or as a whole, the result is the same but for rounding.

    Args:
        iterations: Number of projections; more keep more of the magnitude and fewer notes.
    """

    hop = _MIXED.hop

    def __init__(self, iterations: int = ITERATIONS) -> None:
        self._iterations = iterations
        # Each iteration reaches three columns further, and so does the audio. With as many columns
        # on both sides, the result is that of the whole signal.
        self._margin = 3 * (iterations + 1)
        self._tracker = PartialTracker(self.hop)
        self._magnitude = self._phasors = None  # of the columns that are still needed
        self._done = 0  # number of those whose audio is out

    def push(
        self, wanted: np.ndarray, played: np.ndarray, phase: np.ndarray, last: bool = False
    ) -> np.ndarray:
        """As ``Estimated.push``."""
        self._phasors = _joined(self._phasors, self._tracker.push(wanted, played, phase))
        self._magnitude = _joined(self._magnitude, wanted)
        audio = [np.zeros((len(wanted), 0), np.float32)]
        while self._magnitude.shape[-1] >= self._done + _BLOCK + self._margin:
            audio.append(self._search(self._done + _BLOCK))
        if last:
            audio.append(self._search(None))
        return np.concatenate(audio, axis=-1)

    def _search(self, end):
        """Audio up to a column, or up to the last one, and forget what nothing else needs."""
        part = slice(None if end is None else end + self._margin)
        magnitude = self._magnitude[..., part]
        start = magnitude * self._phasors[..., part]
        audio = _MIXED.inverse(griffin_lim(magnitude, _MIXED, start, self._iterations))
        audio = audio[..., self._done * self.hop : None if end is None else end * self.hop]
        if end is not None:
            self._magnitude = self._magnitude[..., end - self._margin :]
            self._phasors = self._phasors[..., end - self._margin :]
            self._done = self._margin
        return audio


def _joined(before, after):
    return after if before is None else np.concatenate([before, after], axis=-1)


DEFAULT_PHASE = "mixed"  # the best one in docs/phase.md
METHODS: dict[str, Callable[[], Estimated | Mixed]] = {"mixed": Mixed} | {
    name: functools.partial(Estimated, name) for name in ESTIMATORS
}


def resynthesize(
    target: np.ndarray, recording: np.ndarray, method: Estimated | Mixed
) -> np.ndarray:
    """Sound of the true magnitude of a target, with a phase that is found as for a conversion.

    Args:
        target: Audio (channels, samples) or (samples,) at ``data.SAMPLE_RATE``.
        recording: Audio from whose phase the method starts; same shape.
        method: Made anew, such as ``METHODS[DEFAULT_PHASE]()``.

    Returns:
        Audio of the same shape, float32, without what is above the highest bin.
    """
    target, recording = np.asarray(target), np.asarray(recording)
    wanted, _ = forward_transform(np.atleast_2d(target), with_phase=False, hop=method.hop)
    played, phase = forward_transform(np.atleast_2d(recording), hop=method.hop)
    audio = method.push(wanted, played, phase, last=True)
    return audio[..., : target.shape[-1]].reshape(target.shape)
