"""Ultra-light models for music analysis: ``hear``."""

from __future__ import annotations

from typing import Any

__all__ = ["hear"]


def __getattr__(name: str) -> Any:
    # so that importing the package brings no networks
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from light_mir.trained import hear

    return hear
