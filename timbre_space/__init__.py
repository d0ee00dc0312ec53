"""A space of timbres arranged by ratings: ``place_sound``, ``path_between``."""

from __future__ import annotations

from typing import Any

__all__ = ["path_between", "place_sound"]


def __getattr__(name: str) -> Any:
    # so that importing the package brings no networks
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from timbre_space import ways

    return getattr(ways, name)
