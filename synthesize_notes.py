"""Render single notes from a SoundFont, in the folder structure of NSynth.

    python synthesize_notes.py --soundfont GeneralMIDI.sf2 --out notes

A note becomes <out>/audio/<family>_<source>_<preset>-<pitch>-<velocity>.wav: mono, 16 bit, 3 s held
and 1 s released, at 16 kHz as in NSynth if not told otherwise; the three numbers have three digits.
<out>/examples.json describes all notes of the folder, as in NSynth. Notes that exist are kept, so
an interrupted run can be continued and a second SoundFont can add its instruments. --orchestra
renders the instruments of an orchestra, named as in violin_acoustic_000, each over its range;
--drums renders hits in seven classes, as <out>/<class>/<kit>_<key>_<velocity>.wav. The notes are
played by FluidSynth (`pip install pyfluidsynth` and the system package libfluidsynth3) or, if that
is missing, by TinySoundFont (`make notes`).
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common.cli import Parser, UserError, counted, number, parser, printable, run, say
from common.music.drums import BANK, CLASSES, keys_of_kit
from common.music.instruments import FAMILIES, ORCHESTRA, SOURCES, Part, known_instrument
from common.music.nsynth import describe, write_examples
from common.music.rendering import SAMPLE_RATE, Instrument, Task, orchestra_voices, write_notes
from common.music.sample_names import DYNAMICS, ORDINARY
from common.music.soundfont import Player
from common.music.techniques import TECHNIQUES
from common.work.machine import cores

# The guitar has steel strings: the nylon ones (0:24) of many fonts are hard to tell from a piano.
INSTRUMENTS = [
    "keyboard_acoustic=0:0",
    "guitar_acoustic=0:25",
    "string_acoustic=0:48",
    "synth_lead_synthetic=0:81",
]

VELOCITIES = [25, 50, 75, 100, 127]  # those of NSynth
ORCHESTRA_DYNAMICS = [DYNAMICS[name] for name in ("pp", "mf", "ff")]
# The same for all notes, and fixed rather than measured: notes of several runs and SoundFonts keep
# their relative loudness. At 1, single notes of General MIDI fonts peak between 0.2 and 0.9.
GAIN = 1.0


def instrument(text: str) -> Instrument:
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


def pitch_range(text: str) -> range:
    """Argument type: ``LOW:HIGH`` or ``LOW:HIGH:STEP``, MIDI numbers, both ends included."""
    match = re.fullmatch(r"(\d{1,3}):(\d{1,3})(?::(\d{1,3}))?", text)
    low, high, step = (int(part or 1) for part in match.groups()) if match else (1, 0, 0)
    if not 0 <= low <= high <= 127 or step < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write LOW:HIGH or LOW:HIGH:STEP with 0 <= LOW <= HIGH <= 127"
        )
    return range(low, high + 1, step)


def part(text: str) -> Part:
    """Argument type: an instrument of the orchestra."""
    known = known_instrument(text)
    found = [part for part in ORCHESTRA if known and part.name == known.name]
    if not found:
        names = ", ".join(part.name for part in ORCHESTRA)
        raise argparse.ArgumentTypeError(f"{text!r} is not in the orchestra: {names}")
    return found[0]


def drum_kit(text: str) -> Instrument:
    """Argument type: ``standard=0``."""
    match = re.fullmatch(r"([\w\-]+)=(\d{1,3})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r}: write KIT=PROGRAM, such as standard=0")
    return Instrument(match[1], BANK, int(match[2]))


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__, writes=("out",))
    built.add_argument(
        "--soundfont", required=True, type=Path, metavar="FILE", help="SoundFont file, .sf2 or .sf3"
    )
    built.add_argument("--out", required=True, type=Path, help="output folder for the notes")
    kind = built.add_mutually_exclusive_group()
    kind.add_argument(
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
        metavar="N",
        help="MIDI velocities to render (default: those of NSynth, "
        f"{' '.join(map(str, VELOCITIES))}; pp, mf and ff with --orchestra, "
        f"{' '.join(map(str, ORCHESTRA_DYNAMICS))})",
    )
    kind.add_argument(
        "--orchestra",
        nargs="*",
        type=part,
        metavar="NAME",
        help="render these instruments of the orchestra, each over its range (default: all, "
        f"{', '.join(part.name for part in ORCHESTRA)})",
    )
    kind.add_argument(
        "--drums",
        nargs="+",
        type=drum_kit,
        metavar="KIT=PROGRAM",
        help=f"render the drum kits of these programs of bank {BANK}, in the classes "
        f"{', '.join(CLASSES)}",
    )
    built.add_argument(
        "--techniques",
        nargs="+",
        choices=[*TECHNIQUES, "all"],
        default=[ORDINARY],
        metavar="NAME",
        help="techniques of the orchestra, where the instrument can play them: "
        f"{', '.join(TECHNIQUES)}, or all (default: {ORDINARY})",
    )
    built.add_flag(
        "--step",
        1,
        "semitones from one pitch of the orchestra to the next; each instrument starts elsewhere",
        type=number(int, 1, 12),
    )
    built.add_argument(
        "--licence", help="licence of the SoundFont; with it, <out>/index.json is written"
    )
    built.add_argument("--citation", help="how to cite the SoundFont (default: its file's name)")
    built.add_argument(
        "--held_out",
        nargs="+",
        default=[],
        metavar="KIT",
        help="kits of --drums to be marked as not to be trained on",
    )
    built.add_argument(
        "--gain",
        type=number(float, above=0, high=10),
        default=GAIN,
        help="gain of the SoundFont player, the same for all notes; a note that would "
        f"clip ends the run (default: {GAIN:g})",
    )
    built.add_flag(
        "--sample_rate",
        SAMPLE_RATE,
        "sample rate of the notes in Hz",
        type=number(int, 8000, 96000),
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


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    from common.music.soundfont import open_soundfont
    from common.work.lock import only_run

    args = build_parser().parse_args(argv)
    names = [played.name for played in args.instruments]
    if len(set(names)) < len(names):
        raise UserError("--instruments: two have the same name; number them, as in NAME:1")
    unknown = sorted({*args.held_out} - {kit.name for kit in args.drums or []})
    if unknown:
        raise UserError(f"--held_out {unknown[0]}: no kit of --drums has that name")
    player = open_soundfont(args.soundfont, args.gain)
    tasks = plan(args)
    for played in dict.fromkeys(task.played for task in tasks):
        player.select(played.bank, played.program)  # a missing one ends the run before it starts
    with only_run(args.out):
        return synthesize(args, tasks, player)


def plan(args: argparse.Namespace) -> list[Task]:
    """List the ``Task`` of each note that the flags ask for."""
    if args.drums:
        velocities = args.velocities or ORCHESTRA_DYNAMICS
        return [
            Task(kit, ORDINARY, key, velocity, args.out / group / f"{kit.name}_{key}_{velocity}")
            for kit in args.drums
            for group, keys in keys_of_kit(kit.program).items()
            for key in keys
            for velocity in dict.fromkeys(velocities)
        ]
    if args.orchestra is None:
        voices = [(played, ORDINARY, args.pitches) for played in args.instruments]
        velocities = args.velocities or VELOCITIES
    else:
        voices = orchestra_voices(args.orchestra or ORCHESTRA, args.techniques, args.step)
        velocities = args.velocities or ORCHESTRA_DYNAMICS
    return [
        Task(
            played,
            technique,
            pitch,
            velocity,
            args.out / "audio" / f"{played.name}-{pitch:03d}-{velocity:03d}",
        )
        for played, technique, pitches in voices
        for pitch in pitches
        if pitch in args.pitches
        for velocity in dict.fromkeys(velocities)
    ]


def synthesize(args: argparse.Namespace, tasks: list[Task], player: Player) -> int:
    """Render notes; return the exit status of the script."""
    tasks = [
        task._replace(path=task.path.with_name(f"{task.path.name}.{args.format}")) for task in tasks
    ]
    for folder in {task.path.parent for task in tasks}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = [task for task in tasks if args.overwrite or not task.path.is_file()]
    require_rate({task.path for task in tasks} - {task.path for task in missing}, args.sample_rate)
    silent = write_notes(missing, player, args.jobs, args.sample_rate)
    counts = (
        f"{counted(len(missing) - len(silent), 'note')} written, {len(tasks) - len(missing)} kept, "
        f"{len(silent)} silent"
    )
    if args.drums:
        twins = remove_twins(tasks)
        print(f"{counts}, {twins} removed, as an earlier kit has the same")
    else:
        described = write_examples(args.out, new_entries(args, tasks), args.sample_rate)
        print(f"{counts}; {described} in {printable(args.out / 'examples.json')}")
    if missing and player.name != "FluidSynth":
        print(f"played by {player.name}, as FluidSynth is missing")
    pitches = defaultdict(list)
    for task in silent:
        pitches[task.played.name].append(task.pitch)
    for name, without in pitches.items():
        say(f"{name}: not written, silent at pitch {', '.join(map(str, sorted(set(without))))}")
    if len(silent) == len(tasks):
        raise UserError(f"{args.soundfont}: none of these notes sounds; give other --pitches")
    if args.licence:
        write_index(args, tasks)
    return 0


def new_entries(args: argparse.Namespace, tasks: list[Task]) -> dict[str, dict[str, Any]]:
    """Entries of ``examples.json`` that may differ from those it has: dict by names of notes."""
    if args.orchestra is None:
        if not args.overwrite:
            return {}
        stems = [task.path.stem for task in tasks if task.path.is_file()]
        return {stem: describe(stem, args.sample_rate) for stem in stems}
    licence = {"licence": args.licence} if args.licence else {}
    return {
        task.path.stem: {
            **describe(task.path.stem, args.sample_rate),
            "technique": task.technique,
            "rendered": task.technique != ORDINARY,
            **licence,
        }
        for task in tasks
        if task.path.is_file()
    }


def require_rate(kept: Iterable[Path], sample_rate: int) -> None:
    """Raise ``UserError`` if a note that is kept has another sample rate than those to come."""
    from common.files.audio import read_header

    for path in sorted(kept):
        try:
            found = read_header(path).samplerate
        except (UserError, OSError):
            continue  # whatever it is, it is kept
        if found != sample_rate:
            raise UserError(
                f"{path}: {found} Hz, not {sample_rate}; give another --out, --overwrite, or "
                f"--sample_rate {found}"
            )


def remove_twins(tasks: list[Task]) -> int:
    """Remove hits that an earlier kit of the same font has as well; return how many."""
    from common.files.audio import load_audio
    from common.music.drums import is_same_hit

    known, twins = defaultdict(list), 0
    for task in tasks:
        if task.path.is_file():
            hit, _ = load_audio(task.path)
            same = known[task.pitch, task.velocity]
            if any(is_same_hit(hit, other) for other in same):
                task.path.unlink()
                twins += 1
            else:
                same.append(hit)
    return twins


def write_index(args: argparse.Namespace, tasks: list[Task]) -> None:
    """Write checksum, source and licence of each note to ``index.json``."""
    from common.music.dataset import Source, add_to_index

    source = Source(args.soundfont.stem, args.licence, args.citation or args.soundfont.name)
    files = {}
    for task in tasks:
        if task.path.is_file():
            further = {}
            if args.drums:
                kit = {
                    "kit": f"{source.name} {task.played.name}",
                    "held_out": task.played.name in args.held_out,
                }
                further = {"class": task.path.parent.name, "sample_rate": args.sample_rate, **kit}
            files[task.path.relative_to(args.out).as_posix()] = further
    add_to_index(args.out, source, files)


if __name__ == "__main__":
    run(main)
