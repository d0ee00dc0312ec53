"""Distribute tasks over processes of this machine or of a Dask cluster."""

import argparse
import functools
import itertools
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from common.cli import Parser, UserError, number
from common.files.audio import AudioFileError
from common.work.cluster import Cluster
from common.work.machine import cores
from common.work.workers import end_with_parent


def add_job_flags(built: Parser) -> None:
    """Add the flags ``--jobs`` and ``--scheduler``."""
    group = built.add_mutually_exclusive_group()
    group.add_argument(
        "--jobs",
        type=number(int, 1),
        default=cores(),
        help="number of processes (default: one per core)",
    )
    group.add_argument(
        "--scheduler",
        type=_address,
        metavar="ADDRESS",
        help="address of a Dask scheduler whose workers do the work, such as tcp://host:8786",
    )


def _address(text):
    if not re.fullmatch(r"(tcp://)?([^\s:/]+|\[[\da-fA-F:]+\]):\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as tcp://host:8786")
    return text


def parse_job_args(built: Parser, argv: list[str] | None) -> argparse.Namespace:
    """Parse the flags; with ``--scheduler``, make all paths absolute for the other machines."""
    args = vars(built.parse_args(argv))
    if args["scheduler"] is not None:
        args = {name: _absolute(value) for name, value in args.items()}
    return argparse.Namespace(**args)


def _absolute(value):
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    return value.absolute() if isinstance(value, Path) else value


def workers_of(
    jobs: int, scheduler: str | None, folders: Iterable[Path], output: Path | None = None
) -> int | Cluster:
    """The ``workers`` for ``run_jobs``: a number of processes, or a ``Cluster`` that answers.

    Args:
        jobs: Number of processes.
        scheduler: Address of a scheduler, or None.
        folders: Folders that the tasks read.
        output: Folder that the tasks write into, or None.

    Raises:
        UserError: No scheduler answers.
    """
    if scheduler is None:
        return jobs
    cluster = Cluster(scheduler, tuple(folders), output)
    cluster.check()
    return cluster


def _guarded(function, numbered):
    end_with_parent()
    index, task = numbered
    # any other error is a bug; joblib then kills the other workers
    try:
        return index, function(task), None
    except (UserError, OSError) as error:
        return index, None, error


def run_jobs(
    function: Callable[[Any], Any], tasks: Sequence, workers: int | Cluster, title: str
) -> Generator[tuple[Any, Any, Exception | None], None, None]:
    """Call ``function`` on each task in worker processes, with a progress bar on stderr.

    Args:
        function: A picklable function of one argument.
        tasks: Sequence of picklable tasks; a tuple begins with the file of the task.
        workers: Number of processes (1: this process, -1: all cores), or a ``Cluster``.
        title: Text next to the progress bar.

    Yields:
        ``(task, result, error)`` in the order of the tasks; ``error`` is None, or the UserError or
        AudioFileError that ended this task.

    Raises:
        UserError: A worker process was killed, or the cluster does not work.
        OSError: Raised by a task, for example for a full disk. No further task is started, but
            running tasks are finished, so that no half-written file stays. The same happens when
            the caller fails and closes the generator.
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    ended, waiting, due = [], {}, 0
    guarded = functools.partial(_guarded, function)
    pending = itertools.takewhile(lambda _: not ended, enumerate(tasks))
    if isinstance(workers, Cluster):
        outcomes = workers.run(guarded, pending)
    else:
        # one task at a time: pieces differ too much in length for batches
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
        outcomes = parallel(delayed(guarded)(numbered) for numbered in pending)
    try:
        # not around the loop: it would stop running tasks as soon as the caller fails
        with tqdm(total=len(tasks), desc=title, unit="file", disable=None) as progress:
            for index, result, error in outcomes:
                progress.update()
                if isinstance(error, OSError) and not isinstance(error, AudioFileError):
                    ended.append(error)
                waiting[index] = result, error
                while not ended and due in waiting:
                    yield tasks[due], *waiting.pop(due)
                    due += 1
    except GeneratorExit:  # the caller needs no more, or failed
        ended.append(None)
        for _ in outcomes:
            pass
        raise
    except BrokenProcessPool as error:
        raise UserError(
            "--jobs: a worker process was killed, perhaps for lack of memory; give a lower number"
        ) from error
    if ended:
        raise ended[0]
