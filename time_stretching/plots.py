"""Pictures of spectrograms and codes, and of errors against the rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from common.report.plots import Panel, curves, image_grid, save_figure
from time_stretching.spectrogram import HOP, SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np


def plot_images(
    path: Path, images: dict[str, np.ndarray], *, columns: int, limits: tuple[float, float] = (0, 1)
) -> None:
    """Draw images in rows, time from left to right.

    Args:
        path: PNG file.
        images: Dict from title to (features, columns).
        columns: Number of images per row.
        limits: Values of the darkest and the brightest colour.
    """
    panels = [Panel(image, title, limits) for title, image in images.items()]
    scale = HOP / SAMPLE_RATE, None
    figure = image_grid(panels, size=(4.5, 3), columns=columns, scale=scale, bar="")
    save_figure(figure, path)


def plot_errors(
    path: Path, errors: dict[str, dict[str, list[tuple[float, float]]]], label: str
) -> None:
    """Draw errors against the rate.

    Args:
        path: PNG file.
        errors: Dict from title to a dict from name to list of (rate, error).
        label: Label of the error axis.
    """
    figure, axes = curves(list(errors), "rate", (5.5, 4), label)
    for axis, lines in zip(axes, errors.values(), strict=True):
        for name, points in lines.items():
            axis.plot(*zip(*sorted(points), strict=True), marker=".", label=name)
        axis.set_xscale("log", base=2)
    # next to the axes, which all have the same lines
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    save_figure(figure, path)
