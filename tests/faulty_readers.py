"""Readers with each fault that ``stress.fuzz`` looks for; its child processes import them.

They read files correctly that do not begin with an exclamation mark.
"""

import os
import signal

import numpy as np

from stress import fuzz


def _at_mark(fault):
    def read(path):
        if path.read_bytes().startswith(b"!"):
            fault(path)

    return read


def _hang(path):
    while True:
        pass


def _fail(path):
    raise KeyError(path)


def crash():
    return _at_mark(lambda path: os.kill(os.getpid(), signal.SIGSEGV))


def hang():
    return _at_mark(_hang)


def memory():
    fuzz.MEMORY = 10**8  # only in the child, because filling a GB takes long
    return _at_mark(lambda path: np.ones(3 * 10**8, np.int8))


def claim():
    return _at_mark(lambda path: np.empty(10**12))


def fail():
    return _at_mark(_fail)
