"""Compare the ways from the image of a note to its sound.

    python -m wae_fader.renderers --model runs/fader --features_path notes.h5 --audio_path notes

prints, for Griffin-Lim and for the network of wae_fader.train_mcnn, on held-out notes, from their
true images:

  distance  multi-scale spectral distance from the true sound (common.training.spectral_losses)
  LSD       log-spectral distance in dB of the sound's image from the image that it was made of
  speed     seconds of audio that one core makes in a second
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import Parser, UserError, add_seed_flag, existing_folder, number, parser, run
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from wae_fader.generate import MODEL
from wae_fader.images import ITERATIONS, RANGE_DB, NoteImages
from wae_fader.store import NoteStore


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--features_path", required=True, type=Path, help="HDF5 file made by wae_fader.preprocess"
    )
    built.add_argument(
        "--audio_path",
        required=True,
        type=existing_folder,
        help="folder of notes that it was made of",
    )
    add_model_flag(built, MODEL)
    built.add_flag("--notes", 32, "largest number of notes", type=number(int, 1))
    add_seed_flag(built, "choice of notes")
    return built


def row_of(
    name: str,
    render: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    sounds: np.ndarray,
    settings: NoteImages,
) -> dict[str, Any]:
    """A row of the table.

    Args:
        name: Of the renderer.
        render: Function from an image to a sound (samples,).
        images, sounds: True ones, (notes, bins, frames) and (notes, samples).
        settings: ``wae_fader.images.NoteImages`` of the images.
    """
    from common.audio.metrics import image_distance
    from common.training.spectral_losses import multi_scale_distance

    render(images[0])  # the first call traces
    begin = time.process_time()
    made = np.stack([render(image) for image in images])
    seconds = time.process_time() - begin
    again = np.stack([settings.image(sound)[0] for sound in made])
    return {
        "renderer": name,
        "distance": float(np.mean(multi_scale_distance(sounds, made))),
        "LSD": image_distance(images, again, RANGE_DB),
        "speed": made.size / settings.sample_rate / seconds,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    config = open_run(args.model, "wae_fader")
    store = NoteStore(args.features_path)
    if config.get("images") != store.images._asdict():
        raise UserError(f"{store.path}: other images than those of {args.model}")
    _, held = store.sides([config])
    chosen = np.random.default_rng(args.seed).permutation(held)[: args.notes].tolist()
    start_backend(None)
    from wae_fader.mcnn import Renderer, read_sounds

    network = Renderer(args.model, store.images)
    images, sounds = store.read(chosen), read_sounds(store, chosen, args.audio_path)
    ways = {f"Griffin-Lim, {ITERATIONS} iterations": store.images.audio, "MCNN": network.audio}
    print(as_text([row_of(name, way, images, sounds, store.images) for name, way in ways.items()]))
    return 0


if __name__ == "__main__":
    run(main)
