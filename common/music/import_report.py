"""What an import of notes found, in lines for the terminal."""

from collections import Counter, defaultdict

from common.cli import counted
from common.music.instruments import in_words
from common.music.pitch import Check


def note_lines(entries: dict) -> list[str]:
    """Lines on how many notes of which instrument and technique there are, and on their names.

    Args:
        entries: Dict from names of notes to their entries of ``examples.json``.
    """
    groups = defaultdict(list)
    for entry in entries.values():
        groups[entry["instrument_str"], entry["technique"]].append(entry)
    lines = []
    for (instrument, technique), notes in sorted(groups.items()):
        pitches = [note["pitch"] for note in notes]
        velocities = sorted({note["velocity"] for note in notes})
        lines.append(
            f"  {instrument} ({in_words(instrument)}, {technique}): {counted(len(notes), 'note')}, "
            f"pitch {min(pitches)} to {max(pitches)}, velocity {', '.join(map(str, velocities))}"
        )
    for what in ("pitch", "velocity"):
        counts = Counter(entry["import"][f"{what}_from"] for entry in entries.values())
        lines.append(f"{what}: {', '.join(f'{count} by {way}' for way, count in counts.items())}")
    strange = {
        entry["instrument_str"]
        for entry in entries.values()
        if entry["instrument_family_str"] is None
    }
    if strange:
        lines.append(f"no family of NSynth is known for {', '.join(sorted(strange))}: --family")
    return lines


def pitch_lines(checks: list, strict: bool) -> list[str]:
    """Lines on how names and measured pitches agree.

    Args:
        checks: List of (name of the recording, name of the note, ``Check``).
        strict: Whether notes off their name were left out.
    """
    off = [found for found in checks if found[2].agrees is False]
    unheard = [found for found in checks if found[2].measured is None]
    ways = Counter(check.measured.tracker for _, _, check in checks if check.measured)
    by = "".join(f", {count} by {way}" for way, count in ways.most_common())
    state = " and left out" if strict else ""
    lines = [
        f"{counted(len(checks), 'pitch', 'pitches')}{by}: "
        f"{len(checks) - len(off) - len(unheard)} within a quarter tone of their name, "
        f"{len(off)} off{state}, {len(unheard)} not checked"
    ]
    lines += [f"  {name}: {note}, measured {in_intervals(check)}" for name, note, check in off]
    if unheard:
        lines.append(f"  no pitch is heard in {', '.join(note for _, note, _ in unheard)}")
    return lines


def in_intervals(check: Check) -> str:
    """A deviation in words: "1 octave higher (69.98, pyin)"."""
    distance = abs(check.deviation)
    octaves = round(distance / 12)
    if octaves and abs(distance - 12 * octaves) <= 0.5:
        said = f"{octaves} octave{'s' if octaves > 1 else ''}"
    else:
        said = f"{distance:.2f} semitones"
    way = "higher" if check.deviation > 0 else "lower"
    return f"{said} {way} ({check.measured.pitch:.2f}, {check.measured.tracker})"
