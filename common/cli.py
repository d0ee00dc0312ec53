"""Command lines: argument types and the one way in which a user's mistake is reported."""

import argparse
import math
import os
import re
import stat
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

_REWRITTEN = {".h5", ".hdf5"}  # what a run goes on with may be among what it was given
_NAMED = 10  # files of other kinds; of more only the number is said


class UserError(Exception):
    """A mistake that the user can mend: one line naming the file or flag, and the remedy."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        # argparse would print the usage first; a mistake takes one line here
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def parse_args(self, args=None, namespace=None):
        parsed = super().parse_args(args, namespace)
        paths = {name: _paths(value) for name, value in vars(parsed).items()}
        outputs = {name: paths.pop(name) for name in self.writes if name in paths}
        require_apart(outputs, paths, self.converts)
        return parsed


def _paths(value):
    values = value if isinstance(value, list | tuple) else [value]
    return [path for path in values if isinstance(path, Path)]


def parser(description, *, writes=("output",), converts=("input",)):
    """Argument parser of a script, with the flag ``--debug`` that every script has.

    No script writes over what it is given: all paths that a user gives are sources, but for those
    that it ``writes``.

    Args:
        description: The script's docstring; its first paragraph explains the script and the
            remaining ones follow the list of flags.
        writes: Names of the flags that say what is written.
        converts: Names of the flags whose folders are read as a whole, so that nothing may be
            written into them that the next run would take for one of its sources.
    """
    summary, _, rest = description.partition("\n\n")
    built = _Parser(
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    built.writes, built.converts = writes, converts
    built.add_argument("--debug", action="store_true", help="show the full traceback of an error")
    return built


_sources = {}  # identity of each file that a script was given -> the path


def require_apart(outputs, sources, converts=()):
    """Raise ``UserError`` where what is to be written would destroy or join what is read.

    From then on, ``require_no_source`` knows the sources.

    Args:
        outputs: Dict from the name of a flag to the paths that it gives to write.
        sources: The same of the paths to read.
        converts: Names of flags among the sources whose folders are read as a whole.
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
                    f"--{flag} {output}: lies in the folder of --{name}, whose files the next run "
                    "would take it for; choose a folder elsewhere"
                )


def require_no_source(path):
    """Raise ``UserError`` where a path is a file that the script was given to read."""
    if _sources and path.is_file() and _identity(path) in _sources:
        raise UserError(f"{path}: is one of the inputs; write elsewhere")


def _identity(path):
    status = path.stat()
    return status.st_dev, status.st_ino


def run(main, argv=None):
    """Exit with the status of ``main(argv)``; a user's mistake ends in one line and status 2.

    ``OSError`` counts as one: a full disk or a folder without permission is named by its path.
    """
    argv = sys.argv[1:] if argv is None else argv
    name = Path(sys.argv[0]).name
    _survive_surroundings()
    try:
        status = main(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted")
    except (UserError, OSError) as error:
        if "--debug" in argv:
            raise
        print(f"{name}: error: {one_line(error)}", file=sys.stderr)
        status = 2
    sys.exit(status)


def _survive_surroundings():
    """Undo settings of the user's that would end a script halfway."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not of a notebook, or of a test
            stream.reconfigure(errors="backslashreplace")  # of a letter that the terminal lacks
    if sys.warnoptions:  # PYTHONWARNINGS=error would make errors of what libraries only remark
        sys.warnoptions.clear()
        os.environ.pop("PYTHONWARNINGS", None)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")


def printable(text):
    """A name as it is safe to print: what a terminal would obey or break is escaped."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(text)
    )


def one_line(error):
    """The text of an exception on one line, an ``OSError`` with its path first; printable."""
    if isinstance(error, OSError) and error.strerror:
        path = error.filename2 or error.filename or "output"  # of two, what was to be written
        return f"{printable(path)}: {one_line(error.strerror)}"
    return printable(" ".join(str(error).split()))


def report_skipped(skipped):
    """Print what was skipped and why; the exit status of the script that did it.

    Args:
        skipped: List of (path, reason).

    Returns:
        0 when nothing was skipped, else 1.
    """
    for path, reason in skipped:
        text, name = one_line(reason), f"{printable(path)}: "
        for known in (name, one_line(f"{path}: -")[:-1]):  # many a reason names it, too
            if text.startswith(known):
                text = text[len(known) :]
                break
        print(f"{name}{text}", file=sys.stderr)
    if skipped:
        print(f"{len(skipped)} skipped, as listed above", file=sys.stderr)
    return 1 if skipped else 0


class Found(NamedTuple):
    """What a folder holds.

    Attributes:
        files: Dict from name to path of the files that are wanted, sorted: the path below the
            folder without its suffix, which stays only where the name would be that of another
            file, too.
        others: Sorted paths of the other files below the folder.
    """

    files: dict
    others: list


def find_inputs(folder, is_wanted):
    """Files below a folder, each under a name of its own, and what is not wanted: ``Found``.

    Hidden ones, whose name or folder begins with a dot, are left out: among them are the remains of
    killed runs. A link counts as what it leads to, unless that is a folder that holds the link. One
    that leads nowhere counts as a file, so that reading it tells.

    Args:
        folder: Path.
        is_wanted: Function of a path.

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


def find_files(folder, suffixes):
    """As ``find_inputs(...).files``, of the files of some suffixes, lower-case with their dot."""
    return find_inputs(folder, lambda path: path.suffix.lower() in suffixes).files


def report_others(others, what):
    """Print how many files of a folder are no input of a script, and the names of the first.

    Args:
        others: Paths, as ``Found`` has them.
        what: What they are not, such as "audio".
    """
    if others:
        names = [printable(path.name) for path in others[:_NAMED]]
        more = [f"{len(others) - _NAMED:,} more"] if len(others) > _NAMED else []
        said = f"{len(others):,} left out, no {what}: {', '.join(names + more)}"
        print(said, file=sys.stderr)


def _walk(folder):
    # rglob passes over links to folders, and over what it may not read, without a word
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


def existing_folder(text):
    """Argument type: a folder that exists."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder")
    return path


class Names(argparse.Action):
    """Action for ``nargs="+"``: a name each, or several with commas, also a Python list literal.

    A name may hold spaces, where the shell passes them on; in quotes of its own commas, too.
    """

    def __call__(self, built, namespace, values, option_string=None):
        """Store the names, each once."""
        text = ",".join(values).strip(" ,")
        if text[:1] in ("[", "("):
            text = text.strip("[]()")
        quoted_or_not = re.findall(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,]+))""", text)
        names = [name.strip() for groups in quoted_or_not for name in groups if name.strip()]
        if not names:
            raise argparse.ArgumentError(self, f"{' '.join(values)!r} holds no name")
        setattr(namespace, self.dest, list(dict.fromkeys(names)))


def on_off(text):
    """Argument type: on or off, also true/false, yes/no, 1/0."""
    if text.lower() in ("on", "true", "yes", "1"):
        return True
    if text.lower() in ("off", "false", "no", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither on nor off")


def number(kind, low=None, high=None, *, above=None, below=None):
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
