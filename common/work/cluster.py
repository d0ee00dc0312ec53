"""Run tasks on the workers of a Dask scheduler, which may be on other machines.

Workers start and end independently of a run, possibly elsewhere. So this module ensures what can be
taken for granted on one machine:

- Every file has the same absolute path everywhere; each worker proves this before its first task.
- Caches in a worker's memory are emptied for each run, because files may have changed since.
- A task may run twice, if a worker that seemed dead is alive. Both write the same complete file,
  and the last one replaces it. Half-written files of killed workers are removed.

joblib's Dask backend is not used, because it waits forever for a task whose workers have died.
"""

import contextlib
import functools
import itertools
import logging
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError
from common.work.lock import remove_temporaries

CONNECT_SECONDS = 8
LONELY_SECONDS = 60  # time without any worker after which a run gives up
_TASKS_PER_THREAD = 2  # one running and one queued
_POLL_SECONDS = 1.0

_caches = []


def keep_for_a_run(function: Callable) -> Callable:
    """Decorator: ``functools.lru_cache`` that is emptied when a worker starts another run."""
    cached = functools.lru_cache(function)
    _caches.append(cached)
    return cached


class _Run(NamedTuple):
    """Description of a run for a worker.

    Attributes:
        name: Unique name of the run.
        folders: Folders that the worker must be able to see.
        proof: A file next to the output that it must see as well; it exists on no other disk.
    """

    name: str
    folders: tuple[Path, ...]
    proof: Path | None


class Cluster(NamedTuple):
    """The workers of a Dask scheduler, for one script.

    Attributes:
        address: Address of the scheduler, such as ``tcp://host:8786``.
        folders: Absolute paths of the folders that tasks read.
        output: Absolute path of the folder that tasks write into; None if they write nothing.
    """

    address: str
    folders: tuple[Path, ...]
    output: Path | None

    def check(self) -> None:
        """Raise ``UserError`` unless a scheduler answers."""
        import asyncio  # imported here: it takes a tenth of the time in which a worker starts

        try:
            from distributed.comm import connect
        except ImportError:
            raise UserError(
                "--scheduler: needs the package distributed; run `pip install 'dask[distributed]'`"
            ) from None

        async def answer():  # connect() alone would wait forever for a silent server
            comm = await asyncio.wait_for(connect(self.address, CONNECT_SECONDS), CONNECT_SECONDS)
            comm.abort()

        try:
            asyncio.run(answer())
        # raised by answers of other servers
        except (OSError, asyncio.TimeoutError, MemoryError) as error:
            raise UserError(
                f"--scheduler {self.address}: no scheduler answers; start one with `dask "
                "scheduler`, and give the address that it prints"
            ) from error

    def run(self, function: Callable, tasks: Iterable) -> Iterator:
        """Run a function on each task; yield the results in the order of completion.

        Args:
            function: A picklable function of one argument, (number, task), that returns (number,
                result, error).
            tasks: Iterable of (number, task).

        Raises:
            UserError: A worker cannot do its work, there is no worker, or the scheduler is gone.
        """
        from distributed import Client

        # it warns about lost results of dead workers, which are computed again
        logging.getLogger("distributed.client").setLevel(logging.ERROR)
        with self._begun() as run:
            work = functools.partial(_work, run, function)
            try:
                with Client(self.address, set_as_default=False) as client:
                    yield from self._outcomes(client, run, work, tasks)
            except (OSError, CancelledError) as error:
                raise UserError(
                    f"--scheduler {self.address}: the scheduler is gone; start it again, then "
                    "this command: what is finished is kept"
                ) from error
        if self.output is not None:
            remove_temporaries(self.output)

    def _outcomes(self, client, run, work, tasks):
        from distributed import TimeoutError

        try:  # no worker gets a task before it is known to have the project
            client.wait_for_workers(1, timeout=LONELY_SECONDS)
        except TimeoutError:
            raise self._lonely({}) from None
        tasks, running, known, met = iter(tasks), {}, set(), time.monotonic()
        while True:
            workers = client.nthreads()
            self._prepare(client, run, workers.keys() - known)
            known = set(workers)
            if workers:
                met = time.monotonic()
            elif time.monotonic() - met > LONELY_SECONDS:
                raise self._lonely(running)
            room = _TASKS_PER_THREAD * max(sum(workers.values()), 1) - len(running)
            for task in itertools.islice(tasks, max(room, 0)):
                running[client.submit(work, task, pure=False)] = task
            if not running:
                return
            for future in _wait(client, list(running)):
                yield self._outcome(future, running.pop(future))

    @contextlib.contextmanager
    def _begun(self):
        name = secrets.token_hex(4)
        if self.output is None:
            yield _Run(name, self.folders, None)
            return
        proof = self.output / f".part.{name}.shared"
        proof.touch()
        try:
            yield _Run(name, self.folders, proof)
        finally:
            proof.unlink(missing_ok=True)

    def _lonely(self, running):
        begun = ", ".join(str(_subject(task)) for task in running.values())
        return UserError(
            f"--scheduler {self.address}: no worker for {LONELY_SECONDS} s; start some with `dask "
            "worker`, then this command: what is finished is kept"
            + (f" (begun: {begun})" if begun else "")
        )

    def _prepare(self, client, run, workers):
        """Start the run on workers; a worker without the project would die with its first task."""
        if workers:
            answers = client.run(_begin, run, workers=list(workers), on_error="return")
            for error in filter(None, answers.values()):
                if isinstance(error, UserError):
                    raise error
                if not isinstance(error, OSError):  # OSError: the worker is gone already
                    raise self._foreign(error)

    def _foreign(self, error):
        return UserError(
            f"--scheduler {self.address}: the scheduler or a worker there cannot load the project "
            f"({error}); start both with its folder in PYTHONPATH, and its packages installed"
        )

    def _outcome(self, future, task):
        """Return the result of a task; raise errors that are not the task's own."""
        from distributed import KilledWorker

        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, KilledWorker):
            died = UserError(
                f"{_subject(task)}: its worker died {error.allowed_failures + 1} times, at last "
                f"{error.last_worker.address}; see what that printed"
            )
            return task[0], None, died
        for reason in (error, error.__cause__):
            if isinstance(reason, ImportError):
                raise self._foreign(reason) from error
        raise error


def _wait(client, futures):
    """Wait for at most ``_POLL_SECONDS``; return the futures that are done."""
    import distributed

    with client.as_current(), contextlib.suppress(distributed.TimeoutError):
        distributed.wait(futures, timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
    return [future for future in futures if future.done()]


def _subject(numbered):
    """The file of a (number, task): its first element if the task is a tuple."""
    _, task = numbered
    return task[0] if isinstance(task, tuple) else task


# On a worker


def _work(run, function, task):
    _begin(run)
    return function(task)


@functools.lru_cache(maxsize=1)
def _begin(run):
    """Prepare a worker, once per run."""
    for cached in _caches:
        cached.cache_clear()
    for path in (*run.folders, *filter(None, [run.proof])):
        try:
            path.stat()
        except OSError as error:
            folder = path.parent if path == run.proof else path
            raise UserError(
                f"{folder}: {socket.gethostname()} does not see this folder "
                f"({error.strerror}); put it on a file system that all machines have under one path"
            ) from error
