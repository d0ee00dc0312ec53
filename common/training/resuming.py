"""Check whether a run may be continued with the flags and data of a new call."""

import json
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from common.cli import UserError


def continued_config(
    folder: Path,
    old: dict[str, Any],
    new: dict[str, Any],
    *,
    may_change: Collection[str],
    may_vary: Collection[str],
    defaults: Collection[str],
) -> dict[str, Any]:
    """Return the configuration with which a run continues.

    Args:
        folder: Run folder, for messages.
        old: Content of the run's ``config.json``.
        new: Configuration of the call that is to continue the run.
        may_change: Names of flags that may differ.
        may_vary: Names of other entries that may differ, besides versions and split.
        defaults: Names of the flags that have their default value in the call; the run need not
            have them.

    Returns:
        ``new``, with the run's pieces added to its ``split``.

    Raises:
        UserError: The run was started by another script, with other flags or on other data.
    """
    afresh = "choose another --output, or --no-resume to start it afresh"
    flags, given = old.get("flags", {}), new["flags"]
    for key in ("system", "script"):
        if old.get(key, new[key]) != new[key]:
            raise UserError(
                f"{folder}: its run was started by {old[key]}, not {new[key]}; {afresh}"
            )
    unknown = [name for name in flags if name not in given]
    # runs of earlier versions do not record their script
    if "script" not in old and unknown and not given.keys() <= flags.keys():
        raise UserError(
            f"{folder}: its run was started by another script than {new['script']}, with "
            f"--{unknown[0]} {flags[unknown[0]]}; {afresh}"
        )
    for name, value in given.items():
        known = name in flags or name in defaults
        if name not in may_change and not (known and flags.get(name, value) == value):
            raise UserError(
                f"{folder}: its run was started with --{name} {flags.get(name)}, not {value}; "
                f"{afresh}"
            )
    for name in new.keys() - {"system", "script", "flags", "versions", "split", *may_vary}:
        if not _agree(old.get(name), json.loads(json.dumps(new[name]))):
            raise UserError(
                f"{folder}: its run was started with another {name}; give the data that it began "
                f"with, {afresh}"
            )
    if "split" not in new:
        return new
    return new | {"split": _joined(folder, old.get("split", {}), new["split"])}


def recorded_split(
    sides: Iterable[Iterable], name_of: Callable[[Any], str]
) -> dict[str, list[str]]:
    """Return the entry ``split`` of ``config.json``: dict from side to sorted names.

    Args:
        sides: Items to train on and items that are held out.
        name_of: Function that returns the name for an item.
    """
    return {
        name: sorted(set(map(name_of, side)))
        for name, side in zip(("training", "held_out"), sides, strict=True)
    }


def _agree(old, new):
    """Whether all recorded entries are unchanged; new entries are not compared."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(new.get(name) == value for name, value in old.items())
    return old is None or old == new


def _joined(folder, old, new):
    """Join both splits; pieces that the run has seen stay recorded even if they are gone."""
    words = {"training": "trained on", "held_out": "held out"}
    for side, other in (("training", "held_out"), ("held_out", "training")):
        moved = sorted(set(old.get(side, ())) & set(new[other]))
        if moved:
            raise UserError(
                f"{folder}: {moved[0]} was {words[side]} by its run and would now be "
                f"{words[other]}; give the data that it began with, or choose another --output"
            )
    return {side: sorted({*old.get(side, ()), *pieces}) for side, pieces in new.items()}


def new_pieces(old: dict[str, list[str]], new: dict[str, list[str]]) -> dict[str, int]:
    """Count the pieces that a run has not seen yet: dict from side of the split to number."""
    return {side: len(set(pieces) - set(old.get(side, ()))) for side, pieces in new.items()}
