"""Whether a run may go on with the flags and data of a new call, and what it remembers of both."""

import json

from common.cli import UserError


def continued_config(folder, old, new, *, may_change, may_vary, defaults):
    """The configuration with which a run goes on.

    Args:
        folder: Of the run, for messages.
        old: Content of its ``config.json``.
        new: The configuration of the call that wants to go on with it.
        may_change: Names of flags that may differ.
        may_vary: Names of what else may differ, beside versions and split.
        defaults: Names of the flags that the call leaves at their defaults: the run need not know
            these.

    Returns:
        ``new``, with the pieces that the run knows in its ``split`` as well.

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
    # runs of earlier versions do not tell their script
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


def _agree(old, new):
    """Whether what a run remembers holds; what it does not know yet is not compared."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(new.get(name) == value for name, value in old.items())
    return old is None or old == new


def _joined(folder, old, new):
    """Both splits in one; what the run has seen stays recorded, also where it is not there now."""
    words = {"training": "trained on", "held_out": "held out"}
    for side, other in (("training", "held_out"), ("held_out", "training")):
        moved = sorted(set(old.get(side, ())) & set(new[other]))
        if moved:
            raise UserError(
                f"{folder}: {moved[0]} was {words[side]} by its run and would now be "
                f"{words[other]}; give the data that it began with, or choose another --output"
            )
    return {side: sorted({*old.get(side, ()), *pieces}) for side, pieces in new.items()}


def new_pieces(old, new):
    """Number of pieces of a split that a run has not seen yet: dict from side to number."""
    return {side: len(set(pieces) - set(old.get(side, ()))) for side, pieces in new.items()}
