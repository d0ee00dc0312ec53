"""Pictures of transfers, and of what they do to the descriptors of timbre."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.audio.descriptors import NAMES
from common.report.plots import Panel, image_grid, new_figure, save_figure
from move.store import Slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def draw_descriptors(groups: Mapping[str, np.ndarray]) -> Figure:
    """Draw the distributions of eight descriptors as violins, with a line at the median.

    Args:
        groups: Dict from label to descriptors (8, notes), in the order of
            ``common.audio.descriptors.NAMES``.
    """
    figure, axes = new_figure(2, 4, (12, 5))
    for number, (axis, name) in enumerate(zip(axes.ravel(), NAMES, strict=True)):
        values = [descriptors[number] for descriptors in groups.values()]
        drawn = axis.violinplot(values, showmedians=True, showextrema=False)
        for place, (body, one) in enumerate(zip(drawn["bodies"], values, strict=True)):
            body.set(facecolor=f"C{place}", alpha=0.5)
            axis.scatter(np.full(len(one), place + 1), one, s=6, color=f"C{place}")
        axis.set_title(name, fontsize=11)
        axis.set_xticks(range(1, len(groups) + 1), groups, fontsize=8)
        axis.tick_params(axis="y", labelsize=8)
    return figure
