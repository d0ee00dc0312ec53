"""Times of events that were heard, beside the true ones: which belong together, and F1."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

TOLERANCE = 0.05  # seconds, of onsets, as in MIREX


def matches(truth: np.ndarray, found: np.ndarray, tolerance: float = TOLERANCE) -> int:
    """Largest number of pairs of times that are within a tolerance, each in one pair at most.

    Args:
        truth, found: Times in seconds, ascending.
        tolerance: Seconds.
    """
    count = i = j = 0
    while i < len(truth) and j < len(found):
        distance = found[j] - truth[i]
        if abs(distance) <= tolerance + 1e-9:
            count, i, j = count + 1, i + 1, j + 1
        elif distance < 0:
            j += 1
        else:
            i += 1
    return count


def event_f1(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """F1 of events over several recordings or kinds together, in [0, 1]; 0 if there are none.

    Args:
        pairs: Times of the true events and of those that were found, in seconds, in any order.
    """
    hits = events = 0
    for truth, found in pairs:
        hits += matches(np.sort(truth), np.sort(found))
        events += len(truth) + len(found)
    return 2 * hits / max(events, 1)
