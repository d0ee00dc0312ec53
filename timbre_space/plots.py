"""Pictures of a space: where instruments lie, distances against ratings, and descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.latent import principal_axes
from common.music.instruments import in_words
from common.report.plots import Panel, image_grid, new_figure, save_figure
from timbre_space.ratings import Ratings, scaled_positions
from timbre_space.spectra import FLOOR_DB
from timbre_space.store import Column


def plot_space(path: Path, vectors: np.ndarray, rows: Sequence[Column]) -> None:
    """Draw latent vectors on their first three principal axes, by instrument and by pitch.

    Args:
        path: PNG file.
        vectors: (columns, dims).
        rows: ``Column`` of each.
    """
    axes = principal_axes(vectors, 3)
    points = np.pad(axes.coordinates(vectors), [(0, 0), (0, 3 - len(axes.deviations))])
    names = sorted({row.instrument for row in rows})
    numbers = np.array([names.index(row.instrument) for row in rows])
    figure, grid = new_figure(2, 2, (10, 8))
    for column, (first, second) in enumerate(((0, 1), (2, 1))):
        for line, (values, colours) in enumerate(
            ((numbers, "tab20"), (np.array([row.pitch for row in rows]), "viridis"))
        ):
            axis = grid[line][column]
            drawn = axis.scatter(
                points[:, first], points[:, second], c=values, s=4, cmap=colours, alpha=0.5
            )
            axis.set(
                xlabel=f"principal component {first + 1}",
                ylabel=f"principal component {second + 1}",
            )
            axis.grid(alpha=0.3)
            if line:
                figure.colorbar(drawn, ax=axis, label="MIDI pitch")
                continue
            for number, name in enumerate(names):
                centre = points[numbers == number].mean(axis=0)
                axis.annotate(in_words(name), centre[[first, second]], fontsize=9, weight="bold")
    save_figure(figure, path)


def plot_distances(path: Path, distances: dict[str, np.ndarray], ratings: Ratings) -> None:
    """Draw ratings, their positions by scaling, and latent distances against them.

    Args:
        path: PNG file.
        distances: Dict from title to (instruments, instruments).
        ratings: ``Ratings`` of the same instruments.
    """
    names = [in_words(name) for name in ratings.instruments]
    pairs = np.triu(ratings.rated, 1)
    figure, axes = new_figure(2, 1 + len(distances), (5.2 * (1 + len(distances)), 9.5))
    for axis, (title, matrix) in zip(
        axes[0], {"mean ratings": ratings.mean, **distances}.items(), strict=True
    ):
        axis.imshow(matrix, cmap="viridis")
        axis.set_title(title)
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
    positions = scaled_positions(ratings, 2)
    axes[1][0].scatter(*positions.T, s=12)
    for name, point in zip(names, positions, strict=True):
        if np.isfinite(point).all():
            axes[1][0].annotate(name, point, fontsize=9)
    axes[1][0].set_title("ratings, scaled to a plane")
    for axis, matrix in zip(axes[1][1:], distances.values(), strict=True):
        axis.scatter(ratings.mean[pairs], matrix[pairs], s=10)
        axis.set(xlabel="mean rating", ylabel="latent distance")
        axis.grid(alpha=0.3)
    save_figure(figure, path)


def plot_maps(path: Path, maps: dict[str, dict[float, np.ndarray]]) -> None:
    """Draw maps of descriptors: a row for each, a column for each plane."""
    panels = []
    for name, planes in maps.items():
        every = np.stack(list(planes.values()))
        limits = float(np.nanmin(every)), float(np.nanmax(every))
        panels += [
            Panel(grid, f"{name}, {height:+.2f}", limits, "viridis")
            for height, grid in planes.items()
        ]
    columns = len(next(iter(maps.values())))
    save_figure(image_grid(panels, size=(2.0, 2.1), columns=columns, bar=""), path)


def plot_curve(
    path: Path, name: str, curves: dict[str, np.ndarray], levels: np.ndarray, rate: float
) -> None:
    """Draw what a path was asked for and what it has become, above its columns.

    Args:
        path: PNG file.
        name: Name of the descriptor.
        curves: Dict from label to (columns,).
        levels: (columns, bins) in dB.
        rate: Columns a second.
    """
    figure, axes = new_figure(2, 1, (9, 6))
    for label, values in curves.items():
        axes[0][0].plot(np.arange(len(values)) / rate, values, label=label)
    axes[0][0].set(ylabel=name, xlim=(0, len(levels) / rate))
    axes[0][0].legend()
    axes[0][0].grid(alpha=0.3)
    extent = (0, len(levels) / rate, 0, levels.shape[1])
    axes[1][0].imshow(
        levels.T, origin="lower", aspect="auto", cmap="magma", vmin=FLOOR_DB, extent=extent
    )
    axes[1][0].set(xlabel="time (s)", ylabel="band")
    save_figure(figure, path)
