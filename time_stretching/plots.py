"""Pictures of spectrograms and codes, and of errors against the rate."""

import numpy as np

from common.report.plots import new_figure, save_figure


def plot_images(path, images, *, columns, limits=(0, 1)):
    """Draw images in rows, time from left to right.

    Args:
        path: PNG file.
        images: Dict from title to (columns, features).
        columns: Pictures in a row.
        limits: Values of the darkest and the lightest colour.
    """
    rows = -(-len(images) // columns)
    figure, axes = new_figure(rows, columns, (4.5 * columns, 3 * rows))
    low, high = limits
    for axis, (title, image) in zip(axes.ravel(), images.items(), strict=False):
        drawn = axis.imshow(
            np.asarray(image).T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high
        )
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("column (32 ms)", fontsize=7)
    for axis in axes.ravel()[len(images) :]:
        axis.axis("off")
    figure.colorbar(drawn, ax=axes)
    save_figure(figure, path)


def plot_errors(path, curves, label):
    """Draw errors against the rate.

    Args:
        path: PNG file.
        curves: Dict from title to a dict from name to list of (rate, error).
        label: What the errors are.
    """
    figure, axes = new_figure(1, len(curves), (5.5 * len(curves), 4))
    for axis, (title, lines) in zip(axes[0], curves.items(), strict=True):
        for name, points in lines.items():
            axis.plot(*zip(*sorted(points), strict=True), marker=".", label=name)
        axis.set_xscale("log", base=2)
        axis.set_xlabel("rate")
        axis.set_ylabel(label)
        axis.set_title(title)
        axis.grid(alpha=0.3)
    # beside the axes, which all have the same lines
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    save_figure(figure, path)
