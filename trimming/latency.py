"""Time networks on one core; ``trimming.cost.measure_latency`` starts this as a process.

    python -m trimming.latency LENGTH REPEATS FILE.h5 ...

prints a JSON list of the median seconds of each for one example.
"""

from __future__ import annotations

import json
import os
import sys
import time
from statistics import median


def main(argv: list[str]) -> int:
    """Measure, and print; exit status 0."""
    length, repeats, *paths = argv
    if hasattr(os, "sched_setaffinity"):  # before the backend counts the cores
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"

    from common.training.devices import start_backend

    start_backend("")
    import keras
    import numpy as np

    from common.training.devices import compiled
    from trimming.walk import packed

    calls = []
    for path in paths:
        model = keras.models.load_model(path, compile=False)
        shapes = [[int(length) if n is None else n for n in one.shape[1:]] for one in model.inputs]
        given = [np.zeros((1, *shape), np.float32) for shape in shapes]
        function = compiled(lambda *tensors, model=model: model(packed(model, list(tensors))))
        calls.append(
            lambda function=function, given=given: np.asarray(
                keras.tree.flatten(function(*given))[0]
            )
        )
    for call in calls:
        call()  # compiles
    seconds = [[] for _ in calls]
    for _ in range(int(repeats)):
        for call, found in zip(calls, seconds, strict=True):
            begin = time.perf_counter()
            call()
            found.append(time.perf_counter() - begin)
    print(json.dumps([median(found) for found in seconds]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
