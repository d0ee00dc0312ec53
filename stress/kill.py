"""Kill a training again and again; the result must equal that of an undisturbed training.

    python -m stress.kill

Trains a small model by train.py, first undisturbed, then by the same command in another folder,
where each process but the last is killed (SIGKILL) at a random moment: some time after its start or
after its first change in the folder, or within microseconds to milliseconds after it began or
finished a file. After every kill, every file under its final name must be complete, history.csv
must have each epoch once, and nothing that an earlier process had finished may be lost. In the end
weights, resume state, history, pictures and sounds must equal those of the undisturbed run.

Prints what each kill hit, and the number of kills for each phase of the training. Stops at the
first fault with exit status 1 and keeps the folder. Logs of TensorBoard are not compared, because
each process appends to them.
"""

import collections
import csv
import functools
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from matplotlib.image import imread

from common.cli import add_seed_flag, number, parser, run
from common.training.run_folder import RunFolder
from data import BINS, load_audio
from pix2pix_timbre.features import write_store
from stress.processes import (
    OFTEN,
    PART,
    ROOT,
    Fault,
    Victim,
    changed,
    final_path,
    is_part,
    shortly,
    verdict,
    versions,
)

INSTRUMENTS = "keyboard_acoustic", "guitar_acoustic"
PIECES = "arpeggio", "march", "scale", "waltz"  # a held-out share of 0.3 holds out the first
COLUMNS = 300  # of each piece: frames can be cut at random offsets
STEPS = 2  # per epoch
PNG_END = b"IEND\xaeB`\x82"

# Files that a run writes, in this order
AT_FIRST = ("config.json", "samples/input.wav", "samples/target.wav")  # once per process
WRITTEN = (
    *AT_FIRST,
    "history.csv",
    "generator.h5",
    "discriminator.h5",
    "history.png",
    "samples/epoch_*.png",
    "samples/epoch_*.wav",
    "resume-*.weights.h5",
)


class Plan(NamedTuple):
    """When to kill a process: some time after an event.

    Attributes:
        what: The event: "start", "change" or a file in ``WRITTEN``.
        whole: Whether the event is that the file was finished, not that it was begun.
        skip: Number of epochs to wait before.
        delay: Seconds after the event.
    """

    what: str
    whole: bool = False
    skip: int = 0
    delay: float = 0.0

    def __str__(self):
        if self.what in ("start", "change"):
            return f"{self.delay:.1f} s after the {'first ' * (self.what == 'change')}{self.what}"
        return f"{1000 * self.delay:.3g} ms after {self.what} {'whole' if self.whole else 'begun'}"

    @property
    def epochs(self):
        """Largest number of epochs that the process can finish before it is killed."""
        final = self.what == "change" or (self.whole and self.what.startswith("resume"))
        return self.skip + final


def build_parser():
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument(
        "--kills",
        type=number(int, 1),
        default=50,
        help="number of kills (default: 50)",
    )
    built.add_argument(
        "--epochs",
        type=number(int, 2),
        default=30,
        help="number of epochs of the training (default: 30)",
    )
    add_seed_flag(built, "the moments of the kills")
    built.add_argument(
        "--folder", type=Path, help="new folder for the runs (default: a temporary one)"
    )
    return built


def write_features(folder):
    """Write features of the ``PIECES`` for both instruments."""
    rng = np.random.default_rng(0)
    for instrument in INSTRUMENTS:
        images = rng.random((len(PIECES), COLUMNS, 1)) * rng.random((len(PIECES), 1, BINS)) ** 2
        write_store(
            folder / f"{instrument}.h5",
            zip(PIECES, images.astype(np.float16), strict=True),
            instrument,
        )


def command(features, output, epochs):
    """Command line of the training; on the CPU, where results are equal to the last bit."""
    flags = {
        "dataset_path": features,
        "origin": INSTRUMENTS[0],
        "target": INSTRUMENTS[1],
        "output": output,
        "gpu": "",
        "epochs": epochs,
        "steps_per_epoch": STEPS,
        "batch_size": 2,
        "width": 2,
        "validation_split": 0.3,
        "adversarial_start": epochs * STEPS // 2 + 1,  # within an epoch
        "dropout": 0.5,
        "offsets": "random",
        "lr_decay": "cosine",
        "gen_lr": 1e-3,
        "disc_lr": 1e-3,
    }
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    return [sys.executable, str(ROOT / "train.py"), *words]


