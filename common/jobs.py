"""Work split by piece over processes."""

import itertools
from concurrent.futures.process import BrokenProcessPool

from common.cli import UserError
from common.workers import end_with_parent
from data import AudioFileError


def _guarded(function, task):
    # A fault of ours is raised here; joblib then kills the other workers.
    end_with_parent()
    try:
        return task, function(task), None
    except (UserError, OSError) as error:
        return task, None, error


def run_jobs(function, tasks, jobs, title):
    """Call ``function`` on each task in worker processes, with a progress bar on stderr.

    Args:
        function: A picklable function of one argument.
        tasks: Sequence of picklable tasks.
        jobs: Number of processes; 1 works in this process, -1 uses all cores.
        title: Shown beside the progress bar.

    Yields:
        ``(task, result, error)`` in the order of the tasks; ``error`` is None, or the UserError or
        AudioFileError that ended this task.

    Raises:
        UserError: A worker process was killed.
        OSError: Of a task, such as a full disk. No task is begun after it, but those that other
            processes work on are ended in good order, so that no half-written file stays.
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    # one task at a time per worker: pieces differ in length too much for batches
    parallel = Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
    fatal = []
    pending = itertools.takewhile(lambda task: not fatal, tasks)
    results = parallel(delayed(_guarded)(function, task) for task in pending)
    try:
        for task, result, error in tqdm(
            results, total=len(tasks), desc=title, unit="file", disable=None
        ):
            if isinstance(error, OSError) and not isinstance(error, AudioFileError):
                fatal.append(error)
            if not fatal:
                yield task, result, error
    except BrokenProcessPool as error:
        raise UserError(
            "--jobs: a worker process was killed, perhaps for lack of memory; give a lower number"
        ) from error
    if fatal:
        raise fatal[0]
