"""Write the MIDI files that a timbre-transfer network is trained on: scores and etudes.

    python make_corpus.py --midi_path data/midi/corpus --limit_per_composer 150

Scores come from the corpus of music21 (`pip install music21`), one file per work or movement,
played as a pianist would: one part, shaped dynamics, slightly loose onsets, pedal in about half
of them. Each score has a licence of its own. Etudes are made by rule and need nothing. The same
seed gives the same bytes, and every file depends on its own name and the seed alone. Files that
exist are kept, so that an interrupted run can be started again. Beethoven is meant for held-out
sets.
"""

import bisect
import functools
import itertools
import math
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from common.cli import UserError, number, parser, report_skipped, run
from common.music import etudes
from common.music.etudes import Note, Performance, pedal_bar, seconds_at, seeded, tempo_at
from common.work.jobs import run_jobs
from common.work.lock import only_run

_SUFFIXES = (".mxl", ".xml", ".musicxml", ".krn")  # notation; the corpus also has analyses
_QUIETEST, _LOUDEST = 30, 115  # velocities of scores


class Job(NamedTuple):
    """One file to make; ``source`` is a score's path, or the texture of an etude."""

    path: Path
    name: str
    source: object
    seed: int
    max_minutes: float | None  # None for an etude

    @property
    def settings(self):
        """What the bytes depend on besides the name; stands in the file as a text event."""
        cut = "" if self.max_minutes is None else f", max_minutes {self.max_minutes:g}"
        return f"make_corpus: seed {self.seed}{cut}"


class Score(NamedTuple):
    """The sounding content of a score, in quarters."""

    notes: list  # (start, end, pitch), sorted
    bars: list  # starts, the end of the last bar last
    tempi: list  # (quarter, quarters per minute)


def build_parser():
    built = parser(__doc__, writes=("midi_path",))
    built.add_argument("--midi_path", required=True, type=Path, help="folder to write into")
    built.add_argument(
        "--composers",
        nargs="*",
        default=["bach", "haydn", "mozart"],
        help="composers in music21's corpus, e.g. beethoven; none for etudes alone",
    )
    built.add_argument(
        "--limit_per_composer", type=number(int, 1), help="works of each; default all"
    )
    built.add_argument("--etudes", type=number(int, 0), default=60, help="number of etudes")
    built.add_argument("--seed", type=number(int), default=0)
    built.add_argument(
        "--max_minutes",
        type=number(float, above=0),
        default=3,
        help="cut longer works at a bar line before this",
    )
    built.add_argument("--jobs", type=number(int, 1), default=2, help="processes")
    built.add_argument("--overwrite", action="store_true", help="write existing files anew")
    return built


def main(argv=None):
    arguments = build_parser().parse_args(argv)
    jobs = score_jobs(arguments) + etude_jobs(arguments)
    if not jobs:
        raise UserError("--composers, --etudes: nothing to make; name a composer or some etudes")
    with only_run(arguments.midi_path):
        return make_files(jobs, arguments)


def make_files(jobs, arguments):
    """Make the files of all jobs; the exit status of the script."""
    make = functools.partial(make_file, overwrite=arguments.overwrite)
    results, failed = [], []
    for job, result, error in run_jobs(make, jobs, arguments.jobs, "corpus"):
        if error is None:
            results.append((job.path.parent.name, *result))
        elif isinstance(error, ScoreError):
            failed.append((job.source, error))
        else:
            raise error
    report(results)
    # A work that music21 cannot read is no mistake of the user's and does not spoil the others.
    report_skipped(failed)
    return 0 if results else 1


def report(results):
    """Print count and minutes of each folder and of all."""
    rows = {}
    for folder, seconds, kept in results:
        for key in (folder, "total"):
            row = rows.setdefault(key, [0, 0.0, 0])
            row[0], row[1], row[2] = row[0] + 1, row[1] + seconds, row[2] + kept
    rows["total"] = rows.pop("total", [0, 0.0, 0])
    for key, (count, seconds, kept) in rows.items():
        print(f"{key:10} {count:5} files {seconds / 60:7.1f} minutes, {kept} kept from before")


