"""Compute the magnitude images of a folder of audios: one feature store per instrument.

    python compute_features.py --audios_path audios --features_path features

Every sub-folder of --audios_path is an instrument; its audio files, at any depth, become
<features_path>/<instrument>.h5. Files of any format, rate and number of channels are read, averaged
to mono and resampled to 44.1 kHz. An interrupted run continues where it stopped, and only audios
that have changed since their features were computed are computed again. --with_phase also stores
the phase, as <instrument>_phase.h5, for networks that learn it.
"""

import contextlib
import hashlib
import heapq
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, product
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import (
    Parser,
    UserError,
    existing_folder,
    parser,
    printable,
    report_others,
    report_skipped,
    run,
)
from common.files.atomic import replace_when_done
from common.files.audio import AudioFileError, find_recordings
from common.work.cluster import Cluster
from common.work.jobs import add_job_flags, parse_job_args, run_jobs, workers_of
from common.work.lock import only_run, require_distinct
from pix2pix_timbre.features import (
    FeatureStore,
    magnitude_image,
    phase_image,
    phase_instrument,
    read_image,
    write_store,
)

_MARK_PARTS, _MARK_BYTES = 4, 4096  # of an audio that are hashed


class Rendering(NamedTuple):
    """One audio file, the name of its features, where they wait for their store, and their kind."""

    audio: Path
    name: str
    part: Path
    image: Callable


class Update(NamedTuple):
    """Work to be done on the store of an instrument.

    Attributes:
        path: The store.
        stored: Dict from the names of the renderings in it to the marks of their audios, or 0.
        stale: List of the ``Rendering`` to compute, by name.
        marks: Dict from the names of all renderings to the marks of their audios.
    """

    path: Path
    stored: dict[str, int]
    stale: list[Rendering]
    marks: dict[str, int]


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__, writes=("features_path",), converts=("audios_path",))
    built.add_argument(
        "--audios_path",
        required=True,
        type=existing_folder,
        help="folder with one sub-folder of audio files per instrument",
    )
    built.add_argument(
        "--features_path", required=True, type=Path, help="output folder for the feature stores"
    )
    built.add_argument(
        "--with_phase", action="store_true", help="also store the phase, as <instrument>_phase.h5"
    )
    add_job_flags(built)
    return built


def parts_folder(store: Path) -> Path:
    """Folder of computed features that are not in the store yet."""
    return store.parent / ".parts" / store.stem


def part_path(parts: Path, piece: str) -> Path:
    """Path of a piece's computed features: a hash of its name, which is never too long."""
    return parts / f"{hashlib.sha256(os.fsencode(piece)).hexdigest()}.npy"


def compute(rendering: Rendering) -> None:
    """Compute the features of one audio file into its part file, unless they are there already.

    The part is dated like the audio that was read, so that one that is changed meanwhile is newer.
    """
    if is_waiting(rendering):
        return
    try:
        changed = rendering.audio.stat().st_mtime_ns
    except OSError as error:
        raise AudioFileError(f"{rendering.audio}: {error.strerror}") from error
    image = read_image(rendering.audio, rendering.image)
    with replace_when_done(rendering.part, durable=False) as temporary:
        try:
            np.save(temporary, image, allow_pickle=False)
        except OSError as error:  # of a full disk, NumPy tells neither file nor cause
            raise OSError(f"{rendering.part}: cannot be written; is the disk full?") from error
        os.utime(temporary, ns=(changed, changed))


def mark_of(audio: Path) -> int:
    """Compute a mark of an audio file's content, to recognise a replaced file of any date.

    Returns:
        A hash of size and parts of the content, below 2^64; 0 for an unreadable file.
    """
    try:
        file = os.open(audio, os.O_RDONLY)
    except OSError:
        return 0
    try:
        size = os.fstat(file).st_size
        found = hashlib.blake2b(size.to_bytes(8, "big"), digest_size=8)
        for part in range(_MARK_PARTS):
            place = part * max(size - _MARK_BYTES, 0) // (_MARK_PARTS - 1)
            found.update(os.pread(file, _MARK_BYTES, place))
    except OSError:
        return 0
    finally:
        os.close(file)
    return int.from_bytes(found.digest(), "big")


def is_newer(path: Path, than: Path) -> bool:
    """Whether a file is newer than another one, or one of them is missing."""
    try:
        return path.stat().st_mtime_ns > than.stat().st_mtime_ns
    except OSError:
        return True


def is_waiting(rendering: Rendering) -> bool:
    """Whether the features of a rendering have been computed, and are complete and up to date."""
    try:
        if rendering.audio.stat().st_mtime_ns != rendering.part.stat().st_mtime_ns:
            return False
        np.load(rendering.part, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError):
        return False  # cut off: the machine failed before all of it was on the disk
    return True


def plan(path: Path, renderings: Iterable[Rendering]) -> Update:
    """Plan the work on the store of one instrument.

    Args:
        path: The store, which may be missing.
        renderings: Iterable of ``Rendering``.

    Returns:
        An ``Update``.
    """
    stored = {}
    if path.exists():
        with FeatureStore(path) as store:
            stored = store.marks
    renderings = sorted(renderings, key=attrgetter("name"))
    marks = {rendering.name: mark_of(rendering.audio) for rendering in renderings}
    stale = [
        rendering
        for rendering in renderings
        if rendering.name not in stored
        or is_newer(rendering.audio, path)
        or (stored[rendering.name] or marks[rendering.name]) != marks[rendering.name]
    ]
    return Update(path, stored, stale, marks)


