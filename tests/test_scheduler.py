"""The data scripts on a Dask cluster: real processes, some of which are killed."""

import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT, assert_refused
from tasks import fail_at_once, halve, kill_the_worker, write_slowly

import compute_features
import synthesize_audios
from common.cli import UserError, one_line
from common.work import cluster
from common.work.cluster import Cluster
from common.work.jobs import run_jobs
from vae_generation import preprocess

pytestmark = pytest.mark.stress

distributed = pytest.importorskip(
    "distributed",
    reason="dask[distributed] is not installed",
)

PIECES = ["chopin_prelude_op28_no7", "mozart_sonata_k545", "schumann_wild_horseman"]
HERE = re.escape(socket.gethostname())
NOWHERE = "tcp://127.0.0.1:1"


class Scheduler:
    """A scheduler on this machine with some single-threaded workers.

    Args:
        folder: Folder of the scheduler.
        workers: Number of workers.
        project: Which of "scheduler" and "worker" can import it.
    """

    def __init__(self, folder, workers=0, project=("scheduler", "worker")):
        self._file = folder / "scheduler.json"
        self._log = (folder / "log.txt").open("w")
        self._env = {
            **os.environ,
            "DASK_TEMPORARY_DIRECTORY": str(folder),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        self.folder, self._project = folder, project
        local = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", self._file]
        self.processes = [self._start("scheduler", "--port", "0", *local)]
        if workers:
            each = ["--nworkers", workers, "--nthreads", 1]
            self.processes.append(self._start("worker", *local, *each))

    def _start(self, kind, *words):
        command = [sys.executable, "-m", "dask", kind, *map(str, words)]
        modules = [ROOT, ROOT / "tests"] if kind in self._project else []
        path = {"PYTHONPATH": os.pathsep.join(map(str, modules))}
        # elsewhere than the scripts: paths must not be relative
        return subprocess.Popen(
            command,
            env=self._env | path,
            cwd=self.folder,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @functools.cached_property
    def address(self):
        while not self._file.exists() or not self._file.stat().st_size:
            assert self.processes[0].poll() is None
            time.sleep(0.02)
        return json.loads(self._file.read_text())["address"]

    def pids(self, count):
        """Wait for a number of workers; return their process ids."""
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=30)
            return list(client.run(os.getpid).values())

    def close(self):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)  # includes its workers
            process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def schedulers(tmp_path_factory):
    """Schedulers by name: with two workers, with none, and two that cannot import the project."""
    started = {
        "whole": Scheduler(tmp_path_factory.mktemp("whole"), workers=2),
        "lonely": Scheduler(tmp_path_factory.mktemp("lonely")),
        "scheduler": Scheduler(tmp_path_factory.mktemp("scheduler"), project=()),
        "worker": Scheduler(tmp_path_factory.mktemp("worker"), 1, project=("scheduler",)),
    }
    yield started
    for scheduler in started.values():
        scheduler.close()


@pytest.fixture
def whole(schedulers):
    """Function that returns the ``Cluster`` with two workers."""

    def workers(*folders, output=None):
        schedulers["whole"].pids(2)
        return Cluster(schedulers["whole"].address, folders, output)

    return workers


