"""Locks: only one run at a time writes an output."""

import contextlib
import errno
import fcntl
import os
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from common.cli import UserError, printable
from common.files.atomic import hidden_beside, is_temporary, temporaries_of
from common.work.workers import POLL_SECONDS, end_workers, remove_remains

_NAME = ".lock"  # name of the lock file in a folder
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_PID_BYTES = 20


@contextlib.contextmanager
def only_run(output: Path | None, *, folder: bool = True) -> Iterator[None]:
    """Context manager that keeps other runs from writing the same output.

    The lock belongs to the operating system and ends with the process, however that ends. It is
    on a hidden file, ``.lock`` in a folder or ``.lock.<name>`` next to a file, which is removed at
    the end. A killed run leaves this file; the next run removes it, and half-written files as
    well. On a network file system the lock works if the file system passes locks on to other
    machines (NFS does); if there are no locks at all, a message says so and the run continues.

    Args:
        output: Path of a folder or file; None for a run that writes nothing. Folders are created,
            and removed again if they stay empty.
        folder: Whether the output is a folder.

    Raises:
        UserError: Another run is writing it, or it is a file instead of a folder, or a folder
            instead of a file.
        OSError: The folder cannot be written.
    """
    if output is None:
        yield
        return
    if output.exists() and output.is_dir() != folder:
        there, wanted = ("file", "folder") if folder else ("folder", "file")
        raise UserError(f"{output}: is a {there}; name a {wanted}")
    place = output if folder else output.parent
    path = place / _NAME if folder else hidden_beside(output, "lock")
    missing = [parent for parent in path.parents if not parent.exists()]
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, missing)
        try:
            descriptor = _acquire(path)
            stack.callback(_release, descriptor, path)
            killed = os.read(descriptor, _PID_BYTES).strip()
            if killed.isdigit():
                _clear_after(int(killed))
                if folder:
                    remove_temporaries(output)
                else:
                    _unlink(temporaries_of(output))
            os.pwrite(descriptor, str(os.getpid()).ljust(_PID_BYTES).encode(), 0)
        except BlockingIOError:
            raise UserError(
                f"{output}: another run is writing it; wait for its end, or write elsewhere"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                # the file of another user's killed run is the cause
                named = path if os.path.lexists(path) else place
                raise OSError(error.errno, error.strerror, str(named)) from error
            path.unlink(missing_ok=True)
            said = f"{printable(place)}: no locks on this file system; start no second run"
            print(said, file=sys.stderr)
        yield


def remove_temporaries(folder: Path) -> None:
    """Remove half-written files of killed processes from a locked folder.

    Sub-folders that another run may have locked are skipped.
    """
    for parent, folders, names in os.walk(folder):
        paths = [Path(parent, name) for name in names]
        if parent != os.fspath(folder) and _NAME in names:
            folders.clear()
        else:
            _unlink(filter(is_temporary, paths))


def _unlink(paths):
    for path in paths:
        path.unlink(missing_ok=True)


def require_distinct(folder: Path, names: Iterable[str]) -> None:
    """Raise ``UserError`` if the file system treats two of the names as the same name.

    Args:
        folder: Folder locked by ``only_run``; a file system that ignores case finds its lock file
            under another spelling.
        names: Names of the files that will be written below the folder.
    """
    if not (folder / ".LOCK").exists():
        return
    known = {}
    for name in names:
        first = known.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if first != name:
            raise UserError(
                f"{folder}: its file system takes {first} and {name} for one; rename one of them"
            )


def _acquire(path):
    """Lock a file, creating it if necessary; return its descriptor."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(descriptor, path):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _release(descriptor, path):
    end_workers()
    # while locked: a process that has opened it notices that it is gone, and tries again
    if _is_there(descriptor, path):
        path.unlink()
    os.close(descriptor)


def _remove_empty(folders):
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # not empty
            return


def _is_there(descriptor, path):
    """Whether an open file still exists under its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _clear_after(pid):
    """Wait for the workers of a killed run to end, and remove joblib's files for them."""
    time.sleep(2 * POLL_SECONDS)  # for so long they may outlive it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        remove_remains(pid)
    except PermissionError:
        pass  # the number belongs to another process now, and so do the files
