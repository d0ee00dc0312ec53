"""Make new sounds with a trained auto-encoder.

    python -m vae_generation.generate --autonomous 8 --output sounds
    python -m vae_generation.generate --conditional "guitar, C4, loud" "strings, A3" --output notes
    python -m vae_generation.generate --continuation seed.wav --seconds 20 --output longer.wav
    python -m vae_generation.generate --interpolate a.wav b.wav --steps 7 --output way
    python -m vae_generation.generate --reconstruct note.wav --output same.wav
    python -m vae_generation.generate --grid 8 --output plane
    python -m vae_generation.generate --chords "C Am F G" --bpm 90 --output song.wav

Without --model the shipped models do it: vae_notes, vae_notes_conditional (for --conditional and
--chords) and vae_notes_plane (for --grid). --output is a folder where there are several sounds.
Notes that are asked for are named as in NSynth, so that synthesize_audios.py can play with them.
"""

from pathlib import Path

import numpy as np

from common.audio.fades import cross_fade
from common.cli import UserError, number, parser, run
from common.files.audio import AUDIO_SUFFIXES, safe_peak
from common.training.devices import start_backend
from data import load_audio, write_audio
from vae_generation.chords import progression
from vae_generation.flags import MODELS
from vae_generation.sound import continue_with, place

_SINGLE = ("continuation", "reconstruct", "chords")  # ways that make one sound
_SHIPPED = {"conditional": "vae_notes_conditional", "chords": "vae_notes_conditional"}
_SHIPPED |= {"grid": "vae_notes_plane"}


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    ways = built.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--autonomous", type=number(int, 1), metavar="NUMBER", help="sounds of no model"
    )
    ways.add_argument(
        "--conditional", nargs="+", metavar="NOTE", help='notes in words: "guitar, C4, loud"'
    )
    ways.add_argument("--continuation", type=Path, metavar="FILE", help="what may follow a file")
    ways.add_argument(
        "--interpolate", type=Path, nargs=2, metavar="FILE", help="the way from a sound to another"
    )
    ways.add_argument(
        "--reconstruct", type=Path, metavar="FILE", help="a sound, encoded and decoded"
    )
    ways.add_argument(
        "--grid", type=number(int, 2, 32), metavar="NUMBER", help="a page of NUMBER x NUMBER sounds"
    )
    ways.add_argument("--chords", metavar="SYMBOLS", help='a progression: "C Am F G"')
    built.add_argument("--output", type=Path, required=True, help="audio file, or folder")
    built.add_argument("--model", type=Path, help="run folder (default: a shipped model)")
    built.add_argument(
        "--source",
        choices=["prior", "posterior"],
        default="posterior",
        help="where --autonomous draws: the standard normal distribution, or the aggregated "
        "posterior of the training set (default: posterior)",
    )
    built.add_argument(
        "--temperature",
        type=number(float, 0),
        default=1.0,
        help="spread of what is drawn; 0 takes the middle (default: 1)",
    )
    built.add_argument(
        "--steps",
        type=number(int, 2),
        default=5,
        help="sounds of --interpolate, with both ends (default: 5)",
    )
    built.add_argument(
        "--seconds",
        type=number(float, above=0),
        default=10.0,
        help="length of what --continuation adds (default: 10)",
    )
    built.add_argument(
        "--instrument", default="guitar", help="that plays the --chords (default: guitar)"
    )
    built.add_argument(
        "--bpm", type=number(float, 20, 400), default=90, help="beats per minute (default: 90)"
    )
    built.add_argument(
        "--beats", type=number(int, 1, 16), default=4, help="beats of a chord (default: 4)"
    )
    built.add_argument(
        "--exact_mel", action="store_true", help="invert mel bands by the constrained solver"
    )
    built.add_argument("--seed", type=number(int, 0), default=0, help="of all randomness")
    built.add_argument("--gpu", help="GPU to use (default: what the environment offers)")
    return built


