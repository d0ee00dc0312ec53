"""Files that appear whole or not at all."""

import hashlib
import os
from contextvars import ContextVar
from pathlib import Path

_LONG_NAME = 100  # bytes; most file systems take 255, some that encrypt 143


def hidden_beside(path, kind):
    """Path of a hidden file beside ``path``: ``.<kind>.<name>``, a long name as its hash."""
    name = path.name
    if len(os.fsencode(name)) > _LONG_NAME:  # file systems would refuse one that is even longer
        name = hashlib.sha256(os.fsencode(name)).hexdigest() + path.suffix[:16]
    return path.with_name(f".{kind}.{name}")


# Stands in the names of temporary files, where several processes may write the same file at once.
temporary_mark = ContextVar("temporary_mark", default="")


class replace_when_done:
    """Context manager: a temporary path beside ``path`` that takes its place on success.

    The temporary file is removed when the block fails, so a file is either whole or absent. Its
    name depends on ``path`` alone (and on ``temporary_mark``): what a killed process left is
    overwritten by the next one. It keeps the suffix, from which libraries tell the format.

    Args:
        path: The file.
        durable: Wait until it is on the disk. Many small files are written several times as fast
            without; a failing machine, not a killed process, can then leave them cut off.
    """

    def __init__(self, path, durable=True):
        self.path, self._durable = Path(path), durable
        self.temporary = hidden_beside(self.path, f"part{temporary_mark.get()}")

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.temporary

    def __exit__(self, exception_type, exception, traceback):
        try:
            if exception_type is None:
                if self._durable:
                    with self.temporary.open("rb") as file:
                        os.fsync(file.fileno())
                self.temporary.replace(self.path)
        finally:
            self.temporary.unlink(missing_ok=True)
