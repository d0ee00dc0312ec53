"""Work split by piece over processes."""

from common.cli import UserError
from data import AudioFileError


def _guarded(function, task):
    # A mistake in one file must not stop the others; anything else (a full disk, a fault of ours)
    # is raised in the parent.
    try:
        return task, function(task), None
    except (UserError, AudioFileError) as error:
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
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    # one task at a time per worker: pieces differ in length too much for batches
    parallel = Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
    results = parallel(delayed(_guarded)(function, task) for task in tasks)
    yield from tqdm(results, total=len(tasks), desc=title, unit="file", disable=None)
