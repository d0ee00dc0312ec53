"""Tasks for tests of parallel work, in a file of their own so that workers import little."""

import errno
import os
import signal
import time

from common.cli import UserError
from common.files.atomic import replace_when_done
from common.files.audio import AudioFileError


def halve(task):
    if task == 3:
        raise UserError("3: odd")
    if task == 5:
        raise AudioFileError("5: odd")
    time.sleep(0.1 / task)  # later tasks end first
    return task / 2


def fail_at_once(folder, task):
    if task == 0:
        raise OSError(errno.ENOSPC, "No space left on device", "out.wav")
    with replace_when_done(folder / f"{task}.txt") as temporary:
        temporary.write_text("half")
        time.sleep(0.3)


def kill_the_worker(folder, task):
    if task == "heavy.mid":
        with replace_when_done(folder / task) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    return task


def write_slowly(path, begun, barrier):
    """Write half of a file, wait until others have begun to write it, and write the rest."""
    with replace_when_done(path) as temporary, temporary.open("w") as file:
        file.write("first half,")
        file.flush()
        begun.append(temporary)
        barrier.wait()
        file.write("second half")
