"""Make new sounds with a trained auto-encoder.

    python -m vae_generation.generate --autonomous 8 --output sounds
    python -m vae_generation.generate --conditional "guitar, C4, loud" "strings, A3" --output notes
    python -m vae_generation.generate --continuation seed.wav --seconds 20 --output longer.wav
    python -m vae_generation.generate --interpolate a.wav b.wav --steps 7 --output way
    python -m vae_generation.generate --reconstruct note.wav --output same.wav
    python -m vae_generation.generate --grid 8 --output plane
    python -m vae_generation.generate --chords "C Am F G" --bpm 90 --output song.wav

Without --model, the shipped models are used: vae_notes, vae_notes_conditional (for --conditional
and --chords) and vae_notes_plane (for --grid). --output is a folder if there are several sounds.
Notes made by --conditional are named as in NSynth, so that synthesize_audios.py can play with them.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.audio.loudness import TARGET_LUFS, at_loudness
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
from common.files.audio import require_audio_suffix
from common.music.names import NoteName
from common.music.titles import note_title
from common.trained import shipped
from common.training.devices import start_backend
from common.work.lock import only_run
from data import load_audio, write_audio
from vae_generation.chords import Stroke, progression
from vae_generation.latents import Latents

if TYPE_CHECKING:
    from vae_generation.condition import Conditions
    from vae_generation.spectrogram import Spectrogram
    from vae_generation.trained import TrainedVAE


WAYS = ("autonomous", "conditional", "continuation", "interpolate", "reconstruct", "grid", "chords")
_SINGLE = ("continuation", "reconstruct", "chords")  # those that make a single sound
_SHIPPED = {"conditional": "vae_notes_conditional", "chords": "vae_notes_conditional"}
_SHIPPED |= {"grid": "vae_notes_plane"}


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    ways = built.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--autonomous",
        type=number(int, 1),
        metavar="NUMBER",
        help="number of sounds to sample at random",
    )
    ways.add_argument(
        "--conditional",
        nargs="+",
        metavar="NOTE",
        help='notes to make, described in words: "guitar, C4, loud"',
    )
    ways.add_argument("--continuation", type=Path, metavar="FILE", help="recording to continue")
    ways.add_argument(
        "--interpolate",
        type=Path,
        nargs=2,
        metavar="FILE",
        help="two sounds to go from and to, with new ones in between",
    )
    ways.add_argument(
        "--reconstruct", type=Path, metavar="FILE", help="sound to encode and decode again"
    )
    ways.add_argument(
        "--grid",
        type=number(int, 2, 32),
        metavar="NUMBER",
        help="number of rows and columns of a page of sounds from the latent plane",
    )
    ways.add_argument("--chords", metavar="SYMBOLS", help='chord progression to play: "C Am F G"')
    built.add_argument(
        "--output",
        type=Path,
        required=True,
        help="audio file to write, or folder where there are several sounds",
    )
    built.add_argument(
        "--model",
        type=Path,
        help="run folder (default: the shipped model for the chosen kind of sound)",
    )
    built.add_argument(
        "--source",
        choices=["prior", "posterior"],
        default="posterior",
        help="distribution that --autonomous samples from: the standard normal "
        "(prior), or where the training sounds lie (posterior, the default)",
    )
    built.add_flag(
        "--temperature",
        1.0,
        "spread of the samples; 0 always takes the centre",
        type=number(float, 0),
    )
    built.add_flag(
        "--steps", 5, "number of sounds for --interpolate, including both ends", type=number(int, 2)
    )
    built.add_flag(
        "--seconds",
        10.0,
        "length that --continuation adds, in seconds",
        type=number(float, above=0),
    )
    built.add_flag("--instrument", "guitar", "instrument for --chords")
    built.add_flag(
        "--bpm", 90, "tempo for --chords, in beats per minute", type=number(float, 20, 400)
    )
    built.add_flag("--beats", 4, "number of beats per chord", type=number(int, 1, 16))
    built.add_argument(
        "--exact_mel",
        action="store_true",
        help="invert the mel bands by a constrained solver, which is slower",
    )
    built.add_argument(
        "--raw_level",
        action="store_true",
        help=f"keep the level that the model gives; by default every new sound is brought to "
        f"{TARGET_LUFS:g} LUFS (--continuation and --reconstruct keep that of their recording)",
    )
    add_seed_flag(built, "latent vectors and phases")
    add_gpu_flag(built)
    return built


class Output:
    """Converts images to audio, and writes it.

    Args:
        path: Audio file or folder.
        spectrogram: ``Spectrogram`` of the images.
        seed: Random seed for the initial phase.
        exact: Invert mel bands by the constrained solver.
        raw_level: Keep the level that the model predicts.
    """

    def __init__(
        self, path: Path, spectrogram: Spectrogram, seed: int, exact: bool, raw_level: bool
    ) -> None:
        self.path = path
        self.rate = spectrogram.sample_rate
        self._raw_level = raw_level
        self.sound = functools.partial(spectrogram.audio, seed=seed, exact=exact)

    def level(self, audio: np.ndarray) -> np.ndarray:
        """Bring a new sound to the common loudness, unless ``raw_level``."""
        return audio if self._raw_level else at_loudness(audio, self.rate)

    def write(self, audio: np.ndarray, path: Path | None = None) -> None:
        """Write a sound, and print its name and length."""
        path = path or self.path
        write_audio(path, audio, self.rate)
        say(f"{path}: {audio.size / self.rate:.1f} s")

    def write_all(
        self, names: Sequence[str], images: np.ndarray, titles: Sequence[str] | None = None
    ) -> None:
        """Write a sound for each image into the folder, and a picture of all.

        Args:
            names: Names of the files, without suffix.
            images: (names, bins, columns, 1) in [0, 1].
            titles: Titles in the picture; default the names.
        """
        from vae_generation.plots import plot_sounds

        for name, image in zip(names, images, strict=True):
            self.write(self.level(self.sound(image[..., 0])), self.path / f"{name}.wav")
        plot_sounds(self.path / "sounds.png", titles or names, images)


def check_output(way: str, path: Path) -> None:
    """Raise ``UserError`` if ``--output`` is not a file, or folder, as the kind of sound needs."""
    if way in _SINGLE:
        require_audio_suffix(path)
    else:
        require_folder(path)


def drawn_vectors(
    trained: TrainedVAE,
    folder: Path,
    number: int,
    *,
    source: str,
    rng: np.random.Generator,
    temperature: float,
) -> np.ndarray:
    """Sample latent vectors from the prior or from the training set's aggregated posterior."""
    if source == "prior":
        return temperature * rng.standard_normal((number, trained.dims))
    return Latents.load(folder / "latents.h5").sample(number, rng, temperature)


