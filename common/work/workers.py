"""Worker processes of joblib: they end with the process that began them, and leave nothing."""

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
def end_with_parent():
    """In a worker process: end it soon after its parent has ended, in the midst of a task, too.

    joblib's workers would finish what they were given, beside a new run on the same files. What was
    made for them is removed: joblib's helper does that, too, but it may take its time or be killed.
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
        traceback.print_exc()  # nothing else would, on the way out
    finally:
        os._exit(1)


def _forget(removed):
    """Tell joblib's helper that paths are gone, for which it would look, and complain."""
    from joblib.externals.loky.backend import resource_tracker

    for path in removed:
        if path.name.startswith("sem."):
            resource_tracker.unregister("/" + path.name.removeprefix("sem."), "semlock")
        else:
            resource_tracker.unregister(str(path), "folder")


def remains(pid):
    """Semaphores and folders that joblib made for the workers of a process: list of paths.

    joblib removes them itself, unless it is killed together with its helpers.
    """
    temporary = tempfile.gettempdir()
    places = {"/dev/shm", temporary, os.environ.get("JOBLIB_TEMP_FOLDER", temporary)}
    patterns = f"sem.loky-{pid}-*", f"joblib_memmapping_folder_{pid}_*"
    return [path for place in places for pattern in patterns for path in Path(place).glob(pattern)]


def remove_remains(pid):
    """Remove what joblib left of a process that has ended.

    Returns:
        List of the paths that were removed here; another process may have been faster.
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


def end_workers():
    """End the workers of this process, which have nothing left to do, and what was made for them.

    So that nothing remains when the process is killed on its way out.
    """
    if remains(os.getpid()):
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(reuse=True).shutdown()
        remove_remains(os.getpid())
