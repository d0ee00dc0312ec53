"""Pictures of latent vectors and of reconstructions."""

import numpy as np

from common.report.plots import new_figure, save_figure

_SCALE = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": 0, "vmax": 1}


def plot_reconstructions(path, names, images, reconstructed):
    """Draw images above their reconstructions.

    Args:
        path: PNG file.
        names: Title of each.
        images, reconstructed: (names, bins, frames, 1) in [0, 1].
    """
    figure, axes = new_figure(2, len(names), (2.6 * len(names), 5))
    for row, (label, stack) in enumerate((("input", images), ("output", reconstructed))):
        for axis, image, name in zip(axes[row], stack, names, strict=True):
            axis.imshow(image[..., 0], **_SCALE)
            axis.set_title(name if row == 0 else "", fontsize=7)
            axis.set_xticks([])
            axis.set_yticks([])
        axes[row][0].set_ylabel(label)
    save_figure(figure, path)


def plot_latents(path, latents):
    """Draw where images lie, coloured by instrument and by pitch.

    Args:
        path: PNG file.
        latents: ``Latents``; of more than two dimensions, their two principal components are drawn.
    """
    points, labels = plane_points(latents.mean)
    figure, axes = new_figure(1, 2, (12, 5))
    instruments = [one.instrument for one in latents.examples]
    for name in sorted(set(instruments)):
        chosen = np.array([instrument == name for instrument in instruments])
        axes[0][0].scatter(*points[chosen].T, s=8, alpha=0.6, label=name or "unknown")
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


def plane_points(mean):
    """Two coordinates of latent vectors, and the coordinates' names.

    Returns:
        ``(points, names)``: (images, 2): themselves where they have two, else the first two
        principal components; of one dimension, that and zero.
    """
    dimensions = mean.shape[1]
    if dimensions == 2:
        return mean, ("latent 1", "latent 2")
    if dimensions == 1:
        return np.pad(mean, ((0, 0), (0, 1))), ("latent 1", "")
    centred = mean - mean.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:2].T, ("principal component 1", "principal component 2")


def plot_row(path, names, images):
    """Draw images side by side, at most eight in a row.

    Args:
        path: PNG file.
        names: Title of each.
        images: (names, bins, frames, 1) in [0, 1].
    """
    columns = min(len(names), 8)
    rows = -(-len(names) // columns)
    figure, axes = new_figure(rows, columns, (2.2 * columns, 2.4 * rows))
    for axis in axes.ravel():
        axis.axis("off")
    for axis, name, image in zip(axes.ravel(), names, images, strict=False):
        axis.imshow(image[..., 0], **_SCALE)
        axis.set_title(name, fontsize=8)
    save_figure(figure, path)


def plot_grid(path, images, number):
    """Draw the images of a grid over the latent plane as one picture.

    Args:
        path: PNG file.
        images: (number * number, bins, frames, 1) in [0, 1], row by row.
        number: Of rows and of columns.
    """
    figure, axes = new_figure(number, number, (1.2 * number, 1.2 * number))
    for axis, image in zip(axes.ravel(), images, strict=True):
        axis.imshow(image[..., 0], **_SCALE)
        axis.set_xticks([])
        axis.set_yticks([])
    save_figure(figure, path)
