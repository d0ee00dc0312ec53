"""The timbre of one instrument: ``transfer_timbre`` and ``synthesize_descriptor``."""

from __future__ import annotations

from typing import Any

__all__ = ["synthesize_descriptor", "transfer_timbre"]


def __getattr__(name: str) -> Any:
    # so that importing the package brings no networks
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from vq_timbre import ways

    return getattr(ways, name)
