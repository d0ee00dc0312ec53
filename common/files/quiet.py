"""Suppress messages that libraries print on stderr by themselves."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def quiet_decoder(path: Path | str) -> Iterator[None]:
    """Context manager that suppresses what libmpg123 prints on stderr about MPEG audio."""
    with Path(path).open("rb") as file:
        begin = file.read(2)
    if Path(path).suffix.lower() != ".mp3" and begin != b"ID" and begin < b"\xff\xe0":
        yield
    else:
        with silent_stderr():
            yield


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Context manager that suppresses all output to stderr, including that of C++ libraries."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
