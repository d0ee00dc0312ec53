"""What the stress tests share: verdicts, processes to kill, and the files that these write."""

import contextlib
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PART = ".part."  # beginning of the name of a file that is being written; a random mark follows
LOCK = ".lock"  # name of a lock; a killed run leaves it behind, and the next run removes it
OFTEN, SELDOM = 2e-4, 5e-3  # seconds from one look at a folder to the next


class Fault(Exception):
    """A fault in a script: something that must not happen whatever is done to it."""


def verdict(script, given, compare):
    """Run a test in a folder; print a fault.

    Args:
        script: Name of the test.
        given: Folder, which is kept; None for a temporary one, which is kept if there is a fault.
        compare: Function of the folder that raises ``Fault``.

    Returns:
        Exit status: 1 for a fault, else 0.
    """
    folder = given or Path(tempfile.mkdtemp(prefix=f"{script}_"))
    try:
        compare(folder)
    except Fault as fault:
        print(f"{script}.py: {fault}; see {folder}", file=sys.stderr)
        return 1
    if given is None:
        shutil.rmtree(folder)
    return 0


def shortly(rng):
    """Draw a time from microseconds to some tens of milliseconds, log-uniform, in seconds."""
    return 10 ** rng.uniform(-6, -1.5)


def versions(folder, pattern):
    """Find files: dict from their paths to a value that changes when they are written again.

    Args:
        folder: Path.
        pattern: Path below it, with wildcards in its last part; ``LOCK`` is left out.
    """
    place, found = folder / pattern, {}
    paths = [place]
    if "*" in pattern:
        paths = place.parent.iterdir() if place.parent.is_dir() else []
    for path in paths:
        if path.name != LOCK and fnmatch.fnmatchcase(path.name, place.name):
            with contextlib.suppress(FileNotFoundError):  # missing, or removed while we look
                found[path] = _version(path.stat())
    return found


def all_versions(folder):
    """``versions`` of all files below a folder, including hidden ones."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            if name != LOCK:
                with contextlib.suppress(FileNotFoundError):
                    found[Path(parent, name)] = _version(Path(parent, name).stat())
    return found


def _version(status):
    return status.st_ino, status.st_mtime_ns, status.st_size


def changed(after, before):
    """List the files that were written between two calls of ``versions``."""
    return [path for path, version in after.items() if before.get(path) != version]


def is_part(path):
    """Whether a file is a temporary one, for a file that was being written."""
    return path.name.startswith(PART)


def final_path(part):
    """Final path of the file for which a temporary one was made."""
    _, name = part.name.removeprefix(PART).split(".", 1)
    return part.with_name(name)


class Victim:
    """A process that may be killed, together with its children.

    Args:
        name: Name of its script.
        words: Command line.
        log: File for its output.
        env: Changes of the environment.
    """

    def __init__(self, name, words, log, env=None):
        self._name, self._log = name, log
        self.began, self.clock = time.monotonic(), time.time_ns()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                words,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._kill()

    def _kill(self):
        # the group exists until all of its processes have been waited for
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    @property
    def seconds(self):
        """Seconds since the start."""
        return time.monotonic() - self.began

    def wait_until(self, holds, pause=SELDOM):
        """Wait until a function returns True; return False if the process ends first."""
        while self._process.poll() is None:
            if holds():
                return True
            time.sleep(pause)
        return False

    def printed(self):
        """Return its output so far."""
        return self._log.read_text(errors="replace")

    def wait(self):
        """Wait for the end; raise ``Fault`` if the exit status is not 0."""
        if self._process.wait():
            lines = self.printed().split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "")
            raise Fault(f"{self._name} ended with status {self._process.returncode}: {last}")

    def kill(self):
        """Kill the whole group at once; return False if it ended successfully before."""
        if self._kill() == -signal.SIGKILL:
            return True
        self.wait()
        return False
