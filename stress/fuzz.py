"""Feed damaged files to every reader of the kit: each must be read or refused in one line.

    python -m stress.fuzz --target all --inputs 10000

A child process reads the files, so that a crash of a library is found, too. Faults are errors other
than the documented ones, a process that dies, more than 2 s of computing time or 1 GB of memory for
one file, and results that differ from the documentation. Files that show a fault are kept in
--folder, and the exit status is then 1. Linux only.

Without a helper process that inspects files first (``common.files.hdf5``), libhdf5 1.14.6 hung on 5
of 47,000 damaged stores and on one of 2,000 damaged weights files.
"""

import json
import multiprocessing
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.memory import peak_memory
from common.cli import UserError, add_seed_flag, number, one_line, parser, run
from common.report.tables import as_text
from stress.fuzz_damage import damage
from stress.fuzz_targets import DOCUMENTED, ROOT, TARGETS

SECONDS, MEMORY = 2.0, 10**9  # limits for one input, in seconds and bytes
_HANG_SECONDS = 30.0  # time after which a child counts as hung, enough for a busy machine
_START_SECONDS = 120  # time that a child gets for its start, since its libraries load slowly
_SPARE = 8 * 2**30  # bytes; a child cannot allocate more, so that the machine does not suffer


class Outcome(NamedTuple):
    """Result of reading one input.

    Attributes:
        kind: "accepted", the name of a documented error, or the kind of fault.
        text: Message of the error, or traceback of the fault.
        seconds, memory: Computing time, and memory in bytes.
        fault: Whether the result is a fault.
    """

    kind: str
    text: str = ""
    seconds: float = 0.0
    memory: int = 0
    fault: bool = False


def _forget_peak():
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def judge(reader, path):
    """Read a file in this process; return the ``Outcome``."""
    before, start, worked = _forget_peak(), time.perf_counter(), time.process_time()
    kind, text, fault = "accepted", "", False
    try:
        reader(path)
    except DOCUMENTED as error:
        kind, text = type(error).__name__, str(error)
        fault = not text.strip() or "\n" in one_line(error) or _wants_memory(error)
    except Exception as error:
        kind, text, fault = type(error).__name__, traceback.format_exc(), True
    seconds, memory = time.perf_counter() - start, peak_memory() - before
    if memory > MEMORY:
        kind, fault = "memory", True
    elif time.process_time() - worked > SECONDS:  # whatever else the machine has to do
        kind, fault = "slow", True
    return Outcome(kind, text, seconds, memory, fault)


def _wants_memory(error):
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _serve(make_reader, folder, connection):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader = make_reader()
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + _SPARE, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection.send(None)
    while (received := connection.recv()) is not None:
        suffix, content = received
        path = folder / f"input{suffix}"
        path.write_bytes(content)
        connection.send(judge(reader, path))


class Worker:
    """A child process that reads inputs, and is started again when an input kills it.

    Args:
        make_reader: Function of a module that returns the reader: ``Target.reader``.
    """

    def __init__(self, make_reader):
        self._make_reader = make_reader
        self._folder = tempfile.TemporaryDirectory()
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._process is not None:
            self._stop()
        self._folder.cleanup()

    def _start(self):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = self._make_reader, Path(self._folder.name), theirs
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(_START_SECONDS):
            raise RuntimeError(f"{self._make_reader.__name__} does not start")
        self._connection.recv()

    def _stop(self):
        self._process.kill()
        self._process.join()
        self._connection.close()
        self._process = None

    def read(self, suffix, content):
        """Write the content to a file with the suffix, read it, and return the ``Outcome``."""
        if self._process is None:
            self._start()
        self._connection.send((suffix, content))
        if not self._connection.poll(_HANG_SECONDS):
            self._stop()
            return Outcome("hang", seconds=_HANG_SECONDS, fault=True)
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            status = self._process.exitcode
            self._stop()
            return Outcome("crash", f"exit status {status}", fault=True)


