"""Pictures of decoded notes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.report.plots import Panel, image_grid, save_figure
from wae_fader.store import Note

if TYPE_CHECKING:
    from wae_fader.trained import TrainedFader


def plot_notes(path: Path, trained: TrainedFader, images: np.ndarray, rows: Sequence[Note]) -> None:
    """Draw notes, their reconstructions, and the same points decoded in other styles.

    Args:
        path: PNG file.
        trained: ``wae_fader.trained.TrainedFader``.
        images: (notes, bins, frames).
        rows: ``wae_fader.store.Note`` of each.
    """
    styles, pitches = [row.style for row in rows], [row.pitch for row in rows]
    known = trained.conditions.instruments
    others = [known[(known.index(style) + 1) % len(known)] for style in styles]
    latents = trained.encode_images(images)
    drawn = [
        images,
        trained.decode_images(latents, pitches, styles),
        trained.decode_images(latents, pitches, others),
    ]
    named = [f"{style} {pitch}" for style, pitch in zip(styles, pitches, strict=True)]
    panels = [
        Panel(image, title)
        for row, titles in zip(drawn, (named, [""] * len(rows), others), strict=True)
        for image, title in zip(row, titles, strict=True)
    ]
    labels = ("note", "reconstruction", "another style")
    save_figure(image_grid(panels, size=(2, 2.6), columns=len(rows), rows=labels), path)