def update_store(
    update: Update, outcomes: Iterable[tuple[Rendering, Any, Exception | None]]
) -> tuple[int, int, list[tuple[Path, Exception | str]]]:
    """Bring the store of one instrument up to date, and write it while the features are computed.

    Renderings whose audio is gone, or cannot be read any more, stay in the store. It is dated like
    the newest audio in it.

    Args:
        update: ``Update``.
        outcomes: Iterable of what ``run_jobs`` yields for its stale renderings.

    Returns:
        ``(computed, kept, skipped)``: numbers of renderings; list of (audio, error).
    """
    path, stored, _, marks = update
    dates, fresh, skipped = [], set(), []
    if stored:
        dates.append(path.stat().st_mtime_ns)

    def computed():
        for rendering, _, error in outcomes:
            if error is None:
                fresh.add(rendering.name)
                dates.append(rendering.part.stat().st_mtime_ns)
                yield rendering
            else:
                skipped.append((rendering.audio, error))

    ready = computed()
    first = next(ready, None)
    if first is not None:
        with FeatureStore(path) if stored else contextlib.nullcontext() as old:
            images = images_of(chain([first], ready), old)
            write_store(path, images, path.stem, stored | marks)
        os.utime(path, ns=(max(dates), max(dates)))
    return len(fresh), len(stored.keys() - fresh), skipped


def images_of(
    fresh: Iterable[Rendering], old: FeatureStore | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the content of a new store: (name, image), sorted by name.

    Args:
        fresh: Iterable of ``Rendering`` with computed features, sorted by name.
        old: Open ``FeatureStore`` with the other features, or None.
    """
    waiting = ((rendering.name, rendering.part) for rendering in fresh)
    kept = ((name, None) for name in (old.renderings if old else []))
    previous = None
    for name, part in heapq.merge(waiting, kept, key=itemgetter(0)):  # of two, the fresh one first
        if name == previous:
            continue
        previous = name
        if part is None:
            yield name, old.read(name)
        else:
            yield name, np.load(part, mmap_mode="r", allow_pickle=False)


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = parse_job_args(build_parser(), argv)
    folders = sorted(
        path
        for path in args.audios_path.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )
    if not folders:
        raise UserError(
            f"{args.audios_path}: holds no folder; put the audios of each instrument into one"
        )
    kinds = [(str, magnitude_image)]
    if args.with_phase:
        kinds.append((phase_instrument, phase_image))
    stores = [
        (args.features_path / f"{naming(folder.name)}.h5", folder, image)
        for folder, (naming, image) in product(folders, kinds)
    ]
    path, times = Counter(path for path, *_ in stores).most_common(1)[0]
    if times > 1:
        raise UserError(f"{path}: both an instrument and the phase of another; rename a folder")
    with only_run(args.features_path):
        require_distinct(args.features_path, [path.name for path, *_ in stores])
        workers = workers_of(args.jobs, args.scheduler, [args.audios_path], args.features_path)
        total, skipped, others = update_stores(stores, workers)
        shutil.rmtree(args.features_path / ".parts", ignore_errors=True)
        beside = (
            path
            for path in args.audios_path.iterdir()
            if path.is_file() and not path.name.startswith(".")
        )
        report_others([*others, *sorted(beside)], "audio in the folder of an instrument")
        status = report_skipped(sorted(skipped, key=itemgetter(0)))
        if not total:
            raise UserError(f"{args.audios_path}: no features could be computed")
        return status


def update_stores(
    stores: Sequence[tuple[Path, Path, Callable]], workers: int | Cluster
) -> tuple[int, list[tuple[Path, Exception | str]], list[Path]]:
    """Bring stores up to date.

    Args:
        stores: List of (path, folder of audios, kind of image).
        workers: As in ``common.work.jobs.run_jobs``.

    Returns:
        ``(total, skipped, others)``: number of renderings in the stores; list of (audio, error);
        paths of the files that are not audio.
    """
    from tqdm import tqdm

    updates, all_skipped, others, total, seen = [], [], [], 0, set()
    for path, folder, image in stores:
        try:
            files, foreign, left_out = find_recordings(folder)
        except OSError as error:
            all_skipped.append((folder, error))
            continue
        if folder not in seen:
            seen.add(folder)
            all_skipped += foreign
            others += left_out
        if not files:
            all_skipped.append((folder, "holds no audio file"))
            continue
        parts = parts_folder(path)
        renderings = [
            Rendering(audio, piece, part_path(parts, piece), image)
            for piece, audio in files.items()
        ]
        updates.append(plan(path, renderings))
    # all in one go: the next store's features are computed while one is still being written
    stale = list(chain.from_iterable(update.stale for update in updates))
    with contextlib.closing(run_jobs(compute, stale, workers, "features")) as outcomes:
        for update in updates:
            computed, kept, skipped = update_store(update, islice(outcomes, len(update.stale)))
            shutil.rmtree(parts_folder(update.path), ignore_errors=True)
            # print would tear the progress bar, which goes on
            said = f"{printable(update.path)}: {computed:,} computed, {kept:,} kept"
            gone = len(update.stored.keys() - update.marks.keys())
            if gone:
                said += (
                    f", {gone:,} of them without an audio any more; delete the store to drop them"
                )
            tqdm.write(said)
            total += computed + kept
            all_skipped += skipped
    return total, all_skipped, others


if __name__ == "__main__":
    run(main)
