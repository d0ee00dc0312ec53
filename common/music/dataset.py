"""Data sets: an index with checksum, source and licence of each file; validate one and cite it.

    python -m common.music.dataset data/orchestra

checks that every file of the index is there and unchanged, that no recording is without an entry,
and prints sources, licences and how to cite them. The idea is mirdata's (Bittner et al. 2019).
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError, counted, existing_folder, parser, report_skipped, run, say
from common.files.audio import AUDIO_SUFFIXES
from common.files.text import write_json

INDEX = "index.json"


class Source(NamedTuple):
    """Where files come from.

    Attributes:
        name: Short name, unique in the data set.
        licence: Licence of the files.
        citation: How to cite them.
    """

    name: str
    licence: str
    citation: str


class Dataset(NamedTuple):
    """An index.

    Attributes:
        files: Dict from path below the folder to a dict with ``sha256``, ``source``, ``licence``,
            and what else is known, such as ``kit`` and ``held_out`` of drum hits.
        sources: Dict from the name of a source to a dict with ``licence`` and ``citation``.
    """

    files: dict
    sources: dict


def checksum(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_index(folder: str | Path) -> Dataset:
    """Read the index of a data set: ``Dataset``.

    Raises:
        UserError: There is none, or it is not such an index.
    """
    path = Path(folder) / INDEX
    if not path.is_file():
        raise UserError(f"{path}: no such file; import_notes.py writes one")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        index = Dataset(dict(content["files"]), dict(content["sources"]))
        for entry in index.files.values():
            index.sources[entry["source"]]["citation"], entry["sha256"], entry["licence"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not an index of a data set; write it anew") from error
    return index


def add_to_index(folder: str | Path, source: Source, files: dict) -> None:
    """Add files to the index of a folder, which is made if it is missing.

    Entries of files that are gone are dropped.

    Args:
        folder: Folder of the data set.
        source: ``Source`` of the files.
        files: Dict from path below the folder, with "/", to a dict of further fields.
    """
    folder = Path(folder)
    known = read_index(folder) if (folder / INDEX).exists() else Dataset({}, {})
    new = {
        name: {
            "sha256": checksum(folder / name),
            "source": source.name,
            "licence": source.licence,
            **further,
        }
        for name, further in files.items()
    }
    kept = {name: entry for name, entry in known.files.items() if (folder / name).is_file()}
    entries = kept | new
    described = known.sources
    if new:
        about = {"licence": source.licence, "citation": source.citation}
        described = described | {source.name: about}
    used = {entry["source"] for entry in entries.values()}
    write_json(
        folder / INDEX,
        {
            "files": entries,
            "sources": {name: about for name, about in described.items() if name in used},
        },
    )


def validate(folder: str | Path) -> tuple[Dataset, list]:
    """Compare a data set with its index.

    Returns:
        ``(Dataset, problems)``; problems is a list of (path, what is wrong).

    Raises:
        UserError: There is no index.
    """
    folder = Path(folder)
    index = read_index(folder)
    problems = []
    for name, entry in index.files.items():
        path = folder / name
        if not path.is_file():
            problems.append((path, "is missing; get the data set anew"))
        elif checksum(path) != entry["sha256"]:
            problems.append((path, "has changed since the index was written; get it anew"))
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in AUDIO_SUFFIXES and not hidden and name not in index.files:
            problems.append((path, "is not in the index; remove it, or import it"))
    return index, problems


def cite(index: Dataset) -> list[str]:
    """Lines that say where the files of a ``Dataset`` come from, and how to cite them."""
    counts = Counter(entry["source"] for entry in index.files.values())
    return [
        f"{name} ({counted(counts[name], 'file')}, {about['licence']}): {about['citation']}"
        for name, about in sorted(index.sources.items())
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the script; exit status 1 if something is missing or has changed."""
    built = parser(__doc__, writes=())
    built.add_argument("folder", type=existing_folder, help="data set with an index.json")
    args = built.parse_args(argv)
    index, problems = validate(args.folder)
    size = sum(
        (args.folder / name).stat().st_size
        for name in index.files
        if (args.folder / name).is_file()
    )
    state = "all as in the index" if not problems else counted(len(problems), "problem")
    say(f"{args.folder}: {counted(len(index.files), 'file')}, {size / 1e6:.2f} MB, {state}")
    for line in cite(index):
        say(f"  {line}")
    return report_skipped(problems)


if __name__ == "__main__":
    run(main)
