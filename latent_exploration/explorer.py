"""What the page plays: a map of sounds, and sounds for its places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import peak, safe_peak
from common.latent import LatentModel
from latent_exploration.axes import MONOTONE, report
from latent_exploration.knobs import Knobs
from latent_exploration.paths import curve
from latent_exploration.session import LatentSession, control_dims

AXES = 8  # largest number
SECONDS = 0.25, 8.0  # shortest and longest sound
FARTHEST = 3.0  # of a place or an offset, in knobs
MOST_POINTS = 64  # of a curve
_NEIGHBOURS = 4  # sounds that are mixed at a place
_SAME = 1e-4  # squared distance from a sound within which nothing else is mixed in
_MEASURED = 0.4  # seconds of the sounds that tell what an axis moves
_LEVEL = 0.5  # peak of a sound of medium loudness
_HIGHEST_GAIN = 100.0


class Sound(NamedTuple):
    """A sound of the map.

    Attributes:
        name: What it is called.
        kind: What it is coloured by, such as its instrument.
        path: (steps, dims).
    """

    name: str
    kind: str
    path: np.ndarray


class Order(NamedTuple):
    """What is to be played.

    Attributes:
        at: Place on the map: positions on the first two axes.
        seconds: Length of the sound.
        still: Hold one vector instead of moving as the sounds nearby do.
        offsets: What is added to the positions on the axes.
        curves: Dict from an axis, counted from 0, to points (time, value), whose lines are added as
            well; times run from 0 to 1.
    """

    at: tuple[float, float] = (0.0, 0.0)
    seconds: float = 1.0
    still: bool = False
    offsets: Sequence[float] = ()
    curves: Mapping[int, list[tuple[float, float]]] = MappingProxyType({})

    @classmethod
    def of(cls, given: Any, count: int) -> Order:
        """Check what a page has sent: a JSON object, for a number of axes.

        Raises:
            UserError: Anything but what is described above.
        """
        if not isinstance(given, dict) or not given.keys() <= set(cls._fields):
            raise UserError(f"give an object with some of {', '.join(cls._fields)}")
        order = cls(**{"curves": {}} | given)
        curves = order.curves
        if not isinstance(order.still, bool) or not isinstance(curves, dict):
            raise UserError("still is true or false, and curves is an object")
        if not set(curves) <= set(map(str, range(count))):
            raise UserError(f"curves are named by axes from 0 to {count - 1}")
        return cls(
            tuple(_numbers(order.at, 2, FARTHEST)),
            _number(order.seconds, SECONDS[1], SECONDS[0]),
            order.still,
            _numbers(order.offsets, count, FARTHEST, fewer=True),
            {int(axis): _points(points) for axis, points in curves.items()},
        )


def _number(value, high, low=None):
    low = -high if low is None else low
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not (right and low <= value <= high):  # NaN is not, either
        raise UserError(f"give numbers from {low:g} to {high:g}")
    return float(value)


def _numbers(values, count, high, *, fewer=False):
    right = isinstance(values, list | tuple) and (
        len(values) == count or (fewer and len(values) < count)
    )
    if not right:
        raise UserError(f"give {'at most ' if fewer else ''}{count} numbers")
    return [_number(value, high) for value in values]


def _points(points):
    if not isinstance(points, list) or not 0 < len(points) <= MOST_POINTS:
        raise UserError(f"a curve is a list of up to {MOST_POINTS} points")
    found = [_numbers(point, 2, FARTHEST) for point in points]
    if any(not 0 <= time <= 1 for time, _ in found):
        raise UserError("times run from 0 to 1")
    return [(time, value) for time, value in found]


class Explorer:
    """Sounds of a model on a map, and everything between them.

    The map shows the first two principal axes of all vectors. At a place, the paths of the sounds
    nearby are mixed, by weights that fall with the squared distance, and are moved so that their
    mean lies at the place: on a sound's own place, the model plays that sound.

    Args:
        model: ``LatentModel``.
        sounds: At least one, with at least two different vectors in all.
        knobs: Axes; default those of the sounds.

    Attributes:
        knobs: ``Knobs``.
        places: (sounds, 2) on the map.
        gain: Factor that gives sounds of medium loudness a peak of 0.5.
        names: Names of the axes.
        moves: For each axis the descriptor that it moves most, such as "centroid ↑", or "".
    """

    def __init__(
        self, model: LatentModel, sounds: Sequence[Sound], knobs: Knobs | None = None
    ) -> None:
        vectors = np.concatenate([sound.path for sound in sounds])
        if len(vectors) < 2 or not np.ptp(vectors, axis=0).any():
            raise UserError("too few vectors for a map; give more sounds")
        self.model, self.sounds = model, list(sounds)
        controls = control_dims(model)
        self.knobs = Knobs.of(vectors, AXES, controls.values()) if knobs is None else knobs
        self.names = self.knobs.names(controls)
        self._means = np.stack([sound.path.mean(axis=0) for sound in sounds])
        shown = self.knobs.values(self._means)[:, :2]
        self.places = np.pad(shown, ((0, 0), (0, 2 - shown.shape[1])))
        self.gain, self.moves = 1.0, [""] * self.count

    @property
    def count(self) -> int:
        """Number of axes."""
        return len(self.knobs.reach)

    def warm(self, lengths: Sequence[float] = (1.0,)) -> None:
        """Compile what is needed for lengths in seconds; find ``gain`` and ``moves``."""
        loudest = []
        for place in self.places[:: -(-len(self.places) // AXES)]:
            loudest.append(peak(self.render(Order(tuple(place), lengths[0]))))
        heard = float(np.median(loudest)) / self.gain
        self.gain = min(_LEVEL / max(heard, 1e-9), _HIGHEST_GAIN)
        for seconds in lengths[1:]:
            self.render(Order(seconds=seconds))
        rows = report(self.model, self.knobs, [self.path(Order(seconds=_MEASURED))])
        self.moves = [_told(row) for row in rows]

    def weights(self, at: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the sounds nearest to a place, and their weights, which add up to 1."""
        far = np.square(self.places - at).sum(axis=1)
        nearest = np.argsort(far, kind="stable")[:_NEIGHBOURS]
        # the farthest one has no weight, so that nothing jumps where another takes its place
        edge = far[nearest[-1]] if len(self.places) > _NEIGHBOURS else np.inf
        weights = np.maximum(1 / (far[nearest] + _SAME) - 1 / (edge + _SAME), 0) + 1e-12
        weights = np.where(far[nearest] <= _SAME / 100, 1e12, weights)
        return nearest, weights / weights.sum()

    def path(self, order: Order) -> np.ndarray:
        """The path (steps, dims) of an order."""
        steps = max(round(order.seconds * self.model.rate), 1)
        nearest, weights = self.weights(order.at)
        mean = weights @ self._means[nearest]
        path = np.repeat(mean[np.newaxis], steps, axis=0)
        if not order.still:
            parts = [self.sounds[one].path for one in nearest]
            last = [np.minimum(np.arange(steps), len(part) - 1) for part in parts]
            path = sum(
                weight * part[rows] for weight, part, rows in zip(weights, parts, last, strict=True)
            )
        shown = min(2, self.count)
        added = np.zeros((steps, self.count))
        added[:, :shown] += np.array(order.at)[:shown] - self.knobs.values(mean)[:shown]
        added[:, : len(order.offsets)] += order.offsets
        for axis, points in order.curves.items():
            added += curve(np.zeros_like(added), axis, points)
        return self.knobs.turned(path, self.knobs.values(path) + added)

    def render(self, order: Order) -> np.ndarray:
        """Play an order: (samples,) float32."""
        audio = LatentSession(self.model).follow(self.path(order)).render()
        return safe_peak(audio * np.float32(self.gain))

    def describe(self) -> dict[str, Any]:
        """What the page draws, as JSON can hold it."""
        kinds = sorted({sound.kind for sound in self.sounds})
        return {
            "axes": self.names,
            "kinds": kinds,
            "sounds": [
                {"name": sound.name, "kind": kinds.index(sound.kind), "at": place}
                for sound, place in zip(self.sounds, np.round(self.places, 4).tolist(), strict=True)
            ],
            "moves": self.moves,
        }


def _told(row):
    name = row["moves"]
    if name == row["axis"] or abs(row[name]) < MONOTONE:
        return ""
    return f"{name} {'↑' if row[name] > 0 else '↓'}"
