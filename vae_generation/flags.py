"""Argument types of this system."""

import argparse

PREDICTOR = "predictor"  # folder of the recurrent network, in that of its auto-encoder


def stride(text):
    """Argument type: one stride for both axes, "2", or one for each, "2x1" (rows, columns)."""
    try:
        parts = [int(part) for part in text.split("x")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2) or not all(1 <= part <= 8 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no stride, such as 2 or 2x1")
    return [parts[0], parts[-1]]  # as config.json gives it back
