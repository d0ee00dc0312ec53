"""Go from one sound to another through the space, and hear and see what lies between.

    python -m timbre_space.path "flute E5" "french horn A4" --output path.wav

Both ends are a note of the space, the nearest one that it was trained on, or an audio file. The
path has eight points, half a second each; beside the sound there is a picture of its spectra.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import Parser, UserError, number, parser, run, say
from common.files.audio import require_audio_suffix
from common.latent import interpolate
from common.music.names import find_instrument, pitch_number
from common.trained import add_model_flag
from common.training.devices import start_backend
from data import load_audio, write_audio

if TYPE_CHECKING:
    from timbre_space.trained import Landmarks, TrainedSpace


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "ends", nargs=2, metavar="END", help='two notes of the space ("flute E5") or audio files'
    )
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    built.add_flag(
        "--kind",
        "spherical",
        "along a great circle around the origin, or straight",
        choices=("spherical", "linear"),
    )
    built.add_flag("--points", 8, "number of points, with both ends", type=number(int, 2, 100))
    built.add_flag("--seconds", 0.5, "length of a point in seconds", type=number(float, 0.05, 10))
    add_model_flag(built, "timbre_space_erb")
    return built


def end_of(text: str, trained: TrainedSpace, landmarks: Landmarks) -> tuple[str, np.ndarray]:
    """Name and latent vector (dims,) of an end of a path: a file, or an instrument and a pitch."""
    from timbre_space.place import latents_of

    if Path(text).suffix:
        audio, _ = load_audio(Path(text), sample_rate=trained.sample_rate)
        return Path(text).stem, latents_of(trained, audio, text).mean(axis=0)
    *words, last = text.replace(",", " ").split() or [""]
    instrument = find_instrument("_".join(words), trained.instruments) if words else None
    pitch = pitch_number(last)
    if instrument is None or pitch is None:
        names = ", ".join(trained.instruments)
        raise UserError(f"{text!r}: neither a file nor a note such as 'flute E5', of {names}")
    row, vector = landmarks.note(instrument, pitch)
    return f"{row.instrument}, pitch {row.pitch}", vector


def way(first: np.ndarray, second: np.ndarray, points: int, kind: str) -> np.ndarray:
    """Points (points, dims) between two latent vectors, with both."""
    if kind == "spherical":
        return interpolate(first, second, points)
    share = np.linspace(0, 1, points)[:, np.newaxis]
    return (1 - share) * first + share * second


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio_suffix(args.output)
    for end in args.ends:
        if Path(end).suffix:
            load_audio(Path(end))  # so that a bad file is reported before Keras is imported
    start_backend(None)
    from common.report.plots import Panel, image_grid, save_figure
    from timbre_space.spectra import FLOOR_DB
    from timbre_space.trained import load_trained, read_latents

    trained, landmarks = load_trained(args.model), read_latents(args.model)
    (first, begin), (second, end) = (end_of(text, trained, landmarks) for text in args.ends)
    vectors = way(begin, end, args.points, args.kind)
    held = np.repeat(vectors, max(round(args.seconds * trained.rate), 1), axis=0)
    write_audio(args.output, trained.decode(held), trained.sample_rate)
    levels = trained.decode_columns(held).T
    picture = args.output.with_suffix(".png")
    panel = Panel(levels, f"{first} to {second}, {args.kind}", (FLOOR_DB, float(levels.max())))
    figure = image_grid(
        [panel], size=(9, 4), scale=(1 / trained.rate, None), bar="dB", rows=["band"]
    )
    save_figure(figure, picture)
    say(f"{args.output}: {len(held) / trained.rate:.1f} s from {first} to {second}; {picture}")
    return 0


if __name__ == "__main__":
    run(main)
