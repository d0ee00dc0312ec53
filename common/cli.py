"""Command lines: argument types, reports of mistakes, and files of a folder."""

import argparse
import contextlib
import math
import numbers
import os
import re
import stat
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

_REWRITTEN = {".h5", ".hdf5"}  # may be input and output: a run continues with its own weights
_NAMED = 10  # largest number of other files whose names are printed


class UserError(Exception):
    """A mistake that the user can fix: one line that names the file or flag, and the remedy."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print the usage first; here a mistake takes one line
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def parse_args(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        parsed = super().parse_args(args, namespace)
        paths = {name: _paths(value) for name, value in vars(parsed).items()}
        outputs = {name: paths.pop(name) for name in self.writes if name in paths}
        require_apart(outputs, paths, self.converts)
        return parsed

    def add_flag(self, name: str, default: float | str | None, what: str, **settings: Any) -> None:
        """Add a flag whose help ends with its default.

        Args:
            name: Such as "--steps".
            default: Number or string.
            what: What the flag sets: the help without the default.
            settings: Further arguments of ``add_argument``.
        """
        shown = f"{default:g}" if isinstance(default, float) else default
        self.add_argument(name, default=default, help=f"{what} (default: {shown})", **settings)


def _paths(value):
    values = value if isinstance(value, list | tuple) else [value]
    return [path for path in values if isinstance(path, Path)]


def parser(
    description: str | None,
    *,
    writes: Iterable[str] = ("output",),
    converts: Iterable[str] = ("input",),
) -> Parser:
    """Create the argument parser of a script, with the flag ``--debug`` that every script has.

    The parser refuses command lines by which a script would overwrite its own input. Paths of all
    flags count as inputs, except for those in ``writes``.

    Args:
        description: The script's docstring; its first paragraph explains the script and the
            remaining ones follow the list of flags. None where Python drops docstrings (-OO).
        writes: Names of the flags for output paths.
        converts: Names of the flags for folders that are read completely. Outputs may not be inside
            them, because the next run would take them for inputs.
    """
    summary, _, rest = (description or "").partition("\n\n")
    built = Parser(
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    built.writes, built.converts = writes, converts
    built.add_argument("--debug", action="store_true", help="show the full traceback of an error")
    return built


_sources = {}  # (device, inode) of each input file -> its path


def require_apart(
    outputs: dict[str, list[Path]], sources: dict[str, list[Path]], converts: Iterable[str] = ()
) -> None:
    """Raise ``UserError`` if an output path would overwrite an input, or get mixed with inputs.

    The inputs are remembered for ``require_no_source``.

    Args:
        outputs: Dict from the name of a flag to the output paths that it was given.
        sources: The same for input paths.
        converts: Names of the flags among them for folders that are read completely.
    """
    _sources.clear()
    for name, path in ((name, path) for name, paths in sources.items() for path in paths):
        if path.is_file() and path.suffix not in _REWRITTEN:
            _sources[_identity(path)] = path
        for flag, output in ((flag, path) for flag, paths in outputs.items() for path in paths):
            if output.is_file() and path.is_file() and output.samefile(path):
                what = "the input" if name == "input" else f"the file of --{name}"
                raise UserError(f"{output}: is {what}; choose another --{flag}")
            if not path.is_dir():
                continue
            folder, place = path.resolve(), output.resolve()
            is_within = folder == place or folder in place.parents
            if is_within and output.is_file() and output.suffix not in _REWRITTEN:
                raise UserError(
                    f"{output}: is a file of the folder of --{name}; choose another --{flag}"
                )
            if is_within and name in converts:
                raise UserError(
                    f"--{flag} {output}: lies in the folder of --{name}, where a run would take "
                    "it for an input; choose a folder elsewhere"
                )


def require_no_source(path: Path) -> None:
    """Raise ``UserError`` if a path that is about to be written is one of the script's inputs."""
    if _sources and path.is_file() and _identity(path) in _sources:
        raise UserError(f"{path}: is one of the inputs; write elsewhere")


def _identity(path):
    status = path.stat()
    return status.st_dev, status.st_ino


def run(main: Callable[[list[str]], int | None], argv: list[str] | None = None) -> NoReturn:
    """Run ``main(argv)`` and exit with its status; a user's mistake is one line and status 2.

    ``OSError``, such as a full disk or a folder without permission, is reported with its path.
    """
    argv = sys.argv[1:] if argv is None else argv
    script = Path(sys.argv[0])
    name = script.parent.name if script.name == "__main__.py" else script.name
    _survive_surroundings()
    try:
        with _standard_output():
            status = main(argv)
    except BrokenPipeError:  # the program that reads the output has ended, such as `head`
        status = 1
    except KeyboardInterrupt as stop:
        sys.exit("; ".join([f"{name}: interrupted", *map(str, stop.args)]))
    except (UserError, OSError) as error:
        if "--debug" in argv:
            raise
        print(f"{name}: error: {one_line(error)}", file=sys.stderr)
        status = 2
    sys.exit(status)


