"""Files that appear whole or not at all."""

import hashlib
import os
import re
import secrets
from pathlib import Path
from types import TracebackType

from common.cli import require_no_source

_LONG_NAME = 100  # bytes; most file systems take 255, some that encrypt 143
_TEMPORARY = re.compile(r"\.(part\.[0-9a-f]{8})\..+", re.DOTALL)


def hidden_beside(path: Path, kind: str) -> Path:
    """Path of a hidden file next to ``path``: ``.<kind>.<name>``; long names become a hash."""
    name = path.name
    if len(os.fsencode(name)) > _LONG_NAME:  # with the prefix it could exceed the limit
        name = hashlib.sha256(os.fsencode(name)).hexdigest() + path.suffix[:16]
    return path.with_name(f".{kind}.{name}")


class replace_when_done:
    """Context manager that yields a temporary path next to ``path``, and renames it on success.

    The temporary file is removed when the block fails, so the file is either complete or absent.
    The temporary name is random, so several processes may write the same file at the same time; the
    last one wins. The suffix stays, because libraries derive the format from it. Remains of a
    killed process are removed by the next run that locks the output (``common.work.lock``).

    Args:
        path: The file.
        durable: Wait until the file is on the disk. Without, many small files are written several
            times as fast, but a crash of the machine (not of the process) can leave them cut off.
    """

    def __init__(self, path: Path | str, durable: bool = True) -> None:
        self.path, self._durable = Path(path), durable
        self.temporary = hidden_beside(self.path, f"part.{secrets.token_hex(4)}")

    def __enter__(self) -> Path:
        require_no_source(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.temporary

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exception_type is None:
                if self._durable:
                    with self.temporary.open("rb") as file:
                        os.fsync(file.fileno())
                self.temporary.replace(self.path)
        finally:
            self.temporary.unlink(missing_ok=True)


def temporaries_of(path: Path) -> list[Path]:
    """Temporary files of ``replace_when_done`` for one file: list of paths."""
    found = ((_TEMPORARY.fullmatch(other.name), other) for other in path.parent.iterdir())
    return [other for match, other in found if match and hidden_beside(path, match[1]) == other]


def is_temporary(path: Path) -> bool:
    """Whether a path is a temporary file of ``replace_when_done``."""
    return bool(_TEMPORARY.fullmatch(path.name))
