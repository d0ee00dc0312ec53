"""Judges of generated notes that know nothing of the model: a classifier, and a pitch tracker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_RANGE_DB = 30  # range below the loudest part of a note in which its pitch is measured
_SEEN_DB = 40  # range below the loudest value that the classifier uses
_WINDOW = 2048  # samples of the pitch tracker
_POOLED = (32, 4)  # rows and columns over which it averages


class Classifier:
    """Classifier of instruments by the loudness of bands over time.

    It is a linear discriminant analysis with the covariance of Ledoit and Wolf 2004. Its features
    are means over 32 rows by 4 columns, limited to 40 dB below the loudest value. So it does not
    see the fine details by which real notes differ from those of any auto-encoder.

    Args:
        images: Images of real notes, (images, bins, columns).
        names: Instrument of each.
        decibels: Range of the values of an image in dB.
    """

    def __init__(self, images: np.ndarray, names: Sequence[str], decibels: float) -> None:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        self._range = _SEEN_DB / decibels
        self._analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        self._analysis.fit(self._seen(images), names)

    def _seen(self, images):
        loudest = images.max(axis=(1, 2), keepdims=True)
        seen = np.maximum((images - loudest) / self._range + 1, 0)
        count, bins, frames = seen.shape
        rows, columns = bins // _POOLED[0], frames // _POOLED[1]
        parts = seen[:, : rows * _POOLED[0], : columns * _POOLED[1]]
        parts = parts.reshape(count, rows, _POOLED[0], columns, _POOLED[1])
        return parts.mean(axis=(2, 4)).reshape(count, -1)

    def accuracy(self, images: np.ndarray, names: Sequence[str]) -> float:
        """Share of images that are classified correctly."""
        return float(np.mean(self._analysis.predict(self._seen(images)) == np.asarray(names)))


def heard_pitch(audio: np.ndarray, sample_rate: int, lowest: float) -> float:
    """Median pitch that probabilistic YIN hears in the loud part of a note.

    Args:
        audio: (samples,) float32.
        sample_rate: Hz.
        lowest: MIDI number of the lowest pitch that is searched for.

    Returns:
        MIDI number, not rounded; NaN where no pitch is heard.
    """
    import librosa

    found, _ = _pitches(audio, sample_rate, lowest)
    loudness = librosa.feature.rms(y=audio, frame_length=_WINDOW, hop_length=_WINDOW // 4)[0]
    decibels = 20 * np.log10(np.maximum(loudness, 1e-10))
    found = found[: decibels.size][decibels[: found.size] > decibels.max() - _RANGE_DB]
    found = found[np.isfinite(found)]
    return float(librosa.hz_to_midi(np.median(found))) if found.size else float("nan")


def right(heard: np.ndarray, pitches: np.ndarray) -> dict[str, float]:
    """Shares of heard pitches whose class and whose octave are right.

    Args:
        heard: MIDI numbers, not rounded, NaN where none was heard.
        pitches: Requested pitches.
    """
    near = np.nan_to_num(np.rint(heard), nan=-1)
    return {
        "pitch_class": float(np.mean((near % 12 == pitches % 12) & (near >= 0))),
        # nearer to the pitch than half an octave
        "octave": float(np.mean(np.abs(np.nan_to_num(heard, nan=-99) - pitches) < 6)),
    }


def voiced_share(audio: np.ndarray, sample_rate: int, lowest: float) -> float:
    """Share of a sound with a pitch, by probabilistic YIN; arguments as in ``heard_pitch``."""
    return float(_pitches(audio, sample_rate, lowest)[1].mean())


def _pitches(audio, sample_rate, lowest):
    """Frequencies and whether a pitch is heard, every quarter of a window."""
    import librosa

    found, voiced, _ = librosa.pyin(
        audio,
        fmin=librosa.midi_to_hz(lowest),
        fmax=sample_rate * 0.27,
        sr=sample_rate,
        frame_length=_WINDOW,
    )
    return found, voiced
