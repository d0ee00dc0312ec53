"""Import recordings of single notes of any format and name, in the folder structure of NSynth.

    python import_notes.py --input recordings --instrument violin --out notes

A note becomes <out>/audio/<instrument>_<source>_<preset>-<pitch>-<velocity>.wav, mono, at 16 kHz
and 4 s long; <out>/examples.json describes all notes, and <out>/index.json has checksum, source and
licence of each. Pitch, loudness, technique and instrument are read from names and folders such as
A4, As4, Bb3, 69, pp, Violin/staccato; what they do not say is told by flags. The pitch of every
note is measured, and notes that are off their name are listed. "french horn" is named
french_horn_acoustic_000: its words joined, the source, and a preset for each technique.

With --classes, recordings of anything, such as drums, become <out>/<class>/<name>.wav.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

from common.cli import (
    Parser,
    UserError,
    counted,
    existing_folder,
    number,
    parser,
    printable,
    report_others,
    report_skipped,
    run,
    say,
)
from common.music.instruments import FAMILIES, SOURCES, file_name
from common.music.sample_names import DYNAMICS, GROUPS, ORDINARY, compile_pattern
from common.work.jobs import add_job_flags, parse_job_args, workers_of

NOTE_SECONDS, CLASS_SECONDS = 4.0, 5.0
VELOCITY = 80  # of notes whose names give none; that of mf
UNKNOWN = "unknown"
NOTES_AT_ONCE = 200  # after which examples.json is brought up to date


def instrument_name(text: str) -> str:
    """Argument type: an instrument's name in words."""
    try:
        file_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def dynamic(text: str) -> tuple[str, int]:
    """Argument type: ``pp=25``."""
    name, _, velocity = text.partition("=")
    if not name or not velocity.isdecimal() or not 1 <= int(velocity) <= 127:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=VELOCITY, such as pp=25")
    return name.lower(), int(velocity)


def velocity(text: str) -> int | str:
    """Argument type: a velocity, or "measure"."""
    return text if text == "measure" else number(int, 1, 127)(text)


def sound_class(text: str) -> tuple[str, re.Pattern[str]]:
    """Argument type: ``kick=bd_|kick``."""
    name, _, pattern = text.partition("=")
    if not re.fullmatch(r"[\w\-]+", name) or not pattern:
        raise argparse.ArgumentTypeError(f"{text!r}: write CLASS=REGEX, such as kick='bd_|kick'")
    try:
        return name, re.compile(pattern)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r}: not a regular expression ({error})") from None


