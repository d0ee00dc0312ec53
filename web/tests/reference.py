"""Write recordings for the end-to-end tests, and what predict.py makes of them.

python -m web.tests.reference --output FOLDER
"""

from pathlib import Path

import numpy as np
import soundfile

import predict
import predict_multitarget
from common.cli import parser, run
from common.files.audio import load_audio, resample, write_audio
from common.trained import MODELS
from data import SAMPLE_RATE
from web.build import TARGETS

DOCS = Path(__file__).parents[2] / "docs"
STYLE = DOCS / "example_any_synth.ogg"


def recordings(output):
    """Write the recordings, all of the same twelve seconds; return their paths by name."""
    audio, _ = load_audio(DOCS / "example_input.ogg")
    stereo = np.stack([audio, np.roll(audio, 5000) * np.float32(0.6)])
    made = {
        "wav": (output / "wav.wav", stereo, SAMPLE_RATE, "PCM_16"),
        "deep": (output / "deep.wav", audio, SAMPLE_RATE, "FLOAT"),
        "flac": (output / "flac.flac", audio, SAMPLE_RATE, "PCM_16"),
        "48": (output / "48.wav", resample(audio, SAMPLE_RATE, 48000), 48000, "PCM_24"),
        "mp3": (output / "mp3.mp3", audio, SAMPLE_RATE, None),
        "silence": (output / "silence.wav", 0 * audio, SAMPLE_RATE, "PCM_16"),
        "empty": (output / "empty.wav", audio[:0], SAMPLE_RATE, "PCM_16"),
        # three minutes, and eleven
        "song": (output / "song.wav", np.tile(stereo, 15), SAMPLE_RATE, "PCM_16"),
        "long": (output / "long.flac", np.zeros((2, 660 * 8000), np.float32), 8000, "PCM_16"),
    }
    for arguments in made.values():
        write_audio(*arguments)
    damaged = np.where(np.arange(audio.size) == 1000, np.nan, audio)
    soundfile.write(output / "nan.wav", damaged, SAMPLE_RATE, "FLOAT")
    (output / "cut.wav").write_bytes((output / "wav.wav").read_bytes()[:30])
    (output / "notes.wav").write_text("These are my notes.\n" * 100, encoding="utf-8")
    return {name: path for name, (path, *_) in made.items()}


def main(argv=None):
    """Run the script; return exit status 0."""
    built = parser(__doc__)
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    args = built.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    paths = recordings(args.output)
    for name in ("wav", "deep", "flac", "48", "mp3"):
        _convert(predict, "guitar", paths[name], args.output / f"guitar-{name}.wav")
    for target in ("strings", "synth lead"):
        _convert(predict, target, paths["deep"], args.output / f"{target}-deep.wav")
    style = ["--style", str(STYLE)]
    _convert(predict_multitarget, "any", paths["deep"], args.output / "any-deep.wav", style)
    return 0


def _convert(script, target, source, output, more=()):
    model = str(MODELS / TARGETS[target])
    flags = ["--model", model, "--input", str(source), "--output", str(output), *more]
    script.main(flags)


if __name__ == "__main__":
    run(main)
