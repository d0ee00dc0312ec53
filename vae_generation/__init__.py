"""New sounds from a variational auto-encoder: ``draw``, ``reconstruct``, ``interpolate``."""

from typing import Any

__all__ = ["draw", "interpolate", "reconstruct"]


def __getattr__(name: str) -> Any:
    # so that importing the package does not import Keras
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from vae_generation import ways

    return getattr(ways, name)