def score_jobs(arguments):
    """Jobs for works of the named composers."""
    jobs = []
    for composer in dict.fromkeys(name.lower() for name in arguments.composers):
        works = composer_works(composer)
        # by hash: any limit takes a mixture, and a higher one only adds to it
        names = sorted(works, key=lambda name: seeded(name, arguments.seed).random())
        for name in sorted(names[: arguments.limit_per_composer]):
            path = arguments.midi_path / composer / f"{name}.mid"
            full_name = f"{composer}/{name}"
            jobs.append(Job(path, full_name, works[name], arguments.seed, arguments.max_minutes))
    return jobs


def composer_works(composer):
    """Works of a composer in music21's corpus, one version of each: {name: path}.

    Variants of a chorale (``bwv18.5-lz``, ``bwv18.5-w``) count as one work: they are nearly
    alike, and would stand on both sides of a split by piece.
    """
    try:
        from music21.common import getCorpusFilePath
        from music21.corpus.corpora import CoreCorpus
    except ImportError:
        raise UserError(
            "scores need music21; run `pip install music21`, or give --composers without names"
        ) from None
    works = {}
    for path in sorted(map(Path, CoreCorpus().getPaths()), key=_preference):
        folder, *rest = path.relative_to(getCorpusFilePath()).parts
        if folder == composer and rest and path.suffix in _SUFFIXES:
            works.setdefault("_".join((*rest[:-1], _work(path))), path)
    if not works:
        raise UserError(f"--composers {composer}: music21's corpus has no scores by that name")
    return works


def _work(path):
    return path.stem.split("-")[0]


def _preference(path):
    # versions of one work: the plain name before its variants, MusicXML before Humdrum
    return _work(path), path.stem, path.suffix == ".krn", str(path)


def etude_jobs(arguments):
    """Jobs for the etudes, the textures in turn."""
    jobs = []
    kinds = list(etudes.TEXTURES)
    for index in range(arguments.etudes):
        kind = kinds[index % len(kinds)]
        name = f"etude_{index:03}_{kind}"
        path = arguments.midi_path / "etudes" / f"{name}.mid"
        jobs.append(Job(path, f"etudes/{name}", kind, arguments.seed, None))
    return jobs


def make_file(job, overwrite=False):
    """Make the file of one job.

    Returns:
        (seconds, kept): its length, and whether it existed.

    Raises:
        ScoreError: music21 cannot convert the score.
        UserError: An existing file is unreadable or made with other settings.
    """
    if job.path.exists() and not overwrite:
        return kept_seconds(job), True
    rng = seeded(job.name, job.seed)
    if job.max_minutes is None:
        performance = etudes.etude(rng, job.source)
    else:
        performance = perform(read_score(job.source), rng, job.max_minutes * 60)
    performance = etudes.playable(performance)
    etudes.write_midi(job.path, performance, job.settings)
    return etudes.end_seconds(performance), False


def kept_seconds(job):
    """Length of an existing file, after a check that these settings made it."""
    import mido

    try:
        midi = mido.MidiFile(job.path)
        texts = [message.text for message in midi.tracks[0] if message.type == "text"]
        seconds = midi.length
    # mido raises these, without a class of its own, for what is no MIDI file
    except (EOFError, ValueError, LookupError) as error:
        raise UserError(f"{job.path}: unreadable ({error}); give --overwrite") from error
    if job.settings not in texts:
        raise UserError(
            f"{job.path}: made with other settings; give --overwrite or another --midi_path"
        )
    return seconds


class ScoreError(UserError):
    """A score of the corpus that music21 cannot convert."""


def read_score(path):
    """Notes, bars and tempi of a score file.

    Ties are joined, unisons are one key, repeats are played once, grace notes are left out (they
    have no length of their own).

    Raises:
        ScoreError: music21 cannot convert the file.
    """
    from music21 import converter
    from music21.exceptions21 import Music21Exception

    try:
        with warnings.catch_warnings():
            # overfull bars and the like: faults of the engraving that music21 mends itself
            warnings.simplefilter("ignore")
            # the pickle cache in the temporary folder may be another version's, or half-written
            score = converter.parse(path, forceSource=True, storePickle=False)
            if any(one.transposition for one in score.recurse().getElementsByClass("Instrument")):
                score = score.toSoundingPitch()
            parts = [part.flatten() for part in score.parts]
    # music21's own exceptions, those of the containers it reads, and those which its parsers let
    # through because they walk a document without checking it. Only its calls stand above.
    except (
        Music21Exception, ElementTree.ParseError, zipfile.BadZipFile, ValueError, LookupError,
        AttributeError, TypeError, ZeroDivisionError,
    ) as error:  # fmt: skip
        raise ScoreError(f"music21 cannot convert it ({type(error).__name__}: {error})") from error
    notes = {}
    for part in parts:
        for start, end, pitch in joined_ties(part.notes):
            notes[start, pitch] = max(end, notes.get((start, pitch), end))
    if not notes:
        raise ScoreError("has no notes")
    last = max(notes.values())
    bars = sorted(
        {0.0} | {float(bar.offset) for bar in score.parts[0].getElementsByClass("Measure")}
    )
    bars = [start for start in bars if start < last]
    tempi = {
        float(mark.offset): float(mark.getQuarterBPM())
        for part in parts
        for mark in part.getElementsByClass("MetronomeMark")
        if mark.getQuarterBPM()
    }
    ordered = sorted((start, end, pitch) for (start, pitch), end in notes.items())
    return Score(ordered, [*bars, last], sorted(tempi.items()))


