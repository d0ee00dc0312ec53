"""Render single notes from a SoundFont, in the folder structure of NSynth.

    python synthesize_notes.py --soundfont GeneralMIDI.sf2 --out notes

A note becomes <out>/audio/<family>_<source>_<preset>-<pitch>-<velocity>.wav: 16 kHz, mono, 16 bit,
3 s held and 1 s released; the three numbers have three digits. <out>/examples.json describes all
notes of the folder, as in NSynth. Notes that exist are kept, so an interrupted run can be continued
and a second SoundFont can add its instruments. The notes are played by FluidSynth (`pip install
pyfluidsynth` and the system package libfluidsynth3) or, if that is missing, by TinySoundFont (`make
notes`).
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError, number, parser, printable, run, say
from common.music.instruments import FAMILIES, SOURCES
from common.music.nsynth import write_examples
from common.work.machine import cores

# The guitar has steel strings: the nylon ones (0:24) of many fonts are hard to tell from a piano.
INSTRUMENTS = [
    "keyboard_acoustic=0:0",
    "guitar_acoustic=0:25",
    "string_acoustic=0:48",
    "synth_lead_synthetic=0:81",
]

SAMPLE_RATE = 16000  # Hz, of the files
FADE_SECONDS = 0.02
# The same for all notes, and fixed rather than measured: notes of several runs and SoundFonts keep
# their relative loudness. At 1, single notes of General MIDI fonts peak between 0.2 and 0.9.
GAIN = 1.0
SILENCE = 4 / 2**15  # a peak below this is no tone any more in 16 bit


class Instrument(NamedTuple):
    """An instrument's name as in NSynth, ``keyboard_acoustic_004``, and what plays it."""

    name: str
    bank: int
    program: int


def instrument(text):
    """Argument type: ``keyboard_acoustic=0:0``, with a preset ``keyboard_acoustic:4=0:1``."""
    match = re.fullmatch(r"(\w+?)_([a-z]+)(?:_(\d{3})|:(\d{1,3}))?=(\d{1,5}):(\d{1,3})", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write <family>_<source>=<bank>:<program>, or with a preset "
            "<family>_<source>:<preset>=<bank>:<program>"
        )
    family, source, nsynth_preset, preset, bank, program = match.groups()
    for kind, word, known in (("family", family, FAMILIES), ("source", source, SOURCES)):
        if word not in known:
            raise argparse.ArgumentTypeError(
                f"{text!r}: no {kind} {word!r} in NSynth; it has {', '.join(known)}"
            )
    name = f"{family}_{source}_{int(nsynth_preset or preset or 0):03d}"
    return Instrument(name, int(bank), int(program))


def pitch_range(text):
    """Argument type: ``LOW:HIGH`` or ``LOW:HIGH:STEP``, MIDI numbers, both ends included."""
    match = re.fullmatch(r"(\d{1,3}):(\d{1,3})(?::(\d{1,3}))?", text)
    low, high, step = (int(part or 1) for part in match.groups()) if match else (1, 0, 0)
    if not 0 <= low <= high <= 127 or step < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write LOW:HIGH or LOW:HIGH:STEP with 0 <= LOW <= HIGH <= 127"
        )
    return range(low, high + 1, step)


def build_parser():
    """Flags of the script."""
    built = parser(__doc__, writes=("out",))
    built.add_argument(
        "--soundfont", required=True, type=Path, metavar="FILE", help="SoundFont file, .sf2 or .sf3"
    )
    built.add_argument("--out", required=True, type=Path, help="output folder for the notes")
    built.add_argument(
        "--instruments",
        nargs="+",
        type=instrument,
        default=[instrument(text) for text in INSTRUMENTS],
        metavar="NAME[:PRESET]=BANK:PROGRAM",
        help=f"NSynth name of each SoundFont program to render (default: {' '.join(INSTRUMENTS)})",
    )
    built.add_argument(
        "--pitches",
        type=pitch_range,
        default=range(21, 109),
        metavar="LOW:HIGH[:STEP]",
        help="range of pitches as MIDI numbers, both ends included (default: 21:108, "
        "the keys of a piano)",
    )
    built.add_argument(
        "--velocities",
        nargs="+",
        type=number(int, 1, 127),
        default=[25, 50, 75, 100, 127],
        metavar="N",
        help="MIDI velocities to render (default: those of NSynth, 25 50 75 100 127)",
    )
    built.add_argument(
        "--gain",
        type=number(float, above=0, high=10),
        default=GAIN,
        help="gain of the SoundFont player, the same for all notes; a note that would "
        f"clip ends the run (default: {GAIN:g})",
    )
    built.add_flag("--format", "wav", "audio format of the notes", choices=("wav", "flac"))
    built.add_argument(
        "--jobs",
        type=number(int, 1),
        default=min(4, cores()),
        help="number of threads (default: 4, or one per core if there are fewer)",
    )
    built.add_argument(
        "--overwrite", action="store_true", help="render notes again that exist already"
    )
    return built


