"""Ways through the space of grains: lines, circles and spirals in a plane of it."""

from __future__ import annotations

import itertools

import numpy as np

from common.latent import interpolate

KINDS = ("line", "circle", "spiral")


def way(
    kind: str,
    points: np.ndarray,
    steps: int,
    *,
    plane: np.ndarray | None = None,
    radius: float = 1.0,
    turns: float = 1.0,
    speed: np.ndarray | None = None,
) -> np.ndarray:
    """A path (steps, dims).

    Args:
        kind: "line": from each point to the next, on great circles; "circle": around the first
            point; "spiral": away from it, up to the radius.
        points: (points, dims), for a line at least two.
        steps: Length of the path.
        plane: (2, dims), orthogonal axes of a circle or a spiral, as long as its radius is at 1.
        radius: Factor on the axes.
        turns: Number of turns of a circle or spiral.
        speed: (any,) relative speeds along the way, all positive; default 1 everywhere.
    """
    share = _shares(steps, speed)
    if kind == "line":
        parts = len(points) - 1
        fine = max(256 // parts, 2)  # points of each part, between which the way is straight
        ways = [interpolate(*pair, fine)[:-1] for pair in itertools.pairwise(points)]
        corners = np.concatenate([*ways, points[-1:]])
        places = share * (len(corners) - 1)
        low = np.minimum(places.astype(int), len(corners) - 2)
        rest = (places - low)[:, np.newaxis]
        return corners[low] * (1 - rest) + corners[low + 1] * rest
    angles = 2 * np.pi * turns * share
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if kind == "spiral":
        rays = rays * share[:, np.newaxis]
    return points[0] + radius * rays @ plane


def _shares(steps, speed):
    """Places on the way from 0 to 1: (steps,)."""
    if speed is None:
        return np.linspace(0, 1, steps)
    rates = np.interp(np.linspace(0, 1, max(steps - 1, 1)), np.linspace(0, 1, len(speed)), speed)
    travelled = np.concatenate([[0], np.cumsum(rates)])
    return travelled[:steps] / travelled[-1]
