"""Pictures and pages of transfers."""

import io

import numpy as np

from common.files.audio import resample
from common.files.text import write_rows
from common.report.page import Clip, Section, mp3, write_page
from common.report.plots import new_figure, save_figure
from data import load_audio
from random_cnn_style import metrics
from random_cnn_style.spectrogram import HOP, SAMPLE_RATE, log_magnitude

_RANGE_DB = 80
_KILOHERTZ = SAMPLE_RATE / 2000


def _mono(audio):
    return np.atleast_2d(audio).mean(axis=0)


def _draw(axis, audio, title):
    magnitude, _ = log_magnitude(_mono(audio))
    decibels = 20 * np.log10(np.maximum(np.expm1(magnitude), 1e-5))
    top = decibels.max()
    extent = (0, len(decibels) * HOP / SAMPLE_RATE, 0, _KILOHERTZ)
    axis.imshow(
        decibels.T,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="magma",
        vmin=top - _RANGE_DB,
        vmax=top,
    )
    axis.set_title(title)
    axis.set_xlabel("time (s)")


def plot_spectrograms(path, sounds):
    """Draw spectrograms side by side.

    Args:
        path: PNG file.
        sounds: Dict from title to audio at SAMPLE_RATE.
    """
    figure, axes = new_figure(1, len(sounds), (4.2 * len(sounds), 4))
    for axis, (title, audio) in zip(axes[0], sounds.items(), strict=True):
        _draw(axis, audio, title)
    axes[0][0].set_ylabel("frequency (kHz)")
    save_figure(figure, path)


def plot_losses(path, history):
    """Draw both losses by iteration, a line for each segment of each channel.

    Args:
        path: PNG file.
        history: Rows of ``Transfer.history``.
    """
    figure, axes = new_figure(1, 2, (10, 4))
    searches = dict.fromkeys((row["channel"], row["segment"]) for row in history)
    for axis, name in zip(axes[0], ("content", "style"), strict=True):
        for search in searches:
            rows = [row for row in history if (row["channel"], row["segment"]) == search]
            axis.plot([row["iteration"] for row in rows], [row[name] for row in rows])
        axis.set_title(f"{name} loss")
        axis.set_xlabel("iteration")
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
    save_figure(figure, path)


def plot_sweep(path, rows):
    """Draw what a sweep trades: distance of pitches from the content, of timbre from the style.

    Args:
        path: PNG file.
        rows: Dicts with alpha, ``pitch_sets`` and ``cepstral``.
    """
    figure, axes = new_figure(1, 1, (5.5, 4.5))
    axis = axes[0][0]
    axis.plot([row["pitch_sets"] for row in rows], [row["cepstral"] for row in rows], "o-")
    for row in rows:
        axis.annotate(f" {row['alpha']:.3g}", (row["pitch_sets"], row["cepstral"]))
    axis.set_xlabel("pitch set distance from the content")
    axis.set_ylabel("cepstral distance from the style")
    axis.set_title("alpha")
    axis.grid(alpha=0.3)
    save_figure(figure, path)


def write_report(folder, transfer, sounds):
    """Write spectrograms.png, losses.png and history.csv of a transfer.

    Args:
        folder: To write to.
        transfer: ``Transfer`` that has made something.
        sounds: As of ``plot_spectrograms``.
    """
    write_rows(folder / "history.csv", transfer.history)
    plot_losses(folder / "losses.png", transfer.history)
    plot_spectrograms(folder / "spectrograms.png", sounds)


def trade(alpha, content, style, result):
    """Row of a sweep: the distances of a result, all audio at SAMPLE_RATE."""
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


def write_sweep_page(folder, content, style, results):
    """Write sweep.png, sweep.csv and sweep.html, on which all can be heard.

    Args:
        folder: To write to.
        content, style: Audio at SAMPLE_RATE.
        results: Dict from alpha to audio.
    """
    rows = [trade(alpha, content, style, result) for alpha, result in results.items()]
    write_rows(folder / "sweep.csv", rows)
    plot_sweep(folder / "sweep.png", rows)
    sounds = {"content": content, "style": style}
    sounds |= {f"alpha {alpha:.3g}": result for alpha, result in results.items()}
    clips = [
        Clip(title, _picture(audio), mp3(_mono(audio), SAMPLE_RATE))
        for title, audio in sounds.items()
    ]
    write_page(
        folder / "sweep.html",
        "Content against style",
        [Section("All of them", [], clips)],
        explanation="pitch_sets: distance of the pitches from the content's, 0 to 1\n"
        "cepstral: distance of the timbre from the style's, 0 to 2",
        settings={},
        tables={"Distances": rows},
    )


def _picture(audio):
    figure, axes = new_figure(1, 1, (4.6, 3.2))
    _draw(axes[0][0], audio, "")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=80, metadata={"Software": None})
    return content.getvalue()


def style_sound(paths):
    """The recordings among styles, one after another, at SAMPLE_RATE; None where there are none."""
    sounds = [
        load_audio(path, sample_rate=SAMPLE_RATE)[0] for path in paths if path.suffix != ".h5"
    ]
    return np.concatenate(sounds) if sounds else None
