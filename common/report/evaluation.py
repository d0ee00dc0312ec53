"""Find the recordings that models were not trained on."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from common.cli import UserError


def held_out(
    names: Iterable[str],
    configs: Iterable[dict[str, Any]],
    key: Callable[[str], str],
    *,
    recorded: Callable[[str], str] | None = None,
    where: Path,
    remedy: str = "add others",
) -> list[str]:
    """List the recordings that no run was trained on, by the recorded split of each run.

    Args:
        names: Iterable of names of recordings.
        configs: Content of each run's ``config.json``.
        key: Function from a name to the unit of a split, such as the piece.
        recorded: The same function for names in recorded splits; default ``key``.
        where: Folder or file of the recordings, for the message.
        remedy: What to do if there is none, for the message.

    Returns:
        List of names.

    Raises:
        UserError: There is no such recording, or a run has no split.
    """
    try:
        listed = [name for config in configs for name in config["split"]["training"]]
    except (KeyError, TypeError):
        raise UserError("config.json: holds no split; name a run folder of a training") from None
    trained = set(map(recorded or key, listed))
    found = [name for name in names if key(name) not in trained]
    if not found:
        raise UserError(f"{where}: the models were trained on every piece in it; {remedy}")
    return found
