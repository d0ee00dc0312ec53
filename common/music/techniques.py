"""Playing techniques of rendered notes, made of what a SoundFont's ordinary note gives.

General MIDI's tremolo, pizzicato and muted programs are instruments of their own, for a few
instruments only. Here each technique is made of the instrument's own sound: by the keys that are
pressed (staccato, repetition), by reading the sound at a changing speed (vibrato, bend), by its
level (swell), or by a filter (mute).
"""

import numpy as np

from common.music.pitch import frequency
from common.music.sample_names import ORDINARY
from common.music.soundfont import HELD_SECONDS, SYNTH_RATE, Player

TECHNIQUES = (ORDINARY, "staccato", "repetition", "vibrato", "swell", "bend", "mute")

STACCATO_SECONDS = 0.15  # that the key is held
REPETITIONS_PER_SECOND = 4
VIBRATO_HERTZ, VIBRATO_SEMITONES = 5.5, 0.35
VIBRATO_ONSET = 0.4  # seconds until it is full
BEND_SEMITONES, BEND_SECONDS = -2.0, 0.6  # from here up to the pitch
SWELL_DECIBELS = 20.0  # from the ends to the middle
MUTE_OCTAVES, MUTE_LOWEST = 1.5, 800.0  # of the filter above the pitch; in Hz


def play(player: Player, technique: str, pitch: int, velocity: int) -> np.ndarray:
    """Render a note of the selected program with a technique.

    Args:
        player: ``common.music.soundfont.Player``.
        technique: One of ``TECHNIQUES``; its place there is its preset in a library of notes.
        pitch, velocity: MIDI numbers.

    Returns:
        float32 (samples,) at ``SYNTH_RATE``, as long as the player's notes.
    """
    if technique in ("staccato", "repetition"):
        stroke = player.render(pitch, velocity, STACCATO_SECONDS)
        return repeated(stroke) if technique == "repetition" else stroke
    note = player.render(pitch, velocity)
    if technique in ("vibrato", "bend"):
        semitones = (vibrato if technique == "vibrato" else bend)(len(note))
        return at_speed(note, 2 ** (semitones / 12))
    if technique == "swell":
        return note * swell(len(note))
    return muted(note, pitch) if technique == "mute" else note


def repeated(stroke: np.ndarray) -> np.ndarray:
    """A short note struck again and again for as long as other notes are held."""
    step = SYNTH_RATE // REPETITIONS_PER_SECOND
    result = np.zeros_like(stroke)
    for start in range(0, HELD_SECONDS * SYNTH_RATE, step):
        result[start:] += stroke[: len(stroke) - start]
    return result


def vibrato(samples: int) -> np.ndarray:
    """Semitones above the pitch at each sample, growing to the full depth."""
    seconds = np.arange(samples) / SYNTH_RATE
    depth = VIBRATO_SEMITONES * np.minimum(seconds / VIBRATO_ONSET, 1)
    return depth * np.sin(2 * np.pi * VIBRATO_HERTZ * seconds)


def bend(samples: int) -> np.ndarray:
    """Semitones above the pitch at each sample: from below up to it, along half a cosine."""
    share = np.minimum(np.arange(samples) / (BEND_SECONDS * SYNTH_RATE), 1)
    return BEND_SEMITONES * (1 + np.cos(np.pi * share)) / 2


def swell(samples: int) -> np.ndarray:
    """Gain at each sample: it rises by ``SWELL_DECIBELS`` to the middle, and falls again."""
    share = np.minimum(np.arange(samples) / (HELD_SECONDS * SYNTH_RATE), 1)
    decibels = SWELL_DECIBELS * (np.sin(np.pi * share) - 1)
    return (10 ** (decibels / 20)).astype(np.float32)


def at_speed(note: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Read a sound at a changing speed, as a tape: float32 of the same length.

    Args:
        note: float32 (samples,).
        speed: (samples,), factor on the speed and thus on the pitch at each sample.
    """
    from scipy.interpolate import CubicSpline

    position = np.concatenate([[0.0], np.cumsum(speed)[:-1]])
    inside = position <= len(note) - 1
    result = np.zeros_like(note)
    # partials above a quarter of the rate would be read inexactly; 16 kHz files do not hold them
    result[inside] = CubicSpline(np.arange(len(note)), note)(position[inside])
    return result


def muted(note: np.ndarray, pitch: int) -> np.ndarray:
    """A sound through a mute: 12 dB per octave less above some partials."""
    from scipy.signal import butter, sosfilt

    edge = max(MUTE_LOWEST, frequency(pitch + 12 * MUTE_OCTAVES))
    sections = butter(2, min(edge, 0.45 * SYNTH_RATE), fs=SYNTH_RATE, output="sos")
    return sosfilt(sections, note).astype(np.float32)