@contextlib.contextmanager
def _standard_output():
    """Context manager for all that a script prints; an error of the output is told as its own."""
    if sys.stdout is None:  # the next file that is opened would take its place
        raise UserError("standard output: is closed; send it to a file or to /dev/null")
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            # else Python tries once more at its end, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            error.filename = "standard output"
            raise


def _survive_surroundings():
    """Undo settings of the environment that would make a script fail halfway."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # absent in notebooks and tests
            stream.reconfigure(errors="backslashreplace")  # escape letters that the terminal lacks
    os.environ["MPLBACKEND"] = "agg"  # matplotlib refuses that of a notebook elsewhere
    if sys.warnoptions:  # PYTHONWARNINGS=error would turn warnings of libraries into errors
        sys.warnoptions.clear()
        os.environ.pop("PYTHONWARNINGS", None)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")


def printable(text: object) -> str:
    """Escape the characters of a name that a terminal would execute or could not show."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(text)
    )


def say(text: str) -> None:
    """Print a line of results; what a terminal would execute in the names of files is escaped."""
    print(printable(text))


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Number and noun: "1 file", "1,200 files".

    Args:
        number: Whole number.
        noun: Singular.
        plural: Default the singular with an "s".
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def missing(path: Path | str, what: str = "file") -> str:
    """Say why a path is not the file that was asked for: a folder, or nothing.

    Args:
        path: ``Path`` that is no file.
        what: Kind of the file, in words.
    """
    return "is a folder; name a file" if os.path.isdir(path) else f"no such {what}"  # noqa: PTH112


def one_line(error: BaseException | str) -> str:
    """Text of an exception on one line, safe to print; an ``OSError`` begins with its path."""
    if isinstance(error, OSError) and error.strerror:
        path = error.filename2 or error.filename or "output"  # filename2 is the one to be written
        if isinstance(error, NotADirectoryError):
            reason = "part of this path is a file, not a folder; choose another path"
            return f"{printable(path)}: {reason}"
        return f"{printable(path)}: {one_line(error.strerror)}"
    return printable(" ".join(str(error).split()))


def require_folder(path: Path) -> None:
    """Raise ``UserError`` if the folder that ``--output`` names is a file."""
    if path.exists() and not path.is_dir():
        raise UserError(f"--output {path}: is a file; name a folder")


@contextlib.contextmanager
def about(what: Path | str) -> Iterator[None]:
    """Context manager that puts a flag or a file before the message of a ``UserError``."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{what}: {error}") from error


def report_skipped(skipped: Sequence[tuple[Path, Exception | str]]) -> int:
    """Print which files were skipped and why; return the exit status of the script.

    Args:
        skipped: List of (path, reason).

    Returns:
        0 when nothing was skipped, else 1.
    """
    for path, reason in skipped:
        text, name = one_line(reason), f"{printable(path)}: "
        for known in (name, one_line(f"{path}: -")[:-1]):  # the reason may begin with the path, too
            if text.startswith(known):
                text = text[len(known) :]
                break
        print(f"{name}{text}", file=sys.stderr)
    if skipped:
        print(f"{len(skipped)} skipped, as listed above", file=sys.stderr)
    return 1 if skipped else 0


class Found(NamedTuple):
    """Files in a folder.

    Attributes:
        files: Dict from name to path of the wanted files, sorted by name. The name is the path
            below the folder without its suffix; the suffix stays if two files would have the same
            name.
        others: Sorted paths of the other files below the folder.
    """

    files: dict[str, Path]
    others: list[Path]


def find_inputs(folder: Path, is_wanted: Callable[[Path], bool]) -> Found:
    """Find the wanted files below a folder, and the others: ``Found``.

    Hidden files and folders (names that begin with a dot) are ignored; they include the remains of
    killed runs. Links are followed, except to a folder that contains the link. A broken link counts
    as a file, so that reading it reports the problem.

    Args:
        folder: Path.
        is_wanted: Function that takes a path and returns a bool.

    Raises:
        OSError: A folder cannot be read.
    """
    wanted, others = [], []
    for path in sorted(_walk(folder)):
        (wanted if is_wanted(path) else others).append(path)
    files = [path.relative_to(folder) for path in wanted]
    taken = Counter(path.with_suffix("") for path in files) + Counter(files)
    names = [path if taken[path.with_suffix("")] > 1 else path.with_suffix("") for path in files]
    found = {name.as_posix(): folder / path for name, path in zip(names, files, strict=True)}
    return Found(dict(sorted(found.items())), others)


def report_others(others: Sequence[Path], what: str) -> None:
    """Print how many files of a folder are ignored, and the names of the first ten.

    Args:
        others: ``Found.others``.
        what: What was expected, such as "audio".
    """
    if others:
        names = [printable(path.name) for path in others[:_NAMED]]
        more = [f"{len(others) - _NAMED:,} more"] if len(others) > _NAMED else []
        said = f"{counted(len(others), 'file')} ignored, not {what}: {', '.join(names + more)}"
        print(said, file=sys.stderr)


def _walk(folder):
    # unlike rglob: follows links to folders, and raises for folders that cannot be read
    waiting = [(folder, ())]
    while waiting:
        parent, above = waiting.pop()
        status = parent.stat()
        place = status.st_dev, status.st_ino
        if place in above:
            continue
        with os.scandir(parent) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = parent / entry.name
                try:
                    mode = entry.stat().st_mode
                except OSError:
                    mode = stat.S_IFREG
                if stat.S_ISDIR(mode):
                    waiting.append((path, (*above, place)))
                elif stat.S_ISREG(mode):
                    yield path


def existing_folder(text: str) -> Path:
    """Argument type: a folder that exists."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder")
    return path


