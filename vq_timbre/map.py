"""Measure the descriptors of all codes of a model.

    python -m vq_timbre.map --model models/vq_trumpet --output map

writes codes.csv, a line for each code and descriptor with mean and standard deviation, and
codebook.png, the code book on its first two principal axes, coloured by each descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import Parser, add_gpu_flag, add_seed_flag, parser, run, say
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--output", required=True, type=Path, help="folder to write")
    add_model_flag(built, "vq_trumpet")
    add_seed_flag(built, "the noise")
    add_gpu_flag(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    start_backend(args.gpu)
    from vq_timbre.descriptors import map_codes, write_table
    from vq_timbre.plots import plot_codebook
    from vq_timbre.trained import load_trained

    trained = load_trained(args.model)
    with only_run(args.output):
        table = map_codes(trained, args.seed)
        write_table(args.output / "codes.csv", table)
        plot_codebook(args.output / "codebook.png", trained, table)
    for name, values in table.mean.items():
        low, middle, high = np.nanpercentile(values, [0, 50, 100])
        say(f"{name}: {low:.4g} to {high:.4g}, median {middle:.4g}")
    say(f"{args.output}: {len(trained.code_vectors)} codes")
    return 0


if __name__ == "__main__":
    run(main)