class Tally:
    """Results of the inputs of one target."""

    def __init__(self, name):
        self.name = name
        self.kinds, self.faults = Counter(), Counter()
        self.seconds, self.memory = 0.0, 0

    def add(self, outcome):
        """Count an ``Outcome``."""
        (self.faults if outcome.fault else self.kinds)[outcome.kind] += 1
        self.seconds = max(self.seconds, outcome.seconds)
        self.memory = max(self.memory, outcome.memory)

    def row(self):
        """Return the target's row of the table."""
        inputs = self.kinds.total() + self.faults.total()
        accepted = self.kinds["accepted"]
        errors = ", ".join(
            f"{kind} {count}" for kind, count in sorted(self.kinds.items()) if kind != "accepted"
        )
        return {
            "target": self.name,
            "inputs": inputs,
            "accepted": accepted,
            "refused": self.kinds.total() - accepted,
            "by": errors or "-",
            "slowest_ms": round(1000 * self.seconds, 1),
            "peak_MB": round(self.memory / 1e6, 1),
            "faults": ", ".join(f"{kind} {count}" for kind, count in self.faults.items()) or 0,
        }


def fuzz(name, args, folder):
    """Feed damaged files to one target; return the ``Tally``."""
    samples = TARGETS[name].samples()
    tally, end = Tally(name), time.monotonic() + (args.seconds or float("inf"))
    with Worker(TARGETS[name].reader) as worker:
        for sample in samples:
            outcome = worker.read(sample.suffix, sample.content)
            if outcome.kind != "accepted":
                raise AssertionError(f"{name}: a whole file is not read: {outcome}")
        for index in range(args.inputs):
            if time.monotonic() > end:
                break
            rng = random.Random(f"{args.seed} {name} {index}")
            sample = rng.choice(samples)
            content = damage(sample, rng, samples)
            outcome = worker.read(sample.suffix, content)
            tally.add(outcome)
            if outcome.fault:
                path = folder / name / f"{outcome.kind}-{index:06d}{sample.suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.with_suffix(".txt").write_text(outcome.text)
    return tally


def fuzz_guided(name, args, folder):
    """Feed one target by ``stress.fuzz_guided``; return the ``Tally``."""
    tally, folder = Tally(name), folder / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory() as temporary:
        counts = Path(temporary) / "counts.json"
        flags = {
            "seed": args.seed + 1,  # 0 would mean a random seed
            "timeout": round(SECONDS),
            "rss_limit_mb": 3 * MEMORY // 10**6,  # includes the libraries
            "max_total_time": round(args.seconds or 0),
            "artifact_prefix": f"{folder}/",
        }
        done = subprocess.run(
            [sys.executable, "-m", "stress.fuzz_guided", name, str(args.inputs), counts]
            + [f"-{flag}={value}" for flag, value in flags.items()],
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            cwd=ROOT,
        )
        if counts.exists():
            tally.kinds.update(json.loads(counts.read_text()))
    if done.returncode:
        tally.faults.update(path.name.split("-")[0] for path in set(folder.iterdir()) - before)
        (folder / "log.txt").write_text(done.stderr)
        if not tally.faults:
            raise UserError(f"atheris ended: {one_line(done.stderr[-300:])}; see {folder}/log.txt")
    return tally


def build_parser():
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument(
        "--target",
        choices=[*TARGETS, "all"],
        default="all",
        help="reader to feed, or all of them (default: all)",
    )
    built.add_argument(
        "--inputs",
        type=number(int, 1),
        default=10_000,
        help="number of damaged files for each reader (default: 10000)",
    )
    built.add_argument(
        "--seconds",
        type=number(float, above=0),
        help="time limit for each reader in seconds (default: none)",
    )
    add_seed_flag(built, "the damage")
    built.add_argument(
        "--engine",
        choices=["mutate", "atheris"],
        default="mutate",
        help="program that makes the damaged files (default: mutate)",
    )
    built.add_argument(
        "--folder",
        type=Path,
        default=Path("fuzz"),
        help="folder where files that show a fault are kept (default: fuzz)",
    )
    return built


def main(argv=None):
    """Run the test; return the exit status, 1 if there was a fault."""
    args = build_parser().parse_args(argv)
    names = list(TARGETS) if args.target == "all" else [args.target]
    if args.engine == "atheris" and not find_spec("atheris"):
        raise UserError("--engine atheris: not installed; pip install atheris")
    feed = {"mutate": fuzz, "atheris": fuzz_guided}[args.engine]
    tallies = []
    for name in names:
        tallies.append(feed(name, args, args.folder.absolute()))
        print(as_text([tallies[-1].row()]), flush=True)
    return int(any(tally.faults for tally in tallies))


if __name__ == "__main__":
    run(main)
