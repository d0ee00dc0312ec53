"""Memory that a process frees, and what becomes of it."""

from __future__ import annotations

import ctypes
import sys

# of mallopt, in the GNU C library's malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_PAD = 128 * 2**20  # bytes by which the heap grows at least
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for its next tensors.

    By default, the GNU C library gives large blocks back to the system, which has to clear their
    pages when they are asked for again: in each step of a training, for all of its tensors.

    Returns:
        Whether it could be set; other C libraries have no such setting.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER, _TOP_PAD: _PAD}
    return all(mallopt(name, value) for name, value in settings.items())