class Generation:
    """What every way needs: the model, the flags, the generator of random numbers.

    Args:
        args: Parsed flags.
        way: Name of the flag that was given.
    """

    def __init__(self, args, way):
        self.args = args
        self.way = way
        self.folder = args.model or MODELS / _SHIPPED.get(way, "vae_notes")
        if way in _SINGLE and args.output.suffix.lower() not in AUDIO_SUFFIXES:
            raise UserError(f"--output {args.output}: end it in .wav, .flac or .ogg")
        if way not in _SINGLE and args.output.exists() and not args.output.is_dir():
            raise UserError(f"--output {args.output}: is a file; name a folder")
        self.rng = np.random.default_rng(args.seed)

    def open(self):
        """Load the model, after what costs no time has been checked."""
        from vae_generation.trained import load_trained

        start_backend(self.args.gpu)
        self.model = load_trained(self.folder)
        self.spectrogram = self.model.spectrogram
        if (self.way in ("conditional", "chords")) != bool(self.model.conditions):
            what = "is told" if self.model.conditions else "is not told"
            raise UserError(f"{self.folder}: {what} instrument and pitch; not for --{self.way}")

    def images_of(self, path):
        """Windows of a recording, one after the other: (windows, bins, frames, 1)."""
        return self.windows(path, self.spectrogram.samples)

    def windows(self, path, hop):
        """Windows of a recording that begin every ``hop`` samples, the last one filled up."""
        audio, _ = load_audio(path, sample_rate=self.spectrogram.sample_rate)
        if not audio.any():
            raise UserError(f"{path}: is silent; nothing can be learned from it")
        reach = max(audio.size - self.spectrogram.samples, 0)
        starts = range(0, -(-reach // hop) * hop + 1, hop)
        images = [self.spectrogram.image(audio[start:])[0] for start in starts]
        return np.stack(images)[..., np.newaxis]

    def sound(self, image):
        """Audio of an image (bins, frames)."""
        return self.spectrogram.audio(image, seed=self.args.seed, exact=self.args.exact_mel)

    def write(self, path, audio):
        """Write a sound and say so."""
        write_audio(path, audio, self.spectrogram.sample_rate)
        print(f"{path}: {audio.size / self.spectrogram.sample_rate:.1f} s")

    def write_all(self, names, images):
        """Write a sound for each image into the output folder, and a picture of all."""
        from vae_generation.plots import plot_row

        for name, image in zip(names, images, strict=True):
            self.write(self.args.output / f"{name}.wav", self.sound(image[..., 0]))
        plot_row(self.args.output / "sounds.png", names, images)


def autonomous(generation):
    """Sounds that nobody asked for."""
    args, number_of = generation.args, generation.args.autonomous
    generation.open()
    if args.source == "prior":
        latents = generation.rng.standard_normal((number_of, generation.model.latent_dim))
        latents *= args.temperature
    else:
        from vae_generation.latents import Latents

        known = Latents.load(generation.folder / "latents.h5")
        latents = known.sample(number_of, generation.rng, args.temperature)
    images = generation.model.decode(latents)
    generation.write_all([f"sound_{index:03d}" for index in range(number_of)], images)


def conditional(generation):
    """Notes that are asked for in words."""
    generation.open()
    conditions = generation.model.conditions
    notes = list(dict.fromkeys(conditions.parse(text) for text in generation.args.conditional))
    images = play(generation, notes)
    names = [
        f"{instrument}_000-{pitch:03d}-{velocity:03d}" for instrument, pitch, velocity in notes
    ]
    generation.write_all(names, images)


def play(generation, notes):
    """Images of notes (instrument, pitch, velocity), all with one character: one latent vector."""
    latent = generation.rng.standard_normal(generation.model.latent_dim)
    latent *= generation.args.temperature
    vectors = generation.model.conditions.vectors(notes)
    return generation.model.decode(np.tile(latent, (len(notes), 1)), vectors)


def chords(generation):
    """A progression, played with notes that are asked for."""
    args = generation.args
    strokes = progression(args.chords, args.beats)
    generation.open()
    conditions = generation.model.conditions
    instrument, *_ = conditions.parse(f"{args.instrument}, {conditions.lowest}")
    notes = []
    for stroke in strokes:
        for pitch in stroke.pitches:
            conditions.require(pitch, args.chords)
            notes.append((instrument, pitch, stroke.velocity))
    notes = list(dict.fromkeys(notes))
    sounds = {
        note: generation.sound(image[..., 0])
        for note, image in zip(notes, play(generation, notes), strict=True)
    }
    beat = 60 / args.bpm
    mixed = place(
        [
            (stroke.beat * beat, stroke.beats * beat, sounds[instrument, pitch, stroke.velocity])
            for stroke in strokes
            for pitch in stroke.pitches
        ],
        generation.spectrogram.sample_rate,
    )
    generation.write(args.output, safe_peak(mixed))


def continuation(generation):
    """A recording, and what may follow it."""
    args = generation.args
    load_audio(args.continuation)  # a bad file is named before Keras is imported
    generation.open()
    from vae_generation.continuation import load_continuation

    follow = load_continuation(generation.folder)
    spectrogram = generation.spectrogram
    columns = round(follow.hop_seconds * spectrogram.sample_rate / spectrogram.hop)
    hop = columns * spectrogram.hop
    audio, _ = load_audio(args.continuation, sample_rate=spectrogram.sample_rate)
    known, _ = generation.model.encode(generation.windows(args.continuation, hop))
    wanted = round(args.seconds * spectrogram.sample_rate)
    count = -(-wanted // hop) + 1
    latents = follow(known, count, generation.rng, args.temperature)
    images = generation.model.decode(latents)[..., 0]
    added = generation.sound(cross_fade(images, columns))
    overlap = min(hop, audio.size)
    result = continue_with(audio, added, overlap)[: audio.size + wanted]
    generation.write(args.output, safe_peak(result))


def interpolate(generation):
    """The way from one sound to another."""
    args = generation.args
    for path in args.interpolate:
        load_audio(path)
    generation.open()
    from vae_generation.latents import interpolate as between

    ends = [generation.images_of(path)[:1] for path in args.interpolate]
    mean, _ = generation.model.encode(np.concatenate(ends))
    images = generation.model.decode(between(*mean, args.steps))
    generation.write_all([f"step_{index:02d}" for index in range(args.steps)], images)


def reconstruct(generation):
    """A recording of any length, encoded and decoded window by window."""
    args = generation.args
    load_audio(args.reconstruct)
    generation.open()
    spectrogram = generation.spectrogram
    hop = spectrogram.frames // 2
    images = generation.windows(args.reconstruct, hop * spectrogram.hop)
    decoded = generation.model.reconstruct(images)[..., 0]
    audio, _ = load_audio(args.reconstruct, sample_rate=spectrogram.sample_rate)
    generation.write(args.output, generation.sound(cross_fade(decoded, hop))[: audio.size])


def grid(generation):
    """The latent plane: a picture, a sound for each cell, and a page to hear them."""
    from common.report.page import mp3
    from common.report.plots import png_of
    from vae_generation.latents import Latents, plane_grid
    from vae_generation.page import write_plane_page
    from vae_generation.plots import plot_grid, plot_latents

    args, rows = generation.args, generation.args.grid
    generation.open()
    if generation.model.latent_dim != 2:
        raise UserError(
            f"{generation.folder}: latent vectors of {generation.model.latent_dim} numbers are no "
            "plane; train with --latent_dim 2"
        )
    latents = Latents.load(generation.folder / "latents.h5")
    points = plane_grid(latents, rows)
    images = generation.model.decode(points)
    rate, cells = generation.spectrogram.sample_rate, []
    for index, (point, image) in enumerate(zip(points, images, strict=True)):
        audio = generation.sound(image[..., 0])
        write_audio(args.output / f"cell_{index // rows:02d}_{index % rows:02d}.wav", audio, rate)
        cells.append((f"{point[0]:.2f}, {point[1]:.2f}", png_of(image[..., 0]), mp3(audio, rate)))
    plot_grid(args.output / "grid.png", images, rows)
    plot_latents(args.output / "latents.png", latents)
    write_plane_page(
        args.output / "plane.html",
        "The latent plane",
        cells,
        rows,
        explanation="Every cell is a sound that the decoder makes of a point of the plane: press "
        "it, or go there with the arrow keys and press Enter. Below: where the notes lie that it "
        "was trained on.",
        picture=(args.output / "latents.png").read_bytes(),
    )
    print(f"{args.output}: {len(images)} sounds, grid.png, latents.png; open plane.html")


WAYS = {
    "autonomous": autonomous,
    "conditional": conditional,
    "continuation": continuation,
    "interpolate": interpolate,
    "reconstruct": reconstruct,
    "grid": grid,
    "chords": chords,
}


def main(argv=None):
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    way = next(name for name in WAYS if getattr(args, name) is not None)
    WAYS[way](Generation(args, way))
    return 0


if __name__ == "__main__":
    run(main)