def peak_level(text: str) -> float | None:
    """Argument type: ``keep``, or a peak in dB of full scale."""
    return None if text == "keep" else number(float, -60, 0)(text)


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__, writes=("out",))
    built.add_argument(
        "--input", required=True, type=existing_folder, help="folder of recordings, and below it"
    )
    built.add_argument("--out", required=True, type=Path, help="output folder")
    built.add_argument(
        "--instrument",
        type=instrument_name,
        help="instrument of all notes, in words (default: known ones are found in folders and "
        "names)",
    )
    built.add_flag("--source", "acoustic", "how the instrument sounds, for NSynth", choices=SOURCES)
    built.add_argument(
        "--family",
        choices=FAMILIES,
        help="NSynth's family of an instrument that the kit does not know",
    )
    built.add_argument(
        "--pattern",
        type=str,
        metavar="REGEX",
        help="regular expression that is searched in each path below --input, without suffix; its "
        f"groups (?P<name>...) are named {', '.join(GROUPS)}",
    )
    built.add_flag(
        "--pitch",
        "name",
        "take the pitch from the name, or measure it whatever the name says, or measure it where "
        "the name gives none",
        choices=("name", "measure", "either"),
    )
    built.add_argument(
        "--dynamics",
        nargs="+",
        type=dynamic,
        default=[],
        metavar="NAME=VELOCITY",
        help="velocities of dynamics (default: "
        f"{' '.join(f'{name}={value}' for name, value in DYNAMICS.items())})",
    )
    built.add_argument(
        "--velocity",
        type=velocity,
        default=VELOCITY,
        metavar="N",
        help="velocity of notes whose names give none, or `measure`: by the level, 127 being a "
        f"tone at full scale and 40 dB a factor of ten (default: {VELOCITY})",
    )
    built.add_flag("--technique", ORDINARY, "technique of notes whose names give none")
    built.add_flag(
        "--twice",
        "error",
        "what a second recording of the same note is: an error, or a note of the next preset",
        choices=("error", "presets"),
    )
    built.add_argument(
        "--strict", action="store_true", help="leave out notes whose pitch is off their name"
    )
    built.add_flag("--rate", 16000, "sample rate in Hz", type=number(int, 4000, 192000))
    built.add_argument(
        "--seconds",
        type=number(float, 0.01, 60),
        help=f"length of notes (default: {NOTE_SECONDS:g}); with --classes, largest length "
        f"(default: {CLASS_SECONDS:g})",
    )
    built.add_argument(
        "--level",
        type=peak_level,
        metavar="DB",
        help="peak of each sound in dB of full scale, such as -1 (default: keep the level)",
    )
    built.add_flag("--format", "wav", "audio format", choices=("wav", "flac"))
    built.add_argument("--origin", help="name of the data set (default: the folder's name)")
    built.add_flag("--licence", UNKNOWN, "licence of the recordings")
    built.add_argument("--citation", help="how to cite them (default: the name of the data set)")
    built.add_argument(
        "--classes",
        nargs="*",
        type=sound_class,
        metavar="CLASS=REGEX",
        help="import classes of sounds: the first whose regular expression is found in the path "
        "below --input; without any, the first folder is the class",
    )
    built.add_argument("--kit", help="name of the kit, put before the names of its files")
    built.add_argument(
        "--held_out", action="store_true", help="mark the files as not to be trained on"
    )
    add_job_flags(built)
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the script; exit status 1 if recordings were left out."""
    from common.files.audio import find_recordings
    from common.work.lock import only_run

    built = build_parser()
    args = parse_job_args(built, argv)
    if args.classes is None and (args.kit or args.held_out):
        built.error("--kit and --held_out: are for --classes")
    args.pattern = compile_pattern(args.pattern) if args.pattern else None
    args.origin = args.origin or args.input.resolve().name
    args.citation = args.citation or args.origin
    found = find_recordings(args.input)
    report_others(found.others, "audio")
    if not found.files:
        report_skipped(found.foreign)
        raise UserError(f"{args.input}: no audio file in it or below it")
    with only_run(args.out):
        work = import_notes if args.classes is None else import_classes
        return work(args, found.files, list(found.foreign))


# Notes


def import_notes(
    args: argparse.Namespace, recordings: dict[str, Path], skipped: list[tuple[Path, str]]
) -> int:
    """Import notes; the exit status of the script.

    Args:
        args: Parsed flags.
        recordings: Dict from name to path.
        skipped: List of (path, reason) of recordings that cannot be read.
    """
    from common.music.dataset import Source, add_to_index
    from common.music.import_report import note_lines, pitch_lines
    from common.music.importing import (
        Naming,
        Sound,
        describe_recordings,
        import_note,
        kept_note,
        plan_notes,
    )
    from common.music.nsynth import NOTE_SUFFIXES, describe, read_examples, write_examples
    from common.music.pitch import has_swift
    from common.work.jobs import run_jobs

    known = read_examples(args.out)
    rates = {entry["sample_rate"] for entry in known.values()}
    if rates - {args.rate}:
        raise UserError(
            f"--rate {args.rate}: {args.out} holds notes of {min(rates - {args.rate})} Hz; choose "
            "another --out"
        )
    naming = Naming(
        args.instrument,
        args.source,
        args.pattern,
        args.pitch,
        DYNAMICS | dict(args.dynamics),
        args.velocity,
        args.technique,
        args.input.resolve().name,
    )
    workers = workers_of(args.jobs, args.scheduler, [args.input], args.out)
    described, unnamed = describe_recordings(recordings, naming, workers)
    skipped += unnamed
    if not described:
        report_skipped(skipped)
        raise UserError(f"{args.input}: no note in it; see what was left out above")
    planned = plan_notes(described, known, args.twice == "presets")
    settings = Sound(args.rate, args.seconds or NOTE_SECONDS, args.level)
    folder = args.out / "audio"
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        (one.path, folder / f"{name}.{args.format}", one, settings, args.strict)
        for one, name in planned
    ]
    entries, checks, new, kept = {}, [], {}, 0
    for task in list(tasks):
        path, target, one, *_ = task
        done = kept_note(known.get(target.stem), target, one, settings)
        if done is not None and not (args.strict and done.check.agrees is False):
            entries[target.stem] = known[target.stem] | {"licence": args.licence}
            checks.append((one.name, target.stem, done.check))
            tasks.remove(task)
            kept += 1
    for (path, target, one, *_), done, error in run_jobs(import_note, tasks, workers, "notes"):
        if error is not None:
            skipped.append((path, error))
            continue
        checks.append((one.name, target.stem, done.check))
        if done.entry is not None:
            new[target.stem] = {
                **describe(target.stem, args.rate, args.family),
                "technique": one.technique,
                "licence": args.licence,
                "import": done.entry,
            }
            if len(new) % NOTES_AT_ONCE == 0:  # so that a run that is killed can be continued
                write_examples(args.out, new, args.rate)
    entries |= new
    if not entries:
        report_skipped(skipped)
        raise UserError(f"{args.input}: no note could be imported")
    for stem in entries:  # else the library would have two files for one note
        for suffix in NOTE_SUFFIXES:
            if suffix != f".{args.format}":
                (folder / f"{stem}{suffix}").unlink(missing_ok=True)
    count = write_examples(args.out, entries, args.rate)
    add_to_index(
        args.out,
        Source(args.origin, args.licence, args.citation),
        {f"audio/{stem}.{args.format}": {} for stem in entries},
    )
    print(
        f"{counted(len(new), 'note')} of {counted(len(recordings), 'recording')} written, "
        f"{kept} kept; {count} in {printable(args.out / 'examples.json')}"
    )
    for line in note_lines(entries) + pitch_lines(checks, args.strict):
        say(line)
    if not has_swift():
        print("swift-f0 is not installed, which is quicker than pyin: `make notes`")
    return report_skipped(skipped)


# Sounds without pitch


def import_classes(
    args: argparse.Namespace, recordings: dict[str, Path], skipped: list[tuple[Path, str]]
) -> int:
    """Import sounds in classes; the exit status of the script. Arguments as ``import_notes``."""
    from common.music.dataset import Source, add_to_index
    from common.music.importing import Sound, import_sound, plan_classes
    from common.work.jobs import run_jobs

    classes = dict(args.classes) if args.classes else None
    planned, unclassed = plan_classes(recordings, classes, args.kit or "")
    skipped += unclassed
    settings = Sound(args.rate, args.seconds or CLASS_SECONDS, args.level)
    tasks = [
        (path, args.out / f"{output}.{args.format}", name, settings)
        for path, name, output in planned
    ]
    for group in {task[1].parent for task in tasks}:
        group.mkdir(parents=True, exist_ok=True)
    workers = workers_of(args.jobs, args.scheduler, [args.input], args.out)
    files, counts = {}, Counter()
    for (path, target, *_), done, error in run_jobs(import_sound, tasks, workers, "sounds"):
        if error is not None:
            skipped.append((path, error))
            continue
        group = target.parent.name
        counts[group] += 1
        entry = {"class": group, "sample_rate": args.rate, "import": done.entry}
        if args.kit:
            entry |= {"kit": args.kit, "held_out": args.held_out}
        files[f"{group}/{target.name}"] = entry
    if not files:
        report_skipped(skipped)
        raise UserError(f"{args.input}: no sound of any class in it; nothing is written")
    add_to_index(args.out, Source(args.origin, args.licence, args.citation), files)
    said = ", ".join(f"{group} {count}" for group, count in sorted(counts.items()))
    say(
        f"{counted(len(files), 'sound')} of {counted(len(recordings), 'recording')} written: {said}"
    )
    return report_skipped(skipped)


if __name__ == "__main__":
    run(main)
