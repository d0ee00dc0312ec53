"""How much memory a process has held."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory():
    """Bytes of memory that this process has held at most.

    On Linux not what ``getrusage`` says, which begins with what the process that started this one
    held then. Elsewhere there is nothing else.
    """
    if _STATUS.exists():
        return 1024 * int(_STATUS.read_text().split("VmHWM:")[1].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
