"""Build the page: export the networks, and put together a folder for any static host.

    python -m web.build

What npm installs has to be there (npm ci in web/). A network that was exported from the same
weights before is not exported again.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from common.cli import UserError, parser, run, say
from common.files.atomic import replace_when_done
from common.music.dataset import checksum
from common.trained import MODELS
from common.training.export import read_metadata, require_packages

WEB = Path(__file__).parent
ROOT = WEB.parent
# name on the page -> folder of the model
TARGETS = {
    "guitar": "keyboard_acoustic_2_guitar_acoustic",
    "strings": "keyboard_acoustic_2_string_acoustic",
    "synth lead": "keyboard_acoustic_2_synth_lead_synthetic",
    "any": "keyboard_acoustic_2_any",
}
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
EXAMPLES = (
    "example_input.ogg",
    "example_any_guitar.ogg",
    "example_any_strings.ogg",
    "example_any_synth.ogg",
)
TOLD = ("system", "model", "licence", "versions", "weights", "codec")


def exported(folder: Path, output: Path) -> dict:
    """Export a model unless that was done, and return the file's metadata."""
    weights = folder / "generator.h5"
    if output.is_file():
        metadata = read_metadata(output)
        if metadata.get("weights") == checksum(weights):
            return metadata
    if "tensorflow" not in sys.modules:  # which reads this once
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    from common.training.devices import start_backend

    start_backend("")
    from export import export

    found = export(folder, "onnx", output)
    say(f"{output}: {found.megabytes:.1f} MB, differs from Keras by at most {found.largest:.1e}")
    return read_metadata(output)


def build(output: Path) -> None:
    """Build the page into a folder.

    Raises:
        UserError: Packages are missing.
    """
    from pix2pix_timbre.trained import own_sound

    runtime = WEB / "node_modules" / "onnxruntime-web"
    if not runtime.is_dir():
        raise UserError(f"{runtime}: not installed; run npm ci in {WEB}")
    require_packages("onnx")
    models = []
    for name, model in TARGETS.items():
        file = output / "models" / f"{model}.onnx"
        metadata = exported(MODELS / model, file)
        sound = own_sound(MODELS / model / "generator.h5")
        models.append(
            {
                "name": name,
                "file": f"../models/{file.name}",
                "phase": sound["phase"],
                "voices": {
                    "detunings": sound["voices"].detunings.tolist(),
                    "level": sound["voices"].level,
                },
                "styled": _channels(metadata) == 2,
                **{key: metadata[key] for key in TOLD},
            }
        )
    for folder in ("page", "engine"):
        shutil.rmtree(output / folder, ignore_errors=True)
        shutil.copytree(WEB / folder, output / folder)
    for name in ("index.html", "_headers", "licences.txt"):
        (output / "page" / name).replace(output / name)
    lines = [f"{model['model']}: {model['licence']}" for model in models]
    with (output / "licences.txt").open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "The networks:", "", *lines, ""]))
    for folder, names in (("vendor", RUNTIME), ("examples", EXAMPLES)):
        source = runtime / "dist" if folder == "vendor" else ROOT / "docs"
        (output / folder).mkdir(exist_ok=True)
        for name in names:
            shutil.copy(source / name, output / folder / name)
    with replace_when_done(output / "models" / "models.json") as path:
        path.write_text(json.dumps(models, indent=1), encoding="utf-8")


def _channels(metadata):
    (shape,) = metadata["inputs"].values()
    return shape[-1]


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    built = parser(__doc__)
    built.add_argument(
        "--output", type=Path, default=WEB / "dist", help="folder to write (default: web/dist)"
    )
    args = built.parse_args(argv)
    build(args.output)
    size = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    say(f"{args.output}: {size / 1e6:.0f} MB, for any static host")
    return 0


if __name__ == "__main__":
    run(main)
