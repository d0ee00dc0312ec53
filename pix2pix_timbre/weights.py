"""Weight files of generators: recognise and load them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from common.cli import UserError, missing
from common.files.hdf5 import UNREADABLE, open_hdf5
from common.files.kinds import true_kind
from common.training.weights import is_classic, load_into

if TYPE_CHECKING:
    import keras


GENERATOR_DEPTH = 8  # 256 halved eight times: one value at the bottom
MAX_WIDTH_FACTOR = 8

# Purpose of a generator, by its input and output channels.
WAYS = {
    (1, 1): "predict.py",
    (2, 1): "predict_multitarget.py",
    (2, 2): "predict.py --phase network",
}


class Shape(NamedTuple):
    """Arguments of ``pix2pix_timbre.model.build_generator`` that distinguish generators."""

    width: int | tuple[int, ...]
    channels: int
    outputs: int


def widths_of(width: int, depth: int) -> tuple[int, ...]:
    """Filters of the down blocks of a network: the first width, doubled at most three times."""
    return tuple(width * min(2**step, MAX_WIDTH_FACTOR) for step in range(depth))


def generator_widths(width: int | tuple[int, ...]) -> tuple[int, ...]:
    """Filters of the down blocks of a generator, and then of its up blocks: (15,) integers.

    Args:
        width: Filters of the first block; or those of all blocks, where they are not regular.
    """
    if not isinstance(width, int):
        return tuple(width)
    down = widths_of(width, GENERATOR_DEPTH)
    return down + down[-2::-1]


def generator_shape(path: Path) -> Shape:
    """Find the ``Shape`` of the generator in a weights file.

    Args:
        path: HDF5 file of any name: a whole model or weights alone, of Keras 2 or 3.

    Raises:
        UserError: The file is missing, damaged, or not of a generator of this architecture.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: {missing(path, 'file of weights')}")
    try:
        with open_hdf5(path) as file:
            kernels = _kernels(file)
    except UNREADABLE as error:
        damaged = f"not a readable .h5 file of weights ({error}); take another copy"
        reason = true_kind(path) or damaged
        raise UserError(f"{path}: {reason}") from error
    if len(kernels) != 2 * GENERATOR_DEPTH or any(len(kernel) != 4 for kernel in kernels):
        raise UserError(f"{path}: holds no Pix2Pix generator; expected generator.h5 of a training")
    down, up = kernels[:GENERATOR_DEPTH], kernels[GENERATOR_DEPTH:-1]
    widths = tuple(map(int, [*(kernel[3] for kernel in down), *(kernel[2] for kernel in up)]))
    regular = generator_widths(widths[0])
    irregular = widths != regular and min(widths) > 0 and _fit_together(kernels, widths)
    return Shape(widths if irregular else widths[0], kernels[0][2], kernels[-1][2])


def _fit_together(kernels, widths):
    """Whether each block takes as many channels as those before it give: then it was trimmed."""
    down, up = widths[:GENERATOR_DEPTH], widths[GENERATOR_DEPTH:]
    joined = [above + skip for above, skip in zip(up, down[-2::-1], strict=True)]
    found = [kernel[2] for kernel in kernels[1:GENERATOR_DEPTH]]
    found += [kernel[3] for kernel in kernels[GENERATOR_DEPTH:]]
    return found == [*down[:-1], down[-1], *joined]


def _kernels(file):
    """Shapes of the first weight of each layer, in the order of the network."""
    if is_classic(file):
        layers = file.get("model_weights", file)  # absent if only weights were saved
        return [
            layers[name][layers[name].attrs["weight_names"][0]].shape
            for name in layers.attrs["layer_names"]
            if len(layers[name].attrs["weight_names"])
        ]
    # Keras 3 counts the blocks sequential, sequential_1, ...; the last layer is in none
    found = {}

    def visit(name, item):
        if len(getattr(item, "shape", ())) == 4:
            block = name.split("/")[0]
            number = block.removeprefix("sequential").lstrip("_") or "0"
            found[int(number) if number.isdigit() else 2 * GENERATOR_DEPTH] = item.shape

    file["layers"].visititems(visit)
    return [found[number] for number in sorted(found)]


def load_generator(path: Path, channels: int = 1, outputs: int = 1) -> keras.Model:
    """Build the generator for a weights file, and load the weights.

    Args:
        path: HDF5 file of ``train.py``, or of the published code.
        channels: Input channels that the caller will give.
        outputs: Output channels that it expects.

    Returns:
        Keras model in inference mode.

    Raises:
        UserError: As ``generator_shape``; another number of channels; another architecture.
    """
    shape = require_channels(path, channels, outputs)
    from pix2pix_timbre.model import build_generator

    generator = build_generator(shape.width, channels, outputs=outputs)
    load_into(generator, path)
    generator.trainable = False
    return generator


def require_channels(path: Path, channels: int, outputs: int) -> Shape:
    """Find the ``Shape`` of a generator; ``UserError`` if it takes or gives other channels.

    Args:
        path, channels, outputs: As of ``load_generator``.
    """
    shape = generator_shape(path)
    if shape[1:] != (channels, outputs):
        way = WAYS.get(shape[1:])
        if way is None:
            raise UserError(
                f"{path}: weights of another architecture ({shape.channels} input channels, "
                f"{shape.outputs} output channels)"
            )
        raise UserError(f"{path}: the model takes {shape.channels} input channels; use {way}")
    return shape
