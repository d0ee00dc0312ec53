"""Neural granular synthesis: ``draw``, ``reconstruct`` and ``blend``."""

from __future__ import annotations

from typing import Any

__all__ = ["blend", "draw", "reconstruct"]


def __getattr__(name: str) -> Any:
    # so that importing the package brings no networks
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from granular import ways

    return getattr(ways, name)
