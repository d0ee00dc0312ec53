"""Play MIDI files with single notes: a WAV per piece, instrument and variation.

    python synthesize_audios.py --nsynth_path data/notes --midi_path data/midi --audios_path audios

Every .mid and .midi file below --midi_path is played by each instrument and written to
<audios_path>/<instrument>/<piece>.wav, 44.1 kHz, 16 bit. The name of a piece is its path below
--midi_path without suffix, followed by "~" and the transposition, speed or duration rate if there
is one, and by "@" and the number of the preset if that is not 0.

With several values of --transpose, --playback_speed or --duration_rate, each piece is rendered once
for every combination:

    ... --transpose -3 0 3 --playback_speed 1 1.25
"""

import argparse
import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from common.cli import (
    Parser,
    UserError,
    counted,
    existing_folder,
    number,
    on_off,
    one_line,
    parser,
    report_others,
    report_skipped,
    run,
    say,
)
from common.music.midi import find_midi
from common.music.names import Variation
from common.music.notes import NoteLibrary, parse_instrument
from common.music.synthesis import Piece, Settings, audio_path, library, render_piece
from common.work.jobs import add_job_flags, parse_job_args, run_jobs, workers_of
from common.work.lock import only_run, require_distinct

INSTRUMENTS = ["keyboard_acoustic", "guitar_acoustic", "string_acoustic", "synth_lead_synthetic"]


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__, writes=("audios_path",))
    built.add_argument(
        "--nsynth_path",
        required=True,
        type=existing_folder,
        help="folder of single notes in NSynth's structure",
    )
    built.add_argument(
        "--midi_path",
        required=True,
        type=existing_folder,
        help="folder of MIDI files, searched at any depth",
    )
    built.add_argument(
        "--audios_path", required=True, type=Path, help="output folder for the WAV files"
    )
    built.add_argument(
        "--playback_speed",
        nargs="+",
        type=number(float, above=0),
        default=[1.0],
        metavar="FACTOR",
        help="factors on the tempo; every piece is rendered once for each (default: 1)",
    )
    built.add_argument(
        "--duration_rate",
        nargs="+",
        type=number(float, above=0),
        default=[4.0],
        metavar="FACTOR",
        help="factors on the length of each note, so that it rings on; every piece is "
        "rendered once for each (default: 4, as published)",
    )
    built.add_argument(
        "--transpose",
        nargs="+",
        type=number(int, -127, 127),
        default=[0],
        metavar="SEMITONES",
        help="numbers of semitones to transpose by; every piece is rendered once for "
        "each (default: 0)",
    )
    built.add_argument(
        "--instruments",
        nargs="+",
        default=INSTRUMENTS,
        metavar="NAME[:PRESET,...]",
        help="instruments named as in NSynth, each with the presets to render "
        f"(default: preset 0 of {', '.join(INSTRUMENTS)})",
    )
    built.add_argument(
        "--sustain",
        type=on_off,
        default=True,
        metavar="on|off",
        help="whether the sustain pedal holds notes (default: on)",
    )
    built.add_argument(
        "--shared_gain",
        action="store_true",
        help="give all instruments of a piece the same gain (default: each file fills the range)",
    )
    add_job_flags(built)
    built.add_argument(
        "--overwrite", action="store_true", help="render files again that exist already"
    )
    return built


