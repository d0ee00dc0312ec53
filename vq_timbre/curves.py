"""Curves over time, from text files."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from common.cli import UserError, missing

LONGEST_SECONDS = 3600


def read_curve(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a curve: ``(seconds, values)``, (points,) each.

    Each line has a time in seconds and a value, separated by a comma, a semicolon, blanks or a tab;
    times ascend from 0 or later. A first line of words, empty lines, and lines that begin with #
    are skipped.

    Raises:
        UserError: Missing, or something else is in it.
    """
    if not path.is_file():
        raise UserError(f"{path}: {missing(path)}; give lines of seconds and values")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text; give lines of seconds and values") from None
    points = []
    for number, line in enumerate(lines, start=1):
        words = re.split(r"[,;\s]+", line.strip())
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            seconds, value = map(float, words)
        except ValueError:
            if not points and number == 1:  # a heading
                continue
            raise UserError(f"{path}: line {number}: write a time in seconds and a value") from None
        if not (math.isfinite(value) and 0 <= seconds <= LONGEST_SECONDS):
            raise UserError(
                f"{path}: line {number}: times lie between 0 and {LONGEST_SECONDS} s, and values "
                "are finite"
            )
        if points and seconds <= points[-1][0]:
            raise UserError(f"{path}: line {number}: times have to ascend")
        points.append((seconds, value))
    if len(points) < 2:
        raise UserError(f"{path}: holds fewer than two points; give lines of seconds and values")
    seconds, values = np.array(points).T
    return seconds, values
