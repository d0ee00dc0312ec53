"""Smaller networks: the units that matter least are cut out of trained Keras models."""

from typing import Any

__all__ = ["Trimmer"]


def __getattr__(name: str) -> Any:
    # so that importing the package brings no networks
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from trimming.trimmer import Trimmer

    return Trimmer
