"""Maps of a latent space: descriptors of timbre on planes through its centre."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from common.audio.descriptors import describe_shape
from common.report.plots import Panel, figure_png, image_grid
from common.report.space import Exhibit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("centroid", "bandwidth", "rolloff", "flatness", "sharpness")
_REACH = 2.0


def descriptor_maps(
    power_of: Callable[[np.ndarray], np.ndarray],
    hertz: np.ndarray,
    dims: int,
    axes: tuple[int, int],
    points: int,
) -> dict[str, np.ndarray]:
    """Maps of the descriptors ``SHOWN`` over two axes, from -2 to 2; the other numbers are 0.

    Args:
        power_of: Function of latent vectors (number, dims) that returns the mean power of what is
            decoded, (number, bands).
        hertz: Frequency of each band, ascending.
        dims: Length of a latent vector.
        axes: Numbers of two axes of the latent space.
        points: Number of points along each.

    Returns:
        Dict from name to (points, points): rows along the second axis, upwards. NaN for silence.
    """
    line = np.linspace(-_REACH, _REACH, points)
    latents = np.zeros((points * points, dims), np.float32)
    latents[:, axes[0]], latents[:, axes[1]] = np.tile(line, points), np.repeat(line, points)
    found = []
    for power in power_of(latents):
        shape = describe_shape(power, hertz) if power.any() else dict.fromkeys(SHOWN, np.nan)
        found.append([shape[name] for name in SHOWN])
    grids = np.array(found).T.reshape(len(SHOWN), points, points)
    return dict(zip(SHOWN, grids, strict=True))


def draw_maps(
    power_of: Callable[[np.ndarray], np.ndarray], hertz: np.ndarray, dims: int, points: int
) -> Figure:
    """Draw ``descriptor_maps`` of one plane for two dimensions, of three for more.

    Args:
        power_of, hertz, dims, points: As in ``descriptor_maps``; ``dims`` at least 2.
    """
    panels, rows = [], []
    for one in range(1 if dims == 2 else 3):
        axes = one, (one + 1) % min(dims, 3)
        maps = descriptor_maps(power_of, hertz, dims, axes, points)
        panels += [
            Panel(grid, name, (np.nanmin(grid), np.nanmax(grid))) for name, grid in maps.items()
        ]
        rows.append(f"latent {axes[0] + 1} (right), {axes[1] + 1} (up)")
    return image_grid(
        panels, size=(2.4, 2.4), columns=len(SHOWN), rows=rows, bar="", bar_for_each=True
    )


def maps_exhibit(
    power_of: Callable[[np.ndarray], np.ndarray],
    hertz: np.ndarray,
    dims: int,
    points: int,
    note: str,
) -> Exhibit:
    """``draw_maps`` for a page.

    Args:
        power_of, hertz, dims, points: As in ``draw_maps``.
        note: Name of what is decoded.
    """
    return Exhibit(
        f"Maps of descriptors: {note}",
        figure_png(draw_maps(power_of, hertz, dims, points), dpi=80),
        "Each changes over two of the three numbers, from -2 to 2, while the other one is 0.",
    )
