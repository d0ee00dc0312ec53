"""Pictures of a latent space of notes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.report.plots import new_figure, save_figure


def plot_latents(
    path: Path,
    vectors: np.ndarray,
    names: Sequence[str],
    pitches: Sequence[int],
    label: str = "instrument",
) -> None:
    """Draw latent vectors on each pair of axes, coloured by name, pitch class and octave.

    Args:
        path: PNG file.
        vectors: (number, dims).
        names: Name of each one's instrument or style.
        pitches: MIDI number of each.
        label: What the names are.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    dims, pitches = vectors.shape[1], np.asarray(pitches)
    pairs = [(one, (one + 1) % dims) for one in range(min(dims, 3))]
    known = sorted(set(names))
    shades = colormaps["tab20" if len(known) > 10 else "tab10"].colors
    own = ListedColormap([shades[number % len(shades)] for number in range(len(known))])
    colours = {
        label: ([known.index(name) for name in names], own, (-0.5, len(known) - 0.5)),
        "pitch class": (pitches % 12, "hsv", (0, 12)),
        "octave": (pitches // 12 - 1, "viridis", (None, None)),
    }
    figure, axes = new_figure(len(colours), len(pairs), (4 * len(pairs), 11))
    for line, (title, (values, map_name, limits)) in zip(axes, colours.items(), strict=True):
        for axis, (first, second) in zip(line, pairs, strict=True):
            drawn = axis.scatter(
                vectors[:, first],
                vectors[:, second],
                c=np.array(values),
                s=4,
                cmap=map_name,
                vmin=limits[0],
                vmax=limits[1],
            )
            axis.set(xlabel=f"latent {first + 1}", ylabel=f"latent {second + 1}")
            axis.grid(alpha=0.3)
        bar = figure.colorbar(drawn, ax=line[-1], label=title)
        if title == label:
            bar.set_ticks(range(len(known)), labels=known)
    save_figure(figure, path)
