"""Pictures and listening pages of style transfers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.files.audio import resample
from common.files.text import write_rows
from common.report.page import Clip, Section, mp3, write_page
from common.report.plots import Panel, curves, image_grid, pixels_webp, save_figure
from common.report.tables import Term
from data import load_audio
from random_cnn_style import metrics
from random_cnn_style.spectrogram import HOP, SAMPLE_RATE, log_magnitude

if TYPE_CHECKING:
    from random_cnn_style.transfer import Transfer


_RANGE_DB = 80
_TERMS = {
    "pitch_sets": Term("distance of the pitches from the content's, 0 to 1", "lower"),
    "cepstral": Term("distance of the timbre from the style's, 0 to 2", "lower"),
}
_LINE = {"pitch_sets": "pitches", "cepstral": "timbre"}


def _mono(audio):
    return np.atleast_2d(audio).mean(axis=0)


def _decibels(audio):
    """Spectrogram of audio (samples,) in dB relative to its maximum: (bins, columns)."""
    magnitude, _ = log_magnitude(audio)
    decibels = 20 * np.log10(np.maximum(np.expm1(magnitude), 1e-5))
    return decibels - decibels.max()


def _draw(sounds, size):
    panels = [
        Panel(_decibels(_mono(audio)), title, (-_RANGE_DB, 0)) for title, audio in sounds.items()
    ]
    kilohertz = SAMPLE_RATE / 2000 / len(panels[0].image)
    return image_grid(panels, size=size, scale=(HOP / SAMPLE_RATE, kilohertz))


def plot_losses(path: Path, history: list[dict[str, float]]) -> None:
    """Draw both losses against the iteration, with a line for each segment of each channel.

    Args:
        path: PNG file.
        history: ``Transfer.history``.
    """
    names = ("content", "style")
    figure, axes = curves([f"{name} loss" for name in names], "iteration")
    searches = dict.fromkeys((row["channel"], row["segment"]) for row in history)
    for axis, name in zip(axes, names, strict=True):
        for search in searches:
            rows = [row for row in history if (row["channel"], row["segment"]) == search]
            axis.plot([row["iteration"] for row in rows], [row[name] for row in rows])
        axis.set_yscale("log")
    save_figure(figure, path)


def plot_sweep(path: Path, rows: list[dict[str, float]]) -> None:
    """Draw the trade-off of a sweep between the pitches of the content and the timbre of the style.

    Args:
        path: PNG file.
        rows: List of dicts with ``alpha``, ``pitch_sets`` and ``cepstral``.
    """
    label = "pitch set distance from the content"
    figure, (axis,) = curves(["alpha"], label, (5.5, 4.5), "cepstral distance from the style")
    axis.plot([row["pitch_sets"] for row in rows], [row["cepstral"] for row in rows], "o-")
    for row in rows:
        axis.annotate(f" {row['alpha']:.3g}", (row["pitch_sets"], row["cepstral"]))
    save_figure(figure, path)


def write_report(folder: Path, transfer: Transfer, sounds: dict[str, np.ndarray]) -> None:
    """Write spectrograms.png, losses.png and history.csv of a transfer.

    Args:
        folder: Output folder.
        transfer: ``Transfer`` after a search.
        sounds: Dict from title to audio at SAMPLE_RATE.
    """
    write_rows(folder / "history.csv", transfer.history)
    plot_losses(folder / "losses.png", transfer.history)
    save_figure(_draw(sounds, (4.2, 4)), folder / "spectrograms.png")


def trade(
    alpha: float, content: np.ndarray, style: np.ndarray, result: np.ndarray
) -> dict[str, float]:
    """Compute the row of a sweep for one result; all audio is at SAMPLE_RATE."""
    sounds = [
        resample(_mono(audio), SAMPLE_RATE, metrics.SAMPLE_RATE)
        for audio in (content, style, result)
    ]
    content, style, result = sounds
    return {
        "alpha": alpha,
        "pitch_sets": metrics.pitch_set_distance(content, result),
        "cepstral": metrics.cepstral_distance(style, result),
    }


def write_sweep_page(
    folder: Path, content: np.ndarray, style: np.ndarray, results: dict[float, np.ndarray]
) -> None:
    """Write sweep.png, sweep.csv, and the listening page sweep.html.

    Args:
        folder: Output folder.
        content, style: Audio at SAMPLE_RATE.
        results: Dict from alpha to audio.
    """
    rows = [trade(alpha, content, style, result) for alpha, result in results.items()]
    write_rows(folder / "sweep.csv", rows)
    plot_sweep(folder / "sweep.png", rows)
    scores = {
        alpha: " · ".join(f"{word} {row[name]:.2f}" for name, word in _LINE.items())
        for alpha, row in zip(results, rows, strict=True)
    }
    clips = [_clip("content", content), _clip("style", style)]
    clips += [
        _clip(f"made with alpha {alpha:.3g}", audio, scores[alpha])
        for alpha, audio in results.items()
    ]
    write_page(
        folder / "sweep.html",
        "Content against style",
        [Section("From the style to the content", clips, SAMPLE_RATE / 2000)],
        lead="A small alpha takes the timbre of the style, a large one keeps the notes of the "
        "content. The scores are distances of the pitches from the content, and of the timbre from "
        "the style; lower is better.",
        tables={"Distances": rows},
        terms=_TERMS,
    )


def _clip(label, audio, score=""):
    audio = _mono(audio)
    picture = pixels_webp(1 + _decibels(audio) / _RANGE_DB)
    return Clip(label, picture, mp3(audio, SAMPLE_RATE), score)


def style_sound(paths: Sequence[Path]) -> np.ndarray | None:
    """Join the recordings among style files, at SAMPLE_RATE; None if all are saved styles."""
    sounds = [
        load_audio(path, sample_rate=SAMPLE_RATE)[0] for path in paths if path.suffix != ".h5"
    ]
    return np.concatenate(sounds) if sounds else None