def finish(audio):
    """A rendered note as the file holds it: at ``SAMPLE_RATE``, its last samples faded to zero."""
    import numpy as np

    from common.files.audio import resample
    from common.music.soundfont import SYNTH_RATE

    note = resample(audio, SYNTH_RATE, SAMPLE_RATE)
    fade = int(FADE_SECONDS * SAMPLE_RATE)
    note[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    return note


def write_note(player, played, pitch, velocity, path):
    """Render one note and write its file.

    Returns:
        Whether it was written: a note that the font does not sound is not.

    Raises:
        UserError: The font cannot play the program, or the note is too loud for 16 bit.
    """
    from data import write_audio

    player.select(played.bank, played.program)
    note = finish(player.render(pitch, velocity))
    peak = float(abs(note).max())
    if peak < SILENCE:
        path.unlink(missing_ok=True)  # of another font, with --overwrite
        return False
    if peak > 1:
        raise UserError(
            f"{path}: would clip at {peak:.2f} of full scale; give a lower --gain, and --overwrite "
            "so that all notes share it"
        )
    write_audio(path, note, SAMPLE_RATE)
    return True


def write_notes(tasks, player, jobs):
    """Write notes in several threads: players and the writing of files run outside of Python.

    Args:
        tasks: List of (``Instrument``, pitch, velocity, path).
        player: ``common.music.soundfont.Player``; each further thread makes another.
        jobs: Number of threads.

    Returns:
        The tasks whose note is silent.
    """
    from concurrent.futures import ThreadPoolExecutor
    from queue import SimpleQueue

    jobs = max(1, min(jobs, len(tasks)))
    idle = SimpleQueue()
    idle.put(player)
    for _ in range(jobs - 1):
        idle.put(player.another())

    def work(task):
        free = idle.get()
        try:
            return write_note(free, *task)
        finally:
            idle.put(free)

    with ThreadPoolExecutor(jobs) as pool:  # map() drops what has not begun when one task fails
        sounding = list(pool.map(work, tasks))
    return [task for task, sounds in zip(tasks, sounding, strict=True) if not sounds]


def main(argv=None):
    """Run the script; its exit status."""
    from common.music.soundfont import open_soundfont
    from common.work.lock import only_run

    args = build_parser().parse_args(argv)
    names = [played.name for played in args.instruments]
    if len(set(names)) < len(names):
        raise UserError("--instruments: two have the same name; number them, as in NAME:1")
    player = open_soundfont(args.soundfont, args.gain)
    for played in args.instruments:  # a program that is not there ends the run before it starts
        player.select(played.bank, played.program)
    with only_run(args.out):
        return synthesize(args, player)


def synthesize(args, player):
    """Render the notes that the flags ask for; the exit status of the script."""
    audio = args.out / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    tasks = [
        (played, pitch, velocity, audio / f"{played.name}-{pitch:03d}-{velocity:03d}.{args.format}")
        for played in args.instruments
        for pitch in args.pitches
        for velocity in dict.fromkeys(args.velocities)
    ]
    missing = [task for task in tasks if args.overwrite or not task[-1].is_file()]
    silent = write_notes(missing, player, args.jobs)
    described = write_examples(args.out, {}, SAMPLE_RATE)
    print(
        f"{len(missing) - len(silent)} notes written, {len(tasks) - len(missing)} kept, "
        f"{len(silent)} silent; {described} in {printable(args.out / 'examples.json')}"
    )
    if missing and player.name != "FluidSynth":
        print(f"played by {player.name}, as FluidSynth is missing")
    pitches = defaultdict(list)
    for played, pitch, *_ in silent:
        pitches[played.name].append(pitch)
    for name, without in pitches.items():
        say(f"{name}: not written, silent at pitch {', '.join(map(str, sorted(set(without))))}")
    if len(silent) == len(tasks):
        raise UserError(f"{args.soundfont}: none of these notes sounds; give other --pitches")
    return 0


if __name__ == "__main__":
    run(main)
