"""Kill the data scripts again and again; the results must equal those of undisturbed runs.

    python -m stress.kill_data --script all --kills 100

Runs synthesize_notes.py, synthesize_audios.py and compute_features.py with two jobs each, once
undisturbed, then by the same command in another folder, where processes are killed (SIGKILL, with
all their children) at random moments: spread over the time of a run, or within microseconds to
milliseconds after a file was begun or finished. The next process continues where the last one
was; when one finishes, its output is removed, so that kills hit all phases. After each kill every
file under its final name must equal that of the undisturbed run, none may have been made twice, and
no process may be left. When a run finishes, nothing may remain besides the output: neither in its
folder, nor in the folder for temporary files, nor in shared memory.

Prints what each kill hit, and the number of kills for each phase of the scripts. Stops at the first
fault with exit status 1 and keeps the folder.
"""

import collections
import io
import random
import re
import shutil
import sys
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import add_seed_flag, number, parser, run
from common.music.etudes import Note, Performance, write_midi
from common.work.workers import remains
from compute_features import part_path
from data import SAMPLE_RATE, write_audio
from pix2pix_timbre.features import FeatureStore
from stress.processes import (
    LOCK,
    OFTEN,
    ROOT,
    Fault,
    Victim,
    all_versions,
    changed,
    final_path,
    is_part,
    shortly,
    verdict,
)
from stress.tiny_soundfont import write_soundfont

INSTRUMENTS = "keyboard_acoustic", "guitar_acoustic"
MARK = "KILL_DATA"  # environment variable of all processes that are started here
PATIENCE = 10  # seconds in which killed processes must be gone


class Plan(NamedTuple):
    """When to kill a process: some time after an event.

    Attributes:
        what: The event: "start", or a suffix of files.
        whole: Whether the event is that files were finished, not that they were begun.
        count: Number of such files.
        delay: Seconds after the event.
    """

    what: str
    whole: bool = False
    count: int = 0
    delay: float = 0.0

    def __str__(self):
        if self.what == "start":
            return f"{self.delay:.2f} s after the start"
        state = "whole" if self.whole else "begun"
        return f"{1000 * self.delay:.3g} ms after {self.what} {self.count} was {state}"


class Script(NamedTuple):
    """A script to kill: its name, and the suffixes of files of which it writes many, and few."""

    file: str
    many: str
    few: str
    command: object  # function of folder of material, output and number of files; returns flags


def _notes(folder, output, files):
    font = folder / "tone.sf2"
    if not font.exists():
        write_soundfont(font, partials=8)
    flags = ["--soundfont", font, "--out", output, "--instruments", "keyboard_acoustic=0:0"]
    return [*flags, "--pitches", f"40:{39 + 2 * files}", "--velocities", 25, 75, 127]


def _audios(folder, output, files):
    midi = folder / "midi"
    for index in range(0 if midi.exists() else files):
        rng = random.Random(index)
        notes = [Note(beat, beat + 1, rng.randint(48, 72), 80) for beat in range(12)]
        write_midi(midi / f"{index:02}.mid", Performance(notes, [(0.0, 120)], []), "")
    flags = ["--nsynth_path", ROOT / "data/notes", "--midi_path", midi]
    return [*flags, "--audios_path", output, "--instruments", *INSTRUMENTS]


def _features(folder, output, files):
    audios = folder / "audios"
    for name in () if audios.exists() else INSTRUMENTS:
        for index in range(files):
            rng = np.random.default_rng(index)
            sound = rng.uniform(-0.5, 0.5, 6 * SAMPLE_RATE)
            write_audio(audios / name / f"{index:02}.wav", sound)
    return ["--audios_path", audios, "--features_path", output]


SCRIPTS = {
    "notes": Script("synthesize_notes.py", ".wav", ".json", _notes),
    "audios": Script("synthesize_audios.py", ".wav", ".wav", _audios),
    "features": Script("compute_features.py", ".npy", ".h5", _features),
}


def build_parser():
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument(
        "--script",
        choices=(*SCRIPTS, "all"),
        default="all",
        help="script to kill, or all of them (default: all)",
    )
    built.add_argument(
        "--kills",
        type=number(int, 1),
        default=100,
        help="number of kills for each script (default: 100)",
    )
    built.add_argument(
        "--files",
        type=number(int, 2, 40),
        default=16,
        help="number of files per instrument; of notes, six times as many (default: 16)",
    )
    add_seed_flag(built, "the moments of the kills")
    built.add_argument(
        "--folder", type=Path, help="new folder for the runs (default: a temporary one)"
    )
    return built


