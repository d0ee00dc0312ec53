"""Pictures of spectrograms and of training curves."""

import io

import numpy as np

from common.files.atomic import replace_when_done
from data import HOP, SAMPLE_RATE

_COLUMN_SECONDS = HOP / SAMPLE_RATE
_BIN_KILOHERTZ = SAMPLE_RATE / 2 / 512 / 1000
_NO_LOSSES = ("epoch", "seconds")


def new_figure(rows, columns, size):
    """A figure of rows times columns axes: ``(figure, axes)``, axes always in two dimensions."""
    # no pyplot: it keeps figures alive and asks for a screen
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure, path):
    """Write a figure as PNG; the file appears whole or not at all."""
    with replace_when_done(path) as temporary:
        # the date would make each file differ
        figure.savefig(temporary, dpi=100, metadata={"Software": None})


def plot_images(path, images, error=None):
    """Draw magnitude images side by side, to one scale.

    Args:
        path: PNG file.
        images: Dict from title to (BINS, columns) in [0, 1].
        error: Titles (a, b) of two images whose difference a - b is added.
    """
    panels = len(images) + bool(error)
    figure, axes = new_figure(1, panels, (4.2 * panels, 4))
    for axis, (title, image) in zip(axes[0], images.items(), strict=False):
        drawn = _draw(axis, image, title, cmap="magma", vmin=0, vmax=1)
    figure.colorbar(drawn, ax=list(axes[0][: len(images)]), label="magnitude, 0 to 1 (log1p scale)")
    if error:
        difference = images[error[0]] - images[error[1]]
        title = f"{error[0]} - {error[1]}"
        drawn = _draw(axes[0][-1], difference, title, cmap="RdBu_r", vmin=-0.5, vmax=0.5)
        figure.colorbar(drawn, ax=axes[0][-1])
    axes[0][0].set_ylabel("frequency (kHz)")
    save_figure(figure, path)


def image_png(image):
    """Draw one magnitude image, (BINS, columns) in [0, 1], to the scale of ``plot_images``.

    Returns:
        The PNG file as bytes.
    """
    figure, axes = new_figure(1, 1, (4.6, 3.2))
    drawn = _draw(axes[0][0], image, "", cmap="magma", vmin=0, vmax=1)
    axes[0][0].set_ylabel("frequency (kHz)")
    figure.colorbar(drawn)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=80, metadata={"Software": None})
    return content.getvalue()


def png_of(image):
    """A PNG of an image alone, (rows, columns) in [0, 1], a pixel for each value: bytes."""
    from matplotlib.image import imsave

    content = io.BytesIO()
    style = {"cmap": "magma", "vmin": 0, "vmax": 1, "origin": "lower"}
    imsave(content, image, format="png", metadata={"Software": None}, **style)
    return content.getvalue()


def _draw(axis, image, title, **style):
    bins, columns = image.shape
    axis.set_title(title)
    axis.set_xlabel("time (s)")
    extent = (0, columns * _COLUMN_SECONDS, 0, bins * _BIN_KILOHERTZ)
    return axis.imshow(image, origin="lower", aspect="auto", extent=extent, **style)


def plot_history(path, rows):
    """Draw training and validation curves.

    Args:
        path: PNG file.
        rows: List of dicts with ``epoch``, the losses and their ``val_`` counterparts; a value
            that is None was not measured.
    """
    measured = dict.fromkeys(name for row in rows for name in row if row[name] is not None)
    names = [name for name in measured if not name.startswith("val_") and name not in _NO_LOSSES]
    figure, axes = new_figure(1, len(names), (5 * len(names), 4))
    epochs = [row["epoch"] for row in rows]
    for axis, name in zip(axes[0], names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            values = [np.nan if row.get(key) is None else row[key] for row in rows]
            axis.plot(epochs, values, label=label, marker="." if len(rows) < 30 else None)
        axis.set_title(name)
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0][0].legend()
    save_figure(figure, path)


def plot_sweep(path, rates, curves, suggestions):
    """Draw a learning-rate sweep.

    Args:
        path: PNG file.
        rates: Learning rates.
        curves: Dict from the name of a loss to (raw, smoothed) values.
        suggestions: Dict from the name of a loss to a learning rate or None.
    """
    figure, axes = new_figure(1, len(curves), (5 * len(curves), 4))
    for axis, (name, (raw, smoothed)) in zip(axes[0], curves.items(), strict=True):
        axis.plot(rates, raw, alpha=0.3, label="raw")
        axis.plot(rates, smoothed, label="smoothed")
        if suggestions.get(name):
            axis.axvline(suggestions[name], ls="--", label=f"steepest: {suggestions[name]:.1e}")
        axis.set_xscale("log")
        axis.set_ylim(*np.nanpercentile(raw, [0, 98]) * np.array([0.9, 1.1]))
        axis.set_title(name)
        axis.set_xlabel("learning rate")
        axis.grid(alpha=0.3)
        axis.legend()
    save_figure(figure, path)
