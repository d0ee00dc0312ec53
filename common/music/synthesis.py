"""Play the notes of a MIDI file with the voices of a note library."""

import contextlib
import errno
import functools
import stat
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.audio.streaming import resample_blocks
from common.cli import UserError
from common.files.audio import AudioFileError, AudioWriter, peak, read_header
from common.music.midi import LONGEST_HOURS, Note, find_midi, read_notes
from common.music.names import Variation, pair_key, rendering_name, split_variation
from common.music.notes import NOTE_SECONDS, NoteLibrary, Voice
from common.work.cluster import keep_for_a_run
from data import SAMPLE_RATE

HELD = 0.9  # share of a note's length after which it is released
RELEASE_SECONDS = 3000 / 16000  # time constant of the exponential release
PEAK = 32000 / 2**15  # peak of a normalised piece
_INAUDIBLE = 2.0**-16
_IN_MEMORY = 2**25  # bytes per voice, three minutes; longer audio is kept in an unnamed file
_BLOCK = 2**20  # bytes


class Settings(NamedTuple):
    """Settings that are the same for every piece of a run."""

    nsynth_path: Path
    audios_path: Path
    voices: tuple[tuple[str, int], ...]  # (instrument, preset)
    sustain: bool
    shared_gain: bool
    overwrite: bool


class Piece(NamedTuple):
    """A MIDI file, the name of its audio, and its variation."""

    midi: Path
    name: str
    transpose: int
    playback_speed: float
    duration_rate: float


def notes_of(rendering: str, midi_path: Path) -> tuple[Note, ...]:
    """Return the notes that a rendering plays.

    Args:
        rendering: Name of an audio file of ``synthesize_audios.py``: piece, variation, preset.
        midi_path: Folder of the MIDI files.

    Returns:
        Tuple of ``common.music.midi.Note``.

    Raises:
        UserError: The MIDI file is missing or unreadable.
    """
    key = pair_key(rendering)
    files = find_midi(midi_path).files if midi_path.is_dir() else {}
    # a MIDI file may have a name that looks like a variation
    piece, varied = (key, Variation()) if key in files else split_variation(key)
    if piece not in files:
        raise UserError(
            f"{midi_path / piece}.mid: no such file; --midi_path is what the audios were made from"
        )
    return read_notes(
        files[piece],
        sustain=varied.sustain,
        transpose=varied.transpose,
        playback_speed=varied.playback_speed,
    ).notes


def audio_path(audios_path: Path, instrument: str, piece: str, preset: int) -> Path:
    """Path of the audio of a piece; a preset other than 0 is added as ``@<preset>``."""
    return audios_path / instrument / f"{rendering_name(piece, preset)}.wav"


def mix(
    notes: Sequence[Note], voice: Voice, duration_rate: float = 4.0
) -> tuple[np.ndarray, Counter[str]]:
    """Play notes with a voice.

    Each note sounds unchanged for ``HELD`` of its length and then decays exponentially with the
    time constant ``RELEASE_SECONDS`` until it is inaudible or its sample ends.

    Args:
        notes: ``common.music.midi.Note`` objects; not empty.
        voice: ``common.music.notes.Voice``.
        duration_rate: Factor on the length of each note.

    Returns:
        ``(audio, counts)``: float32 (samples,) at the voice's rate, not normalised, of a length
        that depends on the notes only, not on the voice; Counter of all ``notes``, of those
        ``substituted`` from another pitch, and of those ``cut`` because the sample ended before the
        release.
    """
    rate = voice.sample_rate
    release = _release(rate)
    held_seconds = [HELD * (note.end - note.start) * duration_rate for note in notes]
    end = max(
        note.start + min(held + release.size / rate, NOTE_SECONDS)
        for note, held in zip(notes, held_seconds, strict=True)
    )
    audio = np.zeros(int(end * rate) + 2, np.float32)
    counts = Counter(notes=len(notes))
    for note, held in zip(notes, held_seconds, strict=True):
        sample, distance = voice.note(note.pitch, note.velocity)
        start = round(note.start * rate)
        sustained = sample[: round(held * rate)]
        released = sample[sustained.size : sustained.size + release.size]
        audio[start : start + sustained.size] += sustained
        start += sustained.size
        audio[start : start + released.size] += released * release[: released.size]
        counts["substituted"] += distance > 0
        counts["cut"] += released.size == 0
    return audio, counts


