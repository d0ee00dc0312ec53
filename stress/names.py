"""Send thousands of files with awkward names through two data scripts.

    python -m stress.names --files 5000

Writes MIDI files of one short note with spaces, leading dashes, newlines, quotes, wildcards, escape
sequences, letters of many scripts and bytes that are not UTF-8 in their names, names that differ
only by case or Unicode normalisation, and names of 255 bytes. synthesize_audios.py must play each
of them under its own name, compute_features.py must store the features of each, and neither may
print anything that a terminal would execute. Prints the time that both took; the exit status is 1
if there is a fault.
"""

import os
import subprocess
import sys
import time

import numpy as np

from common.cli import number, parser, run
from common.music.etudes import Note, Performance, write_midi
from common.work.machine import cores
from data import write_audio
from pix2pix_timbre.features import FeatureStore
from stress.processes import ROOT, Fault, verdict

INSTRUMENT = "keyboard_acoustic"
NAME_BYTES = 255  # the longest name on most file systems
NAMES = [  # a number is added at the end of each, so that all are different
    b"plain ",
    b"- leading dash ",
    b"--jobs ",
    b" leading and double  spaces ",
    b"new\nline ",
    b"\r\t\v ",
    b"escape \x1b[2J\x1b]0;title\x07 ",
    b"bell \x07 delete \x7f ",
    b"'quotes\" `echo` $HOME \\n ; & | ",
    b"* ? [x] {y} ~ # % %2F ",
    b"~transpose+3 @004 ",
    "Für Elise ".encode(),
    "Fu\u0308r Elise ".encode(),  # the same name in decomposed Unicode
    "FÜR ELISE ".encode(),
    "月光 лунная 🎹 ".encode(),
    "right to left \u202e dim. ".encode(),
    "separators \u2028 \u00a0 \u0085 ".encode(),
    b"no UTF-8 \xe9 ",
    b"no UTF-8 \xff\xfe\xc0\x80 ",
    b"a.mid.b ",
    b"long ",
    b"long no UTF-8 \xe9 ",
]


def build_parser():
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument(
        "--files",
        type=number(int, 1),
        default=5000,
        help="number of files (default: 5000)",
    )
    built.add_argument(
        "--jobs",
        type=number(int, 1),
        default=cores(),
        help="number of processes (default: one per core)",
    )
    return built


def names(count):
    """List different names without suffix, as strings that Python gets from the system."""
    found = []
    for index in range(count):
        kind, serial = NAMES[index % len(NAMES)], b"%d" % (index // len(NAMES))
        room = NAME_BYTES - len(".mid") - len(kind) - len(serial)
        fill = b"x" * room if kind.startswith(b"long") else b""
        found.append(os.fsdecode(kind + fill + serial))
    return found


def write_materials(folder, stems):
    """Write MIDI files of one note, and a library with that note."""
    time_axis = np.arange(3200) / 16000
    tone = np.float32(0.5 * np.sin(2 * np.pi * 220 * time_axis))
    write_audio(folder / "notes" / f"{INSTRUMENT}_000-057-100.wav", tone, 16000)
    midi = folder / "midi"
    piece = Performance([Note(0, 0.1, 57, 100)], [(0.0, 120)], [])
    write_midi(midi / "first.mid", piece, "")
    content = (midi / "first.mid").read_bytes()
    (midi / "first.mid").unlink()
    for stem in stems:
        (midi / f"{stem}.mid").write_bytes(content)


def call(script, *flags):
    """Run a script; return the seconds that it took, and its output; check that it is printable."""
    began = time.monotonic()
    words = [sys.executable, str(ROOT / script), *map(str, flags)]
    done = subprocess.run(words, capture_output=True, cwd=ROOT, check=False)
    printed = (done.stdout + done.stderr).decode()
    if done.returncode:
        raise Fault(f"{script} ended with status {done.returncode}: {printed.strip()}")
    if not printed.replace("\n", "").isprintable():
        raise Fault(f"{script} printed {printed!r}")
    return time.monotonic() - began, printed


def check(folder, count, jobs):
    """Run both scripts; raise ``Fault`` unless every file was played and stored."""
    stems = names(count)
    write_materials(folder, stems)
    audios, features = folder / "audios", folder / "features"
    flags = ["--nsynth_path", folder / "notes", "--midi_path", folder / "midi", "--jobs", jobs]
    only = ["--instruments", INSTRUMENT, "--duration_rate", 4]
    seconds, _ = call("synthesize_audios.py", *flags, "--audios_path", audios, *only)
    found = sorted(path.name for path in (audios / INSTRUMENT).iterdir())
    if found != sorted(f"{stem}.wav" for stem in stems):
        raise Fault(f"synthesize_audios.py made {len(found)} files, not those of the {count} names")
    print(f"synthesize_audios.py: {count:,} files in {seconds:.1f} s", flush=True)
    flags = ["--audios_path", audios, "--features_path", features, "--jobs", jobs]
    seconds, _ = call("compute_features.py", *flags)
    with FeatureStore(features / f"{INSTRUMENT}.h5") as store:
        if store.renderings != sorted(stems):
            raise Fault(f"compute_features.py stored {len(store.renderings)} of {count} names")
    print(f"compute_features.py: {count:,} files in {seconds:.1f} s", flush=True)


def main(argv=None):
    """Run the test; return the exit status, 1 if there was a fault."""
    args = build_parser().parse_args(argv)
    status = verdict("names", None, lambda folder: check(folder, args.files, args.jobs))
    if status == 0:
        print("each file was played and stored under its own name")
    return status


if __name__ == "__main__":
    run(main)
