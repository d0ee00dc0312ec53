"""Evaluate trained timbres on recordings that they were not trained on.

    python -m vq_timbre.evaluate --audio_path phrases/violin --others phrases/trumpet

prints, for each model, from excerpts of held-out recordings of its instrument:

  codes        share of the codes that are used; perplexity, that is how many codes would be used if
               all were used equally
  level        share of the frames whose code changes if the input is 12 dB louder or softer, the
               larger one; slope of the output's level against the input's, in dB over dB
  lsd          log-spectral distance in dB from the recording, of the reconstruction and of the same
               without codes, with the same noise
  sweeps       rank correlation (Spearman) of target and measured descriptor, for sinusoids between
               the 5th and the 95th percentile of the codes, measured over ten frames and over one,
               as mean over eight noises; least is the worst of them over ten frames
  transfer     of hummed melodies and of excerpts of --others: share that comes nearer to the
               instrument than it was, by the cosine of mean MFCCs; correlation of the loudness with
               that of the input
  speed        seconds of one core for a second of audio: from codes to sound, and of a transfer

With --output, pictures and sounds of a reconstruction, of transfers and of sweeps are written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.metrics import cosine, mean_mfcc
from common.cli import (
    Parser,
    UserError,
    add_seed_flag,
    existing_folder,
    number,
    parser,
    run,
)
from common.files.audio import PEAK, find_recordings, peak, write_audio
from common.report.evaluation import held_out
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from data import load_audio
from vq_timbre.descriptors import choose_codes, describe_audio, rank_correlation, read_table
from vq_timbre.frames import CONTEXT, HOP, hops_of
from vq_timbre.humming import hum

if TYPE_CHECKING:
    from vq_timbre.trained import TrainedTimbre

SWEPT = ("centroid", "bandwidth", "f0")
_LEVELS_DB = (-12.0, 12.0)
_HEARD_DB = -50.0  # frames further below the loudest one do not count
_SWEEP_SECONDS, _SWEEP_PERIODS = 12, 2
_NOISES = 8  # for which a sweep is repeated
_SPEED_SECONDS = 12


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--audio_path",
        required=True,
        type=existing_folder,
        help="folder of recordings of the instrument; those of the training are left out",
    )
    built.add_argument(
        "--others",
        type=existing_folder,
        nargs="+",
        default=[],
        help="folders of recordings of other instruments and voices to transfer (default: none)",
    )
    add_model_flag(built, "vq_trumpet", several=True)
    built.add_argument("--output", type=Path, help="folder for pictures and sounds (default: none)")
    built.add_flag("--seconds", 6.0, "length of an excerpt", type=number(float, 1))
    built.add_flag("--excerpts", 20, "largest number of excerpts of each kind", type=number(int, 1))
    add_seed_flag(built, "choice of excerpts, and the noise")
    return built


def load_excerpts(
    files: Sequence[Path], sample_rate: int, seconds: float, most: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Cut recordings into excerpts that sound, and choose some.

    Args:
        files: Paths.
        sample_rate: Hz.
        seconds: Length; a rest of at least half of it, and a shorter recording, count as well.
        most: Largest number of excerpts.
        rng: Chooses them.

    Returns:
        List of (samples,) float32 with a peak of at most 0.25, so that 12 dB more do not clip.
    """
    found, length = [], int(seconds * sample_rate)
    for index in rng.permutation(len(files))[:most]:
        audio, _ = load_audio(files[index], sample_rate=sample_rate)
        for start in range(0, max(audio.size - length // 2, 1), length):
            part = audio[start : start + length]
            if peak(part) > 1e-3:
                found.append((part * (0.25 / peak(part))).astype(np.float32))
    return [found[index] for index in rng.permutation(len(found))[:most]]


def decibels(gains: np.ndarray) -> np.ndarray:
    """Levels in dB, those of silence far below all others."""
    return 20 * np.log10(np.maximum(gains, 1e-6))


def heard(gains: np.ndarray) -> np.ndarray:
    """Which frames count: those within 50 dB of the loudest one."""
    return decibels(gains) > decibels(gains).max() + _HEARD_DB


def code_use(numbers: np.ndarray, codes: int) -> dict[str, float]:
    """Share of used codes, and perplexity, of the numbers of codes (frames,)."""
    counts = np.bincount(numbers, minlength=codes)
    shares = counts[counts > 0] / counts.sum()
    return {
        "used": float(np.mean(counts > 0)),
        "perplexity": float(np.exp(-(shares * np.log(shares)).sum())),
    }


def level_measures(trained: TrainedTimbre, excerpts: Sequence[np.ndarray]) -> dict[str, float]:
    """``changed`` codes and ``slope`` of the level."""
    changed, given, made = {level: [] for level in _LEVELS_DB}, [], []
    for audio in excerpts:
        codes, gains = trained.encode_codes(audio)
        counted = heard(gains)
        for level in (0.0, *_LEVELS_DB):
            louder = (audio * 10 ** (level / 20)).astype(np.float32)
            other, gains = trained.encode_codes(louder)
            sound = trained.decode_codes(other, gains)
            if level:
                changed[level].append((other != codes)[counted])
            given.append(decibels(gains[counted]))
            made.append(decibels(trained.encode_codes(sound)[1][counted]))
    slope = np.polyfit(np.concatenate(given), np.concatenate(made), 1)[0]
    return {
        "changed": max(float(np.concatenate(parts).mean()) for parts in changed.values()),
        "slope": float(slope),
    }


def distances(trained: TrainedTimbre, excerpts: Sequence[np.ndarray]) -> dict[str, float]:
    """``lsd`` of reconstructions, ``lsd_free`` without codes, and their ratio."""
    from common.audio.metrics import log_spectral_distance
    from common.audio.spectrograms import STFT

    transform, found = STFT(2048, HOP), []
    for audio in excerpts:
        vectors, gains = trained.encode_vectors(audio)
        codes = trained.code_vectors[trained.nearest(vectors)]
        reference, *estimates = (
            np.abs(transform.forward(sound[: audio.size]))
            for sound in (
                audio,
                trained.decode_vectors(codes, gains),
                trained.decode_vectors(vectors, gains),
            )
        )
        found.append([log_spectral_distance(reference, estimate) for estimate in estimates])
    quantised, free = np.mean(found, axis=0)
    return {"lsd": quantised, "lsd_free": free, "lsd_ratio": quantised / free}


def sweep(
    trained: TrainedTimbre, table: Any, name: str, seed: int
) -> tuple[dict[str, float], np.ndarray, dict[str, np.ndarray]]:
    """A sinusoidal sweep of a descriptor: ``(correlations, audio, curves)``."""
    frames = hops_of(_SWEEP_SECONDS * trained.sample_rate) + CONTEXT
    low, high = np.nanpercentile(table.mean[name], [5, 95])
    phase = 2 * np.pi * _SWEEP_PERIODS * np.arange(frames) / frames
    target = low + (high - low) * (1 - np.cos(phase)) / 2
    choice = choose_codes(table, name, target)
    audio = trained.decode_codes(choice.codes, np.full(frames, 0.1), seed=seed)
    curves = {
        "target": target,
        "one frame": describe_audio(audio, trained.sample_rate, span=1)[name],
        "ten frames": describe_audio(audio, trained.sample_rate)[name],
    }
    correlations = {
        label: rank_correlation(target, curve)
        for label, curve in curves.items()
        if label != "target"
    }
    return correlations, audio, curves


def transfers(
    trained: TrainedTimbre, excerpts: Sequence[np.ndarray], own: Sequence[np.ndarray]
) -> tuple[dict[str, float], list[np.ndarray]]:
    """Transfer excerpts of other sounds: ``(measures, sounds)``.

    Args:
        trained: ``vq_timbre.trained.TrainedTimbre``.
        excerpts: Sounds to transfer.
        own: Excerpts of the instrument.
    """
    rate = trained.sample_rate
    target = np.mean([mean_mfcc(audio, rate) for audio in own], axis=0)
    nearer, correlations, sounds = [], [], []
    for audio in excerpts:
        codes, gains = trained.encode_codes(audio)
        sounds.append(trained.decode_codes(codes, gains)[: audio.size])
        before, after = (cosine(mean_mfcc(one, rate), target) for one in (audio, sounds[-1]))
        nearer.append(after > before)
        counted = heard(gains)
        made = decibels(trained.encode_codes(sounds[-1])[1])
        correlations.append(np.corrcoef(decibels(gains)[counted], made[counted])[0, 1])
    measures = {
        "excerpts": len(excerpts),
        "nearer": float(np.mean(nearer)),
        "loudness": float(np.mean(correlations)),
        "least_loudness": float(np.min(correlations)),
    }
    return measures, sounds


def speed(trained: TrainedTimbre, audio: np.ndarray) -> dict[str, float]:
    """Milliseconds of one core for a second of audio, from codes and from audio."""
    audio = np.resize(audio, _SPEED_SECONDS * trained.sample_rate)
    codes, gains = trained.encode_codes(audio)
    trained.decode_codes(codes, gains)
    times = [time.process_time()]
    trained.decode_codes(codes, gains)
    times.append(time.process_time())
    trained.encode_codes(audio)
    times.append(time.process_time())
    decoding, encoding = 1000 * np.diff(times) / _SPEED_SECONDS
    return {"decode_ms": decoding, "transfer_ms": decoding + encoding}


def evaluate(
    folder: Path, args: Any, others: dict[str, list[Path]]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the three tables for one model."""
    from vq_timbre.plots import plot_conversion, plot_curve
    from vq_timbre.trained import load_trained

    config = open_run(folder, "vq_timbre")
    files = find_recordings(args.audio_path).files
    names = held_out(files, [config], str, where=args.audio_path)
    trained, rng = load_trained(folder), np.random.default_rng(args.seed)
    rate = trained.sample_rate
    own = load_excerpts([files[name] for name in names], rate, args.seconds, args.excerpts, rng)
    if not own:
        raise UserError(f"{args.audio_path}: all held-out recordings are silent")
    numbers = [codes[heard(gains)] for codes, gains in map(trained.encode_codes, own)]
    row = {
        "model": folder.name,
        "excerpts": len(own),
        **code_use(np.concatenate(numbers), len(trained.code_vectors)),
        "codes": len(trained.code_vectors),
        **level_measures(trained, own),
        **distances(trained, own),
        **speed(trained, own[0]),
    }
    place = args.output / folder.name if args.output else None
    if place:
        place.mkdir(parents=True, exist_ok=True)
        codes, gains = trained.encode_codes(own[0])
        sounds = {"recording": own[0], "reconstruction": trained.decode_codes(codes, gains)}
        plot_conversion(place / "reconstruction.png", sounds, codes, trained)
        _write(place, sounds, rate)
    table, sweeps, moved = read_table(trained, folder), [], []
    for name in SWEPT:
        seeds = range(args.seed, args.seed + _NOISES)
        swept = [sweep(trained, table, name, seed) for seed in seeds]
        found = [correlations for correlations, _, _ in swept]
        means = {label: float(np.mean([one[label] for one in found])) for label in found[0]}
        least = min(one["ten frames"] for one in found)
        sweeps.append({"model": folder.name, "descriptor": name, **means, "least": least})
        _, audio, curves = swept[0]
        if place:
            plot_curve(place / f"sweep_{name}.png", audio, rate, name, curves)
            _write(place, {f"sweep_{name}": audio}, rate)
    hummed = [hum(args.seconds, rate, rng) for _ in range(args.excerpts)]
    for label, paths in {"humming": None, **others}.items():
        given = hummed
        if paths is not None:
            given = load_excerpts(paths, rate, args.seconds, args.excerpts, rng)
        if not given:
            continue
        found, made = transfers(trained, given, own)
        moved.append({"model": folder.name, "from": label, **found})
        if place:
            sounds = {label: given[0], f"{label}_transferred": made[0], "target": own[0]}
            codes = trained.encode_codes(given[0])[0]
            plot_conversion(place / f"from_{label}.png", sounds, codes, trained)
            _write(place, sounds, rate)
    return row, sweeps, moved


def _write(folder, sounds, rate):
    for name, audio in sounds.items():
        write_audio(folder / f"{name}.wav", audio * min(1, PEAK / max(peak(audio), 1e-9)), rate)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    start_backend("")
    others = {folder.name: list(find_recordings(folder).files.values()) for folder in args.others}
    tables = [[], [], []]
    for folder in args.model:
        row, sweeps, moved = evaluate(folder, args, others)
        tables[0].append(row)
        tables[1].extend(sweeps)
        tables[2].extend(moved)
    for table in tables:
        if table:
            print(as_text(table), end="\n\n")
    return 0


if __name__ == "__main__":
    run(main)