@functools.lru_cache
def _release(rate):
    length = int(-np.log(_INAUDIBLE) * RELEASE_SECONDS * rate)
    return np.exp(-np.arange(length, dtype=np.float32) / np.float32(RELEASE_SECONDS * rate))


def _state(path, piece):
    """State of an audio file: "kept" if it is complete, "damaged" or "missing"."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "missing"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UserError(f"{piece.midi}: the name of its audio is too long; shorten it") from error
    try:
        read_header(path)
    except AudioFileError:  # cut off: the machine crashed before all of it was on the disk
        return "damaged"
    return "kept"


@keep_for_a_run
def library(path: Path) -> NoteLibrary:
    """The ``NoteLibrary`` of a folder, one per process."""
    return NoteLibrary(path)


@keep_for_a_run
def _voice(path, instrument, preset):
    return library(path).voice(instrument, preset)


def render_piece(settings: Settings, piece: Piece) -> Counter[str]:
    """Write the audio of one piece for every voice of the settings.

    Returns:
        Counter of ``written``, ``kept`` and ``damaged`` files, and the counts of ``mix`` and of the
        MIDI file.

    Raises:
        UserError: The MIDI file cannot be read, needs a note that the library lacks, would last
            longer than ``LONGEST_HOURS`` at its speed, or has too long a name.
    """
    outputs = {
        voice: audio_path(settings.audios_path, voice[0], piece.name, voice[1])
        for voice in settings.voices
    }
    states = {voice: _state(path, piece) for voice, path in outputs.items()}
    missing = {voice: path for voice, path in outputs.items() if states[voice] != "kept"}
    if settings.overwrite:
        wanted = outputs
    else:
        wanted = missing
        if wanted and settings.shared_gain:
            wanted = outputs  # the common gain depends on all voices
    counts = Counter(written=len(wanted), kept=len(outputs) - len(wanted))
    counts["damaged"] = 0 if settings.overwrite else [*states.values()].count("damaged")
    if not wanted:
        return counts
    sequence = read_notes(
        piece.midi,
        sustain=settings.sustain,
        transpose=piece.transpose,
        playback_speed=piece.playback_speed,
    )
    if sequence.duration > LONGEST_HOURS * 3600:
        raise UserError(
            f"{piece.midi}: would last {sequence.duration / 3600:,.0f} hours, more than"
            f" {LONGEST_HOURS}; raise --playback_speed"
        )
    counts += sequence.counts
    with contextlib.ExitStack() as stack:
        files, peaks = {}, {}
        for name, path in wanted.items():
            voice = _voice(settings.nsynth_path, *name)
            try:
                audio, played = mix(sequence.notes, voice, piece.duration_rate)
            except UserError as error:
                raise UserError(f"{piece.midi}: {error}") from error
            counts += played
            settings.audios_path.mkdir(parents=True, exist_ok=True)
            files[path] = stack.enter_context(
                tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=settings.audios_path)
            )
            blocks = resample_blocks(audio, voice.sample_rate, SAMPLE_RATE)
            peaks[path] = _keep(blocks, files[path], path)
            if not peaks[path]:  # the samples begin with silence that is longer than the notes
                raise UserError(f"{piece.midi}: {voice.name} makes no sound of its notes")
        for path, file in files.items():
            loudest = max(peaks.values()) if settings.shared_gain else peaks[path]
            file.seek(0)
            with AudioWriter(path, SAMPLE_RATE, channels=1, durable=False) as writer:
                while block := file.read(_BLOCK):
                    writer.write(np.frombuffer(block, np.float32) * np.float32(PEAK / loudest))
    return counts


def _keep(blocks, file, path):
    """Keep float32 blocks in a temporary file until the gain is known; return the peak."""
    loudest = 0.0
    try:
        for block in blocks:
            file.write(block.data)
            loudest = max(loudest, peak(block))
    except OSError as error:
        raise OSError(f"{path}: cannot be written; is the disk full?") from error
    return loudest
