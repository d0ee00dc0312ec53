"""The generative models of 2007.16170, small: customers of the lottery.

Each module has ``SECONDS``, the length of the sound of an example, ``build(width)``,
``arrays(notes)``, which makes examples of notes, ``loss``, and ``error``, a function of targets and
outputs by which networks are compared; it is None where that is the loss.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import NamedTuple


class Training(NamedTuple):
    """How a generator is trained by default.

    Attributes:
        widths: Widths to choose from.
        steps: Batches of an epoch.
        lr: First learning rate.
    """

    widths: tuple[int, ...]
    steps: int
    lr: float


GENERATORS = {
    "wavenet": Training((24, 34, 48), 20, 4e-3),
    "sing": Training((64, 90, 128), 40, 2e-3),
    "ddsp": Training((48, 68, 96), 25, 3e-3),
}


def open_generator(name: str) -> ModuleType:
    """The module of a generator, which imports Keras.

    Args:
        name: Of GENERATORS.
    """
    if name not in GENERATORS:
        raise ValueError(f"{name!r}: give one of {', '.join(GENERATORS)}")
    return import_module(f"{__name__}.{name}")
