"""Turn recordings into a store of images in parallel, and count what was left out."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import Parser, UserError, counted, existing_folder, report_others, report_skipped
from common.files import audio
from common.files.store import write_store
from common.work.jobs import run_jobs, workers_of
from common.work.lock import only_run


class Recording(NamedTuple):
    """A recording to cut.

    Attributes:
        path: Audio file.
        name: Path below the folder that was searched, without suffix.
    """

    path: Path
    name: str


class Filled(NamedTuple):
    """Result of filling a store.

    Attributes:
        rows: List of the rows of the store's table.
        counts: ``Counter`` of events during the cutting, such as silent parts that were left out.
        skipped: List of (path, error) of the files that could not be read.
    """

    rows: list
    counts: Counter[str]
    skipped: list[tuple[Path, Exception]]


def add_fill_flags(built: Parser, what: str, *, several: bool = True) -> None:
    """Add ``--audio_path``, a folder of ``what`` or several ones, and ``--features_path``."""
    built.add_argument(
        "--audio_path",
        required=True,
        type=existing_folder,
        nargs="+" if several else None,
        help=f"{'folders' if several else 'folder'} of {what}",
    )
    built.add_argument("--features_path", required=True, type=Path, help="HDF5 file to write")


def find_recordings(folders: Iterable[Path]) -> tuple[list[Recording], list[tuple[Path, str]]]:
    """Find the audio files in and below several folders: ``(recordings, foreign)``.

    ``foreign`` is that of ``common.files.audio.Recordings``. Other files are reported on stderr.

    Raises:
        UserError: A folder without audio files, or two files of one name.
    """
    recordings, foreign = {}, []
    for folder in folders:
        found, unread, others = audio.find_recordings(folder)
        foreign += unread
        report_others(others, "audio")
        if not found:
            report_skipped(foreign)
            raise UserError(f"{folder}: no audio file in it or below it")
        twice = sorted(recordings.keys() & found.keys())
        if twice:
            name = twice[0]
            raise UserError(f"{found[name]}: named like {recordings[name]}; rename one of them")
        recordings |= found
    return [Recording(path, name) for name, path in recordings.items()], foreign


def fill_store(
    path: Path,
    row_type: type,
    cut: Callable[[Any], tuple[list, dict[str, float]]],
    tasks: Sequence,
    *,
    settings: dict[str, Any],
    shape: tuple[int, int | None],
    folders: Sequence[Path],
    jobs: int = 1,
    scheduler: str | None = None,
) -> Filled:
    """Cut recordings into images and write them to a store, which is complete or absent.

    Args:
        path: HDF5 file.
        row_type, settings, shape: See ``common.files.store.write_store``.
        cut: Picklable function of a task that returns ``(items, counts)``: a list of (row, image),
            and a dict of numbers that are added up over all tasks.
        tasks: Sequence of picklable tuples that begin with the path of the recording.
        folders: Folders of the recordings.
        jobs: Number of processes.
        scheduler: Address of a Dask scheduler that does the work instead, or None.

    Returns:
        ``Filled``.

    Raises:
        UserError: The recordings gave no image, another run is writing the file, or no
            scheduler answers.
        OSError: The file cannot be written.
    """
    counts, skipped = Counter(), []

    def images(workers):
        for task, result, error in run_jobs(cut, tasks, workers, "images"):
            if error is not None:
                skipped.append((task[0], error))
                continue
            items, found = result
            counts.update(found)
            yield from items

    with (
        only_run(path, folder=False),
        closing(images(workers_of(jobs, scheduler, folders))) as stream,
    ):
        first = next(stream, None)
        if first is None:  # no image: write nothing
            report_skipped(skipped)
            names = ", ".join(map(str, folders))
            raise UserError(f"{names}: no sounding audio in it; nothing is written")
        rows = write_store(path, row_type, chain([first], stream), settings=settings, shape=shape)
    return Filled(rows, counts, skipped)


def left_out(counts: Mapping[str, float], **kinds: str | tuple[str, str]) -> list[str]:
    """Phrases for what was left out, such as "3 silent notes left out"; none for a count of 0.

    Args:
        counts: Numbers of what was left out.
        kinds: Keys of ``counts`` and the nouns of what they count, in the singular, or singular
            and plural if the plural is not the singular and an s.
    """
    found = []
    for key, noun in kinds.items():
        words = (noun,) if isinstance(noun, str) else noun
        if counts[key]:
            found.append(f"{counted(counts[key], *words)} left out")
    return found
