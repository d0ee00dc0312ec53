"""joblib's worker processes: they end with their parent process and leave no files."""

import contextlib
import functools
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
import traceback
from pathlib import Path

POLL_SECONDS = 0.1


@functools.cache
def end_with_parent() -> None:
    """Called in a worker process: end it soon after its parent has ended, even during a task.

    Otherwise joblib's workers would finish their tasks while a new run works on the same files.
    Files and semaphores made for them are removed as well: joblib's helper does that, too, but it
    may be slow, or be killed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.pid,), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    try:
        _forget(remove_remains(parent))
    except Exception:
        traceback.print_exc()  # nothing else prints it when the process exits this way
    finally:
        os._exit(1)


def _forget(removed):
    """Tell joblib's helper that paths are gone, or it would search for them and complain."""
    from joblib.externals.loky.backend import resource_tracker

    for path in removed:
        if path.name.startswith("sem."):
            resource_tracker.unregister("/" + path.name.removeprefix("sem."), "semlock")
        else:
            resource_tracker.unregister(str(path), "folder")


def remains(pid: int) -> list[Path]:
    """List the semaphores and folders that joblib made for the workers of a process.

    joblib removes them itself unless it is killed together with its helpers.
    """
    temporary = tempfile.gettempdir()
    places = {"/dev/shm", temporary, os.environ.get("JOBLIB_TEMP_FOLDER", temporary)}
    patterns = f"sem.loky-{pid}-*", f"joblib_memmapping_folder_{pid}_*"
    return [path for place in places for pattern in patterns for path in Path(place).glob(pattern)]


def remove_remains(pid: int) -> list[Path]:
    """Remove what joblib has left behind of a process that has ended.

    Returns:
        List of the removed paths; others may have been removed by another process.
    """
    removed = []
    for path in remains(pid):
        with contextlib.suppress(FileNotFoundError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path)
    return removed


def end_workers() -> None:
    """End the idle workers of this process and remove joblib's files for them.

    So nothing remains if the process is killed while it exits.
    """
    if remains(os.getpid()):
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(reuse=True).shutdown()
        remove_remains(os.getpid())
