"""Draw maps of the latent space: descriptors of timbre on planes through its centre.

    python -m move.traverse --note "violin C#3" --output maps.png

Each map shows how a descriptor of the decoded slices changes over two axes of the space, from -2 to
2, while the others are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.audio.descriptors import describe_shape
from common.cli import Parser, UserError, number, parser, run, say
from common.trained import add_model_flag
from common.training.devices import start_backend

if TYPE_CHECKING:
    from move.trained import TrainedMove


SHOWN = ("centroid", "bandwidth", "rolloff", "flatness", "sharpness")
_REACH = 2.0


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--note", required=True, help='instrument and pitch: "violin C#3"')
    built.add_argument("--output", type=Path, required=True, help="PNG file to write")
    add_model_flag(built, "move_orchestra")
    built.add_flag("--points", 15, "number of points along an axis", type=number(int, 2, 100))
    return built


def descriptor_maps(
    trained: TrainedMove, instrument: str, pitch: int, axes: tuple[int, int], points: int
) -> dict[str, np.ndarray]:
    """Maps of the descriptors ``SHOWN``.

    Args:
        trained: ``move.trained.TrainedMove``.
        instrument: Name.
        pitch: MIDI number.
        axes: Numbers of two axes of the latent space.
        points: Number of points along each.

    Returns:
        Dict from name to (points, points): rows along the second axis, upwards.
    """
    line = np.linspace(-_REACH, _REACH, points)
    latents = np.zeros((points * points, trained.dims), np.float32)
    latents[:, axes[0]], latents[:, axes[1]] = np.tile(line, points), np.repeat(line, points)
    decoded = trained.decode_slices(latents, np.full(len(latents), pitch), instrument)
    images = trained.slices.images(decoded.shape[2])
    hertz = trained.slices.transform.frequencies
    found = []
    for image in decoded:
        power = np.square(images.magnitude(image)).mean(axis=1)
        shape = describe_shape(power, hertz) if power.any() else dict.fromkeys(SHOWN, np.nan)
        found.append([shape[name] for name in SHOWN])
    grids = np.array(found).T.reshape(len(SHOWN), points, points)
    return dict(zip(SHOWN, grids, strict=True))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.output.suffix.lower() != ".png":
        raise UserError(f"--output {args.output}: end it in .png")
    start_backend(None)
    from common.report.plots import Panel, image_grid, save_figure
    from move.trained import load_trained

    trained = load_trained(args.model)
    if trained.dims < 2:
        raise UserError(f"{args.model}: has one latent dimension, which makes no plane")
    instrument, pitch = trained.conditions.note(args.note)
    planes = [(one, (one + 1) % trained.dims) for one in range(min(trained.dims, 3))]
    panels, rows = [], []
    for axes in planes[: 1 if trained.dims == 2 else 3]:
        maps = descriptor_maps(trained, instrument, pitch, axes, args.points)
        limits = [(np.nanmin(grid), np.nanmax(grid)) for grid in maps.values()]
        panels += [
            Panel(grid, name, limit)
            for (name, grid), limit in zip(maps.items(), limits, strict=True)
        ]
        rows.append(f"latent {axes[0] + 1} (right), {axes[1] + 1} (up)")
    figure = image_grid(panels, size=(2.4, 2.4), columns=len(SHOWN), rows=rows, bar="")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, args.output)
    say(f"{args.output}: {len(panels)} maps of {instrument}, pitch {pitch}")
    return 0


if __name__ == "__main__":
    run(main)