class Names(argparse.Action):
    """Action for ``nargs="+"``: names separated by spaces or commas, or a Python list of them.

    A name may contain spaces if it is quoted in the shell, and commas if the quotes are part of it.
    """

    def __call__(
        self,
        built: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the names without duplicates."""
        text = ",".join(values).strip(" ,")
        if text[:1] in ("[", "("):
            text = text.strip("[]()")
        quoted_or_not = re.findall(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,]+))""", text)
        names = [name.strip() for groups in quoted_or_not for name in groups if name.strip()]
        if not names:
            raise argparse.ArgumentError(self, f"{' '.join(values)!r} holds no name")
        setattr(namespace, self.dest, list(dict.fromkeys(names)))


def on_off(text: str) -> bool:
    """Argument type: on or off, also true/false, yes/no, 1/0."""
    if text.lower() in ("on", "true", "yes", "1"):
        return True
    if text.lower() in ("off", "false", "no", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither on nor off")


def number(
    kind: type[int] | type[float],
    low: float | None = None,
    high: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
) -> Callable[[str], Any]:
    """Argument type: a finite number of ``kind`` (int or float) within bounds.

    Args:
        low, high: Inclusive bounds.
        above, below: Exclusive bounds.
    """

    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
        bounds = [
            (kind is int or math.isfinite(value), "finite"),
            (low is None or value >= low, f"at least {low}"),
            (high is None or value <= high, f"at most {high}"),
            (above is None or value > above, f"above {above}"),
            (below is None or value < below, f"below {below}"),
        ]
        for holds, rule in bounds:
            if not holds:
                raise argparse.ArgumentTypeError(f"{text} must be {rule}")
        return value

    return convert


def require_whole(value: object, name: str, low: int, high: float = math.inf) -> None:
    """Raise ``UserError`` unless an argument of a function is a whole number within bounds.

    Args:
        value: The argument.
        name: Name of the argument, for the message.
        low, high: Inclusive bounds.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not (whole and low <= value <= high):
        bounds = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
        raise UserError(f"{name} {value!r}: give a whole number {bounds}")


def add_seed_flag(built: Parser, what: str) -> None:
    """Add ``--seed`` to a parser; ``what`` is drawn at random, such as "weights and shuffling"."""
    built.add_flag("--seed", 0, f"random seed for {what}", type=number(int, 0))


def add_features_flag(built: Parser, system: str) -> None:
    """Add ``--features_path``, the file that ``<system>.preprocess`` writes, to a training."""
    built.add_argument(
        "--features_path",
        required=True,
        type=Path,
        help=f"HDF5 file made by {system}.preprocess",
    )


def add_run_flag(built: Parser, default: str) -> None:
    """Add ``--output``, the run folder of a training."""
    built.add_argument(
        "--output", type=Path, default=Path(default), help=f"run folder (default: {default})"
    )


def add_gpu_flag(built: Parser) -> None:
    """Add ``--gpu`` to the parser of a script that computes on one device."""
    built.add_argument(
        "--gpu", help="GPU to use, such as 0 (default: the one that TensorFlow or JAX chooses)"
    )