def files_below(folder):
    """Read all files, including hidden ones, as bytes."""
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def run_and_kill(scheduler, script, flags, pattern, total):
    """Run a script on a cluster, and kill a worker after the first file and before the last."""
    (victim, _) = scheduler.pids(2)
    process = subprocess.Popen(
        [sys.executable, ROOT / script, *map(str, flags), "--scheduler", scheduler.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = flags[-1]
    while process.poll() is None and not list(folder.glob(pattern)):
        time.sleep(0.002)
    os.kill(victim, signal.SIGKILL)
    assert 0 < len(list(folder.glob(pattern))) < total
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert victim not in scheduler.pids(2)


@pytest.mark.slow
def test_a_run_that_loses_a_worker_writes_the_bytes_of_a_local_one(schedulers, tmp_path):
    midi, local, remote = (tmp_path / name for name in ("midi", "local", "remote"))
    midi.mkdir()
    for piece in PIECES:
        (midi / f"{piece}.mid").symlink_to(ROOT / "data" / "midi" / f"{piece}.mid")
    voices = ["keyboard_acoustic", "guitar_acoustic"]
    flags = ["--nsynth_path", ROOT / "data" / "notes", "--midi_path", midi]
    flags += ["--instruments", *voices, "--transpose", *range(4), "--audios_path"]
    total = 3 * 4 * 2
    assert synthesize_audios.main([str(word) for word in [*flags, local, "--jobs", 1]]) == 0
    (remote / "guitar_acoustic").mkdir(parents=True)
    for name in ("guitar_acoustic/.part.0123abcd.old.wav", ".part.89abcdef.shared"):
        (remote / name).write_bytes(b"of a killed run")
    scheduler = schedulers["whole"]
    run_and_kill(scheduler, "synthesize_audios.py", [*flags, remote], "*/[!.]*.wav", total)
    assert len(files_below(local)) == total
    assert files_below(remote) == files_below(local)

    flags = ["--audios_path", local, "--features_path"]
    stores = [tmp_path / name for name in ("local_stores", "remote_stores")]
    assert compute_features.main([str(word) for word in [*flags, stores[0], "--jobs", 1]]) == 0
    pattern = ".parts/*/[!.]*.npy"
    run_and_kill(scheduler, "compute_features.py", [*flags, stores[1]], pattern, total // 2)
    assert {path.name for path in stores[0].iterdir()} == {f"{voice}.h5" for voice in voices}
    assert files_below(stores[1]) == files_below(stores[0])


def test_images_come_back_from_the_workers(whole, notes_folder, tmp_path):
    paths = [tmp_path / name for name in ("local.h5", "remote.h5")]
    kind = ["--spectrogram", "linear", "--fft_size", "512"]
    flags = ["--audio_path", str(notes_folder), *kind, "--features_path"]
    assert preprocess.main([*flags, str(paths[0]), "--jobs", "1"]) == 0
    assert preprocess.main([*flags, str(paths[1]), "--scheduler", whole().address]) == 0
    assert paths[1].read_bytes() == paths[0].read_bytes()


def test_results_come_in_the_order_of_the_tasks_and_errors_as_values(whole):
    done = list(run_jobs(halve, [2, 3, 4, 5, 6], whole(), "halving"))
    results = [(2, 1), (3, None), (4, 2), (5, None), (6, 3)]
    assert [(task, result) for task, result, _ in done] == results
    assert [error and one_line(error) for *_, error in done] == [
        *(None, "3: odd", None, "5: odd", None)
    ]


def test_a_long_task_is_waited_for_without_asking_all_the_time(whole, monkeypatch):
    waited, wait = [], cluster._wait
    monkeypatch.setattr(cluster, "_wait", lambda *args: waited.append(args) or wait(*args))
    list(run_jobs(time.sleep, [0.5], whole(), "sleeping"))
    assert len(waited) <= 2


def test_a_full_disk_stops_the_run(whole, tmp_path):
    task = functools.partial(fail_at_once, tmp_path)
    with pytest.raises(OSError, match="No space"):
        list(run_jobs(task, range(40), whole(output=tmp_path), "failing"))
    done = {path.name for path in tmp_path.iterdir()}
    assert done <= {f"{task}.txt" for task in range(1, 8)}  # only tasks that were begun before


def test_a_task_that_kills_its_workers_is_an_error_of_its_own(whole, tmp_path):
    tasks = ["light.mid", "heavy.mid", "airy.mid"]
    kill = functools.partial(kill_the_worker, tmp_path)
    done = list(run_jobs(kill, tasks, whole(output=tmp_path), "killing"))
    (_, result, error) = done.pop(1)
    assert result is None
    assert re.match(r"heavy\.mid: its worker died 2 times, at last tcp://127\.0", one_line(error))
    assert done == [(task, task, None) for task in ("light.mid", "airy.mid")]
    assert not files_below(tmp_path)


def test_a_folder_that_a_worker_does_not_see_is_named(whole, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=rf"nowhere: {HERE} does not see this folder"):
        list(run_jobs(halve, [2], whole(tmp_path / "nowhere"), "halving"))
    # a folder of the same name on another disk lacks the file that proves it
    workers = whole(output=tmp_path)
    monkeypatch.setattr("pathlib.Path.touch", lambda path: None)
    with pytest.raises(UserError, match=rf"{tmp_path.name}: {HERE} does not see this folder"):
        list(run_jobs(halve, [2], workers, "halving"))


@pytest.mark.parametrize("which", ["scheduler", "worker"])
def test_without_the_project_a_scheduler_or_worker_says_so(schedulers, which, monkeypatch):
    if which == "scheduler":  # there are no workers to wait for
        monkeypatch.setattr(distributed.Client, "wait_for_workers", lambda *_, **__: None)
    workers = Cluster(schedulers[which].address, (), None)
    message = r"cannot load the project \(.*No module named .*; start both with its folder"
    with pytest.raises(UserError, match=message):
        list(run_jobs(halve, [2], workers, "halving"))


def test_without_workers_or_scheduler_a_run_ends(schedulers, monkeypatch):
    monkeypatch.setattr(cluster, "LONELY_SECONDS", 0.1)
    workers = Cluster(schedulers["lonely"].address, (), None)
    tasks = [("a.mid", 1), ("b.mid", 2)]
    with pytest.raises(UserError, match=r"no worker for 0\.1 s; start some .* kept$"):
        list(run_jobs(halve, tasks, workers, "halving"))
    # as if the workers vanished later
    monkeypatch.setattr(distributed.Client, "wait_for_workers", lambda *_, **__: None)
    with pytest.raises(UserError, match=r"no worker for 0\.1 s; .* \(begun: a\.mid, b\.mid\)"):
        list(run_jobs(halve, tasks, workers, "halving"))
    monkeypatch.setattr(cluster, "LONELY_SECONDS", 60)
    (process,) = schedulers["lonely"].processes
    threading.Timer(1, process.kill).start()
    with pytest.raises(UserError, match="the scheduler is gone; start it again"):
        list(run_jobs(halve, tasks, workers, "halving"))


@pytest.fixture
def argv(notes_folder, midi_folder, tmp_path):
    """Flags of synthesize_audios.py."""
    paths = {"nsynth_path": notes_folder, "midi_path": midi_folder, "audios_path": tmp_path / "out"}
    words = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    return [*words, "--instruments", "guitar_acoustic", "--scheduler"]


@pytest.mark.parametrize("address", ["127.0.0.1", "http://127.0.0.1:8786", "tcp://host:port", ""])
def test_what_is_no_address_is_refused(argv, capsys, address):
    message = f"{address!r} is no address such as tcp://host:8786"
    assert_refused(synthesize_audios.main, [*argv, address], capsys, "--scheduler", message)


def test_an_address_where_nobody_answers_is_one_line(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    assert_refused(
        synthesize_audios.main, [*argv, NOWHERE], capsys, NOWHERE, "no scheduler answers"
    )
    assert not (tmp_path / "out").exists()


def test_the_missing_package_is_one_line(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed.comm", None)
    message = "run `pip install 'dask[distributed]'`"
    assert_refused(synthesize_audios.main, [*argv, NOWHERE], capsys, message)
    assert not (tmp_path / "out").exists()


def test_processes_and_a_scheduler_exclude_each_other(argv, capsys):
    mistaken = [*argv, NOWHERE, "--jobs", "7"]
    assert_refused(synthesize_audios.main, mistaken, capsys, "--jobs", "not allowed with")


def test_a_worker_that_was_given_up_for_dead_does_no_harm(tmp_path):
    path, begun, barrier = tmp_path / "a.wav", [], threading.Barrier(2)
    write = functools.partial(write_slowly, begun=begun, barrier=barrier)
    run = cluster._Run("run", (), None)
    twice = [threading.Thread(target=cluster._work, args=(run, write, path)) for _ in range(2)]
    for thread in twice:
        thread.start()
    for thread in twice:
        thread.join()
    assert len(set(begun)) == 2
    assert files_below(tmp_path) == {path.relative_to(tmp_path): b"first half,second half"}


def test_each_run_reads_the_files_anew():
    opened = []
    library = cluster.keep_for_a_run(opened.append)
    for run in ("first", "first", "second"):
        cluster._work(cluster._Run(run, (), None), library, "notes")
    assert opened == ["notes", "notes"]
