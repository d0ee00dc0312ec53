"""Draw maps of the latent space: descriptors of timbre on planes through its centre.

    python -m move.traverse --note "violin C#3" --output maps.png

Each map shows how a descriptor of the decoded slices changes over two axes of the space, from -2 to
2, while the others are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.cli import Parser, UserError, about, number, parser, run, say
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--note", required=True, help='instrument and pitch: "violin C#3"')
    built.add_argument("--output", type=Path, required=True, help="PNG file to write")
    add_model_flag(built, "move_orchestra")
    built.add_flag("--points", 15, "number of points along an axis", type=number(int, 2, 100))
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    if args.output.suffix.lower() != ".png":
        raise UserError(f"--output {args.output}: end it in .png")
    start_backend(None)
    from common.report.maps import draw_maps
    from common.report.plots import save_figure
    from move.trained import load_trained

    trained = load_trained(args.model)
    if trained.dims < 2:
        raise UserError(f"{args.model}: has one latent dimension, which makes no plane")
    with about("--note"):
        instrument, pitch = trained.conditions.note(args.note)
    power_of = partial(trained.mean_power, pitch=pitch, instrument=instrument)
    hertz = trained.slices.transform.frequencies
    figure = draw_maps(power_of, hertz, trained.dims, args.points)
    with only_run(args.output, folder=False):
        save_figure(figure, args.output)
    say(f"{args.output}: maps of {instrument}, pitch {pitch}")
    return 0


if __name__ == "__main__":
    run(main)
