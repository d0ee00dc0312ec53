"""Pictures of transfers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.report.plots import Panel, image_grid, save_figure
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
    ages = [row.age for row in rows]
    latents = trained.encode_slices(images, pitches, names, ages=ages)
    drawn = [
        images,
        trained.decode_slices(latents, pitches, names, ages=ages),
        trained.decode_slices(latents, pitches, others, ages=ages),
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
