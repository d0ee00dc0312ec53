"""What the benchmarks that try to break scripts share: verdicts, processes to kill, their files."""

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
PART = ".part."  # begins the name of a file that is being written; a random mark follows
LOCK = ".lock"  # of a run; a killed one leaves it, the next one that ends removes it
OFTEN, SELDOM = 2e-4, 5e-3  # seconds between two looks at a folder


class Fault(Exception):
    """What must not happen to a run, whenever it is killed and whatever files are named."""


def verdict(script, given, compare):
    """Run a test in a folder, which is kept only where something is wrong.

    Args:
        script: Name of the test.
        given: Folder that stays in any case, or None for one that is removed.
        compare: Function of the folder that raises ``Fault``.

    Returns:
        Exit status: 1 at a fault, else 0.
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
    """A random time in seconds, microseconds to some tens of milliseconds, each decade alike."""
    return 10 ** rng.uniform(-6, -1.5)


def versions(folder, pattern):
    """Dict from the files of a name to what changes when they are written again.

    Args:
        folder: Path.
        pattern: Path below it, with wildcards in its last part; ``LOCK`` is never among them.
    """
    place, found = folder / pattern, {}
    paths = [place]
    if "*" in pattern:
        paths = place.parent.iterdir() if place.parent.is_dir() else []
    for path in paths:
        if path.name != LOCK and fnmatch.fnmatchcase(path.name, place.name):
            with contextlib.suppress(FileNotFoundError):  # not there, or removed while we look
                found[path] = _version(path.stat())
    return found


def all_versions(folder):
    """``versions`` of all files below a folder, hidden ones, too."""
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
    """Files that were written between two times."""
    return [path for path, version in after.items() if before.get(path) != version]


def is_part(path):
    """Whether a file is one that was being written."""
    return path.name.startswith(PART)


def final_path(part):
    """Path that a file which is being written is to have when it is whole."""
    _, name = part.name.removeprefix(PART).split(".", 1)
    return part.with_name(name)


class Victim:
    """A process, with all that it begins, that may be killed.

    Args:
        name: Of its script.
        words: Command line.
        log: File for what it prints.
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
        # the group is there as long as one of its processes has not been waited for
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    @property
    def seconds(self):
        """Since the start."""
        return time.monotonic() - self.began

    def wait_until(self, holds, pause=SELDOM):
        """Wait until a function of nothing is true; whether it was before the process ended."""
        while self._process.poll() is None:
            if holds():
                return True
            time.sleep(pause)
        return False

    def printed(self):
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def wait(self):
        """Wait for the end; ``Fault`` unless it is a good one."""
        if self._process.wait():
            lines = self.printed().split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "")
            raise Fault(f"{self._name} ended with status {self._process.returncode}: {last}")

    def kill(self):
        """Kill the whole group at once; False when it had ended before, and well."""
        if self._kill() == -signal.SIGKILL:
            return True
        self.wait()
        return False
