"""What a network costs: floating-point operations, memory, time on one core."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from common.cli import UserError
from trimming.walk import graph_of, walk

if TYPE_CHECKING:
    import keras

ROOT = Path(__file__).parent.parent


class Board(NamedTuple):
    """What a board offers, as 2007.16170 has it.

    Attributes:
        name: Name of the board.
        flops: Floating-point operations a second.
        storage: Bytes.
        memory: Bytes.
    """

    name: str
    flops: float
    storage: float
    memory: float


BOARDS = (
    Board("ATMega1280", 160e3, 128e3, 8e3),
    Board("ATMega2560", 320e3, 256e3, 16e3),
    Board("RPi 1B", 41e6, 256e6, 512e6),
    Board("RPi 2B", 53e6, 1e9, 1e9),
)
_BYTES = 4  # of a number
_VIEWS = {"Dropout", "Flatten", "Identity", "Reshape"}  # layers whose output is their input


def count_flops(model: keras.Model, length: int = 1) -> int:
    """Floating-point operations for one example: two for each product with a weight.

    Activations, normalisations (which can be part of the weights) and sums are not counted.

    Args:
        model: Built functional or Sequential model.
        length: Length for axes of open length.
    """
    total = 0

    def size(shape):
        return math.prod(length if one is None else one for one in shape)

    def visit(layer, _path, node, _given):
        nonlocal total
        given, made = (
            tensors[0].shape for tensors in (node.input_tensors or node.outputs, node.outputs)
        )
        kernels = [one for one in layer.weights if one.path.endswith("kernel")]
        if "Transpose" in type(layer).__name__:
            places = size(given[1:-1])
        elif hasattr(layer, "cell"):
            places = size(given[1:2])  # steps
        else:
            places = size(made[1:-1])
        total += 2 * places * sum(math.prod(kernel.shape) for kernel in kernels)
        return [None] * len(node.outputs)

    walk(model, [None] * len(graph_of(model).inputs), visit)
    return total


def count_memory(model: keras.Model, length: int = 1) -> int:
    """Bytes that a network needs for one example, computed, not measured.

    All weights, and the tensors between layers in float32, each from the call that makes it to the
    last one that uses it: the largest sum in the order of the calls. What a layer needs inside
    itself is not counted.

    Args:
        model: Built functional or Sequential model.
        length: Length for axes of open length.
    """
    sizes, calls = [], []

    def tensors(made):
        start = len(sizes)
        shapes = [[length if one is None else one for one in tensor.shape[1:]] for tensor in made]
        sizes.extend(_BYTES * math.prod(shape) for shape in shapes)
        return list(range(start, len(sizes)))

    def visit(layer, _path, node, given):
        if node.is_input or type(layer).__name__ in _VIEWS:
            return given
        calls.append((given, tensors(node.outputs)))
        return calls[-1][1]

    inputs = tensors(graph_of(model).inputs)
    outputs = walk(model, inputs, visit)
    last = {one: number for number, (given, _) in enumerate(calls) for one in given}
    last |= dict.fromkeys(outputs, len(calls))
    living, most = set(inputs), 0
    for number, (_, made) in enumerate(calls):
        living |= set(made)
        most = max(most, sum(sizes[one] for one in living))
        living = {one for one in living if last.get(one, 0) > number}
    return most + _BYTES * model.count_params()


def measure_latency(paths: Iterable[Path | str], length: int = 1, repeats: int = 30) -> list[float]:
    """Measure how long networks take for one example on one core.

    A separate process, which sees a single core, takes turns between the networks.

    Args:
        paths: Files of whole networks, ``save_h5``.
        length: Length for axes of open length.
        repeats: Number of turns.

    Returns:
        List of medians, seconds.

    Raises:
        UserError: The process failed.
    """
    command = [sys.executable, "-m", "trimming.latency", str(length), str(repeats)]
    command += [str(Path(path).resolve()) for path in paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(f"trimming.latency: failed ({reason[0]})")
    return json.loads(done.stdout.splitlines()[-1])