def notes_of(
    strokes: Sequence[Stroke], conditions: Conditions, instrument: str, text: str
) -> tuple[str, list[tuple[str, int, int]]]:
    """Find the instrument, and the different notes (instrument, pitch, velocity) of strokes."""
    instrument, *_ = conditions.parse(f"{instrument}, {conditions.lowest}")
    notes = {}
    for stroke in strokes:
        for pitch in stroke.pitches:
            conditions.require(pitch, text)
            notes[instrument, pitch, stroke.velocity] = None
    return instrument, list(notes)


def write_plane(output: Output, trained: TrainedVAE, folder: Path, rows: int) -> None:
    """Write the latent plane: pictures, a sound for each cell, and a listening page."""
    from common.latent import prior_grid
    from common.report.page import Clip, Plane, mp3, write_page
    from common.report.plots import pixels_webp
    from vae_generation.plots import plot_grid, plot_latents

    if trained.dims != 2:
        raise UserError(
            f"{folder}: latent vectors of {trained.dims} numbers are no plane; train with "
            "--latent_dim 2"
        )
    latents = Latents.load(folder / "latents.h5")
    points = prior_grid(rows)
    images = trained.decode_images(points)
    clips = []
    for index, (point, image) in enumerate(zip(points, images, strict=True)):
        audio = output.level(output.sound(image[..., 0]))
        name = f"cell_{index // rows:02d}_{index % rows:02d}.wav"
        write_audio(output.path / name, audio, output.rate)
        label = f"point {point[0]:.2f}, {point[1]:.2f}"
        clips.append(Clip(label, pixels_webp(image[..., 0]), mp3(audio, output.rate)))
    plot_grid(output.path / "grid.png", images, rows)
    plot_latents(output.path / "latents.png", latents)
    write_page(
        output.path / "plane.html",
        "The latent plane",
        [Plane("Sounds of the plane", clips, rows, (output.path / "latents.png").read_bytes())],
        lead="Every cell is a sound that the decoder makes of a point of the plane. Below: where "
        "the notes lie that it was trained on.",
    )
    say(f"{output.path}: {counted(len(images), 'sound')}, grid.png, latents.png; open plane.html")


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = build_parser().parse_args(argv)
    way = next(name for name in WAYS if getattr(args, name) is not None)
    check_output(way, args.output)
    strokes = progression(args.chords, args.beats) if way == "chords" else []
    files = {"continuation": [args.continuation], "reconstruct": [args.reconstruct]}
    files = files.get(way) or args.interpolate or []
    for path in files:
        load_audio(path)  # so that a bad file is reported before Keras is imported
    folder = args.model or shipped(_SHIPPED.get(way, "vae_notes"))
    with only_run(args.output, folder=way not in _SINGLE):
        return make(args, way, strokes, files, folder)


