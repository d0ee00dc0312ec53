"""Compute the magnitude images of a folder of audios: one feature store per instrument.

    python compute_features.py --audios_path audios --features_path features

Every sub-folder of --audios_path is an instrument; its audio files, at any depth, become
<features_path>/<instrument>.h5. Files of any format, rate and number of channels are read (averaged
to mono, resampled to 44.1 kHz). A run that was interrupted goes on where it stopped, and only
audios newer than their features are computed again. --with_phase stores the phase, too, as
<instrument>_phase.h5, for networks that learn it.
"""

import contextlib
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import (
    UserError,
    existing_folder,
    find_files,
    parser,
    printable,
    report_skipped,
    run,
)
from common.features import (
    FeatureStore,
    magnitude_image,
    phase_image,
    phase_instrument,
    write_store,
)
from common.jobs import add_job_flags, parse_job_args, run_jobs, workers_of
from common.lock import only_run, require_distinct
from data import AUDIO_SUFFIXES, AudioFileError, load_audio, replace_when_done


class Rendering(NamedTuple):
    """One audio file, the name of its features, where they wait for their store, and their kind."""

    audio: Path
    name: str
    part: Path
    image: Callable


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--audios_path",
        required=True,
        type=existing_folder,
        help="folder with one sub-folder of audio files per instrument",
    )
    built.add_argument("--features_path", required=True, type=Path, help="output folder")
    built.add_argument("--with_phase", action="store_true", help="store the phase, too")
    add_job_flags(built)
    return built


def part_path(parts, piece):
    """Where the features of a piece wait for their store; no name is too long or like another."""
    return parts / f"{hashlib.sha256(os.fsencode(piece)).hexdigest()}.npy"


def compute(rendering):
    """Compute the features of one audio file into its part file; the number of columns.

    The part is dated like the audio that was read, so that one that is changed meanwhile is newer.
    """
    try:
        changed = rendering.audio.stat().st_mtime_ns
    except OSError as error:
        raise AudioFileError(f"{rendering.audio}: {error.strerror}") from error
    audio, _ = load_audio(rendering.audio)
    image = rendering.image(audio)
    with replace_when_done(rendering.part, durable=False) as temporary:
        try:
            np.save(temporary, image, allow_pickle=False)
        except OSError as error:  # of a full disk, NumPy tells neither file nor cause
            raise OSError(f"{rendering.part}: cannot be written; is the disk full?") from error
        os.utime(temporary, ns=(changed, changed))
    return len(image)


def is_newer(path, than):
    """Whether a file is newer than another one, or one of them is missing."""
    try:
        return path.stat().st_mtime_ns > than.stat().st_mtime_ns
    except OSError:
        return True


def is_waiting(rendering):
    """Whether the features of a rendering are waiting for their store, whole and up to date."""
    if is_newer(rendering.audio, rendering.part):
        return False
    try:
        np.load(rendering.part, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError):
        return False  # cut off: the machine failed before all of it was on the disk
    return True


class Update(NamedTuple):
    """What brings the store of one instrument up to date."""

    store: Path
    parts: Path  # folder of the features that wait
    stored: frozenset  # names of the renderings that it holds
    fresh: dict  # from the names of those that are to be written to their parts

    def write(self):
        """Write the store, dated like the newest audio in it, and remove the parts.

        Renderings whose audio is gone stay in the store.
        """
        if self.fresh:
            files = [*self.fresh.values(), *([self.store] if self.stored else [])]
            changed = max(path.stat().st_mtime_ns for path in files)
            with FeatureStore(self.store) if self.stored else contextlib.nullcontext() as old:
                names = sorted(self.stored | self.fresh.keys())
                images = ((name, self._image(name, old)) for name in names)
                write_store(self.store, images, self.store.stem)
            os.utime(self.store, ns=(changed, changed))
        shutil.rmtree(self.parts, ignore_errors=True)

    def _image(self, name, old):
        if name in self.fresh:
            return np.load(self.fresh[name], mmap_mode="r", allow_pickle=False)
        return old.read(name)

    def __str__(self):
        kept = len(self.stored - self.fresh.keys())
        return f"{printable(self.store)}: {len(self.fresh):,} computed, {kept:,} kept"


def compute_parts(store_path, renderings, parts, workers):
    """Compute the features of one instrument that are new or older than their audio.

    Returns:
        ``(update, skipped)``: ``Update``; list of (path, error).
    """
    stored = frozenset()
    if store_path.exists():
        with FeatureStore(store_path) as store:
            stored = frozenset(store.renderings)
    stale = [
        rendering
        for rendering in renderings
        if rendering.name not in stored or is_newer(rendering.audio, store_path)
    ]
    missing = [rendering for rendering in stale if not is_waiting(rendering)]
    skipped = [
        (rendering.audio, error)
        for rendering, _, error in run_jobs(compute, missing, workers, printable(store_path.stem))
        if error is not None
    ]
    failed = {path for path, _ in skipped}
    fresh = {item.name: item.part for item in stale if item.audio not in failed}
    return Update(store_path, parts, stored, fresh), skipped


def main(argv=None):
    """Run the script; its exit status."""
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
        return update_stores(args, stores)


def update_stores(args, stores):
    """Bring the stores up to date: list of (path, folder of audios, kind of image).

    Returns:
        The exit status of the script.
    """
    workers = workers_of(args, [args.audios_path], args.features_path)
    all_skipped, total, written = [], 0, None
    # a store is written, which the disk takes long for, while the next one is computed
    with ThreadPoolExecutor(1) as writer:
        for store_path, folder, image in stores:
            try:
                files = find_files(folder, AUDIO_SUFFIXES)
            except OSError as error:
                all_skipped.append((folder, error))
                continue
            if not files:
                all_skipped.append((folder, "holds no audio file"))
                continue
            parts = args.features_path / ".parts" / store_path.stem
            renderings = [
                Rendering(path, piece, part_path(parts, piece), image)
                for piece, path in files.items()
            ]
            update, skipped = compute_parts(store_path, renderings, parts, workers)
            total += len(update.stored | update.fresh.keys())
            all_skipped += skipped
            if written:
                written.result()
            written = writer.submit(_finish, update)
        if written:
            written.result()
    shutil.rmtree(args.features_path / ".parts", ignore_errors=True)
    status = report_skipped(all_skipped)
    if not total:
        raise UserError(f"{args.audios_path}: no features could be computed")
    return status


def _finish(update):
    update.write()
    print(update)


if __name__ == "__main__":
    run(main)
