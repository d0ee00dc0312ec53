"""Measure one result against the truth and the source."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.transfer.excerpts import LINE, Excerpt
from common.audio.loudness import loudness
from common.audio.metrics import mfcc_cosine
from common.files.audio import fit_length, safe_peak, write_audio
from common.music.pitch import pitch_track
from common.music.pitch_distances import f0_error, fold, jaccard_distance, pitch_distance
from common.music.transcription import Heard, hear, note_scores
from common.report.judges import mel_levels
from common.report.tables import Term
from data import SAMPLE_RATE
from pix2pix_timbre.evaluation import sound_scores
from pix2pix_timbre.hearing import Panel

_SCORES = {  # our name -> that of ``sound_scores``
    "LSD": "LSD",
    "LSD-4096": "LSD_4096",
    "multi-scale": "multi_resolution",
    "loudness": "loudness",
    "flux": "sound_flux",
    "onsets": "onsets",
}
MEASURES = {
    "F1/truth": Term(
        "mean F1 of the note onsets that Basic Pitch hears within 50 ms, against the MIDI file "
        "(Bay, Ehmann and Downie 2009), over that of the true targets",
        "higher",
    ),
    "DPD": Term(
        "distance from the source of the strongest pitch class of each column, after dynamic time "
        "warping, in semitones (Mancusi et al. 2025)",
        "lower",
    ),
    "DPD circular": Term("the same by the shorter way round the circle of classes", "lower"),
    "JD": Term(
        "1 minus the Jaccard index of the pitch classes that sound in the source and in the "
        "result, column by column (Cifka et al. 2021)",
        "lower",
    ),
    "f0": Term(
        "mean absolute difference from the truth's pitch in semitones, where SwiftF0 is sure of "
        "both (Engel et al. 2020); of single voices",
        "lower",
    ),
    "f0 right": Term(
        "raw pitch accuracy (Poliner et al. 2007): share of the truth's columns with a pitch in "
        "which the result's is within a quarter tone",
        "higher",
    ),
    "LSD": Term("log-spectral distance from the truth in dB (Gray and Markel 1976)", "lower"),
    "LSD-4096": Term("the same with windows of 4096 samples, which resolve partials", "lower"),
    "multi-scale": Term("multi-scale spectral loss of DDSP (Engel et al. 2020)", "lower"),
    "MFCC cosine": Term(
        "cosine of the mean MFCCs 2 to 20 with the truth's: the mean spectral envelope", "higher"
    ),
    "loudness": Term(
        "mean absolute difference of the A-weighted loudness in dB, after both are brought to the "
        "same loudness as a whole",
        "lower",
    ),
    "texture judge": Term(
        "share of parts of 2 s that a classifier takes for the target, by how much the levels of "
        "mel bands move",
        "higher",
    ),
    "cepstra judge": Term("the same by mel cepstral coefficients and their course", "higher"),
    "flux": Term("spectral flux over the truth's: below 1 if smoother", "near 1"),
    "onsets": Term("height of the onset peaks over the truth's: below 1 if softer", "near 1"),
}


def measure(excerpt: Excerpt, result: np.ndarray, panel: Panel) -> dict[str, float]:
    """The measures of a result; those that it cannot have are left out.

    It is brought to the length and the loudness of the truth first.

    Args:
        excerpt: ``Excerpt``.
        result: Audio, (samples,).
        panel: Judges of the excerpt's group.
    """
    truth = excerpt.truth()
    result = alike(result, truth)
    scores = sound_scores(truth, result)
    found = {name: scores[key] for name, key in _SCORES.items() if key in scores}
    found["MFCC cosine"] = mfcc_cosine(truth, result)
    heard = _heard(result)
    found["F1"] = note_scores(excerpt.notes, heard.notes)["F1"]
    classes = fold(_heard_source(excerpt)), fold(heard.posteriors)
    found["DPD"] = pitch_distance(*classes)
    found["DPD circular"] = pitch_distance(*classes, circular=True)
    found["JD"] = jaccard_distance(*classes)
    if excerpt.group == LINE:
        tracks = [pitch_track(audio, SAMPLE_RATE) for audio in (truth, result)]
        if tracks[0] is not None:
            found["f0"], found["f0 right"] = f0_error(*tracks)
    for judge, shares in panel.heard_as(excerpt.rendering, mel_levels(result)).items():
        found[judge.replace("_", " ")] = shares.get(excerpt.target, 0.0)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def alike(result: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """A result with the length and the loudness of the truth; silence stays silent."""
    result = fit_length(np.asarray(result, np.float32), truth.size)
    levels = [loudness(audio, SAMPLE_RATE) for audio in (truth, result)]
    if not np.isfinite(levels).all():
        return result
    return result * np.float32(10 ** ((levels[0] - levels[1]) / 20))


def _heard(audio: np.ndarray) -> Heard:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audio.wav"
        write_audio(path, safe_peak(audio), SAMPLE_RATE)
        return hear(path)


@functools.lru_cache(maxsize=1)
def _heard_source(excerpt):
    return _heard(excerpt.source()).posteriors
