"""Pictures: grids of spectrograms, and curves."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from common.files.atomic import replace_when_done
from data import HOP, SAMPLE_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Scale of the axes of a magnitude image: seconds per column, kilohertz per bin.
FRAME_SCALE = HOP / SAMPLE_RATE, SAMPLE_RATE / 2 / 512 / 1000
_NO_LOSSES = ("epoch", "seconds")
_WIDEST = 1200  # pixels of a picture on a page


@contextlib.contextmanager
def _any_backend():
    """Import matplotlib whatever MPLBACKEND says, which may name the backend of a notebook.

    The backend is not used: figures have their own canvas, without pyplot, which would keep them
    alive and need a screen.
    """
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """Create a figure with rows times columns axes: ``(figure, axes)``, axes as 2D array."""
    figure = _figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _figure(**settings):
    with _any_backend():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(**settings)
    FigureCanvasAgg(figure)
    return figure


def figure_png(figure: Figure, dpi: int = 100) -> bytes:
    """Render a figure as PNG (bytes); the same figure gives the same bytes."""
    content = io.BytesIO()
    # leave out the version of matplotlib
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    return content.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the file is complete or absent."""
    with replace_when_done(path) as temporary:
        temporary.write_bytes(figure_png(figure))


class Panel(NamedTuple):
    """One image of a grid.

    Attributes:
        image: (bins, columns).
        title: Text above the image.
        limits: Values of the darkest and the brightest colour.
        colours: Name of a matplotlib colour map.
    """

    image: np.ndarray
    title: str = ""
    limits: tuple[float, float] = (0, 1)
    colours: str = "magma"


