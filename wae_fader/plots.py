"""Pictures of decoded notes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.report.plots import image_rows, save_figure
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
    titles = [f"{style} {pitch}" for style, pitch in zip(styles, pitches, strict=True)]
    drawn = [
        ("note", images, titles),
        ("reconstruction", trained.decode_images(latents, pitches, styles), ()),
        ("another style", trained.decode_images(latents, pitches, others), others),
    ]
    save_figure(image_rows(drawn, size=(2, 2.6)), path)