class Inspector:
    """Checks what a process has left, whether it was killed or finished.

    Args:
        output: Folder that it wrote.
        undisturbed: Output of the undisturbed run.
    """

    def __init__(self, output, undisturbed):
        self._output, self._wanted = output, read_files(undisturbed)
        self._stores = {}
        for path in undisturbed.glob("*.h5"):
            with FeatureStore(path) as store:
                for piece in store.renderings:
                    self._stores[part_path(Path(path.stem), piece)] = store.read(piece)
        self._kept = {}

    def check(self):
        """Raise ``Fault`` if a file differs from the undisturbed run, is lost or was made twice."""
        found = {path: one for path, one in all_versions(self._output).items() if not is_part(path)}
        for path in changed(found, self._kept):
            if path in self._kept:
                raise Fault(f"{path}: was finished before, and has been made again")
            if not self.is_whole(path, path):
                raise Fault(f"{path}: differs from that of the undisturbed run")
        for path in self._kept.keys() - found.keys():
            # the parts of a store are removed once it is whole
            if path.suffix != ".npy" or not (self._output / f"{path.parent.name}.h5").exists():
                raise Fault(f"{path}: was finished before, and is gone")
        self._kept = found

    def is_whole(self, path, final):
        """Whether a file has the content that the file ``final`` must have in the end."""
        name = final.relative_to(self._output)
        content = path.read_bytes()
        if name.parts[0] == ".parts":
            stored = io.BytesIO()
            np.save(stored, self._stores[name.relative_to(".parts")], allow_pickle=False)
            return content == stored.getvalue()
        return content == self._wanted.get(name)

    def check_end(self):
        """Raise ``Fault`` unless the output equals the undisturbed run's, and nothing was added."""
        self.check()
        found = {path.relative_to(self._output) for path in self._output.rglob("*")}
        wanted = {parent for name in self._wanted for parent in name.parents} | set(self._wanted)
        if found | {Path()} != wanted:
            names = ", ".join(sorted(map(str, (found | {Path()}) ^ wanted)))
            raise Fault(f"{self._output}: has, or lacks, other than the undisturbed run: {names}")

    def begin_anew(self):
        """Remove the output."""
        shutil.rmtree(self._output)
        self._kept = {}


