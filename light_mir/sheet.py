"""Write a chord sheet and a drum tab of a piece that the kit plays, as the networks hear it.

    python -m light_mir.sheet --midi_path data/midi/pachelbel_canon.mid --notes_path data/notes \\
        --drums_path data/drums --output canon.txt

The piece is played twice: by an instrument, for the chords, and by drums, for the tab. For those,
the lowest third of its notes strikes the kick, the middle one the snare, and the highest the
hi-hat.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import (
    Parser,
    UserError,
    add_gpu_flag,
    add_seed_flag,
    existing_folder,
    number,
    parser,
    run,
    say,
)
from common.files.atomic import replace_when_done
from common.files.audio import resample
from common.music.dataset import INDEX
from common.music.events import event_f1
from common.music.midi import Note, read_notes
from common.music.notes import NoteLibrary
from common.music.synthesis import mix
from common.trained import open_run, shipped
from common.training.devices import start_backend
from light_mir.scenes import CLASSES, RATE, Sounds, Sources, chord_name, play_hits
from light_mir.tasks import CHORDS, DRUMS

if TYPE_CHECKING:
    from light_mir.trained import Found

CELLS = 16  # of a bar
_TAB = {"hihat": ("HH", "x"), "snare": ("SD", "o"), "kick": ("BD", "o")}  # from above
_SHORTEST = 0.5  # of a chord on the sheet, in seconds


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--midi_path", type=Path, required=True, help="MIDI file")
    built.add_argument(
        "--notes_path", type=existing_folder, required=True, help="notes that play the chords"
    )
    built.add_flag("--instrument", "keyboard_acoustic", "instrument that plays them")
    built.add_argument(
        "--drums_path", type=existing_folder, required=True, help="hits that play the tab"
    )
    built.add_argument("--output", type=Path, required=True, help="text file to write")
    built.add_flag("--seconds", 60.0, "how much of the piece", type=number(float, above=0))
    built.add_flag("--bar", 2.0, "length of a bar in seconds", type=number(float, above=0))
    for name in ("chords", "drums"):
        built.add_argument(
            f"--{name}",
            type=Path,
            default=shipped(f"light_mir_{name}"),
            help=f"run folder of the {name} (default: models/light_mir_{name})",
        )
    add_seed_flag(built, "which hits play")
    add_gpu_flag(built)
    return built


def struck(notes: Sequence[Note]) -> list[tuple[float, int]]:
    """Drums of notes by their register: (seconds, place in ``DRUMS``), each once at a time."""
    low, high = np.quantile([note.pitch for note in notes], [1 / 3, 2 / 3])
    return sorted(
        {
            (round(note.start, 3), 0 if note.pitch < low else 2 if note.pitch > high else 1)
            for note in notes
        }
    )


def chord_sheet(found: Sequence[Found], bar: float) -> list[str]:
    """Lines of a chord sheet, four bars each; a bar has the chords that begin in it."""
    long = [one for one in found if one.end - one.start >= _SHORTEST]
    bars: dict[int, list[str]] = {}
    last = None
    for one in long:
        if one.label != last:
            bars.setdefault(int(one.start / bar), []).append(chord_name(CHORDS.index(one.label)))
        last = one.label
    cells = [" ".join(bars.get(place, [])) for place in range(max(bars, default=-1) + 1)]
    return [
        f"{4 * line * bar:6.1f} s  | " + " | ".join(f"{cell:<14}" for cell in part) + " |"
        for line, part in enumerate(cells[start : start + 4] for start in range(0, len(cells), 4))
    ]


def drum_tab(found: Sequence[Found], bar: float) -> list[str]:
    """Lines of a drum tab, two bars each, of 16 cells: hi-hat, snare and kick from above."""
    cells = [(int(CELLS * one.start / bar + 0.5), one.label) for one in found]
    width = 2 * CELLS
    lines = []
    for start in range(0, max((place for place, _ in cells), default=-1) + 1, width):
        for label, (name, mark) in _TAB.items():
            here = {place - start for place, one in cells if one == label}
            row = "".join(mark if place in here else "-" for place in range(width))
            time = f"{start * bar / CELLS:6.1f} s  " if label == "hihat" else " " * 10
            lines.append(f"{time}{name} |{row[:CELLS]}|{row[CELLS:]}|")
        lines.append("")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    for folder in (args.chords, args.drums):
        open_run(folder, "light_mir")
    notes = [one for one in read_notes(args.midi_path).notes if one.start < args.seconds]
    if not notes:
        raise UserError(
            f"{args.midi_path}: no notes in its first {args.seconds:g} s; raise --seconds"
        )
    library = NoteLibrary(args.notes_path)
    voice = library.voice(args.instrument, library.default_preset(args.instrument))
    held_out = (args.drums_path / INDEX).is_file()
    hits = Sounds(Sources(drums=(args.drums_path,), held_out=held_out), "test").hits
    rng = np.random.default_rng(args.seed)
    start_backend(args.gpu)
    from light_mir.trained import load_trained

    audio = resample(mix(notes, voice, 1.0)[0], voice.sample_rate, RATE)
    chords = list(load_trained(args.chords).find([audio]))
    kit = [hits[name][rng.integers(len(hits[name]))][1] for name in CLASSES]
    played = struck(notes)
    audio = play_hits([(second, kit[drum]) for second, drum in played], len(audio) / RATE, rng)
    drums = list(load_trained(args.drums).find([audio]))
    lines = [
        args.midi_path.stem,
        "",
        *chord_sheet(chords, args.bar),
        "",
        *drum_tab(drums, args.bar),
    ]
    with replace_when_done(args.output) as temporary:
        temporary.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    f1 = event_f1(
        (
            np.array([second for second, drum in played if drum == place]),
            np.array([one.start for one in drums if one.label == label]),
        )
        for place, label in enumerate(DRUMS)
    )
    say(f"{args.output}: {len(chords)} chords, {len(drums)} hits of {len(played)}, F1 {f1:.2f}")
    return 0


if __name__ == "__main__":
    run(main)
