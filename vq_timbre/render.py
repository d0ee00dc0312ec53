"""Render phrases of one instrument from MIDI files and a SoundFont, to train on.

    python -m vq_timbre.render --soundfont FluidR3_GM.sf2 --instrument violin --midi_path corpus \
        --audio_path phrases/violin

The highest notes of each piece are a line, and so are the lowest ones; both are moved into the
range of the instrument, and played with slurs, vibrato and swells (common/music/lines.py). A piece
becomes one file, first one line and then the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import (
    Parser,
    UserError,
    add_seed_flag,
    counted,
    existing_folder,
    number,
    parser,
    report_skipped,
    run,
    say,
)
from common.files.audio import peak, resample, write_audio
from common.music.instruments import ORCHESTRA
from common.music.lines import LinePlayer, outer_line, phrased
from common.music.midi import find_midi, read_notes
from common.music.soundfont import SYNTH_RATE, open_soundfont
from common.work.lock import only_run

_PEAK = 0.5  # of each file
_PARTS = {part.name: part for part in ORCHESTRA}


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=("audio_path",))
    built.add_argument(
        "--soundfont", required=True, type=Path, metavar="FILE", help="SoundFont file, .sf2 or .sf3"
    )
    built.add_argument(
        "--instrument",
        required=True,
        choices=list(_PARTS),
        metavar="NAME",
        help=f"instrument of the orchestra: {', '.join(_PARTS)}",
    )
    built.add_argument(
        "--midi_path", required=True, type=existing_folder, help="folder of MIDI files"
    )
    built.add_argument(
        "--audio_path", required=True, type=Path, help="output folder for the WAV files"
    )
    built.add_flag(
        "--minutes", 15.0, "length after which no piece is begun", type=number(float, above=0)
    )
    built.add_flag(
        "--seconds", 25.0, "longest part of a line that is played", type=number(float, 1)
    )
    built.add_flag("--sample_rate", 44100, "sample rate in Hz", type=number(int, 8000, 48000))
    add_seed_flag(built, "slurs, vibrato, swells and the order of the pieces")
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    files = find_midi(args.midi_path).files
    if not files:
        raise UserError(f"{args.midi_path}: no .mid or .midi file in it or below it")
    part, player = _PARTS[args.instrument], open_soundfont(args.soundfont, 1.0)
    player.select(0, part.program)
    line_player, written, skipped, seconds = LinePlayer(player), 0, [], 0.0
    names = np.random.default_rng(args.seed).permutation(list(files))
    with only_run(args.audio_path):
        for name in names:
            if seconds >= 60 * args.minutes:
                break
            rng = np.random.default_rng([args.seed, *name.encode()])
            try:
                notes = read_notes(files[name]).notes
            except UserError as error:
                skipped.append((files[name], error))
                continue
            lines = [outer_line(notes, part.low, part.high, top=top) for top in (True, False)]
            played = [
                line_player.play(phrased(tones, rng))
                for tones in (_beginning(line, args.seconds) for line in lines)
                if tones
            ]
            if not played or not np.concatenate(played).any():
                skipped.append((files[name], "has no notes to play"))
                continue
            audio = np.concatenate(played)
            audio = resample(audio * (_PEAK / peak(audio)), SYNTH_RATE, args.sample_rate)
            path = args.audio_path / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_audio(path, audio, args.sample_rate)
            written, seconds = written + 1, seconds + audio.size / args.sample_rate
    if not written:
        report_skipped(skipped)
        raise UserError(f"{args.midi_path}: none of its MIDI files could be played")
    say(f"{args.audio_path}: {counted(written, 'piece')}, {seconds / 60:.1f} minutes")
    return report_skipped(skipped)


def _beginning(line, seconds):
    """The first seconds of a line, from time 0 on."""
    first = line[0].start if line else 0.0
    return [
        tone._replace(start=tone.start - first, end=tone.end - first)
        for tone in line
        if tone.end - first <= seconds
    ]


if __name__ == "__main__":
    run(main)
