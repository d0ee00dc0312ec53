"""Find the instruments whose sound is nearest to that of a recording of a note.

    python -m timbre_space.place --input data/orchestra/audio/flute_acoustic_000-071-096.flac

prints all instruments of the space, the nearest one first, with their distances. A distance is
that of the sound's columns to the ten nearest columns of the instrument in the latent space.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import Parser, UserError, parser, run, say
from common.report.tables import as_text
from common.trained import add_model_flag
from common.training.devices import start_backend
from data import load_audio
from timbre_space.preprocess import sustained

if TYPE_CHECKING:
    from timbre_space.trained import TrainedSpace

COLUMNS = 20  # of the sustained part of a sound


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--input", type=Path, required=True, nargs="+", help="recordings of notes")
    add_model_flag(built, "timbre_space_erb")
    return built


def latents_of(trained: TrainedSpace, audio: np.ndarray, name: object) -> np.ndarray:
    """Latent vectors (columns, dims) of the sustained part of a sound, or of all of a short one.

    Raises:
        UserError: The sound is silent.
    """
    levels, _ = sustained(audio, trained.spectra, COLUMNS)
    if not len(levels):
        levels = trained.spectra.columns(audio)
        power = (10 ** (levels / 10)).sum(axis=1)
        levels = levels[power > power.max() / 1000]
    if not audio.any():
        raise UserError(f"{name}: is silent; nothing can be placed")
    return trained.encode_columns(levels)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    for path in args.input:
        load_audio(path)  # so that a bad file is reported before Keras is imported
    start_backend(None)
    from timbre_space.trained import load_trained, read_latents

    trained, landmarks = load_trained(args.model), read_latents(args.model)
    for path in args.input:
        audio, _ = load_audio(path, sample_rate=trained.sample_rate)
        apart = landmarks.distances(latents_of(trained, audio, path), trained.instruments)
        rows = [
            {"instrument": trained.instruments[place], "distance": float(apart[place])}
            for place in np.argsort(apart)
        ]
        say(f"{path}:")
        print(as_text(rows), end="\n\n")
    return 0


if __name__ == "__main__":
    run(main)
