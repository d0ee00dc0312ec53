"""Pictures of conversions, of code books, and of curves of descriptors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.latent import plane_points
from common.report.plots import new_figure, save_figure
from vq_timbre.descriptors import frame_seconds
from vq_timbre.frames import HOP, analyse, padded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vq_timbre.descriptors import Table
    from vq_timbre.trained import TrainedTimbre

_RANGE_DB = 70
_HIGHEST = 8.0  # kHz


def draw_spectrogram(axis: Axes, audio: np.ndarray, sample_rate: int, title: str = "") -> None:
    """Draw the spectrogram of an audio (samples,), 70 dB below its loudest value, on an axes."""
    frames = analyse(padded(audio))
    power = (frames.power * np.square(frames.gains)[:, np.newaxis]).T
    decibels = 10 * np.log10(power / max(power.max(), 1e-20) + 10 ** (-_RANGE_DB / 10))
    seconds = audio.size / sample_rate
    middle = HOP / sample_rate
    extent = (-middle * 1.5, seconds + middle * 1.5, 0, sample_rate / 2000)
    axis.imshow(decibels, origin="lower", aspect="auto", extent=extent, cmap="magma")
    axis.set(title=title, ylabel="kHz", xlim=(0, seconds), ylim=(0, min(_HIGHEST, extent[3])))


def plot_conversion(
    path: Path, sounds: dict[str, np.ndarray], codes: np.ndarray, trained: TrainedTimbre
) -> None:
    """Draw the spectrograms of sounds above each other, and the codes below them.

    Args:
        path: PNG file.
        sounds: Dict from title to audio (samples,).
        codes: (frames,) of the first sound.
        trained: ``vq_timbre.trained.TrainedTimbre``.
    """
    figure, axes = new_figure(len(sounds) + 1, 1, (9, 2.3 * (len(sounds) + 1)))
    for axis, (title, audio) in zip(axes[:, 0], sounds.items(), strict=False):
        draw_spectrogram(axis, audio, trained.sample_rate, title)
    seconds = frame_seconds(len(codes), trained.sample_rate)
    axes[-1, 0].plot(seconds, codes, ".", ms=2)
    axes[-1, 0].set(
        title="code of each frame",
        xlabel="time (s)",
        ylabel="code",
        xlim=axes[0, 0].get_xlim(),
        ylim=(-1, len(trained.code_vectors)),
    )
    save_figure(figure, path)


def codebook_figure(trained: TrainedTimbre, table: Table) -> Figure:
    """The code book on its first two principal axes, coloured by each descriptor.

    Args:
        trained: ``vq_timbre.trained.TrainedTimbre``.
        table: ``vq_timbre.descriptors.Table``.
    """
    points, names = plane_points(trained.code_vectors)
    figure, axes = new_figure(1, len(table.mean), (4 * len(table.mean), 3.6))
    for axis, (name, values) in zip(axes[0], table.mean.items(), strict=True):
        known = np.isfinite(values)
        limits = np.percentile(values[known], [2, 98]) if known.any() else (0, 1)
        axis.scatter(*points[~known].T, c="lightgrey", s=6)
        drawn = axis.scatter(*points[known].T, c=values[known], s=8, vmin=limits[0], vmax=limits[1])
        figure.colorbar(drawn, ax=axis)
        axis.set(title=name, xlabel=names[0], ylabel=names[1])
    return figure


def plot_codebook(path: Path, trained: TrainedTimbre, table: Table) -> None:
    """Write ``codebook_figure`` as a PNG file."""
    save_figure(codebook_figure(trained, table), path)


def plot_curve(
    path: Path, audio: np.ndarray, sample_rate: int, name: str, curves: dict[str, np.ndarray]
) -> None:
    """Draw curves of a descriptor above the spectrogram of the sound.

    Args:
        path: PNG file.
        audio: (samples,).
        sample_rate: Hz.
        name: Descriptor.
        curves: Dict from label to (frames,).
    """
    figure, axes = new_figure(2, 1, (9, 5))
    seconds = frame_seconds(len(next(iter(curves.values()))), sample_rate)
    for label, values in curves.items():
        axes[0, 0].plot(seconds, values, label=label)
    axes[0, 0].set(ylabel=name, xlim=(0, audio.size / sample_rate))
    axes[0, 0].grid(alpha=0.3)
    axes[0, 0].legend()
    draw_spectrogram(axes[1, 0], audio, sample_rate)
    axes[1, 0].set_xlabel("time (s)")
    save_figure(figure, path)
