"""Convert and measure what is not there yet, and report."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.transfer import excerpts as cut
from benchmarks.transfer.excerpts import Excerpt
from benchmarks.transfer.measures import measure
from benchmarks.transfer.report import report, sound_path
from benchmarks.transfer.streaming import latency
from benchmarks.transfer.systems import SYSTEMS
from benchmarks.transfer.tables import SPEED
from common.cli import UserError, report_skipped, say
from common.files.audio import fit_length, safe_peak, write_audio
from common.files.text import write_json
from common.music.midi import find_midi
from common.music.notes import NoteLibrary
from common.report.musicnn import load_musicnn
from common.training.devices import start_backend
from data import SAMPLE_RATE
from pix2pix_timbre.hearing import Panel

_WARM_UP = 3.0  # seconds of a source, converted once before anything is timed


def check_settings(args: Any) -> None:
    """Note the settings that all results of a folder share; refuse others than those noted."""
    names = ("seconds", "midi_path", "nsynth_path", "orchestra_path", "audios_path")
    settings = {name: getattr(args, name) for name in names}
    settings = {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in settings.items()
    }
    path = args.output / "settings.json"
    if path.is_file():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise UserError(f"{path}: damaged; choose another --output") from None
        for name, value in settings.items():
            if known.get(name) != value:
                raise UserError(
                    f"--{name}: {args.output} was begun with {known.get(name)}; choose another "
                    "--output"
                )
    else:
        write_json(path, settings)


def compare(args: Any, systems: Sequence[str]) -> int:
    """Convert, measure and report; the exit status."""
    if unknown := [name for name in args.pieces if name not in find_midi(args.midi_path).files]:
        raise UserError(f"--pieces: {args.midi_path} holds no {unknown[0]}.mid")
    start_backend("")  # on the processor, as the times are those of one core
    musicnn = args.musicnn and load_musicnn(args.musicnn)
    check_settings(args)
    pieces = args.audios_path or args.output / "renderings" / cut.PIANO
    if args.audios_path is None:
        cut.render_pieces(args.midi_path, args.nsynth_path, pieces)
    orchestra, lines_path = NoteLibrary(args.orchestra_path), args.output / "renderings" / cut.LINE
    lines = cut.lines_of(args.midi_path, orchestra)
    cut.render_lines(lines, orchestra, lines_path, seconds=2 * args.seconds)
    notes = NoteLibrary(args.nsynth_path)
    shared = args.pieces, args.seconds
    excerpts = cut.find_excerpts(cut.PIANO, pieces, notes, *shared, midi_path=args.midi_path)
    excerpts += cut.find_excerpts(cut.LINE, lines_path, orchestra, *shared, lines=lines)
    rows, skipped = results(excerpts, systems, args.output)
    report(rows, excerpts, args.output, musicnn, latencies(excerpts, systems, args.output))
    return report_skipped(skipped)


def results(excerpts: Sequence[Excerpt], systems: Sequence[str], output: Path) -> tuple[list, list]:
    """Convert and measure what is not there yet: ``(rows, skipped)``.

    Args:
        excerpts: ``Excerpt`` objects.
        systems: Names of systems.
        output: Folder with a row and a sound for each excerpt and system.
    """
    planned = [
        (excerpt, system)
        for excerpt in excerpts
        for system in systems
        if SYSTEMS[system].takes(excerpt)
    ]
    panels, warm, rows, skipped = {}, set(), [], []
    for count, (excerpt, system) in enumerate(planned, 1):
        path = output / "rows" / excerpt.name / f"{system}.json"
        if path.is_file():
            rows.append(json.loads(path.read_text(encoding="utf-8")))
            continue
        if excerpt.group not in panels:
            panels[excerpt.group] = Panel(excerpt.audios)
        start = time.perf_counter()
        try:
            row = result(excerpt, system, output, panels[excerpt.group], warm)
        except UserError as error:
            skipped.append((f"{excerpt.name}, {system}", error))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, row)
        rows.append(row)
        took = time.perf_counter() - start
        say(f"{count}/{len(planned)} {excerpt.name} {system}: {took:.0f} s")
        sys.stdout.flush()
    return rows, skipped


def latencies(
    excerpts: Sequence[Excerpt], systems: Sequence[str], output: Path
) -> dict[str, float]:
    """Latency in seconds of each system that streams; those known from an earlier run are kept."""
    path = output / "latency.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for system in systems:
        taken = [excerpt for excerpt in excerpts if SYSTEMS[system].takes(excerpt)]
        if system not in known and taken and not SYSTEMS[system].anchor:
            known[system] = latency(system, taken[0])
            write_json(path, known)
    return {system: seconds for system, seconds in known.items() if seconds is not None}


def result(excerpt: Excerpt, system: str, output: Path, panel: Panel, warm: set) -> dict[str, Any]:
    """Convert an excerpt by a system, write the sound, and measure it: a row."""
    source, way = excerpt.source(), SYSTEMS[system]
    if not way.anchor and (system, excerpt.target) not in warm:
        with suppress(UserError):  # a beginning may be silent where the whole is not
            way.convert(excerpt, source[: round(_WARM_UP * SAMPLE_RATE)])
        warm.add((system, excerpt.target))
    start = time.process_time()
    made = np.asarray(way.convert(excerpt, source), np.float32)
    spent = time.process_time() - start
    made = fit_length(made, source.size)  # notes may ring on
    write_audio(sound_path(output, excerpt, system), safe_peak(made), SAMPLE_RATE)
    row = {
        "excerpt": excerpt.name,
        "group": excerpt.group,
        "target": excerpt.target,
        "system": system,
    } | measure(excerpt, made, panel)
    if not way.anchor:
        row[SPEED] = source.size / SAMPLE_RATE / max(spent, 1e-6)
    return row
