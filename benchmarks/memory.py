"""Peak memory of a process."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory():
    """Return the largest memory that this process has used, in bytes.

    On Linux it is read from /proc, because the count of ``getrusage`` begins with the memory of
    the process that started this one. Other systems offer only ``getrusage``.
    """
    if _STATUS.exists():
        return 1024 * int(_STATUS.read_text().split("VmHWM:")[1].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
