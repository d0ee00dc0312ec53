"""HDF5 files: read safely, whoever wrote them, and written completely or not at all.

Reading: some damaged files make libhdf5 loop forever or crash, and a file may claim any size and
link to any other file. So a helper process opens each file first, with limits on time and memory,
and reads everything except the numbers. It refuses what the kit never writes: soft and external
links, arrays that are stored in other files, compressed, or larger than their stored data, and
model configurations that contain code. No model is ever built from a configuration in a file; only
arrays are read.

    with open_hdf5("keyboard_acoustic.h5") as file:
        names = list(file["pieces"])

A file that makes libhdf5 overwrite memory without crashing the helper can still harm the process
that opens it; only libhdf5 itself could prevent this.

Writing: libhdf5 crashes at the end of a process that could not write a file, and when Ctrl-C
interrupts a write. ``create_hdf5`` prevents both, so all HDF5 files of the kit are created by it.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.files.atomic import replace_when_done

if TYPE_CHECKING:
    import h5py


# Raised by h5py and Keras for files that are damaged or have another content.
UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError)

# limits of computing time; small arrays take 4e-8 s per byte
_SECONDS, _SECONDS_PER_BYTE = 0.5, 1e-7
_MEMORY = 2**30  # bytes
_KERAS = ("keras", "tensorflow.keras", "tf_keras", "builtins")


def open_hdf5(path: Path | str) -> h5py.File:
    """Open an HDF5 file for reading.

    Returns:
        ``h5py.File``.

    Raises:
        ValueError: The file is damaged, or has content that is not trusted.
        OSError: The file cannot be opened.
    """
    import h5py

    reason = _helper.ask(path)
    if reason:
        raise ValueError(reason)
    return h5py.File(path, "r")


def plain_attributes(item: h5py.File | h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Return the attributes of a file, group or dataset as a dict of numbers, strings and lists."""
    return {
        name: value.tolist() if hasattr(value, "tolist") else value
        for name, value in item.attrs.items()
    }


class create_hdf5:
    """Context manager that creates an HDF5 file for writing; the file is complete or absent.

    Ctrl-C is delayed to the end of the block. A block that takes long should loop over ``each``, so
    that Ctrl-C or a full disk ends it before the next item:

        new = create_hdf5(path)
        with new as file:  # an h5py.File
            for name, image in new.each(images):
                file[name] = image

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be written; raised at the end of the block.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def __enter__(self) -> h5py.File:
        import h5py

        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(replace_when_done(self._path))
            stack.callback(self._check)
            self._output = stack.enter_context(_Output(temporary))
            self._interrupts = stack.enter_context(_Interrupts())
            file = stack.enter_context(h5py.File(self._output, "w"))
            self._opened = stack.pop_all()
        return file

    def __exit__(self, *exception: Any) -> bool | None:
        return self._opened.__exit__(*exception)

    def each(self, items: Iterable) -> Iterator:
        """Yield the items of an iterable; stop with an error when the disk is full."""
        items = iter(items)
        while not self._output.error:
            with self._interrupts.let_through():
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _check(self):
        if self._output.error:
            error = OSError(f"{self._path}: cannot be written; is the disk full?")
            raise error from self._output.error


class _Output(io.FileIO):
    """A file that accepts every write, even when the disk is full, and remembers the ``error``.

    libhdf5 never closes a file that it could not write, and crashes at the end of the process, or
    earlier, when it reads something else than it wrote. So what did not reach the disk is kept in
    memory and read from there.
    """

    def __init__(self, path):
        self.error = None
        self._kept = []  # (place, bytes) of each write since the error
        super().__init__(path, "w+")

    def write(self, content):
        place, rest = self.tell(), memoryview(content).cast("B")
        try:
            while rest and not self.error:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        if self.error:
            self._kept.append((place, bytes(content)))
        return len(content)

    def readinto(self, buffer):
        if not self.error:
            return super().readinto(buffer)
        place, view = self.tell(), memoryview(buffer).cast("B")
        view[:] = bytes(len(view))
        super().readinto(view)
        for start, content in self._kept:
            first, last = max(start, place), min(start + len(content), place + len(view))
            if first < last:
                view[first - place : last - place] = content[first - start : last - start]
        return len(view)

    def truncate(self, size=None):
        try:
            return super().truncate(size)
        except OSError as error:  # such as a limit on the size of files
            self.error = error
            return size


class _Interrupts:
    """Context manager that delays Ctrl-C to its end, because it crashes HDF5 during a write.

    Only the main thread receives Ctrl-C. Nothing is done in a process that ignores it, or that is
    ended by it at once.
    """

    def __enter__(self):
        self._came = False
        self._before = signal.getsignal(signal.SIGINT)
        is_main = threading.current_thread() is threading.main_thread()
        self._needed = is_main and callable(self._before)
        self._put_off()
        return self

    def __exit__(self, *exception):
        if self._needed:
            signal.signal(signal.SIGINT, self._before)
            if self._came:
                self._came = False
                signal.raise_signal(signal.SIGINT)

    @contextlib.contextmanager
    def let_through(self):
        """Context manager in which Ctrl-C works, including one that was delayed before."""
        self.__exit__()
        try:
            yield
        finally:
            self._put_off()

    def _put_off(self):
        if self._needed:
            signal.signal(signal.SIGINT, self._note)

    def _note(self, *_):
        self._came = True


class _Helper:
    """Helper process that inspects files; started when needed, and again after a crash."""

    def __init__(self):
        self._process = None
        self._lock = threading.Lock()

    def ask(self, path):
        """Return the reason to refuse a file, on one line; "" if it may be opened."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            try:
                self._process.stdin.write(json.dumps(str(Path(path).absolute())) + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except BrokenPipeError:
                answer = ""
            if answer:
                return json.loads(answer)
            self._process.communicate()
            died_of = -self._process.returncode
            if died_of == signal.SIGPROF:
                return "damaged: libhdf5 comes to no end with it"
            return f"damaged: libhdf5 crashes at it, signal {died_of}"

    def _start(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "common.files.hdf5"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=Path(__file__).parents[2],
            env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
        )

    def stop(self):
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


_helper = _Helper()
atexit.register(_helper.stop)


def _serve():
    """Read a path per line and answer with the reason to refuse it, or ""; both as JSON."""
    import resource

    import h5py  # noqa: F401 (import before setting the limits)

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # other systems cannot limit the address space
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + _MEMORY, held + _MEMORY))
    for line in sys.stdin:
        path = json.loads(line)
        try:
            limit = _SECONDS + _SECONDS_PER_BYTE * Path(path).stat().st_size
            signal.setitimer(signal.ITIMER_PROF, limit)  # its signal ends the process
            inspect(path)
            reason = ""
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(reason), flush=True)


