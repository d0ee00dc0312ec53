"""Memory that is freed and asked for again."""

import subprocess
import sys

import pytest

_FAULTS = """
import ctypes, resource
from common.work.memory import keep_freed_memory
{begin}
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
counts = []
for _ in range(6):
    block = library.malloc(2**26)
    library.memset(block, 1, 2**26)
    library.free(block)
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(counts[-1] - counts[0])
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the GNU C library has the setting"
)
def test_what_is_freed_is_not_asked_for_again():
    def faults(begin):
        code = _FAULTS.format(begin=begin)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    if faults("") == 0:
        pytest.skip("this C library keeps what is freed")
    assert faults("assert keep_freed_memory()") * 4 < faults("")
