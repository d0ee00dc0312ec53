"""Pictures of transfers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.report.plots import image_rows, save_figure
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
    titles = [f"{name} {pitch}" for name, pitch in zip(names, pitches, strict=True)]
    drawn = [
        ("input", images, titles),
        ("reconstruction", trained.decode_slices(latents, pitches, names, ages=ages), ()),
        ("transfer", trained.decode_slices(latents, pitches, others, ages=ages), others),
    ]
    save_figure(image_rows(drawn, size=(1.8, 3)), path)