# Content of a folder


def all_versions(folder):
    """``versions`` of every file of a run, except its logs."""
    return versions(folder, "*.*") | versions(folder, "samples/*.*")


def read_arrays(path):
    """Read all arrays of an .h5 file: dict from their names in the file."""
    arrays = {}

    def visit(name, item):
        dict(item.attrs)  # fails if they are not readable
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with h5py.File(path) as file:
        dict(file.attrs)
        file.visititems(visit)
    return arrays


def read_rows(path):
    """Read the rows of history.csv, without the column of times and without empty fields."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: value for name, value in row.items() if value and name != "seconds"}
            for row in csv.DictReader(file, strict=True)
        ]


def is_same(one, other):
    """Whether two dicts of arrays are equal to the last bit."""
    return one.keys() == other.keys() and all(
        array.dtype == other[name].dtype
        and array.shape == other[name].shape
        and array.tobytes() == other[name].tobytes()
        for name, array in one.items()
    )


def check_whole(path):
    """Raise ``Fault`` unless a file can be read from its beginning to its end."""
    try:
        if path.suffix == ".h5":
            for name, array in read_arrays(path).items():
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    raise ValueError(f"{name} is not finite")
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".csv":
            if not path.read_bytes().endswith(b"\n"):
                raise ValueError("the last line is cut off")
            read_rows(path)
        elif path.suffix == ".png":
            imread(path)
            if not path.read_bytes().endswith(PNG_END):
                raise ValueError("the end is missing")
        elif path.suffix == ".wav":
            load_audio(path)
        else:
            raise ValueError("this file is none of a run")
    except Exception as error:  # a library may raise anything for half a file
        raise Fault(f"{path}: not whole ({error!r})") from error


class Inspector:
    """Checks after each kill what the process has left.

    Args:
        folder: Run folder.
        undisturbed: Folder of the undisturbed run.
    """

    def __init__(self, folder, undisturbed):
        self._folder = folder
        self._undisturbed = undisturbed
        self._rows = read_rows(undisturbed / "history.csv")
        self._seen = {}
        self._finished = 0

    def check(self):
        """Raise ``Fault`` if a file is not whole, or an epoch is missing, doubled or lost."""
        found = {path: one for path, one in all_versions(self._folder).items() if not is_part(path)}
        for path in changed(found, self._seen):
            check_whole(path)
            if path.suffix == ".h5":
                self._check_arrays(path)
        self._seen = found
        finished = RunFolder(self._folder).finished_epochs
        if finished < self._finished:
            raise Fault(f"{self._folder}: epoch {self._finished} was finished, now {finished} is")
        self._finished = finished
        history = self._folder / "history.csv"
        rows = read_rows(history) if history.exists() else []
        if len(rows) not in (finished, finished + 1) or rows != self._rows[: len(rows)]:
            epochs = ", ".join(row.get("epoch", "?") for row in rows)
            raise Fault(
                f"{history}: epochs {epochs or 'none'} after epoch {finished} was finished, or "
                "other losses than in the undisturbed run"
            )

    def _check_arrays(self, path):
        pattern = re.sub(r"\d+", "*", path.name)
        (model,) = map(read_arrays, self._undisturbed.glob(pattern))
        arrays = read_arrays(path)
        if {name: array.shape for name, array in arrays.items()} != {
            name: array.shape for name, array in model.items()
        }:
            raise Fault(f"{path}: other arrays than in the undisturbed run")

    def check_end(self):
        """Raise ``Fault`` unless the run ended like the undisturbed one."""
        self.check()
        folders = self._folder, self._undisturbed
        mine, theirs = (
            {path.relative_to(folder) for path in all_versions(folder)} for folder in folders
        )
        if mine != theirs:
            names = ", ".join(sorted(map(str, mine ^ theirs)))
            raise Fault(f"{self._folder}: has, or lacks, other than the undisturbed run: {names}")
        for name in sorted(mine):
            one, other = (folder / name for folder in folders)
            if name.suffix == ".h5":
                same = is_same(read_arrays(one), read_arrays(other))
            elif name.suffix == ".csv":
                same = read_rows(one) == read_rows(other)
            elif name.suffix == ".json":
                configs = [json.loads(path.read_text(encoding="utf-8")) for path in (one, other)]
                for config in configs:
                    del config["flags"]["output"]
                same = configs[0] == configs[1]
            else:
                # a continued run draws the curves from the rounded numbers in history.csv
                same = name.name == "history.png" or one.read_bytes() == other.read_bytes()
            if not same:
                raise Fault(f"{one}: differs from that of the undisturbed run")


# Processes


class Training(Victim):
    """A training in a process of its own.

    Args:
        words: Command line.
        folder: Run folder.
        log: File for its output.
    """

    def __init__(self, words, folder, log):
        self._folder = folder
        self.before = all_versions(folder)
        self.finished = RunFolder(folder).finished_epochs
        super().__init__("train.py", words, log)

    def has_changed(self, pattern="*.*"):
        """Whether the process has written a file in the folder."""
        return bool(changed(versions(self._folder, pattern), self.before))

    def kill_as(self, plan):
        """Kill the process as planned; return False if it ended successfully before."""
        if plan.what not in ("start", "change"):
            self._wait_for_file(plan)
            time.sleep(plan.delay)
        else:
            if plan.what == "change":
                self.wait_until(self.has_changed)
            due, limit = time.monotonic() + plan.delay, self.finished + plan.epochs
            self.wait_until(
                lambda: time.monotonic() >= due or self.finished < limit <= self._now_finished()
            )
        return self.kill()

    def _wait_for_file(self, plan):
        self.wait_until(lambda: self._now_finished() >= self.finished + plan.skip)
        name = Path(plan.what)
        part = str(name.with_name(f"{PART}*.{name.name}"))
        # we may look so late that a file that was being written already has its final name
        patterns = [plan.what] if plan.whole else [part, plan.what]
        before = [versions(self._folder, pattern) for pattern in patterns]
        self.wait_until(
            lambda: any(
                changed(versions(self._folder, pattern), one)
                for pattern, one in zip(patterns, before, strict=True)
            ),
            OFTEN,
        )

    def _now_finished(self):
        return RunFolder(self._folder).finished_epochs

    def phase(self):
        """Return what a killed process was doing, in words, and the file that it wrote, or None."""
        written = changed(all_versions(self._folder), self.before)
        parts = [path for path in written if is_part(path)]
        if parts:
            return f"writing {re.sub('[0-9]+', '*', final_path(parts[0]).name)}", parts[0]
        _, *epochs = re.split(r"Epoch (\d+)/\d+", self.printed())
        if epochs:
            if int(epochs[0]) != self.finished + 1:
                raise Fault(f"{self._folder}: went on with epoch {epochs[0]} after {self.finished}")
            return self._phase_of_epoch(int(epochs[-2]), epochs[-1]), None
        begun = self.has_changed("config.json")
        return f"start-up: {'building and loading' if begun else 'importing'}", None

    def _phase_of_epoch(self, epoch, printed):
        if self._now_finished() >= epoch:
            return "between epochs"
        history = self._folder / "history.csv"
        rows = read_rows(history) if history.exists() else []
        # the row may be that of an earlier process, which was killed before the epoch was final
        if len(rows) == epoch and history.stat().st_mtime_ns > self.clock:
            return "between two files of an epoch"
        # Keras does not print every step
        compiling = epoch == self.finished + 1 and not re.search(rf"\d/{STEPS}\b", printed)
        return "compiling the first step" if compiling else "training and validation"


def kill_repeatedly(words, folder, log, inspector, plans):
    """Run a command and kill it, once for each plan.

    Returns:
        Counter of phases; Counter of temporary files: "left" behind in all, "torn" (incomplete)
        among them, and "most" after a single kill.
    """
    phases, remains = collections.Counter(), collections.Counter()
    for index, plan in enumerate(plans, 1):
        with Training(words, folder, log) as training:
            if not training.kill_as(plan):
                raise Fault(f"the run ended before kill {index}; raise --epochs")
            phase, part = training.phase()
            seconds = training.seconds
        phases[phase] += 1
        state = ""
        if part is not None:
            remains["left"] += 1
            try:
                check_whole(part)
            except Fault:
                remains["torn"] += 1
                state = ", which is not whole"
        parts = sum(map(is_part, all_versions(folder)))
        remains["most"] = max(remains["most"], parts)
        finished = RunFolder(folder).finished_epochs
        print(
            f"kill {index:3d} after {seconds:5.1f} s and epoch {finished:3d}: {phase}{state} "
            f"({plan})",
            flush=True,
        )
        inspector.check()
    return phases, remains


def make_plans(args, folder, timing):
    """Draw a plan for each kill, such that the last kill still hits the run.

    Args:
        args: Parsed flags.
        folder: Run folder; its finished epochs decide what can be drawn.
        timing: Seconds that an undisturbed process takes: ``start`` until its first change in the
            folder, ``first`` from then on for the first epoch, ``epoch`` for each further one.
    """
    rng = random.Random(args.seed)
    deck = []
    for index in range(args.kills):
        finished = RunFolder(folder).finished_epochs
        pace = (args.epochs - 1) * (index + 1) / args.kills
        fits = [plan for plan in deck if finished + plan.epochs <= pace]
        if not fits:
            deck += _shuffled_deck(rng, timing)
            fits = [plan for plan in deck if finished + plan.epochs <= pace]
        deck.remove(fits[0])
        yield fits[0]


def _shuffled_deck(rng, timing):
    """Shuffle plans of all kinds; each file occurs twice, when it is begun and when finished."""
    deck = [Plan("start", delay=rng.uniform(0, timing["start"])) for _ in range(5)]
    for skip in (0, 0, 0, 0, 1, 1, 1, 2, 2):
        first, epoch = timing["first"], timing["epoch"]
        # without skipped epochs: within the first one, most of which is spent on compiling
        after = rng.uniform(0, first) if not skip else first + rng.uniform(0, skip * epoch)
        deck.append(Plan("change", skip=skip, delay=after))
    for what in WRITTEN:
        for whole in (False, True):
            skip = rng.choice((0, 1)) if whole and what not in AT_FIRST else 0
            deck.append(Plan(what, whole, skip, shortly(rng)))
    rng.shuffle(deck)
    return deck


def run_undisturbed(words, folder, log, epochs):
    """Run a command to its end; return the ``timing`` for ``make_plans``."""
    with Training(words, folder, log) as training:
        training.wait_until(training.has_changed)
        start = training.seconds
        training.wait_until(lambda: RunFolder(folder).finished_epochs)
        first = training.seconds - start
        training.wait()
        epoch = (training.seconds - start - first) / (epochs - 1)
    return {"start": start, "first": first, "epoch": epoch}


def compare(args, folder):
    """Run undisturbed, then with kills; print what was hit."""
    features, undisturbed, killed = (
        folder / name for name in ("features", "undisturbed", "killed")
    )
    write_features(features)
    log = folder / "log.txt"
    began = time.monotonic()
    words = command(features, undisturbed, args.epochs)
    timing = run_undisturbed(words, undisturbed, log, args.epochs)
    print(
        f"undisturbed: {args.epochs} epochs, {timing['start']:.1f} s of start-up, "
        f"{timing['first']:.1f} s for the first epoch, {timing['epoch']:.2f} s for another one",
        flush=True,
    )
    inspector = Inspector(killed, undisturbed)
    words = command(features, killed, args.epochs)
    plans = make_plans(args, killed, timing)
    phases, remains = kill_repeatedly(words, killed, log, inspector, plans)
    with Training(words, killed, log) as training:
        training.wait()
    inspector.check_end()
    print(f"{sum(phases.values())} kills in {time.monotonic() - began:.0f} s:")
    for phase, count in phases.most_common():
        print(f"{count:4d}  {phase}")
    print(
        f"remains of files that were being written: {remains['left']}, {remains['torn']} of them "
        f"not whole; at most {remains['most']} at a time, none in the end"
    )
    print("the run ended like the undisturbed one")


def main(argv=None):
    """Run the test; return the exit status, 1 if the killed run differs from the other."""
    args = build_parser().parse_args(argv)
    if args.folder is not None:
        args.folder.mkdir(parents=True)
    return verdict("kill", args.folder, functools.partial(compare, args))


if __name__ == "__main__":
    run(main)
