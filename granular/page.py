"""Write a page to listen to a model: drawn sounds of each class, ways through its space, grains.

    python -m granular.page --output page.html

The page is a single file. Its first grid has a row of drawn sounds for each class, its second one
grains on a plane of the space, held for half a second. With --input, recordings are made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import Parser, number, parser, run, say
from common.files.audio import load_sounding, read_header, safe_peak
from common.latent import plane_grid, principal_axes
from common.music.names import pitch_argument
from common.report.page import Clip, Plane, Section, mp3, write_page
from common.report.plots import figure_png, new_figure, pixels_webp
from common.work.lock import only_run
from granular.paths import KINDS, way
from granular.scripts import add_model_flags, loudest_grain, open_trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from granular.trained import TrainedGrains

_RANGE_DB = 70
_CELLS, _SECONDS = 6, 0.5
_LONGEST = 8.0  # seconds of a recording


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--output", type=Path, required=True, help="HTML file to write")
    built.add_argument("--input", type=Path, nargs="+", default=[], help="recordings to make anew")
    built.add_flag("--count", 6, "number of drawn sounds of a class", type=number(int, 1, 20))
    built.add_argument(
        "--pitch",
        type=pitch_argument,
        default=60,
        help="their pitch, for a model of notes (default: C4)",
    )
    add_model_flags(built)
    return built


def clip(label: str, audio: np.ndarray, sample_rate: int) -> Clip:
    """A sound with its spectrogram, 70 dB below its loudest value."""
    import librosa

    power = np.abs(librosa.stft(audio, n_fft=1024, hop_length=256))[:-1] ** 2
    levels = 10 * np.log10(power / max(power.max(), 1e-12) + 1e-12)
    picture = pixels_webp(np.clip(1 + levels / _RANGE_DB, 0, 1))
    return Clip(label, picture, mp3(safe_peak(audio), sample_rate))


def grain_figure(coordinates: np.ndarray, labels: Sequence[str]) -> Figure:
    """Grains on the first two principal axes (grains, 2), coloured by class."""
    figure, axes = new_figure(1, 1, (8, 6))
    for number_of, name in enumerate(sorted(set(labels))):
        chosen = np.array([label == name for label in labels])
        colour = f"C{number_of % 10}"
        axes[0, 0].scatter(*coordinates[chosen].T, s=6, alpha=0.5, label=name, color=colour)
    axes[0, 0].legend(fontsize=8)
    axes[0, 0].set(xlabel="principal component 1", ylabel="principal component 2")
    return figure


def grain_plane(trained: TrainedGrains, folder: Path, seed: int) -> tuple[Plane, np.ndarray]:
    """Grains on the plane of the first two principal axes, and these axes (2, dims)."""
    from granular.trained import read_latents

    rows, vectors = read_latents(folder)
    axes = principal_axes(vectors, 2)
    coordinates = axes.coordinates(vectors)
    steps = round(_SECONDS * trained.rate)
    clips = [
        clip(
            f"{point[0]:.1f}, {point[1]:.1f}",
            trained.decode(np.repeat(axes.vectors(point)[np.newaxis], steps, axis=0), seed=seed),
            trained.sample_rate,
        )
        for point in plane_grid(coordinates, _CELLS)
    ]
    picture = figure_png(grain_figure(coordinates, [row.label for row in rows]))
    plane = Plane("Grains on the plane in which they differ most", clips, _CELLS, picture)
    return plane, axes.directions * axes.deviations[:, np.newaxis]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    for path in args.input:
        read_header(path)
    trained = open_trained(args)
    rate, classes = trained.sample_rate, trained.labels.classes
    with only_run(args.output, folder=False):
        drawn = {
            name: trained.sample(name, args.pitch, args.count, seed=args.seed) for name in classes
        }
        clips = [clip(name, sound, rate) for name, sounds in drawn.items() for sound in sounds]
        sections = [Plane("Drawn sounds, a row for each class", clips, args.count)]
        for path in args.input:
            audio = load_sounding(path, rate)[: round(_LONGEST * rate)]
            again = trained.decode(trained.encode(audio), seed=args.seed)[: audio.size]
            clips = [clip(path.stem, audio, rate), clip("made of grains", again, rate)]
            sections.append(Section(path.stem, clips, rate / 2000))
        grains, plane = grain_plane(trained, args.model, args.seed)
        paths = [trained.encode(sounds[0]) for sounds in drawn.values()]
        points = np.stack([loudest_grain(path, trained.decode) for path in paths])
        steps = round(4 * trained.rate)
        ways = [
            clip(
                f"{kind} from {classes[0]}",
                trained.decode(way(kind, points, steps, plane=plane, turns=2), seed=args.seed),
                rate,
            )
            for kind in KINDS
        ]
        sections += [Section("Ways through the space", ways, rate / 2000), grains]
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_page(
            args.output,
            f"Grains of {args.model.resolve().name}",
            sections,
            lead="Sounds that a network makes of points of a space of grains. Press a picture to "
            "hear it.",
            settings={"model": args.model.name, "sample rate": f"{rate} Hz", "seed": args.seed},
        )
    say(f"{args.output}: {len(classes)} classes")
    return 0


if __name__ == "__main__":
    run(main)
