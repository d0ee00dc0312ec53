"""Render single notes of a SoundFont with FluidSynth or, if that is missing, TinySoundFont.

Both are set up to sound alike: no reverberation or chorus, attenuation and velocity curve of
FluidSynth. Over eight instruments of a General MIDI font (TimGM6mb) TinySoundFont's held notes have
FluidSynth's pitch and, within 1 dB, its level (within 2 dB where several layers beat); its treble
differs by some dB, as it interpolates samples linearly, and notes ring longer after their release.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import io
import os
import struct
import weakref
from pathlib import Path

import numpy as np

from common.cli import UserError, missing

# A synthesizer that works at 16 kHz aliases everything above 8 kHz in its samples, so render at a
# high rate and resample.
SYNTH_RATE = 48000
NOTE_SECONDS, HELD_SECONDS = 4, 3
INSTALL = "`make notes`, or pip install pyfluidsynth and the system package libfluidsynth3"

_ATTENUATION = 48  # number of the SoundFont generator `initialAttenuation`
_ATTENUATION_SHARE = 0.4  # share of it that FluidSynth applies, as E-mu's hardware did


def open_soundfont(path: Path, gain: float) -> Player:
    """Open a SoundFont with ``FluidSynth`` or, if that is missing, ``TinySoundFont``.

    Args:
        path: Path of the file, .sf2 or .sf3.
        gain: Linear factor on the sound, the same for all notes.

    Raises:
        UserError: No player is installed, or the file is not a complete SoundFont.
    """
    try:
        return FluidSynth(path, gain)
    except ImportError as error:
        missing = error
    try:
        return TinySoundFont(path, gain)
    except ImportError:
        raise UserError(f"FluidSynth is missing ({missing}): {INSTALL}") from missing


def check_whole(path: Path) -> None:
    """Raise ``UserError`` if a file is missing, cut off, or does not begin like a SoundFont."""
    if not path.is_file():
        raise UserError(f"{path}: {missing(path)}; give a SoundFont, .sf2 or .sf3")
    with path.open("rb") as file:
        riff, size, kind = struct.unpack("<4sI4s", file.read(12).ljust(12))
    # FluidSynth would pass such a file to its DLS loader, which prints messages
    if (riff, kind) != (b"RIFF", b"sfbk") or size + 8 > path.stat().st_size:
        raise UserError(f"{path}: not a whole SoundFont; get it anew, as .sf2 or .sf3")


class Player(abc.ABC):
    """Player of the notes of one SoundFont, one at a time.

    Args:
        path: Path of the file.
        gain: Linear factor on the sound.

    Raises:
        ImportError: The player is not installed.
        UserError: The player cannot read the file.
    """

    name = ""

    def __init__(self, path: Path, gain: float = 1.0) -> None:
        self.path, self.gain = path, gain
        self._selected = None

    def select(self, bank: int, program: int) -> None:
        """Choose the program for the next notes; ``UserError`` if the font does not have it."""
        if self._selected == (bank, program):
            return
        if not self._select(bank, program):
            if self._preset_name(bank, program):
                problem = "cannot be loaded: is the file whole?"
            else:
                problem = f"is not in it; the nearest ones are {self._nearest(bank, program)}"
            raise UserError(f"{self.path}: program {bank}:{program} {problem}")
        self._selected = (bank, program)

    @abc.abstractmethod
    def render(self, pitch: int, velocity: int, held: float = HELD_SECONDS) -> np.ndarray:
        """Render a note of the selected program: held, then released.

        Args:
            pitch, velocity: MIDI numbers.
            held: Seconds until the release, above 0.002 and below ``NOTE_SECONDS``, which all
                notes last.

        Returns:
            float32 (samples,) at ``SYNTH_RATE``, the mean of both channels, of any amplitude. The
            result does not depend on the notes before.
        """

    def another(self) -> Player:
        """Open the same SoundFont again, for another thread."""
        return type(self)(self.path, self.gain)

    @abc.abstractmethod
    def _select(self, bank, program):
        """Select a program; return whether that worked."""

    @abc.abstractmethod
    def _preset_name(self, bank, program):
        """Name of a program in the font; None if it is missing."""

    def _unreadable(self):
        return UserError(f"{self.path}: not a SoundFont that {self.name} can read")

    def _nearest(self, bank, program):
        """List the eight programs of the font with the nearest numbers, as text."""
        found = []
        for known in sorted(range(128), key=lambda known: abs(known - program)):
            for there in sorted(range(129), key=lambda there: abs(there - bank)):
                name = self._preset_name(there, known)
                if name:
                    found.append(f"{there}:{known} {name}")
        return ", ".join(found[:8])


class FluidSynth(Player):
    """FluidSynth, a system library, by pyfluidsynth (https://www.fluidsynth.org)."""

    name = "FluidSynth"

    def __init__(self, path: Path, gain: float = 1.0) -> None:
        super().__init__(path, gain)
        # the module's get_samples() clips, and its dither depends on what was played before
        fluidsynth, self._write_float = _fluidsynth()
        check_whole(path)
        # load only the programs of a large font that are played, in memory that may be swapped
        settings = {"synth.dynamic-sample-loading": 1, "synth.lock-memory": 0}
        settings.update({"synth.reverb.active": 0, "synth.chorus.active": 0})
        self._synth = fluidsynth.Synth(float(gain), SYNTH_RATE, 16, **settings)
        weakref.finalize(self, self._synth.delete)
        # the module's sfload() refuses names that are not UTF-8
        self._font = fluidsynth.fluid_synth_sfload(self._synth.synth, os.fsencode(path), 0)
        if self._font < 0:
            raise self._unreadable()

    def render(self, pitch: int, velocity: int, held: float = HELD_SECONDS) -> np.ndarray:
        # A voice fades its first block of 64 samples in from the level of the note that it played
        # before. So play the beginning of each note twice, and every order gives the same result.
        for _ in range(2):
            self._synth.all_sounds_off(0)
            self._samples(SYNTH_RATE // 10)
            self._synth.noteon(0, pitch, velocity)
            start = self._samples(64)
        count = int(held * SYNTH_RATE)
        held = self._samples(count - 64)
        self._synth.noteoff(0, pitch)
        return np.concatenate([start, held, self._samples(NOTE_SECONDS * SYNTH_RATE - count)])

    def _samples(self, count):
        stereo = np.zeros((2, count), np.float32)
        left, right = (channel.ctypes.data for channel in stereo)
        self._write_float(self._synth.synth, count, left, 0, 1, right, 0, 1)
        return stereo.mean(axis=0)

    def _select(self, bank, program):
        return self._synth.program_select(0, self._font, bank, program) == 0

    def _preset_name(self, bank, program):
        return self._synth.sfpreset_name(self._font, bank, program)


class TinySoundFont(Player):
    """TinySoundFont, a Python package (https://github.com/nwhitehead/tinysoundfont-pybind)."""

    name = "TinySoundFont"

    def __init__(self, path: Path, gain: float = 1.0) -> None:
        super().__init__(path, gain)
        from tinysoundfont import _tinysoundfont  # its Synth rounds velocities down

        check_whole(path)
        try:
            self._font = _tinysoundfont.SoundFont(_less_attenuated(path.read_bytes()))
        except (RuntimeError, ValueError) as error:
            raise self._unreadable() from error
        self._font.set_output(_tinysoundfont.OutputMode.StereoInterleaved, SYNTH_RATE, 0)
        self._font.set_max_voices(256)

    def render(self, pitch: int, velocity: int, held: float = HELD_SECONDS) -> np.ndarray:
        # It chooses layers by the integer part of `played`, and its amplitude is proportional to
        # the velocity, not to its square. The mean of its channels is 3 dB louder.
        played = velocity + 0.5
        level = self.gain * velocity**2 / (played * 127) / 2**0.5
        self._font.reset()
        self._font.note_on(self._preset, pitch, played / 127)
        count = int(held * SYNTH_RATE)
        held = self._samples(count)
        self._font.note_off(self._preset, pitch)
        released = self._samples(NOTE_SECONDS * SYNTH_RATE - count)
        return np.concatenate([held, released]) * np.float32(level)

    def _samples(self, count):
        stereo = np.zeros((count, 2), np.float32)
        self._font.render(stereo.data.cast("B"))
        return stereo.mean(axis=1)

    def _select(self, bank, program):
        self._preset = self._font.get_preset_index(bank, program)
        return self._preset >= 0

    def _preset_name(self, bank, program):
        index = self._font.get_preset_index(bank, program)
        return self._font.get_preset_name(index) if index >= 0 else None


@functools.cache
def _fluidsynth():
    """Module ``fluidsynth``, and the library's function that renders to float."""
    try:
        # with the variable CI set, the module prints where it found the library
        with contextlib.redirect_stdout(io.StringIO()):
            import fluidsynth

        wrap, integer, pointer = fluidsynth.cfunc, fluidsynth.c_int, fluidsynth.c_void_p
    # AttributeError: another package of the same name
    except (ImportError, OSError, AttributeError) as error:
        raise ImportError(str(error)) from error

    def arguments(**kinds):
        return [(name, kind, 1) for name, kind in kinds.items()]

    # suppress FluidSynth's own messages
    silence = arguments(level=integer, function=pointer, data=pointer)
    for level in range(5):
        wrap("fluid_set_log_function", pointer, *silence)(level, None, None)
    output = arguments(synth=pointer, length=integer)
    for side in ("left", "right"):
        output += [(side, pointer, 1), (f"{side}_offset", integer, 1), (f"{side}_step", integer, 1)]
    return fluidsynth, wrap("fluid_synth_write_float", integer, *output)


# Tables of the format (SoundFont 2.04, section 7), and the size of their records in bytes.
_SIZES = {"phdr": 38, "pbag": 4, "pgen": 4, "inst": 22, "ibag": 4, "igen": 4, "shdr": 46}
_POINTERS = [  # (table, position of an index in its record, table that it refers to)
    ("phdr", 24, "pbag"),
    ("pbag", 0, "pgen"),
    ("inst", 20, "ibag"),
    ("ibag", 0, "igen"),
]
# (table, generator, table that the generator refers to)
_LINKS = [("pgen", 41, "inst"), ("igen", 53, "shdr")]


def _less_attenuated(font):
    """Scale the attenuation of the layers of a SoundFont (bytes) as FluidSynth applies it.

    Raises:
        ValueError: A table is missing, or an index is out of range; TinySoundFont would crash.
    """
    font = bytearray(font)
    chunks = {}
    for kind, start, stop in _chunks(font, 12, len(font)):
        if kind == b"LIST":
            chunks |= {name: (a, b) for name, a, b in _chunks(font, start + 4, stop)}
    tables = {}
    for name, size in _SIZES.items():
        start, stop = chunks.get(name.encode(), (0, 0))
        tables[name] = np.frombuffer(font, np.uint8)[start:stop][: (stop - start) // size * size]
        tables[name] = tables[name].reshape(-1, size)
        if len(tables[name]) < 2:  # the last record is only a terminator
            raise ValueError(f"no records in {name}")
    for name, place, target in _POINTERS:
        pointers = tables[name][:, place : place + 2].copy().view("<u2")[:, 0]
        if (np.diff(pointers.astype(int)) < 0).any() or pointers[-1] >= len(tables[target]):
            raise ValueError(f"{name} points out of {target}")
    for name, number, target in _LINKS:
        numbers, amounts = tables[name].view("<u2").T
        if (amounts[numbers == number] >= len(tables[target]) - 1).any():
            raise ValueError(f"{name} points out of {target}")
    start, stop = chunks.get(b"smpl", (0, 0))
    # .sf3: start and end are in bytes, loops in samples
    compressed = font[chunks.get(b"ifil", (0, 0))[0]] == 3
    last, unit = (28, 1) if compressed else (36, 2)
    if (tables["shdr"][:-1, 20:last].copy().view("<u4") > (stop - start) // unit).any():
        raise ValueError("a sample lies outside of the data")
    for name in ("pgen", "igen"):
        numbers, amounts = tables[name].view("<i2").T
        here = numbers == _ATTENUATION
        amounts[here] = np.rint(_ATTENUATION_SHARE * amounts[here])
    return bytes(font)


def _chunks(data, start, stop):
    """Yield ``(name, start, stop)`` of the chunks of a RIFF file between two bytes."""
    while start + 8 <= stop:
        name, size = struct.unpack_from("<4sI", data, start)
        yield name, start + 8, min(start + 8 + size, stop)
        start += 8 + size + size % 2
