"""Make a recording anew of grains: of the model's, or of those of a corpus that are most alike.

    python -m granular.resynthesize --input loop.wav --output again.wav
    python -m granular.resynthesize --input loop.wav --output again.wav --method corpus \\
        --corpus data/drums

--method corpus is classic granular resynthesis: for each grain, that grain of the corpus whose
descriptors (centroid, bandwidth, rolloff, flatness, sharpness) are nearest, at the level of the
grain that it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.cli import Parser, UserError, existing_folder, parser, run
from common.files.audio import load_sounding
from common.work.lock import only_run
from granular.scripts import (
    add_model_flags,
    open_trained,
    require_audio,
    write_sound,
)


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--input", type=Path, required=True, help="recording")
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    built.add_flag("--method", "model", "where the grains come from", choices=("model", "corpus"))
    built.add_argument("--corpus", type=existing_folder, help="folder of sounds")
    add_model_flags(built)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio(args.output, args.input)
    if (args.method == "corpus") != bool(args.corpus):
        raise UserError("--corpus: name a folder of sounds, with --method corpus")
    trained = open_trained(args)
    rate = trained.sample_rate
    with only_run(args.output, folder=False):
        audio = load_sounding(args.input, rate)
        if args.method == "corpus":
            from granular.corpus import Corpus

            made = Corpus.of_folder(args.corpus, trained.grains).resynthesize(audio)
        else:
            made = trained.decode(trained.encode(audio), seed=args.seed)
        write_sound(args.output, made[: audio.size], rate)
    return 0


if __name__ == "__main__":
    run(main)