def read_files(folder):
    """Dict from the names of the files below a folder to their content."""
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def survivors(mark):
    """List the ids of living processes with a mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has just ended, or belongs to another user
            continue
    return found


class Run:
    """A script that is started again and again.

    Args:
        script: ``Script``.
        folder: Folder for its material, outputs and temporary files.
        output: Name of the output folder in it.
        files: Value of the flag ``--files``.
    """

    def __init__(self, script, folder, output, files):
        self.script, self.output = script, folder / output
        flags = [*script.command(folder, self.output, files), "--jobs", 2]
        self._words = [sys.executable, str(ROOT / script.file), *map(str, flags)]
        self._log, self._temporary = folder / "log.txt", folder / "tmp"
        self._temporary.mkdir(exist_ok=True)
        self._mark = uuid.uuid4().hex
        self._numbers = []

    def begin(self):
        """Start a new process; return it as a ``Victim``."""
        env = {MARK: self._mark, "TMPDIR": str(self._temporary)}
        victim = Victim(self.script.file, self._words, self._log, env)
        self._numbers.append(victim.pid)
        return victim

    def check_processes(self):
        """Raise ``Fault`` if a process is left."""
        limit = time.monotonic() + PATIENCE
        while survivors(self._mark):
            if time.monotonic() > limit:
                raise Fault(f"{self.script.file}: left processes {survivors(self._mark)}")
            time.sleep(OFTEN)

    def check_remains(self):
        """Raise ``Fault`` if something is left in shared memory or among temporary files."""
        left = [path for number in self._numbers for path in remains(number)]
        left += self._temporary.iterdir()
        if left:
            raise Fault(f"{self.script.file}: left {', '.join(map(str, left))}")


def kill_as(victim, plan, output, before):
    """Kill a process as planned; return False if it ended successfully before."""

    def reached():
        written = changed(all_versions(output), before)
        written = [path for path in written if path.suffix == plan.what]
        # we may look so late that a file that was being written already has its final name
        finished = sum(not is_part(path) for path in written)
        return (finished if plan.whole else len(written)) >= plan.count

    if plan.what == "start":
        due = victim.began + plan.delay
        victim.wait_until(lambda: time.monotonic() >= due, OFTEN)
    elif victim.wait_until(reached, OFTEN):
        time.sleep(plan.delay)
    return victim.kill()


def phase_of(output, before, inspector):
    """Find out what a killed process was doing.

    Returns:
        ``(phase, whole, torn)``: text; lists of its temporary files that are complete, and that are
        not.
    """
    written = changed(all_versions(output), before)
    parts = [path for path in written if is_part(path)]
    finals = {path: final_path(path) for path in parts}
    whole = [path for path, final in finals.items() if inspector.is_whole(path, final)]
    torn = [path for path in parts if path not in whole]
    if parts:
        names = sorted({re.sub(r"[0-9a-f]{64}|\d+", "*", path.name) for path in finals.values()})
        return f"writing {' and '.join(names)}", whole, torn
    if written:
        return "between two files", whole, torn
    began = (output / LOCK).exists()
    return "before its first file" if began else "importing", whole, torn


def make_plans(seed, script, seconds):
    """Draw plans without end.

    Args:
        seed: Random seed.
        script: ``Script``.
        seconds: Time that an undisturbed run takes.
    """
    rng = random.Random(seed)
    while True:
        deck = [Plan("start", delay=rng.uniform(0, seconds)) for _ in range(8)]
        for whole in (False, True):
            for what, most in ((script.many, 12), (script.many, 4), (script.few, 1)):
                deck += [Plan(what, whole, rng.randint(1, most), shortly(rng)) for _ in range(2)]
        rng.shuffle(deck)
        yield from deck


def compare(script, folder, args):
    """Run a script undisturbed, then with kills; print what was hit."""
    folder.mkdir(parents=True)
    run = Run(script, folder, "undisturbed", args.files)
    with run.begin() as victim:
        victim.wait()
        seconds = victim.seconds
        run.check_processes()
    run.check_remains()
    began = time.monotonic()
    inspector = Inspector(folder / "killed", run.output)
    print(f"{script.file}: {len(read_files(run.output))} files in {seconds:.1f} s", flush=True)
    run = Run(script, folder, "killed", args.files)
    phases, counts = collections.Counter(), collections.Counter()
    for plan in make_plans(args.seed, script, seconds):
        before = all_versions(run.output)
        with run.begin() as victim:
            killed = kill_as(victim, plan, run.output, before)
            run.check_processes()
        if not killed:
            inspector.check_end()
            run.check_remains()
            inspector.begin_anew()
            counts["through"] += 1
            continue
        phase, whole, torn = phase_of(run.output, before, inspector)
        phases[phase] += 1
        counts["whole"] += len(whole)
        counts["torn"] += len(torn)
        counts["most"] = max(counts["most"], sum(map(is_part, all_versions(run.output))))
        said = f"{len(torn)} not whole; " if torn else ""
        print(f"kill {phases.total():3d} after {victim.seconds:5.2f} s: {phase}; {said}({plan})")
        inspector.check()
        if phases.total() == args.kills:
            break
    with run.begin() as victim:
        victim.wait()
        run.check_processes()
    inspector.check_end()
    run.check_remains()
    print(
        f"{args.kills} kills in {time.monotonic() - began:.0f} s, {counts['through']} got through:"
    )
    for phase, count in phases.most_common():
        print(f"{count:4d}  {phase}")
    print(
        f"remains of files that were being written: {counts['whole'] + counts['torn']}, "
        f"{counts['torn']} of them not whole; at most {counts['most']} at a time, none in the end"
    )
    print("the files are those of the undisturbed run, each made once", flush=True)


def main(argv=None):
    """Run the test; return the exit status, 1 if a killed run differs from the other."""
    args = build_parser().parse_args(argv)

    def compare_all(folder):
        for name in SCRIPTS if args.script == "all" else [args.script]:
            compare(SCRIPTS[name], folder / name, args)

    return verdict("kill_data", args.folder, compare_all)


if __name__ == "__main__":
    run(main)