def voices_of(notes: NoteLibrary, instruments: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """List the (instrument, preset) pairs in ``--instruments``; all are in the library."""
    voices = []
    for text in instruments:
        name, presets = parse_instrument(text)
        if presets is None:
            presets = (notes.default_preset(name),)
            if presets != (0,):
                say(f"{name}: these notes have no preset 0; preset {presets[0]} plays")
        for preset in presets:
            notes.voice(name, preset)  # a name that is not there ends the run before it starts
            voices.append((name, preset))
    return tuple(dict.fromkeys(voices))


def variations_of(args: argparse.Namespace) -> dict[str, tuple[int, float, float]]:
    """Dict from the suffix of a variation's names to (transpose, playback_speed, duration_rate).

    Values that are given twice, or would have the same name, count once.
    """
    combinations = itertools.product(args.transpose, args.playback_speed, args.duration_rate)
    return {str(Variation(*values, args.sustain)): values for values in combinations}


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = parse_job_args(build_parser(), argv)
    voices = voices_of(library(args.nsynth_path), args.instruments)
    found = find_midi(args.midi_path)
    if not found.files:
        raise UserError(f"{args.midi_path}: no .mid or .midi file in it or below it")
    variations = variations_of(args)
    pieces = [
        Piece(path, name + suffix, *values)
        for name, path in found.files.items()
        for suffix, values in variations.items()
    ]
    name, times = Counter(piece.name for piece in pieces).most_common(1)[0]
    if times > 1:  # a file may be named like a variation of another one
        raise UserError(f"{args.midi_path}: {times} renderings are named {name}; rename a file")
    outputs = {
        audio_path(args.audios_path, name, piece.name, preset)
        for name, preset in voices
        for piece in pieces
    }
    blocked = outputs & {folder for path in outputs for folder in path.parents}
    if blocked:
        raise UserError(
            f"{min(blocked)}: both an audio and a folder of others; rename a file or a folder"
        )
    settings = Settings(
        voices=voices,
        **{name: getattr(args, name) for name in Settings._fields if name != "voices"},
    )
    with only_run(args.audios_path):
        require_distinct(args.audios_path, [piece.name for piece in pieces])
        status = synthesize(args, settings, pieces, len(variations))
    report_others(found.others, "MIDI")
    return status


def synthesize(
    args: argparse.Namespace, settings: Settings, pieces: Sequence[Piece], variations: int
) -> int:
    """Render pieces, each in a number of variations; return the exit status of the script."""
    workers = workers_of(
        args.jobs, args.scheduler, [args.nsynth_path, args.midi_path], args.audios_path
    )
    total, failed = Counter(), defaultdict(list)
    render = functools.partial(render_piece, settings)
    for piece, counts, error in run_jobs(render, pieces, workers, "synthesising"):
        if error is None:
            total += counts
        else:
            failed[piece.midi, one_line(error)].append(piece.name)
    print(_summary(total))
    # a file that fails in all its variations alike is one line, as if it had one
    skipped = [
        (midi, reason if len(names) == variations else f"{reason} ({', '.join(names)})")
        for (midi, reason), names in failed.items()
    ]
    status = report_skipped(skipped)
    if sum(map(len, failed.values())) == len(pieces):
        raise UserError(f"{args.midi_path}: none of its MIDI files could be played")
    return status


def _summary(total):
    said = {
        "damaged": ("", "of them because the old file was damaged"),
        "kept": ("", "kept (--overwrite writes them again)"),
        "notes": ("note", "played"),
        "substituted": ("", "taken from a neighbouring pitch"),
        "cut": ("", "held longer than the sample lasts"),
        "drums": ("drum note", "left out"),
        "unreleased": ("", "never released, ended with the track"),
        "empty": ("", "without length left out"),
        "doubled": ("", "struck twice at once, played once"),
        "out_of_range": ("", "transposed out of the MIDI range and left out"),
        "bends": ("pitch bend", "not played"),
        "sostenuto": ("use", "of the sostenuto pedal not played"),
        "controls": ("other change", "(volume, pan, ...) not played"),
        "extra_tracks": ("track", "beyond the number in the header, played"),
        "missing_tracks": ("track", "missing of the number in the header"),
    }
    parts = [
        f"{counted(total[key], noun) if noun else format(total[key], ',')} {rest}"
        for key, (noun, rest) in said.items()
        if total[key]
    ]
    return "; ".join([f"{counted(total['written'], 'file')} written", *parts])


if __name__ == "__main__":
    run(main)
