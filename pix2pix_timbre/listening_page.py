"""The page of an evaluation: pieces to listen to, converted by each model, and their scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.voices import Voices
from common.music.titles import conversion_title, instrument_title, piece_title
from common.report.page import Clip, Section, mp3, write_page
from common.report.plots import pixels_webp
from common.report.tables import Term
from data import BINS, FFT_SIZE, HOP, SAMPLE_RATE, amplitude_to_db, forward_transform, load_audio
from pix2pix_timbre.scores import (
    CEILING,
    IDENTITY,
    MEASURES,
    RELATIVE_TO,
    TARGET,
    as_rows,
    control_of,
    score_line,
)
from pix2pix_timbre.windows import convert_image

if TYPE_CHECKING:
    from pix2pix_timbre.evaluation import Measured
    from pix2pix_timbre.pairs import Source

_PHASE_ONLY = "best possible with this phase"
_CONTROL = "noise control"


def labels_of(
    models: Sequence[str], origin: str | None = None, target: str | None = None
) -> dict[str, str]:
    """Labels of the systems on the page: dict from name to label.

    Args:
        models: Names of the models.
        origin, target: Instruments; None where there are several.
    """
    labels = {IDENTITY: instrument_title(origin) if origin else "the input as it is"}
    for name in models:
        labels[name] = "made by the network" + (f" {name}" if len(models) > 1 else "")
        labels[control_of(name)] = f"{_CONTROL} of {name}"
    labels[TARGET] = f"true {instrument_title(target)}" if target else "the true target"
    return labels | {CEILING: _PHASE_ONLY}


def clip(
    label: str, audio_path: Path | None, image: np.ndarray | None, seconds: float, score: str
) -> Clip:
    """Make a clip of the page: the beginning of a system's picture and sound.

    Args:
        label: What is heard.
        audio_path: Audio file, or None.
        image: (BINS, columns) in [0, 1], used if there is no audio.
        seconds: Length of the clip.
        score: Line of scores.
    """
    columns = round(seconds * SAMPLE_RATE / HOP)
    if audio_path is None:
        return Clip(label, pixels_webp(image[:, :columns]), None, score)
    audio = load_audio(audio_path)[0][: columns * HOP]
    fade = min(HOP, audio.size)
    audio[audio.size - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    magnitude, _ = forward_transform(audio, with_phase=False)
    picture = pixels_webp(amplitude_to_db(magnitude))
    return Clip(label, picture, mp3(audio, SAMPLE_RATE), score)


def clips(
    pair: tuple[Source, Source],
    piece: Measured,
    predictors: dict[str, Callable],
    labels: dict[str, str],
    *,
    voices: dict[str, Voices],
    seconds: float,
) -> list[Clip]:
    """Make clips of all systems of a piece: list of ``common.report.page.Clip``."""
    if piece.audios:
        systems = {name: (path, None) for name, path in piece.audios.items()}
        systems[CEILING] = systems.pop(CEILING)  # the last one: first what it sets a limit to
    else:
        columns = round(seconds * SAMPLE_RATE / HOP)
        origin, target = (np.asarray(source.read(0, columns), np.float32) for source in pair)
        systems = {IDENTITY: (None, origin)}
        for name, predict in predictors.items():
            systems[name] = None, convert_image(predict, origin, voices=voices[name])
        systems[TARGET] = None, target
    return [
        clip(labels[name], *shown, seconds, score_line(piece.scores.get(name, {})))
        for name, shown in systems.items()
    ]


def write_listening_page(
    path: Path,
    models: Sequence[str],
    pairs: dict[str, tuple[Source, Source]],
    pieces: dict[str, Measured],
    *,
    predictors_of: Callable[[tuple[Source, Source]], dict[str, Callable]],
    voices: dict[str, Voices],
    tables: dict[str, list[dict[str, Any]]],
    total: Measured,
    seconds: float,
    settings: dict[str, Any],
    unseen: bool,
) -> None:
    """Write the page.

    Args:
        path: HTML file.
        models: Names of the models.
        pairs: Dict from the name of a piece to a pair of ``pix2pix_timbre.pairs.Source``.
        pieces: Dict from the name of a piece to ``pix2pix_timbre.evaluation.Measured``.
        predictors_of: Function from a pair to a dict from model to function of frames.
        voices: Dict from model to the voices that are added to what it predicts.
        tables: Dict from caption to rows about all pieces together, with the names of systems and
            instruments.
        total: ``Measured`` of all pieces together, the last rows of the table of every piece.
        seconds: Length of the clips.
        settings: Dict of what the page was made with.
        unseen: Whether no model was trained on the pieces.
    """
    sides = [
        list(dict.fromkeys(pair[side].store.instrument for pair in pairs.values()))
        for side in (0, 1)
    ]
    several = max(map(len, sides)) > 1
    sections, every = [], []
    for name, pair in pairs.items():
        title = piece_title(pair[0].rendering)
        origin, target = (source.store.instrument for source in pair)
        labels = labels_of(models, origin, target)
        if several:
            title += f", {conversion_title([origin], [target])}"
        predictors = predictors_of(pair)
        found = clips(pair, pieces[name], predictors, labels, voices=voices, seconds=seconds)
        sections.append(Section(title, found, BINS * SAMPLE_RATE / FFT_SIZE / 1000))
        every += as_rows(title, pieces[name].scores)
    labels = labels_of(models, *([None, None] if several else [side[0] for side in sides]))
    tables = tables | {"Every piece": every + as_rows("overall", total.scores)}
    title = conversion_title(*sides)
    played = "that no network was trained on" if unseen else "of the data set"
    write_page(
        path,
        title[0].upper() + title[1:],
        sections,
        lead=f"The beginning of pieces {played}: as they were played, converted by the network, "
        "and played by the true instrument. Beside them: distances from the true sound (L1, LSD: "
        "lower is better), how well its notes are heard (F1: higher is better), and how often a "
        "classifier takes it for the target.",
        settings=settings,
        tables={caption: _titled(rows, labels) for caption, rows in tables.items()},
        terms=glossary(),
    )


def _titled(rows, labels):
    """Rows of a table with labels of systems and titles of instruments in place of names."""

    def title(column, value):
        if column == "system":
            return labels.get(value, value)
        return instrument_title(value) if column == "style" else value

    return [
        {
            name if re.split("[/ ]", name)[0] in MEASURES else instrument_title(name): title(
                name, value
            )
            for name, value in row.items()
        }
        for row in rows
    ]


def glossary() -> dict[str, Term]:
    """Explanations of columns and systems on the page: dict from name to ``Term``."""
    ratios = {IDENTITY: "unchanged input", TARGET: "true target"}
    terms = {
        f"…/{base}": Term(f"relative to the score of the {ratios[base]}")
        for base in dict.fromkeys(RELATIVE_TO.values())
    }
    terms[_PHASE_ONLY] = Term("the true magnitude, played with the estimated phase")
    terms[_CONTROL] = Term(
        "a smoother model plus noise, which is proportional to the local level of its image and as "
        "strong as needed for the same flux"
    )
    return MEASURES | terms
