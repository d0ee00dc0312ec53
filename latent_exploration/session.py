"""A sound in the latent space of a model, and what is done to it there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.files.audio import is_silent, safe_peak
from common.latent import Control, Follower, LatentModel, smooth, spread
from common.trained import open_model
from latent_exploration import paths
from latent_exploration.knobs import Knobs


@dataclass(frozen=True)
class LatentSession:
    """A path through the latent space of a model; every operation returns another session.

    With ``knobs``, the values that operations change are the positions of the knobs, and dimensions
    are counted in principal axes; without, they are those of the latent vectors. Dimensions are
    counted from 0.

    Attributes:
        model: ``common.latent.LatentModel``.
        path: (steps, dims), or None before ``load``.
        knobs: ``Knobs``, or None.
    """

    model: LatentModel
    path: np.ndarray | None = None
    knobs: Knobs | None = None

    def load(self, audio: np.ndarray) -> LatentSession:
        """Take the path of an audio (samples,) float32 at the sample rate of the model.

        Raises:
            UserError: The audio is silent.
        """
        if is_silent(audio):
            raise UserError("the recording is silent; give another one")
        return self.follow(self.model.encode(np.asarray(audio, np.float32)))

    def follow(self, path: np.ndarray) -> LatentSession:
        """Take a path (steps, dims)."""
        return replace(self, path=np.asarray(path))

    @property
    def count(self) -> int:
        """Number of dimensions that operations can name."""
        return self.model.dims if self.knobs is None else len(self.knobs.reach)

    @property
    def seconds(self) -> float:
        """Length of the path."""
        return len(self._loaded()) / self.model.rate

    @property
    def values(self) -> np.ndarray:
        """What operations change: (steps, count)."""
        return self._loaded() if self.knobs is None else self.knobs.values(self._loaded())

    def edit(self, change: Callable[[np.ndarray], np.ndarray]) -> LatentSession:
        """Replace the values (steps, count) by a function of them."""
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite, render refuses
            made = change(self.values)
        return self.follow(made if self.knobs is None else self.knobs.turned(self.path, made))

    def scale(self, factor: float, dim: int | None = None) -> LatentSession:
        """Multiply one dimension, or all."""
        return self.edit(lambda values: paths.scale(values, factor, self._known(dim)))

    def spread(self, factor: float) -> LatentSession:
        """Multiply the distance from the mean of the path: 0 stands still, 2 exaggerates."""
        return self.edit(lambda values: spread(values, factor))

    def bias(self, amount: float, dim: int | None = None) -> LatentSession:
        """Add a number to one dimension, or to all."""
        return self.edit(lambda values: paths.bias(values, amount, self._known(dim)))

    def curve(self, dim: int, points: Sequence[tuple[float, float]]) -> LatentSession:
        """Replace a dimension by a curve, as ``paths.curve``."""
        return self.edit(lambda values: paths.curve(values, self._known(dim), points))

    def control(self, name: str, points: Sequence[tuple[float, float]]) -> LatentSession:
        """Set a control, such as "loudness", by a curve in dB below full scale.

        Raises:
            UserError: The model has no such control.
        """
        controls = controls_of(self.model)
        if name not in controls:
            known = f"it has {', '.join(controls)}" if controls else "it has none"
            raise UserError(f"the model has no control {name!r}; {known}")
        control = controls[name]
        placed = [(time, float(control.values(level))) for time, level in points]
        return self.follow(paths.curve(self._loaded(), control.dim, placed))

    def descriptor(
        self, name: str, seconds: float, points: Sequence[tuple[float, float]]
    ) -> LatentSession:
        """Take a path whose sound has a descriptor that follows a curve.

        Args:
            name: Such as "centroid".
            seconds: Length of the path.
            points: As of ``paths.curve``, in the unit of the descriptor.

        Raises:
            UserError: The model follows no curves, or not those of this descriptor.
        """
        names = self.model.descriptors if isinstance(self.model, Follower) else ()
        if name not in names:
            known = f"it follows {', '.join(names)}" if names else "it follows none"
            raise UserError(f"the model does not follow a curve of {name!r}; {known}")
        steps = max(round(seconds * self.model.rate), 1)
        target = paths.curve(np.zeros((steps, 1)), 0, points)[:, 0]
        return self.follow(self.model.follow(name, target))

    def append(self, other: LatentSession) -> LatentSession:
        """Go on with the path of another session."""
        return self.follow(np.concatenate([self._loaded(), other._loaded()]))

    def randomise(self, amount: float, seed: int = 0) -> LatentSession:
        """Add Gaussian noise with a standard deviation to all values."""
        return self.edit(lambda values: paths.randomise(values, amount, seed))

    def reverse(self) -> LatentSession:
        """Go the path backwards."""
        return self.follow(self._loaded()[::-1])

    def smooth(self, steps: int) -> LatentSession:
        """Moving average over a number of steps."""
        return self.follow(smooth(self._loaded(), steps))

    def cross_fade(
        self, other: LatentSession, share: float | np.ndarray | tuple[float, float] = (0, 1)
    ) -> LatentSession:
        """Fade to another session, as ``paths.cross_fade``."""
        return self.follow(paths.cross_fade(self._loaded(), other._loaded(), share))

    def mix(
        self, others: Sequence[LatentSession], x: float | np.ndarray, y: float | np.ndarray
    ) -> LatentSession:
        """Mix with three other sessions by a point of a square, as ``paths.mix``."""
        if len(others) != 3:
            raise UserError(f"a mixture needs four sounds, not {len(others) + 1}")
        return self.follow(paths.mix([one._loaded() for one in (self, *others)], x, y))

    def feedback(self, rounds: int, hertz: float, quality: float) -> LatentSession:
        """Feed the sound back into the model through a band-pass, and follow the whole way.

        Each round encodes the sound of the round before, filtered and brought back to the level
        (root mean square) of the first sound; the paths of all rounds follow one another.

        Args:
            rounds: How often the sound is fed back.
            hertz: Centre of the band-pass, below half the sample rate.
            quality: Centre over the width of the band at -3 dB.
        """
        from latent_exploration.filters import band_pass

        part, found = self._loaded(), [self._loaded()]
        level = None
        for _ in range(rounds):
            audio = self.follow(part).render()
            level = _level(audio) if level is None else level
            filtered = band_pass(audio, hertz, quality, self.model.sample_rate)
            filtered = filtered * np.float32(level / max(_level(filtered), 1e-9))
            part = self.model.encode(safe_peak(filtered.astype(np.float32)))
            found.append(part)
        return self.follow(np.concatenate(found))

    def transfer(self, audio: np.ndarray) -> np.ndarray:
        """Play any audio by the model, also one from outside of its training: (samples,)."""
        return self.load(audio).render()

    def render(self) -> np.ndarray:
        """Decode the path: (samples,) float32, turned down if it would clip.

        Raises:
            UserError: The path has left what the model can decode to finite numbers.
        """
        with np.errstate(over="ignore"):
            path = self._loaded().astype(np.float32)
        audio = self.model.decode(path) if np.isfinite(path).all() else np.full(1, np.nan)
        if not np.isfinite(audio).all():
            raise UserError("the path has left the latent space; change it by smaller amounts")
        return safe_peak(np.asarray(audio, np.float32))

    def _loaded(self):
        if self.path is None:
            raise UserError("no sound is loaded; load one first")
        return self.path

    def _known(self, dim):
        if dim is not None and not 0 <= dim < self.count:
            # people count from 1
            raise UserError(f"dimension {dim + 1}: give one from 1 to {self.count}")
        return dim


def controls_of(model: LatentModel) -> dict[str, Control]:
    """What people set themselves in a model: a dict from a name."""
    return getattr(model, "controls", {})


def control_dims(model: LatentModel) -> dict[str, int]:
    """The dimensions of ``controls_of``."""
    return {name: control.dim for name, control in controls_of(model).items()}


def _level(audio):
    return float(np.sqrt(np.square(audio, dtype=float).mean()))


def open_latent(
    folder: Path | str, pitch: int | None = None, voice: str | None = None
) -> LatentModel:
    """Open a model as a ``LatentModel``.

    Args:
        folder: Run folder.
        pitch: MIDI number that it plays, for a model that is told pitches.
        voice: Instrument or style that it plays, for a model that is told one.

    Raises:
        UserError: No model there; one without a latent space for sounds; or it knows no pitch or no
            such voice.
    """
    model = open_model(folder)
    if not isinstance(model, LatentModel):  # time stretching keeps its space beside the rest
        model = getattr(model, "codes", None)
    if not isinstance(model, LatentModel):
        raise UserError(
            f"{folder}: has no latent space for sounds; choose another model, such as "
            "models/vae_notes or models/move_orchestra"
        )
    if hasattr(model, "player"):  # it is told a note each time that it is asked
        model = model.player()
    conditions = getattr(model, "conditions", None)
    if pitch is not None:
        if not hasattr(model, "pitch"):
            raise UserError(f"--pitch: {folder} is told no pitch; leave the flag out")
        model.pitch = pitch
    if voice is not None:
        name = next((name for name in ("instrument", "style") if hasattr(model, name)), None)
        if name is None:
            raise UserError(f"--voice: {folder} is told no instrument; leave the flag out")
        setattr(model, name, conditions.instrument(voice))
    return model
