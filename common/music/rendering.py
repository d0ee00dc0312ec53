"""Notes of SoundFonts as files."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import resample, write_audio
from common.music.drums import BANK, trimmed
from common.music.instruments import ORCHESTRA, file_name
from common.music.sample_names import ORDINARY
from common.music.soundfont import SYNTH_RATE, Player
from common.music.techniques import TECHNIQUES, play

SAMPLE_RATE = 16000  # Hz, of files unless another one is given
FADE_SECONDS = 0.02
SILENCE = 4 / 2**15  # a peak below this is no tone any more in 16 bit


class Instrument(NamedTuple):
    """An instrument's name as in NSynth, ``keyboard_acoustic_004``, and what plays it."""

    name: str
    bank: int
    program: int


class Task(NamedTuple):
    """A note to render, and the path of its file."""

    played: Instrument
    technique: str
    pitch: int
    velocity: int
    path: Path


def orchestra_voices(parts: list, techniques: list, step: int) -> list:
    """List what to render of some instruments of the orchestra.

    Args:
        parts: List of ``Part``.
        techniques: Some of ``TECHNIQUES``, or "all"; those that an instrument cannot play are
            left out.
        step: Semitones from one pitch to the next; each instrument starts elsewhere.

    Returns:
        List of (``Instrument``, technique, pitches).
    """
    wanted = TECHNIQUES if "all" in techniques else techniques
    return [
        (
            Instrument(f"{file_name(part.name)}_{preset:03d}", 0, part.program),
            technique,
            range(part.low + ORCHESTRA.index(part) % step, part.high + 1, step),
        )
        for part in dict.fromkeys(parts)
        for preset, technique in enumerate(TECHNIQUES)
        if technique in wanted and technique in (ORDINARY, *part.techniques)
    ]


def finish(audio: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A rendered note as the file holds it: at a sample rate, its last samples faded to zero."""
    note = resample(audio, SYNTH_RATE, sample_rate)
    fade = int(FADE_SECONDS * sample_rate)
    note[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    return note


def write_note(player: Player, task: Task, sample_rate: int = SAMPLE_RATE) -> bool:
    """Render one note and write its file, at a sample rate in Hz.

    Returns:
        Whether it was written: a note that the font does not sound is not.

    Raises:
        UserError: The font cannot play the program, or the note is too loud for 16 bit.
    """
    path = task.path
    player.select(task.played.bank, task.played.program)
    note = finish(play(player, task.technique, task.pitch, task.velocity), sample_rate)
    peak = float(abs(note).max(initial=0))
    if task.played.bank == BANK:
        note = trimmed(note, sample_rate)
    if peak < SILENCE:
        path.unlink(missing_ok=True)  # of another font, with --overwrite
        return False
    if peak > 1:
        raise UserError(
            f"{path}: would clip at {peak:.2f} of full scale; give a lower --gain, and --overwrite "
            "so that all notes share it"
        )
    write_audio(path, note, sample_rate)
    return True


def write_notes(tasks: list, player: Player, jobs: int, sample_rate: int = SAMPLE_RATE) -> list:
    """Write notes in several threads: players and the writing of files run outside of Python.

    Args:
        tasks: List of ``Task``.
        player: ``common.music.soundfont.Player``; each further thread makes another.
        jobs: Number of threads.
        sample_rate: Hz, of the files.

    Returns:
        The tasks whose note is silent.
    """
    jobs = max(1, min(jobs, len(tasks)))
    idle = SimpleQueue()
    idle.put(player)
    for _ in range(jobs - 1):
        idle.put(player.another())

    def work(task):
        free = idle.get()
        try:
            return write_note(free, task, sample_rate)
        finally:
            idle.put(free)

    with ThreadPoolExecutor(jobs) as pool:  # map() drops what has not begun when one task fails
        sounding = list(pool.map(work, tasks))
    return [task for task, sounds in zip(tasks, sounding, strict=True) if not sounds]
