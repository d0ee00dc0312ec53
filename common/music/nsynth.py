"""The file ``examples.json`` of a folder of notes, with the fields of NSynth and three more.

NSynth's fields are kept as Engel et al. (2017) define them. ``technique``, ``licence`` and
``import`` are added where they are known.
"""

import json
import zlib
from pathlib import Path

from common.cli import UserError
from common.files.atomic import replace_when_done
from common.music.instruments import FAMILIES, SOURCES, family_of
from common.music.names import parse_note

EXAMPLES = "examples.json"
NOTE_SUFFIXES = (".wav", ".flac")


def describe(stem: str, sample_rate: int, family: str | None = None) -> dict | None:
    """Entry of ``examples.json`` for the name of a note.

    Args:
        stem: ``<family>_<source>_<preset>-<pitch>-<velocity>``, or an instrument's name in place of
            its family.
        sample_rate: Hz.
        family: Family of an instrument whose own is not known.

    Returns:
        Dict with NSynth's fields; those of the family are None where it is unknown. None when the
        name has another form.
    """
    name = parse_note(stem)
    source_name = name.instrument.rpartition("_")[2] if name else ""
    if source_name not in SOURCES:
        return None
    family_name = family_of(name.instrument) or family
    instrument = _instrument_number(name)
    return {
        "note": (instrument * 128 + name.pitch) * 128 + name.velocity,
        "note_str": stem,
        "instrument": instrument,
        "instrument_str": stem.partition("-")[0],
        "pitch": name.pitch,
        "velocity": name.velocity,
        "sample_rate": sample_rate,
        "qualities": [0] * 10,  # NSynth's labels of the sound; nobody has given ours any
        "qualities_str": [],
        "instrument_family": FAMILIES.index(family_name) if family_name else None,
        "instrument_family_str": family_name,
        "instrument_source": SOURCES.index(source_name),
        "instrument_source_str": source_name,
    }


def _instrument_number(name):
    """Number of an instrument and preset that no note which is added later changes."""
    family, _, source = name.instrument.rpartition("_")
    if family in FAMILIES:
        return (FAMILIES.index(family) * len(SOURCES) + SOURCES.index(source)) * 1000 + name.preset
    hashed = zlib.crc32(name.instrument.encode()) % 2**20
    return (len(FAMILIES) * len(SOURCES) + hashed) * 1000 + name.preset


def read_examples(folder: Path) -> dict:
    """Read ``examples.json`` of a folder of notes: dict from names to entries, empty if missing.

    Raises:
        UserError: It is not JSON, or no dict.
    """
    path = folder / EXAMPLES
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); remove it to have it made anew") from error
    if not isinstance(known, dict):
        raise UserError(f"{path}: holds no names of notes; remove it to have it made anew")
    return known


def write_examples(folder: Path, entries: dict, sample_rate: int) -> int:
    """Bring ``examples.json`` up to date with the notes in ``<folder>/audio``.

    Args:
        folder: Folder of notes.
        entries: Dict from names to entries that are new or have changed; the others stay as they
            were, or are made of the names.
        sample_rate: Hz, of notes that have no entry yet.

    Returns:
        Number of notes.
    """
    known = read_examples(folder) | entries
    files = (folder / "audio").iterdir()
    stems = sorted({file.stem for file in files if file.suffix in NOTE_SUFFIXES})
    described = {stem: known.get(stem) or describe(stem, sample_rate) for stem in stems}
    lines = [
        f"{json.dumps(stem)}: {json.dumps(entry, ensure_ascii=False)}"
        for stem, entry in described.items()
        if entry
    ]
    path, text = folder / EXAMPLES, "{\n" + ",\n".join(lines) + "\n}\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with replace_when_done(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return len(lines)