def joined_ties(elements):
    """(start, end, pitch) of the notes of a part; tied ones are one."""
    notes, open_ties = [], {}
    for element in elements:
        start = float(element.offset)
        end = start + float(element.duration.quarterLength)
        if end == start:
            continue
        for note in getattr(element, "notes", [element]):
            if not hasattr(note, "pitch"):  # percussion
                continue
            pitch, kind = note.pitch.midi, note.tie.type if note.tie else None
            begun = open_ties.pop((pitch, round(start, 4)), None)
            if begun is not None and kind in ("stop", "continue"):
                notes[begun] = (notes[begun][0], end, pitch)
            else:
                begun = len(notes)
                notes.append((start, end, pitch))
            if kind in ("start", "continue"):
                open_ties[pitch, round(end, 4)] = begun
    return notes


def perform(score, rng, max_seconds):
    """A pianist's reading of a score, cut at the last bar line within ``max_seconds``."""
    tempi = score.tempi
    if not tempi or tempi[0][0] > 0:
        tempi = [(0.0, rng.uniform(60, 140)), *tempi]
    bars = [bar for bar in score.bars if seconds_at(tempi, bar) <= max_seconds]
    bars = bars if len(bars) > 1 else score.bars[:2]
    notes = [
        (start, min(end, bars[-1]), pitch) for start, end, pitch in score.notes if start < bars[-1]
    ]
    tempi = [(at, tempo) for at, tempo in tempi if at < bars[-1]]
    velocities = shaped_velocities(notes, bars, rng)
    legato = rng.uniform(0.85, 1.0)
    looseness = rng.uniform(0.003, 0.009)  # s, standard deviation
    played = []
    for (start, end, pitch), velocity in zip(notes, velocities, strict=True):
        second = tempo_at(tempi, start) / 60  # quarters
        begin = max(start + rng.gauss(0, looseness) * second, 0.0)
        finish = start + (end - start) * legato + rng.gauss(0, 0.01) * second
        played.append(Note(begin, finish, pitch, velocity))
    pedals = []
    if rng.random() < 0.5:
        halves = rng.random() < 0.5
        for start, end in itertools.pairwise(bars):
            pedals += pedal_bar(rng, start, end, tempo_at(tempi, start), halves)
    return Performance(played, tempi, pedals)


def shaped_velocities(notes, bars, rng):
    """Velocities: an arch over each four bars, the upper voice in front, downbeats a little."""
    highest, lowest = {}, {}
    for start, _, pitch in notes:
        highest[start] = max(pitch, highest.get(start, pitch))
        lowest[start] = min(pitch, lowest.get(start, pitch))
    base, arch, lead = rng.uniform(48, 78), rng.uniform(6, 20), rng.uniform(6, 14)
    levels = [base + rng.uniform(-16, 16) for _ in range(len(bars) // 4 + 1)]
    starts = set(bars)
    velocities = []
    for start, _, pitch in notes:
        phrase = (bisect.bisect_right(bars, start) - 1) // 4
        begin, end = bars[4 * phrase], bars[min(4 * phrase + 4, len(bars) - 1)]
        level = levels[phrase] + arch * math.sin(math.pi * (start - begin) / (end - begin))
        level += lead if pitch == highest[start] else 2 if pitch == lowest[start] else -3
        level += 3 * (start in starts) + rng.gauss(0, 3)
        velocities.append(min(max(round(level), _QUIETEST), _LOUDEST))
    return velocities


if __name__ == "__main__":
    run(main)
