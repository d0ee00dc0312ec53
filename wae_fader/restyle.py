"""Play a recorded note in another style.

    python -m wae_fader.restyle --input note.wav --to violin --output violin.wav
    python -m wae_fader.restyle --input note.wav --to violin=0.5 oboe=0.7 --output both.wav

The note becomes a point of the latent space, which is played at the note's pitch and level in
another style. Only the beginning of the recording is used, as long as a note of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.cli import Parser, UserError, about, add_gpu_flag, parser, run, say
from common.files.audio import read_header, require_audio_suffix
from common.music.names import pitch_number
from common.trained import add_model_flag
from common.training.devices import start_backend
from common.work.lock import only_run
from data import load_audio, write_audio
from wae_fader.generate import MODEL


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--input", type=Path, required=True, help="recording of a note")
    built.add_argument(
        "--to", nargs="+", required=True, metavar="STYLE", help='"violin", or with weights'
    )
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    built.add_argument("--pitch", help='of the note, such as "C#4" (default: as it is heard)')
    add_model_flag(built, MODEL)
    add_gpu_flag(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio_suffix(args.output)
    pitch = None if args.pitch is None else pitch_number(args.pitch)
    if args.pitch is not None and pitch is None:
        raise UserError(f"--pitch {args.pitch!r}: is no pitch; write it like C#4 or 61")
    read_header(args.input)  # a bad file is named before Keras is imported
    from wae_fader.ways import open_once, parse_weights, restyle_note

    with about("--to"):
        weights = parse_weights(args.to)
    start_backend(args.gpu)
    trained = open_once(args.model)
    with about("--to"):
        trained.vectors([trained.pitch], weights)
    if pitch is not None:
        with about("--pitch"):
            trained.vectors([pitch], weights)
    with only_run(args.output, folder=False):
        audio, rate = load_audio(args.input, sample_rate=None, mono=False)
        given = audio.shape[-1] / rate
        with about(args.input):
            made, rate = restyle_note(audio, rate, weights, pitch, args.model)
        write_audio(args.output, made, rate)
    used = made.size / rate
    rest = f", of the first {used:.1f} s of {given:.1f} s" if round(given - used, 1) > 0 else ""
    say(f"{args.output}: {used:.1f} s{rest}")
    return 0


if __name__ == "__main__":
    run(main)