def image_grid(
    panels: Sequence[Panel],
    *,
    size: tuple[float, float],
    columns: int | None = None,
    scale: tuple[float, float | None] | None = None,
    bar: str | None = None,
    rows: Sequence[str] = (),
    bar_for_each: bool = False,
) -> Figure:
    """Draw images side by side, the first bin at the bottom.

    Args:
        panels: List of ``Panel``.
        size: Width and height of each panel, in inches.
        columns: Panels per row; default all.
        scale: Seconds per column, and kilohertz per bin, or None if rows are not frequencies.
            Without it, the axes have no ticks.
        bar: Label of the colour bar of the first panel and of those with the same limits; others
            get their own bar. None draws no bar.
        rows: Labels of the rows.
        bar_for_each: Whether each panel has its own bar, also where limits are equal.

    Returns:
        The figure, for ``save_figure`` or ``figure_png``.
    """
    columns = columns or len(panels)
    lines = -(-len(panels) // columns)
    figure, axes = new_figure(lines, columns, (size[0] * columns, size[1] * lines))
    shared = {}
    for axis, panel in zip(axes.ravel(), panels, strict=False):
        height, width = panel.image.shape
        extent = scale and (0, width * scale[0], 0, height * (scale[1] or 1))
        drawn = axis.imshow(
            panel.image,
            origin="lower",
            aspect="auto",
            extent=extent,
            cmap=panel.colours,
            vmin=panel.limits[0],
            vmax=panel.limits[1],
        )
        # as large as its panel is wide, for the longer ones
        axis.set_title(panel.title, fontsize=min(12, 100 * size[0] / max(len(panel.title), 1)))
        if scale is None:
            axis.set(xticks=[], yticks=[])
        else:
            axis.set_xlabel("time (s)")
        key = len(shared) if bar_for_each else panel[2:]
        shared.setdefault(key, (drawn, []))[1].append(axis)
    for axis in axes.ravel()[len(panels) :]:
        axis.axis("off")
    label = "frequency (kHz)" if scale and scale[1] else ""
    for axis, row in zip(axes[:, 0], rows or [label] * lines, strict=True):
        axis.set_ylabel(row)
    if bar is not None:
        for number, (drawn, explained) in enumerate(shared.values()):
            figure.colorbar(drawn, ax=explained, label="" if number else bar)
    return figure


def image_rows(
    rows: Sequence[tuple[str, Sequence[np.ndarray] | np.ndarray, Sequence[str]]],
    *,
    size: tuple[float, float],
) -> Figure:
    """Draw rows of images, such as inputs above their reconstructions, all in [0, 1].

    Args:
        rows: List of (label, images (bins, columns), titles), the same number of images in each;
            no titles for a row without.
        size: As of ``image_grid``.

    Returns:
        The figure.
    """
    panels = [
        Panel(image, title)
        for _, images, titles in rows
        for image, title in zip(images, titles or [""] * len(images), strict=True)
    ]
    labels = [label for label, *_ in rows]
    return image_grid(panels, size=size, columns=len(rows[0][1]), rows=labels)


def plot_images(
    path: Path, images: dict[str, np.ndarray], error: tuple[str, str] | None = None
) -> None:
    """Draw magnitude images side by side, with the same colour scale.

    Args:
        path: PNG file.
        images: Dict from title to (BINS, columns) in [0, 1].
        error: Titles (a, b) of two images whose difference a - b is drawn as well.
    """
    panels = [Panel(image, title) for title, image in images.items()]
    if error:
        difference = images[error[0]] - images[error[1]]
        panels.append(Panel(difference, f"{error[0]} - {error[1]}", (-0.5, 0.5), "RdBu_r"))
    bar = "magnitude, 0 to 1 (log1p scale)"
    save_figure(image_grid(panels, size=(4.2, 4), scale=FRAME_SCALE, bar=bar), path)


def pixels_webp(image: np.ndarray) -> bytes:
    """Convert an image (bins, columns) in [0, 1] to WebP (bytes), one pixel per value.

    Where there are more than 1200 columns, neighbours are averaged.
    """
    step = -(-image.shape[1] // _WIDEST)
    sums = np.add.reduceat(np.asarray(image, np.float32), range(0, image.shape[1], step), axis=1)
    counts = np.minimum(step, image.shape[1] - np.arange(0, image.shape[1], step))
    with _any_backend():
        from matplotlib.image import imsave
    content = io.BytesIO()
    colours = {"cmap": "magma", "vmin": 0, "vmax": 1, "origin": "lower"}
    settings = {"quality": 70, "method": 6}  # method: the slowest packs best
    imsave(content, sums / counts, format="webp", pil_kwargs=settings, **colours)
    return content.getvalue()


def curves(
    titles: Sequence[str], x_label: str, size: tuple[float, float] = (5, 4), y_label: str = ""
) -> tuple[Figure, list[Axes]]:
    """Create a figure for curves: ``(figure, axes)``, a list of axes side by side.

    Args:
        titles: Title of each axes.
        x_label, y_label: Labels of all axes.
        size: Width and height of each, inches.
    """
    figure, axes = new_figure(1, len(titles), (size[0] * len(titles), size[1]))
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set(title=title, xlabel=x_label, ylabel=y_label)
        axis.grid(alpha=0.3)
    return figure, list(axes[0])


def plot_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw training and validation curves.

    Args:
        path: PNG file.
        rows: List of dicts with ``epoch``, the losses and their ``val_`` counterparts; a value
            that is None was not measured.
    """
    measured = dict.fromkeys(name for row in rows for name in row if row[name] is not None)
    names = [name for name in measured if not name.startswith("val_") and name not in _NO_LOSSES]
    figure, axes = curves(names, "epoch")
    epochs = [row["epoch"] for row in rows]
    for axis, name in zip(axes, names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            values = [np.nan if row.get(key) is None else row[key] for row in rows]
            axis.plot(epochs, values, label=label, marker="." if len(rows) < 30 else None)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend()
    save_figure(figure, path)


def plot_sweep(
    path: Path,
    rates: Sequence[float] | np.ndarray,
    losses: dict[str, tuple],
    suggestions: dict[str, float | None],
) -> None:
    """Draw a learning-rate sweep.

    Args:
        path: PNG file.
        rates: Learning rates.
        losses: Dict from the name of a loss to (raw, smoothed) values.
        suggestions: Dict from the name of a loss to a learning rate or None.
    """
    figure, axes = curves(list(losses), "learning rate")
    for axis, (name, (raw, smoothed)) in zip(axes, losses.items(), strict=True):
        axis.plot(rates, raw, alpha=0.3, label="raw")
        axis.plot(rates, smoothed, label="smoothed")
        if suggestions.get(name):
            axis.axvline(suggestions[name], ls="--", label=f"steepest: {suggestions[name]:.1e}")
        axis.set_xscale("log")
        axis.set_ylim(*np.nanpercentile(raw, [0, 98]) * np.array([0.9, 1.1]))
        axis.legend()
    save_figure(figure, path)
