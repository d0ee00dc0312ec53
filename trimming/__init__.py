"""Smaller and wider networks: units are cut out of trained Keras models, or copied."""

from importlib import import_module
from typing import Any

_PLACES = {"Trimmer": "trimming.trimmer", "widen": "trimming.widening"}

__all__ = ["Trimmer", "widen"]


def __getattr__(name: str) -> Any:
    # so that importing the package brings no networks
    if name not in _PLACES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_PLACES[name]), name)
