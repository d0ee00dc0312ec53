"""Transcribe recordings into notes, and score them against the true notes."""

import functools
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.quiet import silent_stderr
from common.music.events import TOLERANCE
from common.music.midi import Note
from common.music.pitch import frequency

PACKAGES = ("basic_pitch", "onnxruntime", "mir_eval")
INSTALL = "make notes"


def require_transcriber() -> None:
    """Raise ``UserError`` if a package of the transcriber is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f"--midi_path: {', '.join(missing)} not installed; run `{INSTALL}`")


@functools.lru_cache
def _model():
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it warns about every runtime that is not installed
    try:
        with silent_stderr():  # TensorFlow prints messages when loaded
            from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
            from basic_pitch.inference import Model

            return Model(build_icassp_2022_model_path(FilenameSuffix.onnx))
    finally:
        logging.root.setLevel(level)


class Heard(NamedTuple):
    """What Basic Pitch hears in a recording.

    Attributes:
        notes: List of ``common.music.midi.Note``, sorted.
        posteriors: (columns, 88) float32 in [0, 1], for each key of a piano from A0; 86 columns a
            second.
    """

    notes: list[Note]
    posteriors: np.ndarray


def hear(path: Path) -> Heard:
    """Let Basic Pitch (Bittner et al. 2022) hear a recording, with its default thresholds.

    Args:
        path: Audio file.
    """
    import contextlib
    import io

    model = _model()
    from basic_pitch.inference import predict

    with contextlib.redirect_stdout(io.StringIO()):  # it prints the name of every file
        output, _, events = predict(path, model)
    notes = sorted(
        Note(int(pitch), max(round(127 * float(amplitude)), 1), float(start), float(end))
        for start, end, pitch, amplitude, _ in events
    )
    return Heard(notes, output["note"])


def transcribe(path: Path) -> list[Note]:
    """The notes that ``hear`` finds in an audio file: list of ``common.music.midi.Note``."""
    return hear(path).notes


def note_scores(reference: Sequence[Note], estimated: Sequence[Note]) -> dict[str, float]:
    """Precision, recall and F1 of transcribed notes (Bay, Ehmann and Downie 2009).

    A note counts as found if its onset is within 50 ms and its pitch is the same. Each note is
    matched at most once, in the way that matches most notes. Ends are ignored.

    Args:
        reference, estimated: ``common.music.midi.Note`` objects.

    Returns:
        Dict: ``precision``, ``recall``, ``F1``, in [0, 1]; all 0 when nothing was found.
    """
    from mir_eval.transcription import precision_recall_f1_overlap

    if not reference or not estimated:
        return {"precision": 0.0, "recall": 0.0, "F1": 0.0}
    arrays = []
    for notes in (reference, estimated):
        arrays.append(np.array([(note.start, note.end) for note in notes]))
        arrays.append(frequency(np.array([note.pitch for note in notes])))
    precision, recall, f1, _ = precision_recall_f1_overlap(
        *arrays, onset_tolerance=TOLERANCE, offset_ratio=None
    )
    return {"precision": float(precision), "recall": float(recall), "F1": float(f1)}
