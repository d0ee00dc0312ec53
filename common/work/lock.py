"""One run at a time writes an output."""

import contextlib
import errno
import fcntl
import os
import sys
import time
import unicodedata
from pathlib import Path

from common.cli import UserError, printable
from common.files.atomic import hidden_beside, is_temporary, temporaries_of
from common.work.workers import POLL_SECONDS, end_workers, remove_remains

_NAME = ".lock"  # in a folder
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_PID_BYTES = 20


@contextlib.contextmanager
def only_run(output, *, folder=True):
    """Context in which no other run writes the same output.

    The lock is the operating system's and ends with its process, however that ends. It is on a
    hidden file, ``.lock`` in the folder or ``.lock.<name>`` beside a file, which is removed at the
    end; a killed run leaves it, and the next one clears up after that: half-written files are
    removed, too. On a network file system the lock holds as far as that passes it on to other
    machines (NFS does); where there are no locks at all, the run says so and goes on.

    Args:
        output: Path of a folder, or of a file; None for a run that writes nothing. Folders are
            made, and removed if they stay empty.
        folder: Whether it is a folder.

    Raises:
        UserError: Another run is writing it.
        OSError: The folder cannot be written.
    """
    if output is None:
        yield
        return
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
                # of another user's killed run the file is the trouble
                named = path if os.path.lexists(path) else place
                raise OSError(error.errno, error.strerror, str(named)) from error
            path.unlink(missing_ok=True)
            said = f"{printable(place)}: no locks on this file system; start no second run"
            print(said, file=sys.stderr)
        yield


def remove_temporaries(folder):
    """Remove what killed processes left half-written in a folder, which a run keeps to itself.

    Folders below it that another run may be keeping are passed over.
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


def require_distinct(folder, names):
    """Raise ``UserError`` where the file system of a folder takes two names for one.

    Args:
        folder: That ``only_run`` keeps: a system to which case is nothing finds its lock by another
            name, too.
        names: Of what is to be written, below the folder.
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
    """Lock a file, which is made if need be; its descriptor."""
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
    # while it is locked: who has opened it already finds it gone, and begins again
    if _is_there(descriptor, path):
        path.unlink()
    os.close(descriptor)


def _remove_empty(folders):
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # something is in it
            return


def _is_there(descriptor, path):
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _clear_after(pid):
    """Wait for the workers of a run that was killed, and remove what joblib made for them."""
    time.sleep(2 * POLL_SECONDS)  # they may outlive it for so long
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        remove_remains(pid)
    except PermissionError:
        pass  # by now the number is another process's, whose files these are
