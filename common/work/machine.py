"""Cores and memory that this process may use, also in a container or a batch job."""

import os
from pathlib import Path

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_PROCESSOR = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one: ARM
_UNKNOWN_MEMORY = 16 * 2**30  # bytes; assumed if the system does not tell


def cores() -> int:
    """Number of cores that this process may use, at least 1.

    Limits by CPU affinity and cgroups are respected.
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


def memory() -> int:
    """Memory in bytes that this process may use: that of the machine or of its cgroup."""
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        size = _UNKNOWN_MEMORY
    for folder in _cgroups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            size = min([size, *_numbers(folder / name)])
    return size


def computes_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16; True if the system does not tell.

    Without them TensorFlow and JAX emulate it, which is several times slower than float32.
    """
    try:
        lines = _PROCESSOR.read_text().splitlines()
    except OSError:  # not Linux
        return True
    flags = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))]
    return not flags or not _BFLOAT16_FLAGS.isdisjoint(flags[0].split())


def _cgroups(controller):
    """Folders of all cgroups (version 1 or 2) that limit this process, including outer ones."""
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
        # in a container the path may be that of the host, of which only the root is visible
        folder = root / path.lstrip("/")
        while folder != root:
            yield folder
            folder = folder.parent
        yield root


def _numbers(path):
    """Whole numbers in a file; an empty list if it is missing or sets no limit."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):  # "max"
        return []
