"""Make sound whose descriptor follows a curve.

    python -m vq_timbre.synthesize --descriptor centroid --curve curve.csv --output swept.wav

Files of curves have lines of seconds and values, which are joined by straight lines: Hz (the
flatness: 0 to 1) for --curve, dB below full scale for --gain. At each frame, the code whose
descriptor is expected nearest to the curve is taken, and all are decoded together. Targets that no
code reaches are reported. Beside the output, <name>.png shows both curves above the spectrogram.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import Parser, UserError, add_gpu_flag, add_seed_flag, parser, run, say
from common.files.audio import PEAK, peak, require_audio_suffix, write_audio
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run
from vq_timbre.curves import read_curve
from vq_timbre.descriptors import (
    NAMES,
    choose_codes,
    describe_audio,
    frame_seconds,
    rank_correlation,
    read_table,
)
from vq_timbre.frames import CONTEXT, hops_of

_GAIN_DB = -20.0


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--descriptor", required=True, choices=NAMES, help="descriptor that the curve draws"
    )
    built.add_argument("--curve", required=True, type=Path, help="text file of the curve")
    built.add_argument(
        "--gain",
        type=Path,
        help=f"text file of the level (default: {_GAIN_DB:g} dB throughout)",
    )
    built.add_argument("--output", required=True, type=Path, help="audio file to write")
    add_model_flag(built, "vq_trumpet")
    add_seed_flag(built, "the noise")
    add_gpu_flag(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio_suffix(args.output)
    curve = read_curve(args.curve)
    gain = read_curve(args.gain) if args.gain else None
    if gain is not None and gain[1].max() > 0:
        raise UserError(f"{args.gain}: has levels above 0 dB, which is full scale")
    with only_run(args.output, folder=False):
        return synthesize(args, curve, gain)


def synthesize(args: argparse.Namespace, curve: tuple, gain: tuple | None) -> int:
    """Write the sound and its picture; the exit status of the script."""
    start_backend(args.gpu)
    from vq_timbre.plots import plot_curve
    from vq_timbre.trained import load_trained

    trained, name = load_trained(args.model), args.descriptor
    frames = hops_of(int(curve[0][-1] * trained.sample_rate)) + CONTEXT
    seconds = frame_seconds(frames, trained.sample_rate)
    target = np.interp(seconds, *curve)
    decibels = np.full(frames, _GAIN_DB) if gain is None else np.interp(seconds, *gain)
    choice = choose_codes(read_table(trained, args.model), name, target)
    audio = trained.decode_codes(choice.codes, 10 ** (decibels / 20), seed=args.seed)
    audio *= min(1, PEAK / max(peak(audio), 1e-9))
    measured = describe_audio(audio, trained.sample_rate)[name]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    write_audio(args.output, audio, trained.sample_rate)
    curves = {"target": target, "measured": measured}
    plot_curve(args.output.with_suffix(".png"), audio, trained.sample_rate, name, curves)
    say(
        f"{args.output}: {audio.size / trained.sample_rate:.1f} s, rank correlation of target and "
        f"measured {name} {rank_correlation(target, measured):.2f}"
    )
    if choice.beyond:
        say(
            f"{choice.beyond:.0%} of the targets are out of reach: the codes have a {name} of "
            f"{choice.low:.4g} to {choice.high:.4g}; the nearest code is played there"
        )
    return 0


if __name__ == "__main__":
    run(main)
