"""Evaluate style transfers on pairs whose true result is known.

    python -m random_cnn_style.evaluate --audios_path audios

takes pairs of recordings from a folder that synthesize_audios.py made for several instruments. The
content is a piece on one instrument, the style another piece on another instrument, so the true
result, the first piece on the second instrument, is there as well. It prints for each system

  LSD         log-spectral distance from the truth in dB, of mel bands (Cifka et al. 2021)
  cepstral    cosine distance of mean mel cepstra from those of the truth: timbre
  learned     cosine distance in a space where recordings of the same instrument are close to each
              other, learned by a small network from the parts of the pieces after the excerpts:
              timbre, too
  pitch_sets  Jaccard distance of the prominent semitones from those of the truth: pitch

and the same for simply copying the content or the style. random_cnn_style/metrics.py and timbre.py
define these measures.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import (
    Parser,
    UserError,
    add_gpu_flag,
    add_seed_flag,
    existing_folder,
    number,
    parser,
    run,
)
from common.files.audio import find_recordings, resample, safe_peak
from common.files.text import write_rows
from common.report.tables import as_text
from common.training.devices import start_backend
from common.work.lock import only_run
from data import load_audio, write_audio
from random_cnn_style import metrics
from random_cnn_style.spectrogram import SAMPLE_RATE, TRANSFORMS

if TYPE_CHECKING:
    from random_cnn_style.timbre import TimbreSpace
    from random_cnn_style.transfer import Settings


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument(
        "--audios_path",
        required=True,
        type=existing_folder,
        help="folder made by synthesize_audios.py: <instrument>/<piece>.wav",
    )
    built.add_flag("--pairs", 24, "number of pairs", type=number(int, 1))
    built.add_flag(
        "--start",
        5.0,
        "where the excerpts begin in their pieces, in seconds",
        type=number(float, 0),
    )
    built.add_flag(
        "--seconds",
        5.0,
        "length of the content and of the result, in seconds",
        type=number(float, 1, 60),
    )
    built.add_flag(
        "--style_seconds",
        20.0,
        "length of the style excerpts, in seconds",
        type=number(float, 1, 600),
    )
    built.add_argument(
        "--alpha",
        type=number(float, 0),
        nargs="+",
        default=[1.0],
        help="weights of the content against the style; each gives a row of the table (default: 1)",
    )
    built.add_flag("--init", "content", "start of the search", choices=["noise", "content"])
    built.add_flag("--iterations", 100, "number of iterations of each search", type=number(int, 1))
    built.add_flag(
        "--filters", 1024, "number of filters of the random layer", type=number(int, 1, 2**15)
    )
    built.add_argument(
        "--published",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="add a row with the published settings (default: yes)",
    )
    built.add_flag(
        "--spectrogram",
        "stft",
        "spectrogram that is searched: short-time Fourier or constant-Q",
        choices=list(TRANSFORMS),
    )
    add_seed_flag(built, "pairs, filters and noise")
    built.add_argument(
        "--output",
        type=Path,
        help="output folder for all sounds and a table of the pairs (default: print only)",
    )
    add_gpu_flag(built)
    return built


def choose_pairs(folder: Path, wanted: int) -> list[tuple[Path, Path, Path]]:
    """Choose pairs of recordings in a folder, for all pairs of instruments in turn.

    Returns:
        List of (content, style, truth), three paths each.

    Raises:
        UserError: Fewer than two instruments that play the same two pieces.
    """
    pieces = {
        sub.name: find_recordings(sub).files for sub in sorted(folder.iterdir()) if sub.is_dir()
    }
    pieces = {name: found for name, found in pieces.items() if found}
    shared = sorted(set.intersection(*map(set, pieces.values()))) if pieces else []
    if len(pieces) < 2 or len(shared) < 2:
        raise UserError(
            f"{folder}: holds no two instruments that play the same two pieces; make it with "
            "synthesize_audios.py --instruments"
        )
    turns = list(itertools.permutations(sorted(pieces), 2))
    most = len(turns) * len(shared)
    if wanted > most:
        raise UserError(f"--pairs {wanted}: {folder} gives {most}")
    found = []
    for index in range(wanted):
        first, second = turns[index % len(turns)]
        # every piece in turn; the style is another piece
        at = index % len(shared)
        other = (at + 1 + index // len(shared) % (len(shared) - 1)) % len(shared)
        found.append(
            tuple(
                pieces[instrument][shared[piece]]
                for instrument, piece in ((first, at), (second, other), (second, at))
            )
        )
    return found


def excerpt(path: Path, start: float, seconds: float) -> np.ndarray:
    """Read an excerpt at SAMPLE_RATE; ``UserError`` if it is silent or beyond the end."""
    audio, _ = load_audio(path, sample_rate=SAMPLE_RATE)
    part = audio[round(start * SAMPLE_RATE) : round((start + seconds) * SAMPLE_RATE)]
    if not part.any():
        raise UserError(f"{path}: nothing sounds from {start:g} s on; lower --start")
    return part


def systems(
    alphas: Sequence[float], settings: Settings, *, published: bool
) -> dict[str, Settings | None]:
    """Systems to compare: dict from name to ``Settings``, or None for a plain copy.

    Args:
        alphas: Weights of the content, a system each.
        settings: ``Settings`` of ours.
        published: Whether the published ones are compared, with the same search and network.
    """
    from random_cnn_style.transfer import PUBLISHED

    found = {"copy content": None, "copy style": None}
    if published:
        shared = {name: getattr(settings, name) for name in ("iterations", "filters", "seed")}
        found["as published"] = PUBLISHED._replace(**shared)
    return found | {f"ours, alpha {alpha:g}": settings._replace(alpha=alpha) for alpha in alphas}


def learn_timbre(folder: Path, begin: float, seed: int) -> TimbreSpace:
    """Train a ``TimbreSpace`` on the recordings of a folder, from a given second on."""
    from random_cnn_style.timbre import TimbreSpace

    rate = metrics.SAMPLE_RATE
    rests = [
        (sub.name, load_audio(path, sample_rate=rate)[0][round(begin * rate) :])
        for sub in sorted(folder.iterdir())
        if sub.is_dir()
        for path in sorted(find_recordings(sub).files.values())
    ]
    return TimbreSpace([(name, rest) for name, rest in rests if rest.any()], seed)


def distances(truth: np.ndarray, sound: np.ndarray, space: TimbreSpace) -> dict[str, float]:
    """All distances of a sound from the truth, both at SAMPLE_RATE."""
    truth, sound = (resample(audio, SAMPLE_RATE, metrics.SAMPLE_RATE) for audio in (truth, sound))
    found = {name: metric(truth, sound) for name, metric in metrics.METRICS.items()}
    return found | {"learned": space.distance(truth, sound)}


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    pairs = choose_pairs(args.audios_path, args.pairs)
    with only_run(args.output):
        return compare(args, pairs)


def compare(args: argparse.Namespace, pairs: Sequence[tuple[Path, Path, Path]]) -> int:
    """Compare the systems on pairs of recordings, and write what the flags ask for; status 0."""
    start_backend(args.gpu)
    from random_cnn_style.transfer import Settings, style_transfer

    rows, space = [], learn_timbre(args.audios_path, args.start + args.seconds, args.seed)
    settings = Settings(
        iterations=args.iterations,
        filters=args.filters,
        seed=args.seed,
        init=args.init,
        spectrogram=args.spectrogram,
    )
    compared = systems(args.alpha, settings, published=args.published)
    for number_of, paths in enumerate(pairs):
        lengths = args.seconds, args.style_seconds, args.seconds
        content, style, truth = (
            excerpt(path, args.start, seconds) for path, seconds in zip(paths, lengths, strict=True)
        )
        for name, way in compared.items():
            if way:
                sound, _ = style_transfer(content, style, **way._asdict())
            else:
                sound = content if name == "copy content" else style[: content.size]
            labels = {"pair": number_of, "system": name}
            given, shown = (path.relative_to(args.audios_path).parts[0] for path in paths[:2])
            labels |= {"content": given, "style": shown}
            rows.append(labels | {"piece": paths[0].stem} | distances(truth, sound, space))
            if args.output:
                path = (
                    args.output / f"{number_of:02d}_{name.replace(', ', '_').replace(' ', '_')}.wav"
                )
                write_audio(path, safe_peak(sound), SAMPLE_RATE)
        print(f"pair {number_of + 1} of {len(pairs)}", flush=True)
    if args.output:
        write_rows(args.output / "pairs.csv", rows)
    print()
    print(as_text(summary(rows)))
    return 0


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the pairs, with the differences from copying the content."""
    names = [*metrics.METRICS, "learned"]
    means = {
        system: {
            name: float(np.mean([row[name] for row in rows if row["system"] == system]))
            for name in names
        }
        for system in dict.fromkeys(row["system"] for row in rows)
    }
    copied = means["copy content"]
    return [
        {"system": system}
        | mean
        | {
            "LSD_ratio": mean["LSD"] / copied["LSD"],
            "cepstral_ratio": mean["cepstral"] / copied["cepstral"],
            "learned_ratio": mean["learned"] / copied["learned"],
            "pitch_more": mean["pitch_sets"] - copied["pitch_sets"],
        }
        for system, mean in means.items()
    ]


if __name__ == "__main__":
    run(main)
