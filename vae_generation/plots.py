"""Pictures of latent vectors and of reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.latent import plane_points
from common.music.titles import instrument_title
from common.report.plots import Panel, image_grid, image_rows, new_figure, save_figure

if TYPE_CHECKING:
    from vae_generation.latents import Latents


def plot_reconstructions(
    path: Path, names: Sequence[str], images: np.ndarray, reconstructed: np.ndarray
) -> None:
    """Draw images above their reconstructions.

    Args:
        path: PNG file.
        names: Titles.
        images, reconstructed: (names, bins, columns, 1) in [0, 1].
    """
    rows = [("input", images[..., 0], names), ("output", reconstructed[..., 0], ())]
    save_figure(image_rows(rows, size=(2.6, 2.5)), path)


def plot_latents(path: Path, latents: Latents) -> None:
    """Draw the positions of images in the latent space, coloured by instrument and by pitch.

    Args:
        path: PNG file.
        latents: ``Latents``; if they have more than two dimensions, the first two principal
            components are drawn.
    """
    from matplotlib import colormaps

    points, labels = plane_points(latents.mean)
    figure, axes = new_figure(1, 2, (12, 5))
    instruments = [one.instrument for one in latents.examples]
    titles = {name: instrument_title(name) if name else "unknown" for name in instruments}
    shades = colormaps["tab20" if len(titles) > 10 else "tab10"].colors
    for name, shade in zip(sorted(titles), cycle(shades), strict=False):
        chosen = np.array([instrument == name for instrument in instruments])
        axes[0][0].scatter(*points[chosen].T, s=8, color=shade, alpha=0.6, label=titles[name])
    axes[0][0].legend(fontsize=8)
    axes[0][0].set_title("by instrument")
    pitches = np.array([one.pitch for one in latents.examples], float)
    known = pitches >= 0
    if known.any():
        drawn = axes[0][1].scatter(*points[known].T, s=8, c=pitches[known], cmap="viridis")
        figure.colorbar(drawn, ax=axes[0][1], label="MIDI pitch")
    axes[0][1].set_title("by pitch")
    for axis in axes[0]:
        axis.set_xlabel(labels[0])
        axis.set_ylabel(labels[1])
        axis.grid(alpha=0.3)
    save_figure(figure, path)


def plot_sounds(path: Path, names: Sequence[str], images: np.ndarray) -> None:
    """Draw images side by side, at most eight in a row.

    Args:
        path: PNG file.
        names: Titles.
        images: (names, bins, columns, 1) in [0, 1].
    """
    panels = [Panel(image[..., 0], name) for image, name in zip(images, names, strict=True)]
    save_figure(image_grid(panels, size=(2.2, 2.4), columns=min(len(names), 8)), path)


def plot_grid(path: Path, images: np.ndarray, number: int) -> None:
    """Draw the images of a grid over the latent plane as one picture.

    Args:
        path: PNG file.
        images: (number * number, bins, columns, 1) in [0, 1], row by row.
        number: Number of rows and of columns.
    """
    panels = [Panel(image[..., 0]) for image in images]
    save_figure(image_grid(panels, size=(1.2, 1.2), columns=number), path)
