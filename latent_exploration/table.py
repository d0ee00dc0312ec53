"""The addresses of the OSC server, and what each of them does to a session."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import write_audio
from latent_exploration.scripts import LONGEST, read_sound
from latent_exploration.session import LatentSession

SLOTS = 4
_LARGEST = 100_000.0  # of a number
_UNDO = 20  # steps that are remembered
_ROUNDS = 20
_SUFFIXES = (".wav", ".flac", ".ogg")
_LONGEST_NAME = 100  # characters


class Address(NamedTuple):
    """What an address takes.

    Attributes:
        takes: Names of its arguments, separated by spaces: "n" a number, "i" a whole one, "s" a
            text; in brackets one that may be left out; with dots, pairs of numbers.
        does: Method of ``Player``.
    """

    takes: str
    does: Callable[..., Sequence[Any]]


class Player:
    """What the server plays: a session, four slots for others, and what can be undone.

    Args:
        session: ``LatentSession`` of the model.
        sounds: Folder of the recordings that can be loaded.
        output: Folder of the sounds that are rendered; it is created when needed.
    """

    def __init__(self, session: LatentSession, sounds: Path, output: Path) -> None:
        self._sounds, self._output = sounds.resolve(), output.resolve()
        self._session, self._undo, self._slots = session, [], {}

    def play(self, address: str, given: Sequence[Any]) -> Sequence[Any]:
        """Do what an address says.

        Args:
            address: Such as "/scale".
            given: Arguments of the message.

        Returns:
            What is answered: numbers and strings.

        Raises:
            UserError: An unknown address, wrong arguments, or a file that cannot be used.
        """
        if address not in ADDRESSES:
            raise UserError(f"unknown; there are {' '.join(ADDRESSES)}")
        known = ADDRESSES[address]
        arguments = _arguments(known.takes, given)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite, _change refuses
            return known.does(self, *arguments)

    def _change(self, session):
        if not np.isfinite(session.path).all():
            raise UserError("would leave the latent space; change it by smaller amounts")
        if session.seconds > LONGEST:
            raise UserError(f"the path would be longer than {LONGEST} seconds")
        if self._session.path is not None:
            self._undo = [*self._undo[-_UNDO:], self._session]
        self._session = session
        return self._size()

    def _size(self):
        session = self._session
        steps = 0 if session.path is None else len(session.path)
        return [steps, int(session.count), float(session.model.rate)]

    def _load(self, name):
        path = _inside(self._sounds, name)
        return self._change(self._session.load(read_sound(path, self._session.model.sample_rate)))

    def _render(self, name):
        path = _inside(self._output, name)
        if path.parent != self._output or path.suffix.lower() not in _SUFFIXES:
            raise UserError(f"{name!r}: give a name without folder that ends in .wav or .flac")
        audio, rate = self._session.render(), self._session.model.sample_rate
        write_audio(path, audio, rate)
        return [str(path), audio.size / rate]

    def _take_back(self):
        if not self._undo:
            raise UserError("nothing to undo")
        self._session = self._undo.pop()
        return self._size()

    def _keep(self, slot):
        if self._session.path is None:
            raise UserError("no sound is loaded; load one first")
        self._slots[_slot(slot)] = self._session
        return [slot]

    def _kept(self, slot):
        if _slot(slot) not in self._slots:
            raise UserError(f"slot {slot} is empty; fill it with /keep {slot}")
        return self._slots[slot]

    def _take(self, slot):
        return self._change(self._kept(slot))

    def _cross_fade(self, begin, end=None):
        share = begin if end is None else (begin, end)
        return self._change(self._kept(1).cross_fade(self._kept(2), share))

    def _mix(self, x, y):
        first, *others = (self._kept(slot) for slot in range(1, SLOTS + 1))
        return self._change(first.mix(others, x, y))

    def _curve(self, dim, *numbers):
        return self._change(self._session.curve(dim - 1, _points(numbers)))

    def _loudness(self, *numbers):
        return self._change(self._session.control("loudness", _points(numbers)))

    def _follow(self, name, seconds, *numbers):
        if not 0 < seconds <= LONGEST:
            raise UserError(f"give a length of up to {LONGEST} seconds")
        return self._change(self._session.descriptor(name, seconds, _points(numbers)))

    def _append(self, slot):
        return self._change(self._session.append(self._kept(slot)))

    def _set(self, dim, value):
        return self._change(self._session.curve(dim - 1, [(0, value)]))

    def _scale(self, factor, dim=None):
        return self._change(self._session.scale(factor, None if dim is None else dim - 1))

    def _bias(self, amount, dim=None):
        return self._change(self._session.bias(amount, None if dim is None else dim - 1))

    def _spread(self, factor):
        return self._change(self._session.spread(factor))

    def _randomise(self, amount, seed=0):
        if amount < 0 or seed < 0:
            raise UserError("give numbers that are not negative")
        return self._change(self._session.randomise(amount, seed))

    def _reverse(self):
        return self._change(self._session.reverse())

    def _smooth(self, steps):
        if steps < 1:
            raise UserError("give at least 1 vector")
        return self._change(self._session.smooth(steps))

    def _feedback(self, rounds, hertz, quality):
        longest = (rounds + 1) * self._session.seconds > LONGEST
        if not 0 < rounds <= _ROUNDS or quality <= 0 or longest:
            raise UserError(
                f"give 1 to {_ROUNDS} rounds of at most {LONGEST} seconds together, and a quality "
                "above 0"
            )
        return self._change(self._session.feedback(rounds, hertz, quality))


ADDRESSES = {
    "/size": Address("", Player._size),
    "/load": Address("s", Player._load),
    "/render": Address("s", Player._render),
    "/undo": Address("", Player._take_back),
    "/keep": Address("i", Player._keep),
    "/take": Address("i", Player._take),
    "/scale": Address("n [i]", Player._scale),
    "/bias": Address("n [i]", Player._bias),
    "/set": Address("i n", Player._set),
    "/curve": Address("i n n ...", Player._curve),
    "/loudness": Address("n n ...", Player._loudness),
    "/follow": Address("s n n n ...", Player._follow),
    "/append": Address("i", Player._append),
    "/spread": Address("n", Player._spread),
    "/randomise": Address("n [i]", Player._randomise),
    "/reverse": Address("", Player._reverse),
    "/smooth": Address("i", Player._smooth),
    "/crossfade": Address("n [n]", Player._cross_fade),
    "/mix": Address("n n", Player._mix),
    "/feedback": Address("i n n", Player._feedback),
}


def _arguments(takes, given):
    """Check the arguments of a message against the letters of ``Address.takes``."""
    kinds = takes.replace("[", "").replace("]", "").split()
    fewest, most = len(kinds) - takes.count("["), len(kinds)
    if kinds[-1:] == ["..."]:
        kinds = kinds[:-1]
        fewest, most = len(kinds), math.inf
        kinds += ["n"] * (len(given) - len(kinds))
        if (len(given) - fewest) % 2:
            raise UserError(f"takes pairs of numbers, but got {len(given)} arguments")
    if not fewest <= len(given) <= most:
        raise UserError(f"takes {takes or 'nothing'}, but got {len(given)} arguments")
    return [_argument(kind, value) for kind, value in zip(kinds, given, strict=False)]


def _argument(kind, value):
    if kind == "s":
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
            raise UserError("takes a name")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise UserError("takes numbers")
    if kind == "i":
        # Max and Pure Data send whole numbers as floats
        if value != int(value) or abs(value) > 2**31:
            raise UserError(f"takes a whole number, not {value:g}")
        return int(value)
    if abs(value) > _LARGEST:
        raise UserError(f"takes numbers up to {_LARGEST:,.0f}")
    return float(value)


def _points(numbers):
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    if any(not 0 <= time <= 1 for time, _ in points):
        raise UserError("times run from 0 to 1")
    return points


def _slot(number):
    if not 1 <= number <= SLOTS:
        raise UserError(f"slot {number}: give 1 to {SLOTS}")
    return number


def _inside(folder, name):
    """Path of a file below a folder, also after links are followed."""
    try:
        path = (folder / name).resolve()
    except (ValueError, OSError, RuntimeError) as error:
        raise UserError(f"{name!r}: no name of a file") from error
    if folder not in path.parents or any(part.startswith(".") for part in Path(name).parts):
        raise UserError(f"{name!r}: give the name of a file in {folder}")
    return path