def inspect(path: Path | str) -> None:
    """Inspect an HDF5 file.

    Raises:
        ValueError: The file has content that the kit does not read.
        Exception: Any error that h5py raises for a damaged file.
    """
    import h5py

    size = Path(path).stat().st_size
    stored, seen = 0, set()
    with h5py.File(path, "r") as file:
        waiting = [("", h5py.h5g.open(file.id, b"/"))]
        while waiting:
            name, item = waiting.pop()
            info = h5py.h5o.get_info(item)
            if info.addr in seen:
                continue
            seen.add(info.addr)
            if isinstance(item, h5py.h5t.TypeID):
                continue
            if isinstance(item, h5py.h5d.DatasetID):
                stored += _inspect_array(name, item, size)
                if stored > size:
                    raise ValueError(f"arrays of {stored:,} bytes in a file of {size:,}")
                attributes = h5py.Dataset(item).attrs
            else:
                waiting += _members(name, item)
                attributes = h5py.Group(item).attrs
            for key, value in attributes.items() if info.num_attrs else ():
                if key in ("model_config", "training_config"):
                    _refuse_code(json.loads(value))


def _members(name, group):
    import h5py

    for key in group:
        path = f"{name}/{key.decode(errors='replace')}"
        if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{path} is a link to elsewhere")
        yield path, h5py.h5o.open(group, key)


def _inspect_array(name, dataset, size):
    """Refuse an array larger than its stored data; return the size of these in bytes."""
    import h5py

    plist, kind = dataset.get_create_plist(), dataset.get_type()
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        raise ValueError(f"{name} lies in another file")
    if plist.get_nfilters():
        raise ValueError(f"{name} is compressed; store it plainly: h5repack -f NONE")
    allowed = h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING, h5py.h5t.ENUM
    if kind.get_class() not in allowed:
        raise ValueError(f"{name} holds neither numbers nor text")
    claimed, stored = math.prod(dataset.shape or ()) * kind.get_size(), dataset.get_storage_size()
    offset = dataset.get_offset() or 0
    if claimed > stored or offset + stored > size:
        raise ValueError(f"{name} claims {claimed:,} bytes, of which {stored:,} are stored")
    if kind.get_class() == h5py.h5t.STRING:
        text = h5py.Dataset(dataset)[()]
        if sum(map(len, getattr(text, "flat", [text]))) > size:
            raise ValueError(f"{name} holds the same text again and again")
    return stored


def _refuse_code(config):
    """Refuse a Keras configuration that would run code if a model were built from it."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            kind, module = item.get("class_name"), item.get("module")
            if isinstance(kind, str) and "lambda" in kind.lower():
                raise ValueError("holds a model with code of its own, a Lambda layer")
            if isinstance(module, str) and module.partition(".")[0] not in _KERAS:
                raise ValueError(f"holds a model with code of its own, of {module}")
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


if __name__ == "__main__":
    _serve()
