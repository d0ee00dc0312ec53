"""Play the content of one recording in the style of another, with no training.

    mix="python -m random_cnn_style.mix"
    $mix --content piano.wav --style guitar.wav --output mixed.wav
    $mix --content piano.wav --style guitar.wav bird.wav --weights 2 1 --output both.wav
    $mix --content piano.wav --style guitar.wav --sweep 0.03:3:5 --output sweep
    $mix --style rain.wav --texture 20 --output more_rain.wav
    $mix --style guitar.wav --save_style guitar.h5

Searches for a spectrogram whose features, in one random convolution over time, equal those of the
content, and whose Gram matrix of features equals that of the style (Ulyanov and Lebedev 2016).
--sweep writes one file for each alpha, and sweep.html to compare them. --published works as in the
publication: losses without normalisation, a search that starts from noise, alpha 0.01.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import (
    Parser,
    UserError,
    add_gpu_flag,
    add_seed_flag,
    counted,
    number,
    parser,
    require_folder,
    run,
    say,
)
from common.files.audio import (
    AudioWriter,
    kept_subtype,
    read_header,
    require_audio_suffix,
    resample,
    safe_peak,
)
from common.training.devices import start_backend
from common.work.lock import only_run
from data import load_audio, write_audio
from random_cnn_style.report import style_sound, write_report, write_sweep_page
from random_cnn_style.spectrogram import SAMPLE_RATE, TRANSFORMS
from random_cnn_style.style import MOST_FILTERS, MOST_KERNEL

if TYPE_CHECKING:
    from random_cnn_style.style import Style
    from random_cnn_style.transfer import Settings, Transfer


_STYLE_SUFFIX = ".h5"


def sweep(text: str) -> list[float]:
    """Argument type: ``lo:hi:n``, numbers in geometric steps."""
    import argparse

    try:
        low, high, count = text.split(":")
        low, high, count = float(low), float(high), int(count)
    except ValueError:
        count = 0
    if not (2 <= count <= 100 and 0 < low < high < np.inf):
        raise argparse.ArgumentTypeError(f"{text!r} is no sweep, such as 0.03:3:5")
    return [float(value) for value in np.geomspace(low, high, count)]


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__, writes=("output", "save_style", "report"))
    built.add_argument("--content", type=Path, help="recording whose melody and rhythm are kept")
    built.add_argument(
        "--style",
        type=Path,
        nargs="+",
        required=True,
        help="recordings, or styles saved by --save_style (.h5)",
    )
    built.add_argument(
        "--weights",
        type=number(float, above=0),
        nargs="+",
        help="weights of the styles, one for each (default: all equal)",
    )
    built.add_argument("--output", type=Path, help="audio file to write, or folder for --sweep")
    built.add_argument("--save_style", type=Path, help="file to save the style in (.h5)")
    built.add_argument(
        "--alpha",
        type=number(float, 0),
        help="weight of the content relative to the style (default: 1; with --published: 0.01)",
    )
    built.add_argument(
        "--sweep",
        type=sweep,
        metavar="LO:HI:N",
        help="range of alphas: N values from LO to HI in equal ratios, one result for each",
    )
    built.add_argument(
        "--texture",
        type=number(float, above=0, high=600),
        metavar="SECONDS",
        help="length in seconds of a sound made from the style alone, without content",
    )
    built.add_flag("--iterations", 300, "number of iterations of the search", type=number(int, 1))
    built.add_argument(
        "--filters",
        type=number(int, 1, MOST_FILTERS),
        default=4096,
        help="number of filters of the random layer (default: 4096; 1024 for a draft)",
    )
    built.add_flag(
        "--kernel",
        11,
        "length of the filters in columns of the spectrogram, 23 ms each",
        type=number(int, 1, MOST_KERNEL),
    )
    built.add_flag(
        "--networks",
        1,
        "number of random layers, whose losses are averaged",
        type=number(int, 1, 16),
    )
    built.add_argument(
        "--init", choices=["noise", "content"], help="start of the search (default: content)"
    )
    built.add_flag("--optimiser", "lbfgs", "optimiser of the search", choices=["lbfgs", "adam"])
    built.add_argument(
        "--spectrogram",
        choices=list(TRANSFORMS),
        help="kind of spectrogram: short-time Fourier, or constant-Q, whose bins are equally wide "
        "in pitch (default: stft)",
    )
    built.add_argument(
        "--published",
        action="store_true",
        help="use the losses, start and phase of the publication",
    )
    add_seed_flag(built, "filters and noise")
    built.add_argument(
        "--report",
        type=Path,
        help="output folder for spectrograms, curves and history.csv (default: none)",
    )
    add_gpu_flag(built)
    return built


def check(args: argparse.Namespace) -> None:
    """Raise ``UserError`` for flags that contradict each other."""
    if args.texture is None and args.content is None and args.save_style is None:
        raise UserError("--content: give a recording, or --texture SECONDS for a style alone")
    for flag in ("content", "sweep", "alpha"):
        if args.texture is not None and getattr(args, flag) is not None:
            raise UserError(f"--texture: has no content; leave out --{flag}")
    if args.sweep and args.alpha is not None:
        raise UserError("--sweep: sets alpha; leave out --alpha")
    if (args.content or args.texture) and args.output is None:
        raise UserError("--output: give a file to write")
    if args.weights and len(args.weights) != len(args.style):
        raise UserError(f"--weights: {len(args.weights)} for {counted(len(args.style), 'style')}")
    if args.output and args.sweep:
        require_folder(args.output)
    if args.output and not args.sweep:
        require_audio_suffix(args.output)
    if args.save_style:
        if args.save_style.suffix != _STYLE_SUFFIX:
            raise UserError(f"--save_style {args.save_style}: end it in {_STYLE_SUFFIX}")
        if args.networks > 1:
            raise UserError("--save_style: a file holds the style of one network; leave --networks")
    if args.init == "content" and args.texture:
        raise UserError("--init content: a texture has none")


def settings_of(published: bool, given: dict[str, Any]) -> Settings:
    """Return the published or default ``Settings``, with the given fields replaced.

    Args:
        published: Whether to start from the published settings.
        given: Dict from field to value; None and other names are ignored.
    """
    from random_cnn_style.transfer import PUBLISHED, Settings

    fields = {name: given[name] for name in Settings._fields if given.get(name) is not None}
    return (PUBLISHED if published else Settings())._replace(**fields)


def open_styles(
    paths: Sequence[Path], weights: Sequence[float] | None, transfer: Transfer
) -> list[Style]:
    """Read the style of recordings and saved styles, one for each random network.

    Args:
        paths: Audio files, and files written by ``Style.save``.
        weights: Weight of each path, or None for equal weights.
        transfer: ``Transfer``.

    Raises:
        UserError: A saved style of another network than the transfer has.
    """
    from random_cnn_style.style import load_style

    banks = []
    for path in paths:
        if path.suffix != _STYLE_SUFFIX:
            banks.append(
                transfer.styles(load_audio(path, sample_rate=SAMPLE_RATE)[0], f"--style {path}")
            )
            continue
        banks.append([load_style(path)])
        network = banks[-1][0].network
        if [network] != transfer.networks:
            raise UserError(
                f"--style {path}: goes with --filters {network.filters} --kernel {network.kernel} "
                f"--seed {network.seed} --spectrogram {network.transform} --networks 1; give these"
            )
    if len(banks) == 1:
        return banks[0]
    return transfer.blended(banks, weights or [1] * len(banks))


def describe(transfer: Transfer, audio: np.ndarray, spent: float) -> None:
    """Print the time that a search took."""
    losses, slopes = transfer.seconds
    print(
        f"{audio.shape[-1] / SAMPLE_RATE:.1f} s of sound in {spent:.0f} s: {transfer.evaluations} "
        f"evaluations, losses {losses:.0f} s, slopes {slopes:.0f} s"
    )


def write(path: Path, audio: np.ndarray, rate: int, content: Path | None = None) -> None:
    """Write a result at a sample rate, as deep as the content, and say so."""
    audio = safe_peak(resample(audio, SAMPLE_RATE, rate))
    write_audio(path, audio, rate, content and kept_subtype(read_header(content), path))
    say(f"{path}: {audio.shape[-1] / rate:.1f} s")


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    check(args)
    outputs = {(args.output, bool(args.sweep)), (args.save_style, False), (args.report, True)}
    with contextlib.ExitStack() as stack:
        for path, folder in outputs:
            stack.enter_context(only_run(path, folder=folder))
        return make(args)


def make(args: argparse.Namespace) -> int:
    """Do what the flags say; return the exit status of the script."""
    content, rate = None, SAMPLE_RATE
    if args.content:
        content, rate = load_audio(args.content, sample_rate=None, mono=False)
        if not args.sweep:
            AudioWriter(args.output, rate, len(content))  # refuses what its format cannot hold
        content = resample(content, rate, SAMPLE_RATE)
    elif args.output and not args.sweep:
        AudioWriter(args.output, rate, 1)
    style = style_sound(args.style)
    if args.sweep and style is None:
        raise UserError("--sweep: compares with a recording; give one as --style")
    start_backend(args.gpu)
    from random_cnn_style.transfer import Transfer

    settings = settings_of(args.published, vars(args))
    results, transfer = {}, None
    for alpha in args.sweep or [settings.alpha]:
        transfer = Transfer(settings._replace(alpha=alpha))
        styles = open_styles(args.style, args.weights, transfer)
        if args.save_style:
            styles[0].save(args.save_style)
            say(f"{args.save_style}: style of {counted(len(args.style), 'file')}")
        if args.output is None:
            return 0
        begin = time.perf_counter()
        if args.texture:
            result = transfer.texture(args.texture, styles)
        else:
            result = transfer.mix(content, styles, f"--content {args.content}")
        path = args.output / f"alpha_{alpha:.4g}.wav" if args.sweep else args.output
        write(path, result, rate, args.content)
        describe(transfer, result, time.perf_counter() - begin)
        results[alpha] = result
    if args.sweep:
        write_sweep_page(args.output, content, style, results)
        say(f"{args.output}: open sweep.html")
    if args.report:
        sounds = {"content": content, "style": style, "result": result}
        sounds = {name: audio for name, audio in sounds.items() if audio is not None}
        write_report(args.report, transfer, sounds)
        say(f"{args.report}: spectrograms.png, losses.png, history.csv")
    return 0


if __name__ == "__main__":
    run(main)
