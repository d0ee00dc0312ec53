"""What every evaluation decides alike: what a model was not trained on."""

from common.cli import UserError


def held_out(names, configs, key, *, recorded=None, where, remedy="add others"):
    """Recordings that no run was trained on, by the split that each run wrote down.

    Args:
        names: Iterable of their names.
        configs: Content of each run's ``config.json``.
        key: Function from a name to what a split keeps together, such as its piece.
        recorded: The same for the names that the splits list; by default ``key``.
        where: Folder or file that holds them, for the message.
        remedy: What to do where there is none.

    Returns:
        List of names.

    Raises:
        UserError: No such recording, or a run without a split.
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
