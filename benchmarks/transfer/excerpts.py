"""The excerpts: beginnings of pieces by one instrument, and the same by the instrument asked for.

The pieces are MIDI files. A piano plays them whole, and becomes a guitar, strings and a synth lead;
of their upper line, single voices of an orchestra become others. What the result should be is known
exactly, because the same notes are played by the target's samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import load_audio, resample, safe_peak, write_audio
from common.music.lines import outer_line
from common.music.midi import Note, find_midi, read_notes
from common.music.names import piece_of
from common.music.notes import NoteLibrary, Voice
from common.music.synthesis import mix, notes_of
from data import SAMPLE_RATE

PIANO, LINE = "piano", "line"  # groups of excerpts
PIANO_PAIRS = [
    ("keyboard_acoustic", target)
    for target in ("guitar_acoustic", "string_acoustic", "synth_lead_synthetic")
]
LINE_PAIRS = [("flute_acoustic", "violin_acoustic"), ("clarinet_acoustic", "trumpet_acoustic")]
_FADE = 0.05  # seconds at the end of an excerpt
RING = 1.0  # factor on the length of notes: they end as the MIDI file says


class Excerpt(NamedTuple):
    """What is converted, and what it should become.

    Attributes:
        group: PIANO or LINE.
        origin, target: Names of instruments.
        piece: Name of the MIDI file.
        rendering: Name of its audio files.
        audios: Folder of the renderings of the group, one folder for each instrument.
        style: Name of the rendering of another piece that shows what the target sounds like.
        voice: Samples of the target.
        notes: What is played, within the excerpt.
        seconds: Length.
    """

    group: str
    origin: str
    target: str
    piece: str
    rendering: str
    audios: Path
    style: str
    voice: Voice
    notes: tuple[Note, ...]
    seconds: float

    @property
    def name(self) -> str:
        """Name of the excerpt: "flute_acoustic_2_violin_acoustic/bach_prelude_c"."""
        return f"{self.origin}_2_{self.target}/{self.piece}"

    def source(self) -> np.ndarray:
        """What is converted: (samples,) float32 at ``data.SAMPLE_RATE``."""
        return self._read(self.origin, self.rendering)

    def truth(self) -> np.ndarray:
        """What it should become: (samples,) float32."""
        return self._read(self.target, self.rendering)

    def example(self) -> np.ndarray:
        """The target playing another piece: (samples,) float32."""
        return self._read(self.target, self.style)

    def _read(self, instrument, rendering):
        audio, _ = load_audio(self.audios / instrument / f"{rendering}.wav", SAMPLE_RATE)
        audio = audio[: round(self.seconds * SAMPLE_RATE)].copy()
        fade = min(round(_FADE * SAMPLE_RATE), audio.size)  # else it would end with a click
        audio[audio.size - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        return audio


def render_pieces(midi_path: Path, nsynth_path: Path, audios_path: Path) -> None:
    """Render all pieces by the piano and its targets, as ``synthesize_audios.py`` does.

    What is there already is kept.
    """
    import synthesize_audios

    instruments = dict.fromkeys(name for pair in PIANO_PAIRS for name in pair)
    argv = ["--nsynth_path", str(nsynth_path), "--midi_path", str(midi_path), "--shared_gain"]
    argv += ["--audios_path", str(audios_path), "--duration_rate", str(RING)]
    synthesize_audios.main([*argv, "--instruments", *instruments])


def lines_of(midi_path: Path, library: NoteLibrary) -> dict[str, tuple[Note, ...]]:
    """The upper line of each piece, where all instruments of ``LINE_PAIRS`` have samples.

    Returns:
        Dict from the name of a piece to its notes; pieces without a line are left out.
    """
    ranges = [
        library.files(name, library.default_preset(name))
        for name in {name for pair in LINE_PAIRS for name in pair}
    ]
    low, high = max(map(min, ranges)), min(map(max, ranges))
    lines = {}
    for piece, path in find_midi(midi_path).files.items():
        tones = outer_line(read_notes(path).notes, low, high)
        if tones:
            notes = (Note(one.pitch, one.velocity, one.start, one.end) for one in tones)
            lines[piece] = tuple(notes)
    return lines


def render_lines(
    lines: dict[str, tuple[Note, ...]], library: NoteLibrary, audios_path: Path, seconds: float
) -> None:
    """Render the beginnings of lines by the instruments of ``LINE_PAIRS``; files that exist stay.

    Args:
        lines: As ``lines_of`` returns them.
        library: Notes of the instruments.
        audios_path: Folder to write, with a folder for each instrument.
        seconds: Longest length.
    """
    for name in dict.fromkeys(name for pair in LINE_PAIRS for name in pair):
        voice = library.voice(name, library.default_preset(name))
        for piece, notes in lines.items():
            path = audios_path / name / f"{piece}.wav"
            if not path.is_file():
                audio = played([note for note in notes if note.start < seconds], voice)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_audio(path, safe_peak(audio[: round(seconds * SAMPLE_RATE)]), SAMPLE_RATE)


def played(notes: Sequence[Note], voice: Voice) -> np.ndarray:
    """Notes played by samples: (samples,) float32 at ``data.SAMPLE_RATE``; empty without notes."""
    if not notes:
        return np.zeros(0, np.float32)
    audio, _ = mix(notes, voice, RING)
    return resample(audio, voice.sample_rate, SAMPLE_RATE)


def find_excerpts(
    group: str,
    audios: Path,
    library: NoteLibrary,
    pieces: Sequence[str],
    seconds: float,
    *,
    midi_path: Path | None = None,
    lines: dict[str, tuple[Note, ...]] | None = None,
) -> list[Excerpt]:
    """The excerpts of a group.

    Args:
        group: PIANO or LINE.
        audios: Folder of its renderings.
        library: Notes of the targets.
        pieces: Names of MIDI files; those that are not rendered are refused.
        seconds: Length of an excerpt; shorter renderings are used whole.
        midi_path: Folder of the MIDI files, of whole pieces.
        lines: Notes of lines.

    Raises:
        UserError: A piece is not there or begins too late, or there is no other one to show the
            target's sound.
    """
    found = []
    for origin, target in PIANO_PAIRS if group == PIANO else LINE_PAIRS:
        renderings = {
            piece_of(path.stem): path.stem
            for path in sorted((audios / target).glob("*.wav"))
            if (audios / origin / path.name).is_file()
        }
        names = list(renderings)
        # one for all pieces, so that what is made of its samples is made once
        voice = library.voice(target, library.default_preset(target))
        for piece in pieces:
            if piece not in renderings or len(names) < 2:
                raise UserError(
                    f"{audios}: holds {', '.join(names) or 'no piece'} by {origin} and {target}; "
                    f"two are needed, and {piece} is asked for"
                )
            rendering = renderings[piece]
            style = renderings[names[(names.index(piece) + 1) % len(names)]]
            notes = lines[piece] if lines else notes_of(rendering, midi_path)
            kept = tuple(note for note in notes if note.start < seconds)
            if not kept:
                raise UserError(f"{piece}: no note in the first {seconds:g} s; raise --seconds")
            found.append(
                Excerpt(
                    group, origin, target, piece, rendering, audios, style, voice, kept, seconds
                )
            )
    return found
