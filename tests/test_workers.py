"""Worker processes: none outlives its parent, and a killed worker is noticed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from common.work.jobs import run_jobs
from common.work.workers import end_workers, remains, remove_remains
from stress.kill_data import MARK, survivors

SLEEPERS = """
import os, pathlib, sys, time
from common.cli import run
from common.work.jobs import run_jobs

def sleep(task):
    pathlib.Path(task).with_suffix(".begun").write_text(str(os.getpid()))
    pathlib.Path(task).with_suffix(".begun").rename(task)
    time.sleep(60)

if __name__ == "__main__":
    run(lambda argv: list(run_jobs(sleep, argv, 2, "")))
"""


def eventually(holds):
    """Whether a function returns True within ten seconds."""
    limit = time.monotonic() + 10
    while not holds() and time.monotonic() < limit:
        time.sleep(0.01)
    return holds()


@pytest.fixture
def sleepers(tmp_path):
    """A process with two workers, each in the middle of a task, and the workers' process ids."""
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    tasks = [tmp_path / name for name in "ab"]
    process = subprocess.Popen(
        [sys.executable, script, *tasks],
        env={**os.environ, "PYTHONPATH": str(ROOT), MARK: str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert eventually(
            lambda: process.poll() is not None or all(task.exists() for task in tasks)
        )
        assert process.poll() is None, process.stderr.read()
        yield process, [int(task.read_text()) for task in tasks]
        process.kill()
    assert eventually(lambda: not survivors(tmp_path))


def test_workers_end_in_the_midst_of_a_task_when_their_parent_was_killed(sleepers):
    process, workers = sleepers
    folders = [Path("/proc", str(worker)) for worker in workers]
    assert all(folder.exists() for folder in folders)
    began = time.monotonic()
    process.kill()
    assert eventually(lambda: not any(folder.exists() for folder in folders))
    assert time.monotonic() - began < 5
    assert not remains(process.pid)  # even if joblib's helper does nothing
    assert "FileNotFoundError" not in process.stderr.read()  # and it does not complain


def test_a_worker_that_was_killed_is_one_line(sleepers):
    process, workers = sleepers
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert err == (
        "sleepers.py: error: --jobs: a worker process was killed, perhaps for lack of memory; "
        "give a lower number\n"
    )


def test_what_joblib_left_of_one_process_is_found_and_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    number = 2**22 + 1  # no process has this id
    kept = tmp_path / f"joblib_memmapping_folder_{number}1_a_b"
    left = tmp_path / f"joblib_memmapping_folder_{number}_a_b"
    for folder in (kept, left):
        folder.mkdir()
        (folder / "array").write_bytes(b"")
    (tmp_path / f"sem.loky-{number}-abc").write_bytes(b"")
    assert sorted(path.name for path in remains(number)) == [left.name, f"sem.loky-{number}-abc"]
    remove_remains(number)
    assert list(tmp_path.iterdir()) == [kept]


def test_workers_that_were_ended_leave_nothing_and_others_can_follow():
    for _ in range(2):
        done = list(run_jobs(abs, [-1, -2, -3], 2, "work"))
        assert [result for _, result, _ in done] == [1, 2, 3]
        assert remains(os.getpid())
        end_workers()
        assert not remains(os.getpid())
    end_workers()
