"""Write the decoder for other programs, such as a plug-in.

    python -m wae_fader.export --output exported
    python -m wae_fader.export --format litert --output exported

The folder gets the decoder (a SavedModel in decoder/, decoder.onnx or decoder.tflite) and
decoder.json, which says what its inputs and its image mean; so does the metadata of the file.
Inputs are latent vectors (notes, dims) and conditions (notes, length): twelve pitch classes, nine
octaves, and the weights of the styles.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.cli import Parser, UserError, parser, run, say
from common.files.text import write_json
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.training.export import export_network, require_packages
from common.work.lock import only_run
from wae_fader.generate import MODEL
from wae_fader.images import RANGE_DB

FILES = {"savedmodel": "decoder", "onnx": "decoder.onnx", "litert": "decoder.tflite"}


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    built.add_flag("--format", "savedmodel", "format of the decoder", choices=tuple(FILES))
    add_model_flag(built, MODEL)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_packages(args.format)
    path = args.output / FILES[args.format]
    if path.exists():
        raise UserError(f"{path}: exists; remove it, or name another folder")
    start_backend(None)
    from wae_fader.ways import open_once

    trained = open_once(args.model)
    with only_run(args.output):
        parts = trained.conditions.parts
        described = {
            "inputs": {
                "latent": trained.dims,
                "condition": {
                    "pitch_class": [parts["pitch_class"].start, parts["pitch_class"].stop],
                    "octave": [parts["octave"].start, parts["octave"].stop],
                    "style": [parts["instrument"].start, parts["instrument"].stop],
                },
            },
            "styles": list(trained.conditions.instruments),
            "image": {**trained.images._asdict(), "decibels_below_loudest": RANGE_DB},
        }
        export_network(trained.decoder, path, args.format, described)
        write_json(args.output / "decoder.json", described)
    say(f"{path}: the decoder of {args.model}")
    return 0


if __name__ == "__main__":
    run(main)
