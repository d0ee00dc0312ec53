"""Principal axes as knobs from -1 to 1.

The published system scales all axes by three times one standard deviation, by which a weak axis
travels far beyond what the model knows. Here each axis has a scale of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError, missing
from common.files.text import write_json
from common.latent import Axes, principal_axes

_SHORTEST = 1e-3  # distance that a knob reaches at least, for a control that stands still
_COVERED = 0.997  # share of the vectors within -1 and 1, as of three standard deviations


class Knobs(NamedTuple):
    """Principal axes, and how far each one reaches.

    Attributes:
        axes: ``common.latent.Axes`` of ``count`` axes.
        reach: (count,) distance from the mean at which a knob shows 1.
    """

    axes: Axes
    reach: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, count: int, controls: Sequence[int] = ()) -> Knobs:
        """Compute at most ``count`` knobs of vectors (number, dims).

        Between -1 and 1 lie 99.7 % of the vectors on each axis; axes without extent are left out.
        Dimensions that are ``controls`` become knobs of their own, after the axes, which leave them
        as they are.
        """
        vectors, controls = np.asarray(vectors, float), list(controls)
        free = vectors.copy()
        free[:, controls] = 0
        axes = principal_axes(free, count)
        kept = axes.deviations > 1e-9 * max(axes.deviations[0], 1e-9)
        directions = np.eye(vectors.shape[1])[controls]
        axes = Axes(
            vectors.mean(axis=0),
            np.concatenate([axes.directions[kept], directions]),
            np.concatenate([axes.deviations[kept], vectors[:, controls].std(axis=0)]),
        )
        reach = np.quantile(np.abs(axes.coordinates(vectors)), _COVERED, axis=0)
        return cls(axes, np.maximum(reach, _SHORTEST))

    def names(self, controls: Mapping[str, int]) -> list[str]:
        """Names of the knobs: "axis 1", or that of a control."""
        found = [f"axis {number + 1}" for number in range(len(self.reach))]
        for name, dim in controls.items():
            for number, direction in enumerate(self.axes.directions):
                if direction[dim] == 1:
                    found[number] = name
        return found

    def values(self, path: np.ndarray) -> np.ndarray:
        """Positions (steps, count) of the knobs along a path (steps, dims)."""
        return self.axes.coordinates(path) / self.reach

    def turned(self, path: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The path with other positions (steps, count); what no axis shows is left as it is."""
        return path + ((values - self.values(path)) * self.reach) @ self.axes.directions

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        parts = {**self.axes._asdict(), "reach": self.reach}
        write_json(path, {name: np.asarray(part).tolist() for name, part in parts.items()})


def read_knobs(path: Path, dims: int) -> Knobs:
    """Read what ``Knobs.write`` wrote, for a model of a number of dimensions.

    Raises:
        UserError: No such file, a damaged one, or one of another model.
    """
    if not path.is_file():
        raise UserError(f"{path}: {missing(path)}; python -m latent_exploration.axes writes it")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = ("mean", "directions", "deviations", "reach")
        mean, directions, deviations, reach = (np.array(content[name], float) for name in names)
        count = len(reach)
        right = directions.shape == (count, mean.size) and mean.ndim == 1 and count > 0
        if not (right and deviations.shape == reach.shape == (count,) and (reach > 0).all()):
            raise ValueError("its arrays do not fit each other")
        if not all(np.isfinite(part).all() for part in (mean, directions, deviations, reach)):
            raise ValueError("holds numbers that are not finite")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: no file of axes ({error}); write it with python -m latent_exploration.axes"
        ) from error
    if mean.size != dims:
        raise UserError(
            f"{path}: axes of {mean.size} dimensions, but the model has {dims}; compute them with "
            "this model"
        )
    return Knobs(Axes(mean, directions, deviations), reach)
