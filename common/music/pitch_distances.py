"""Distances of what is played in two recordings, by their pitch classes and their pitch.

Pitch classes are those of the posteriors of Basic Pitch (``common.music.transcription.hear``): of
chords as well as of melodies. No distance depends on the octave or on the timbre, as far as the
transcriber does not.
"""

import numpy as np

from common.music.pitch import QUARTER_TONE

CLASSES = 12
_LOWEST_CLASS = 9  # of A0, the lowest key of a piano
PRESENT = 0.3  # posterior from which a class sounds, the default threshold of Basic Pitch


def fold(posteriors: np.ndarray) -> np.ndarray:
    """Highest posterior of each pitch class: (columns, 12), from C.

    Args:
        posteriors: (columns, 88) as in ``common.music.transcription.Heard``.
    """
    columns, keys = posteriors.shape
    padded = np.pad(posteriors, ((0, 0), (_LOWEST_CLASS, -(keys + _LOWEST_CLASS) % CLASSES)))
    return padded.reshape(columns, -1, CLASSES).max(axis=1)


def pitch_distance(reference: np.ndarray, estimate: np.ndarray, *, circular: bool = False) -> float:
    """Distance of the strongest pitch classes after dynamic time warping (DPD).

    The strongest class of each column makes a sequence of numbers from 0 to 11. The cost of two
    columns is the difference of their numbers; dynamic time warping (Sakoe and Chiba 1978, steps of
    one column in one or both sequences) finds the path of least cost, which is divided by the
    number of its columns. The melodic measure of Mancusi et al. 2025 (Latent Diffusion Bridges for
    Unsupervised Musical Audio Timbre Transfer).

    Args:
        reference, estimate: (columns, 12) as ``fold`` returns them; lengths may differ.
        circular: Go from class to class by the shorter way round, so that B is one step from C. (By
            the plain difference, it is eleven.)

    Returns:
        Semitones: 0 for the same sequence, at most 11, or 6 if circular.
    """
    import librosa

    one, other = (found.argmax(axis=1) for found in (reference, estimate))
    costs = np.abs(np.subtract.outer(one, other)).astype(np.float64)
    if circular:
        costs = np.minimum(costs, CLASSES - costs)
    sums, path = librosa.sequence.dtw(C=costs)
    return float(sums[-1, -1] / len(path))


def jaccard_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """1 minus the Jaccard index of the sets of pitch classes that sound (JD).

    As Cifka et al. 2021 (Self-Supervised VQ-VAE for One-Shot Music Style Transfer) compare sets of
    pitches: column by column, and averaged over the columns in which any class sounds.

    Args:
        reference, estimate: (columns, 12) as ``fold`` returns them; what one has more counts not.

    Returns:
        0 to 1: 0 for the same classes at the same times, or if nothing sounds in both.
    """
    length = min(len(reference), len(estimate))
    one, other = (found[:length] >= PRESENT for found in (reference, estimate))
    either = (one | other).sum(axis=1)
    both = (one & other).sum(axis=1)
    sounds = either > 0
    return float(1 - (both[sounds] / either[sounds]).mean()) if sounds.any() else 0.0


def f0_error(reference: np.ndarray, estimate: np.ndarray) -> tuple[float, float]:
    """Error of the fundamental frequency (Engel et al. 2020, section 4.2).

    Args:
        reference, estimate: (columns,) as ``common.music.pitch.pitch_track`` returns them.

    Returns:
        ``(error, right)``: mean absolute difference in semitones where both have a pitch, NaN if
        they never have; raw pitch accuracy (Poliner et al. 2007): share of the columns with a pitch
        in the reference in which that of the estimate is within a quarter tone, NaN if the
        reference has none.
    """
    length = min(len(reference), len(estimate))
    one, other = np.asarray(reference)[:length], np.asarray(estimate)[:length]
    pitched = np.isfinite(one)
    both = pitched & np.isfinite(other)
    apart = np.abs(one - other)[both]
    error = float(apart.mean()) if both.any() else float("nan")
    right = float((apart <= QUARTER_TONE).sum() / pitched.sum()) if pitched.any() else float("nan")
    return error, right
