"""Stores: one HDF5 file with many images, a table of where they come from, and settings.

    class Take(NamedTuple):
        name: str
        pitch: int

    write_store("takes.h5", Take, [(Take("a", 60), image)], settings={"hop": 512}, shape=(256, 64))
    with Store("takes.h5", Take, kind="store of takes", remake="takes.preprocess") as store:
        training, held_out = store.split(0.1, key=lambda take: take.name)
        batch = store.read(training[:32])

Images are (bins, columns), float16 on the disk and float32 in memory. The dataset ``images`` has
the shape (images, bins, columns). If images differ in their number of columns, it has the columns
of all images one after the other instead: (columns, bins). Each field of the table is a dataset of
that name, and the settings are the attributes of the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError, missing, printable
from common.files.hdf5 import UNREADABLE, create_hdf5, open_hdf5, plain_attributes
from common.files.split import is_held_out

FORMAT_VERSION = 1
_IMAGES, _COLUMNS = 8, 64  # size of a chunk of the HDF5 file


def write_store(
    path: Path | str,
    row_type: type,
    items: Iterable[tuple[Any, np.ndarray]],
    *,
    settings: dict[str, Any],
    shape: tuple[int, int | None],
) -> list:
    """Write a store; the file is complete or absent.

    Args:
        path: HDF5 file.
        row_type: Type of the table's rows, a ``NamedTuple`` of str, int and float.
        items: Iterable of (row, image), images (bins, columns).
        settings: Dict of the settings that the images were made with: numbers and strings.
        shape: Shape of every image, (bins, columns); or (bins, None) for any number of columns. In
            that case the rows have the fields ``start`` and ``columns``, which are filled in here.

    Returns:
        List of the rows.

    Raises:
        OSError: The file cannot be written.
    """
    bins, columns = shape
    rows, new = [], create_hdf5(path)
    with new as file:
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs.update(settings)
        size, chunk = (shape, _IMAGES) if columns else ((bins,), _COLUMNS)
        images = file.create_dataset(
            "images", (0, *size), np.float16, maxshape=(None, *size), chunks=(chunk, *size)
        )
        for row, image in new.each(items):
            start, block = len(images), image[np.newaxis] if columns else image.T
            images.resize(start + len(block), axis=0)
            images[start:] = block
            rows.append(row if columns else row._replace(start=start, columns=len(block)))
        _write_rows(file, row_type, rows)
    return rows


class ImageFile:
    """Base class for files of images that are open for reading.

    A subclass overrides ``_load`` to read more when the file is opened.

    Args:
        path: HDF5 file.
        kind: What it is, in words, such as "feature store".
        remake: The command that makes it.
        expected: Dict of settings that the file must have.

    Attributes:
        path: ``Path``.
        settings: Dict of the file's attributes, except for its version.

    Raises:
        UserError: Missing, damaged, or of another format or other settings.
    """

    def __init__(
        self, path: Path | str, *, kind: str, remake: str, expected: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(path)
        with contextlib.ExitStack() as opened:
            with readable(path, kind, remake):
                self._file = opened.enter_context(open_hdf5(path))
                self.settings = plain_attributes(self._file)
                self._load()
            version = self.settings.pop("format_version", None)
            if version is None:
                raise UserError(_another_kind(path, kind, remake))
            again = f"delete it and make it again with {remake}"
            if version != FORMAT_VERSION:
                raise UserError(f"{path}: {kind} not of format {FORMAT_VERSION}; {again}")
            for name, value in (expected or {}).items():
                if self.settings.get(name) != value:
                    found = self.settings.get(name)
                    raise UserError(f"{path}: {name} is {found}, not {value}; {again}")
            opened.pop_all()

    def __enter__(self) -> ImageFile:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _load(self):
        """Read ``_file`` after opening; errors in ``UNREADABLE`` are reported as damage."""

    def _read(self, what, read):
        """Call a function that reads numbers; raise ``UserError`` if they are damaged."""
        try:
            numbers = read()
        except UNREADABLE as error:
            raise UserError(f"{self.path}: {what} cannot be read ({error})") from error
        if not np.isfinite(numbers).all():
            raise UserError(f"{self.path}: {what} is damaged, holds what is no number")
        return numbers


class Store(ImageFile):
    """A store of ``write_store``, open for reading.

    Args:
        path: HDF5 file.
        row_type: The row type that it was written with.
        kind, remake, expected: See ``ImageFile``.

    Attributes:
        rows: List of the rows of the table, one for each image.
        settings: Dict of the settings that the images were made with.

    Raises:
        UserError: Missing, damaged, or of another format or other settings.
    """

    def __init__(
        self,
        path: Path | str,
        row_type: type,
        *,
        kind: str,
        remake: str,
        expected: dict[str, Any] | None = None,
    ) -> None:
        self._row_type = row_type
        super().__init__(path, kind=kind, remake=remake, expected=expected)

    def __len__(self) -> int:
        return len(self.rows)

    def _load(self):
        self._images = self._file["images"]
        self.rows = _read_rows(self._file, self._row_type)
        if self._images.dtype != np.float16:
            raise ValueError(f"its images are {self._images.dtype}")
        held = len(self._images)
        if "columns" in self._row_type._fields:
            fits = held == sum(row.columns for row in self.rows) and all(
                0 <= row.start <= row.start + row.columns <= held for row in self.rows
            )
        else:
            fits = held == len(self.rows)
        if not fits:
            raise ValueError("its table does not fit its images")

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read images of equal shape: (indices, bins, columns) float32.

        Args:
            indices: Indices of images, in any order, repeated or not.

        Raises:
            UserError: Damaged.
        """
        unique, place = np.unique(np.asarray(indices, int), return_inverse=True)
        images = self._read("an image", lambda: self._images[unique])
        return images[place].astype(np.float32)

    def columns(self, row: Any, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read columns ``start`` to ``stop`` of an image: (bins, columns) float32.

        Args:
            row: The image's row of the table.
            start, stop: Column numbers from 0; columns beyond the end are left out.

        Raises:
            UserError: Damaged.
        """
        stop = row.columns if stop is None else min(stop, row.columns)
        place = slice(row.start + start, row.start + max(stop, start))
        return self._read("an image", lambda: self._images[place]).astype(np.float32).T

    def split(self, share: float, key: Callable[[Any], str]) -> tuple[list[int], list[int]]:
        """Split the indices of the images: ``(training, held_out)``.

        Args:
            share: Share of the names that is held out, in [0, 1]; a hash of the name decides.
            key: Function that returns the name for a row; images with the same name stay together.
        """
        sides = [], []
        for index, row in enumerate(self.rows):
            sides[is_held_out(key(row), share)].append(index)
        return sides


def write_arrays(
    path: Path | str,
    arrays: dict[str, np.ndarray],
    *,
    settings: dict[str, Any] | None = None,
    rows: Sequence = (),
) -> None:
    """Write a small file of arrays; the file is complete or absent.

    Args:
        path: HDF5 file.
        arrays: Dict from name to array; the types are kept.
        settings: Dict of attributes: numbers and strings.
        rows: List of rows, all of the same ``NamedTuple`` type of str, int and float.

    Raises:
        OSError: The file cannot be written.
    """
    with create_hdf5(path) as file:
        file.attrs.update(settings or {})
        for name, array in arrays.items():
            file[name] = array
        if rows:
            _write_rows(file, type(rows[0]), rows)


def read_arrays(
    path: Path | str, names: Iterable[str], row_type: type | None = None, *, kind: str, remake: str
) -> tuple[dict[str, np.ndarray], dict[str, Any], list]:
    """Read a file that ``write_arrays`` wrote.

    Args:
        path: HDF5 file.
        names: Names of its arrays.
        row_type: Type of the rows, if there are any.
        kind: What it is, in words, such as "style".
        remake: The command that makes it.

    Returns:
        ``(arrays, settings, rows)``: dict from name to float32 array; dict of attributes; list.

    Raises:
        UserError: The file is missing or damaged, or has NaN or infinite numbers.
    """
    with readable(path, kind, remake), open_hdf5(path) as file:
        arrays = {name: file[name][()].astype(np.float32) for name in names}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("damaged, holds NaN or infinite numbers")
        rows = _read_rows(file, row_type) if row_type else []
        return arrays, plain_attributes(file), rows


@contextlib.contextmanager
def readable(path: Path | str, kind: str, remake: str) -> Iterator[None]:
    """Context manager for reading an HDF5 file; errors in the file become a ``UserError``.

    Args:
        path: HDF5 file.
        kind: What it is, in words, such as "style".
        remake: The command that makes it.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: {missing(path, kind)}; make it with {remake}")
    try:
        yield
    except UNREADABLE as error:
        marked = _has_mark(path)
        if marked is not None and isinstance(error, LookupError):
            raise UserError(_another_kind(path, kind, remake)) from error
        remedy = "delete it" if marked else "move it elsewhere"  # it may be anybody's file
        raise UserError(
            f"{path}: not a readable {kind} ({error}); {remedy} and make it again with {remake}"
        ) from error


def _another_kind(path, kind, remake):
    return f"{path}: is no {kind}; name another file, or make one with {remake}"


def _has_mark(path):
    """Whether an HDF5 file carries the version of our stores; None if it cannot be read at all."""
    try:
        with open_hdf5(path) as file:
            return "format_version" in file.attrs
    except UNREADABLE:
        return None


def _write_rows(file, row_type, rows):
    import h5py

    for name, kind in row_type.__annotations__.items():
        values = [getattr(row, name) for row in rows]
        if kind is str:  # the only type for strings that HDF5 accepts
            file.create_dataset(name, data=list(map(printable, values)), dtype=h5py.string_dtype())
        else:
            file.create_dataset(name, data=values, dtype=kind)


def _read_rows(file, row_type):
    columns = [_read_field(file, *field) for field in row_type.__annotations__.items()]
    return [row_type(*values) for values in zip(*columns, strict=True)]


def _read_field(file, name, kind):
    if kind is str:
        return file[name].asstr()[()].tolist()
    values = file[name][()]
    if values.dtype.kind != np.dtype(kind).kind or not np.isfinite(values).all():
        raise ValueError(f"{name} holds other than finite numbers of type {kind.__name__}")
    return values.tolist()
