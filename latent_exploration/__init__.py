"""Hands on the latent space of any model: ``open_session``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latent_exploration.session import LatentSession


def open_session(folder: Path | str, **settings: Any) -> LatentSession:
    """Open the model of a folder, for the sounds that pass through its latent space.

    Args:
        folder: Run folder of a training, or a folder of ``models/``.
        settings: ``pitch`` and ``voice``, as of ``latent_exploration.session.open_latent``.

    Returns:
        ``LatentSession`` without a path; begin with its ``load``.

    Raises:
        UserError: No model there, or one without a latent space for sounds.
    """
    from common.training.devices import start_backend
    from latent_exploration.session import LatentSession, open_latent

    start_backend(None)
    return LatentSession(open_latent(folder, **settings))
