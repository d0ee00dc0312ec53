"""HDF5 files: read safely, whoever wrote them, and written whole or not at all.

Reading: libhdf5 loops for ever, or crashes, at some damaged files, and a file may claim any size
and link to any other file. So a helper process opens it first, under limits of time and memory, and
reads everything but the numbers. It refuses what the kit never writes: links that are not hard,
arrays that lie in other files, that are compressed, or that are larger than what is stored of them,
and model configurations with code in them. No model is ever made from a configuration in a file;
only arrays are read.

    with open_hdf5("keyboard_acoustic.h5") as file:
        names = list(file["pieces"])

A file that makes libhdf5 overwrite memory without dying in the helper can still harm the process
that opens it; that only libhdf5 can mend.

Writing: libhdf5 crashes at the end of a process that could not write a file, and where Ctrl-C comes
while it writes. ``create_hdf5`` keeps both from it, so nothing else in the kit creates HDF5 files.
"""

import atexit
import contextlib
import io
import json
import math
import signal
import subprocess
import sys
import threading
from pathlib import Path

from common.files.atomic import replace_when_done

# What h5py and Keras raise on files that are damaged or hold something else.
UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError)

_SECONDS, _SECONDS_PER_BYTE = 0.5, 1e-7  # of computing time; small arrays take 4e-8 a byte
_MEMORY = 2**30  # bytes
_KERAS = ("keras", "tensorflow.keras", "tf_keras", "builtins")


def open_hdf5(path):
    """Open an HDF5 file for reading.

    Returns:
        ``h5py.File``.

    Raises:
        ValueError: Damaged, or holds what is not to be trusted.
        OSError: Cannot be opened.
    """
    import h5py

    reason = _helper.ask(path)
    if reason:
        raise ValueError(reason)
    return h5py.File(path, "r")


def plain_attributes(item):
    """The attributes of a file, group or dataset as numbers, texts and lists: dict."""
    return {
        name: value.tolist() if hasattr(value, "tolist") else value
        for name, value in item.attrs.items()
    }


class create_hdf5:
    """Context manager: a new HDF5 file, open for writing; it appears whole or not at all.

    Ctrl-C is put off to the end of the block. A block that takes long draws what it writes from
    ``each``, so that Ctrl-C, or a full disk, ends it before the next item:

        new = create_hdf5(path)
        with new as file:  # an h5py.File
            for name, image in new.each(images):
                file[name] = image

    Args:
        path: The file.

    Raises:
        OSError: It cannot be written; raised at the end of the block.
    """

    def __init__(self, path):
        self._path = Path(path)

    def __enter__(self):
        import h5py

        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(replace_when_done(self._path))
            stack.callback(self._check)
            self._output = stack.enter_context(_Output(temporary))
            self._interrupts = stack.enter_context(_Interrupts())
            file = stack.enter_context(h5py.File(self._output, "w"))
            self._opened = stack.pop_all()
        return file

    def __exit__(self, *exception):
        return self._opened.__exit__(*exception)

    def each(self, items):
        """Yield the items of an iterable, as long as the disk is not full."""
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
    """A file that takes every write, also when the disk is full, and keeps the ``error``.

    HDF5 never gets rid of a file that it could not write: it crashes at the end of the process.
    """

    def __init__(self, path):
        self.error = None
        super().__init__(path, "w+")

    def write(self, content):
        rest = memoryview(content).cast("B")
        try:
            while rest and not self.error:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return len(content)

    def truncate(self, size=None):
        try:
            return super().truncate(size)
        except OSError as error:  # the system limits the size of files
            self.error = error
            return size


class _Interrupts:
    """Context manager that puts Ctrl-C off to its end: HDF5 crashes where it comes in a write.

    Only the main thread gets it; a process that ignores it, or ends of it at once, needs nothing.
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
        """Context in which Ctrl-C comes through, also one that was put off before."""
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
    """The process that goes through files: begun when needed, and again when a file killed it."""

    def __init__(self):
        self._process = None
        self._lock = threading.Lock()

    def ask(self, path):
        """Why a file is refused, on one line; "" for one that may be opened."""
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
        )

    def stop(self):
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


_helper = _Helper()
atexit.register(_helper.stop)


def _serve():
    """Answer a path per line with the reason to refuse it, or ""; both as JSON."""
    import resource

    import h5py  # noqa: F401 (before the limits)

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the address space cannot be limited
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


def inspect(path):
    """Go through an HDF5 file.

    Raises:
        ValueError: It holds what the kit does not read.
        Exception: What h5py raises at a damaged file.
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
    """Refuse an array that is not what it claims; the bytes that are stored of it."""
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
    """Refuse a Keras configuration that would run code of its own, were a model made from it."""
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
