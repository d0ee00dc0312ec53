"""Pictures of transfers and of the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.report.plots import Panel, image_grid, new_figure, save_figure
from move.store import Slice

if TYPE_CHECKING:
    from move.trained import TrainedMove


def plot_transfers(
    path: Path, trained: TrainedMove, images: np.ndarray, rows: Sequence[Slice]
) -> None:
    """Draw slices, their reconstructions, and their transfers to other instruments.

    Args:
        path: PNG file.
        trained: ``move.trained.TrainedMove``.
        images: (slices, bins, COLUMNS).
        rows: ``move.store.Slice`` of each.
    """
    names, pitches = [row.instrument for row in rows], [row.pitch for row in rows]
    known = trained.conditions.instruments
    others = [known[(known.index(name) + 1) % len(known)] for name in names]
    latents = trained.encode_slices(images, pitches, names)
    drawn = [
        images,
        trained.decode_slices(latents, pitches, names),
        trained.decode_slices(latents, pitches, others),
    ]
    titles = [
        [f"{name} {pitch}" for name, pitch in zip(names, pitches, strict=True)],
        [""] * len(names),
        others,
    ]
    panels = [
        Panel(image, title)
        for row, labels in zip(drawn, titles, strict=True)
        for image, title in zip(row, labels, strict=True)
    ]
    labels = ("input", "reconstruction", "transfer")
    save_figure(image_grid(panels, size=(1.8, 3), columns=len(names), rows=labels), path)


def plot_latents(path: Path, vectors: np.ndarray, rows: Sequence[Slice]) -> None:
    """Draw latent vectors on each pair of axes, coloured by instrument, pitch class and octave.

    Args:
        path: PNG file.
        vectors: (slices, dims).
        rows: ``move.store.Slice`` of each.
    """
    dims = vectors.shape[1]
    pairs = [(one, (one + 1) % dims) for one in range(min(dims, 3))]
    names = sorted({row.instrument for row in rows})
    colours = {
        "instrument": (
            [names.index(row.instrument) for row in rows],
            "tab20" if len(names) > 10 else "tab10",
        ),
        "pitch class": ([row.pitch % 12 for row in rows], "hsv"),
        "octave": ([row.pitch // 12 - 1 for row in rows], "viridis"),
    }
    figure, axes = new_figure(len(colours), len(pairs), (4 * len(pairs), 11))
    for line, (label, (values, map_name)) in zip(axes, colours.items(), strict=True):
        for axis, (first, second) in zip(line, pairs, strict=True):
            drawn = axis.scatter(
                vectors[:, first], vectors[:, second], c=np.array(values), s=4, cmap=map_name
            )
            axis.set(xlabel=f"latent {first + 1}", ylabel=f"latent {second + 1}")
            axis.grid(alpha=0.3)
        bar = figure.colorbar(drawn, ax=line[-1], label=label)
        if label == "instrument":
            bar.set_ticks(range(len(names)), labels=names)
    save_figure(figure, path)
