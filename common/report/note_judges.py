"""Judges of generated notes that know nothing of the model: classifiers, and pitch trackers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from common.report.judges import Judge

_RANGE_DB = 30  # range below the loudest part of a note in which its pitch is measured
_SEEN_DB = 40  # range below the loudest value that the classifier uses
_WINDOW = 2048  # samples of the pitch tracker
_POOLED = (32, 4)  # rows and columns over which it averages
# what the judge of envelopes sees: dB below the loudest value, bands, parts of a note, coefficients
_LEVELS_DB, _BANDS, _QUARTERS, _CEPSTRA = 70, 48, 4, 16
_FOLDS = 5  # parts of the notes


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


def envelopes(images: np.ndarray, decibels: float) -> np.ndarray:
    """Features (notes, 64) by which a judge knows notes.

    The spectral envelope and its course: the first cepstral coefficients of the power in some bands
    and quarters of the note. Finer movements, by which true notes differ from those of any
    auto-encoder, are not seen.

    Args:
        images: (notes, bins, frames) in [0, 1].
        decibels: Range of their values in dB.
    """
    from scipy.fft import dct

    level = decibels * (images - images.max(axis=(1, 2), keepdims=True))
    power, counts = 10 ** (level / 10), 1
    for axis, parts in ((1, _BANDS), (2, _QUARTERS)):
        edges = np.linspace(0, images.shape[axis], parts, endpoint=False).astype(int)
        power = np.add.reduceat(power, edges, axis=axis)
        counts = np.diff([*edges, images.shape[axis]]).reshape(-1, *(2 - axis) * [1]) * counts
    levels = np.maximum(10 * np.log10(power / counts), -_LEVELS_DB)
    return dct(levels, axis=1, norm="ortho")[:, 1 : _CEPSTRA + 1].reshape(len(images), -1)


def judge_of(seen: np.ndarray, names: Sequence[str]) -> Judge:
    """``common.report.judges.Judge`` of features (notes, any) of true notes of names."""
    from common.report.judges import Judge

    names = np.asarray(names)
    return Judge({name: seen[names == name] for name in sorted(set(names))})


def right_of_others(
    seen: np.ndarray, names: Sequence[str], notes: Sequence[str], heard: np.ndarray
) -> np.ndarray:
    """Whether judges that learned from other notes are right about true notes: (notes,) of bool.

    Args:
        seen: Features (notes, any) that judges learn from.
        names: Instrument or style of each.
        notes: Name of each note; those of one name are never on both sides.
        heard: Features (notes, any) that they judge.
    """
    from sklearn.model_selection import GroupKFold

    names, right = np.asarray(names), np.zeros(len(names), bool)
    folds = min(_FOLDS, len(set(notes)))
    for learned, judged in GroupKFold(folds).split(seen, groups=notes):
        found = judge_of(seen[learned], names[learned]).names(heard[judged])
        right[judged] = found == names[judged]
    return right


def read_from(
    latents: np.ndarray, labels: Sequence, others: np.ndarray, truth: Sequence, seed: int
) -> float:
    """Share of the truth that a fresh classifier reads from latent vectors, mean over the classes.

    Args:
        latents, labels: Those that it learns from, (any, dims) and (any,).
        others, truth: Those that it is tried on.
        seed: Integer.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        200, min_samples_leaf=3, class_weight="balanced_subsample", random_state=seed
    )
    found = forest.fit(latents, labels).predict(others)
    truth = np.asarray(truth)
    return float(np.mean([np.mean(found[truth == one] == one) for one in set(truth.tolist())]))


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


def heard_right(
    audios: Sequence[np.ndarray], sample_rate: int, pitches: Sequence[int] | np.ndarray
) -> dict[str, float]:
    """Shares of notes whose pitch class and whose octave are heard right.

    ``common.music.pitch.measure_pitch`` listens, which is told nothing of the notes.

    Args:
        audios: One or more (samples,) float32.
        sample_rate: Hz.
        pitches: MIDI number of each.

    Returns:
        Dict with ``pitch_class`` and ``octave``, as of ``right``.
    """
    from common.music.pitch import measure_pitch

    heard = [measure_pitch(audio, sample_rate) for audio in audios]
    return right(np.array([one.pitch if one else np.nan for one in heard]), np.asarray(pitches))


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
