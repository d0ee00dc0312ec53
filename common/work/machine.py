"""What this machine gives to a process: cores and memory, also in a container or a batch job."""

import os
from pathlib import Path

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_UNKNOWN_MEMORY = 16 * 2**30  # bytes, where the system does not tell


def cores():
    """Number of processes that can compute at once, at least 1.

    No more than the process may run on (affinity) and than its cgroup grants, if any.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        count = os.cpu_count() or 1
    for folder in _cgroups("cpu"):
        quota = _numbers(folder / "cpu.max") or [
            *_numbers(folder / "cpu.cfs_quota_us"),
            *_numbers(folder / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0] > 0 < quota[1]:
            count = min(count, max(quota[0] // quota[1], 1))
    return count


def memory():
    """Bytes of memory that the process may take: the machine's, or less if its cgroup has less."""
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        size = _UNKNOWN_MEMORY
    for folder in _cgroups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            size = min([size, *_numbers(folder / name)])
    return size


def _cgroups(controller):
    """Folders of the cgroups that limit this process, of version 2 or 1, the outer ones, too."""
    try:
        lines = _OWN_CGROUPS.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root = _CGROUPS
        elif controller in controllers.split(","):
            root = _CGROUPS / controller
        else:
            continue
        # in a container the path may be that of the machine, of which only the root is seen
        folder = root / path.lstrip("/")
        while folder != root:
            yield folder
            folder = folder.parent
        yield root


def _numbers(path):
    """Whole numbers in a file; none where it is missing or sets no limit."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):  # "max"
        return []
