"""Write a page to listen to a trained timbre: conversions, code rolls, sweeps and the code book.

    python -m vq_timbre.page --input phrase.wav hummed.wav --output page.html

The page is a single file. Of each recording, the first seconds are played as they are, with the
timbre by noise, and with the timbre by harmonics. Without --input, a hummed melody is converted. In
sweeps, the bright line is the target. On the plane, each cell is the code nearest to a point of the
first two principal axes of the code book.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, UserError, add_seed_flag, number, parser, run, say
from common.files.audio import read_header, safe_peak
from common.latent import plane_grid, plane_points
from common.report.page import Clip, Plane, Section, mp3, write_page
from common.report.plots import figure_png, pixels_webp
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run
from data import load_audio
from vq_timbre.evaluate import SWEPT, sweep
from vq_timbre.frames import BINS, CONTEXT, HOP, analyse, padded
from vq_timbre.humming import hum
from vq_timbre.pitch import track

if TYPE_CHECKING:
    from vq_timbre.trained import TrainedTimbre

_RANGE_DB = 70
_SHOWN = 512  # bins of a picture
_ROLL = 256  # rows of a code roll
_CELLS, _CELL_FRAMES, _LEVEL = 8, 32, 0.1


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--input",
        type=Path,
        nargs="+",
        default=[],
        help="recordings to convert (default: a hummed melody)",
    )
    built.add_argument("--output", type=Path, required=True, help="HTML file to write")
    add_model_flag(built, "vq_trumpet")
    built.add_flag(
        "--seconds", 8.0, "longest part of a recording", type=number(float, above=0, high=60)
    )
    add_seed_flag(built, "the humming and the noise")
    return built


def spectrogram(audio: np.ndarray) -> np.ndarray:
    """Picture of an audio, (bins, hops) in [0, 1], of the lower half of the frequencies."""
    frames = analyse(padded(audio))
    power = frames.power * np.square(frames.gains)[:, np.newaxis]
    decibels = 10 * np.log10(power / max(power.max(), 1e-20) + 1e-20)
    return np.clip(1 + decibels / _RANGE_DB, 0, 1)[1:-1, :_SHOWN].T


def code_roll(codes: np.ndarray, count: int) -> np.ndarray:
    """Picture of codes over time, like a piano roll: (rows, frames) in [0, 1]."""
    image = np.zeros((min(count, _ROLL), len(codes)), np.float32)
    image[codes * len(image) // count, np.arange(len(codes))] = 1
    return np.repeat(image, 2, axis=0)


def conversion(trained: TrainedTimbre, name: str, audio: np.ndarray) -> Section:
    """A recording beside what the timbre makes of it."""
    codes, gains = trained.encode_codes(audio)
    whole = padded(audio)
    hertz = track(whole, trained.sample_rate)
    sounds = {
        name: audio,
        "played by noise": trained.decode_codes(codes, gains),
        "played by harmonics": trained.decode_codes(codes, gains, hertz=hertz),
    }
    clips = [_clip(label, sound, trained) for label, sound in sounds.items()]
    roll = code_roll(codes[1:-1], len(trained.code_vectors))
    clips.append(Clip("codes over time", pixels_webp(roll), None))
    return Section(name, clips)


def sweeps(trained: TrainedTimbre, table: Any, seed: int) -> Section:
    """A sweep of each descriptor, the targets drawn into the spectrograms."""
    clips = []
    for name in SWEPT:
        correlations, audio, curves = sweep(trained, table, name, seed)
        image = spectrogram(audio)
        rows = np.rint(curves["target"] * 2 * (BINS - 1) / trained.sample_rate).astype(int)
        rows = np.clip(rows[1:-1], 1, _SHOWN - 2)
        for shift in (-1, 0, 1):
            image[rows + shift, np.arange(len(rows))] = 1
        score = f"rank correlation {correlations['ten frames']:.2f}"
        clips.append(
            Clip(name, pixels_webp(image), mp3(safe_peak(audio), trained.sample_rate), score)
        )
    return Section("Sweeps of descriptors", clips, trained.sample_rate / 4000)


def plane(trained: TrainedTimbre, table: Any) -> Plane:
    """Codes on the first two principal axes, to be played."""
    from vq_timbre.plots import codebook_figure

    points, _ = plane_points(trained.code_vectors)
    clips = []
    for place in plane_grid(points, _CELLS):
        code = int(np.square(points - place).sum(axis=1).argmin())
        frames = _CELL_FRAMES + CONTEXT
        audio = trained.decode_codes(np.full(frames, code), np.full(frames, _LEVEL))
        clips.append(_clip(f"{table.mean['centroid'][code]:.0f} Hz", audio, trained))
    picture = figure_png(codebook_figure(trained, table))
    return Plane("The code book, labelled by spectral centroid", clips, _CELLS, picture)


def _clip(label, audio, trained):
    sound = mp3(safe_peak(audio), trained.sample_rate)
    return Clip(label, pixels_webp(spectrogram(audio)), sound)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    for path in args.input:
        read_header(path)  # a bad file is named before Keras is imported
    with only_run(args.output, folder=False):
        start_backend("")
        from vq_timbre.descriptors import read_table
        from vq_timbre.trained import load_trained

        trained = load_trained(args.model)
        table, rate = read_table(trained, args.model), trained.sample_rate
        given = {}
        for path in args.input:
            audio = load_audio(path, sample_rate=rate)[0][: int(args.seconds * rate)]
            if not audio.any():
                raise UserError(f"{path}: its beginning is silent; name another recording")
            given[path.stem] = audio
        if not given:
            given["hummed melody"] = hum(args.seconds, rate, np.random.default_rng(args.seed))
        sections = [conversion(trained, name, audio) for name, audio in given.items()]
        sections += [sweeps(trained, table, args.seed), plane(trained, table)]
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_page(
            args.output,
            f"Timbre of {args.model.resolve().name}",
            sections,
            lead="An instrument as a code book of spectra: other sounds played with it, curves "
            "that it follows, and its codes.",
            settings={
                "model": args.model.name,
                "codes": len(trained.code_vectors),
                "sample rate": f"{rate} Hz",
                "frames": f"{HOP} samples apart",
            },
        )
    say(f"{args.output}: {len(given)} conversions, {len(SWEPT)} sweeps, {_CELLS**2} codes")
    return 0


if __name__ == "__main__":
    run(main)