def make(
    args: argparse.Namespace,
    way: str,
    strokes: Sequence[Stroke],
    files: Sequence[Path],
    folder: Path,
) -> int:
    """Make sounds in one of the WAYS, and write them; return the exit status of the script."""
    start_backend(args.gpu)
    from vae_generation import ways
    from vae_generation.trained import load_trained

    trained = load_trained(folder)
    conditions = trained.conditions
    if (way in ("conditional", "chords")) != bool(conditions):
        what = "is told" if conditions else "is not told"
        raise UserError(f"{folder}: {what} instrument and pitch; not for --{way}")
    output = Output(
        args.output, trained.spectrogram, args.seed, args.exact_mel, raw_level=args.raw_level
    )
    rng = np.random.default_rng(args.seed)
    audios = [
        ways.sounding(load_audio(path, sample_rate=trained.sample_rate)[0], path) for path in files
    ]
    if way == "autonomous":
        number = args.autonomous
        how = {"source": args.source, "rng": rng, "temperature": args.temperature}
        vectors = drawn_vectors(trained, folder, number, **how)
        names = [f"sound_{index:03d}" for index in range(number)]
        output.write_all(names, trained.decode_images(vectors))
    elif way == "conditional":
        notes = list(dict.fromkeys(conditions.parse(text) for text in args.conditional))
        names = [str(NoteName(name, 0, pitch, velocity)) for name, pitch, velocity in notes]
        titles = [note_title(*note) for note in notes]
        output.write_all(names, ways.play(trained, notes, rng, args.temperature), titles)
    elif way == "interpolate":
        names = [f"step_{index:02d}" for index in range(args.steps)]
        output.write_all(names, ways.between(trained, *audios, args.steps))
    elif way == "grid":
        write_plane(output, trained, folder, args.grid)
    elif way == "chords":
        instrument, notes = notes_of(strokes, conditions, args.instrument, args.chords)
        images = ways.play(trained, notes, rng, args.temperature)[..., 0]
        sounds = dict(zip(notes, map(output.sound, images), strict=True))
        song = ways.accompany(strokes, sounds, instrument, args.bpm, output.rate)
        output.write(output.level(song))
    elif way == "continuation":
        from vae_generation.continuation import load_continuation

        follow, (audio,) = load_continuation(folder), audios
        how = {"sound": output.sound, "rng": rng, "temperature": args.temperature}
        output.write(ways.go_on(trained, follow, audio, args.seconds, **how))
    else:
        (audio,) = audios
        made = trained.decode(trained.encode(audio), seed=args.seed, exact=args.exact_mel)
        output.write(made[: audio.size])
    return 0


if __name__ == "__main__":
    run(main)
