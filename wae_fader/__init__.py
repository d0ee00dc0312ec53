"""Single notes of a point in a small space: ``generate_note`` and ``restyle_note``."""

from __future__ import annotations

from typing import Any

__all__ = ["generate_note", "restyle_note"]


def __getattr__(name: str) -> Any:
    # so that importing the package brings no networks
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from wae_fader import ways

    return getattr(ways, name)
