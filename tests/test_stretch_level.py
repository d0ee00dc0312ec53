"""Time stretching keeps the level of sounds, or says what is lost."""

import numpy as np
import pytest
import soundfile

from time_stretching import stretch, time_stretch
from time_stretching.measures import band_losses, level_change, tone

RATE = 16000
SECONDS = 2.0
TIME = np.arange(round(SECONDS * RATE)) / RATE


def noise(seed):
    """White noise: (samples,)."""
    return np.random.default_rng(seed).normal(0, 0.1, TIME.size)


def speech_like():
    """Make a buzz with gliding pitch and four formant changes per second, like speech."""
    phase = 2 * np.pi * np.cumsum(120 + 10 * np.sin(2 * np.pi * 1.5 * TIME)) / RATE
    buzz = sum(np.cos(n * phase) / n for n in range(1, 40))
    formants = 1 + 0.9 * np.sin(2 * np.pi * 4 * TIME) * np.sin(2 * np.pi * 600 * TIME)
    return 0.05 * buzz * formants


SOUNDS = {
    "sweep": 0.3 * np.sin(2 * np.pi * 400 * SECONDS / np.log(2) * (2 ** (TIME / SECONDS) - 1)),
    "noise": noise(0),
    "speech": speech_like(),
    "square": 0.2 * np.sign(np.sin(2 * np.pi * 330 * TIME)),
    "frequency modulation": 0.3 * np.sin(2 * np.pi * 700 * TIME + 5 * np.sin(440 * TIME)),
}
SOUNDS = {name: sound.astype(np.float32) for name, sound in SOUNDS.items()}


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("frequency", [100, 262, 1000, 1500, 2093, 7000])
def test_steady_tones_keep_their_level(frequency, rate):
    given = tone(frequency, SECONDS, RATE, level=0.3)
    made = time_stretch(given, RATE, rate)
    assert abs(level_change(made, given)) < 1
    assert max(abs(lost) for lost in band_losses(made, given, RATE).values()) < 1


@pytest.mark.parametrize("rate", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_of_all_kinds_keep_their_level(name, rate):
    made = time_stretch(SOUNDS[name], RATE, rate)
    assert abs(level_change(made, SOUNDS[name])) < 1.5


def test_band_losses_against_known_gains():
    low, high = (tone(frequency, SECONDS, RATE) for frequency in (200, 3200))
    losses = band_losses(low + 0.5 * high, low + high, RATE)
    lost = {hertz: decibels for hertz, decibels in losses.items() if decibels > 0.1}
    assert list(lost) == pytest.approx([3200], rel=0.13)
    assert list(lost.values()) == pytest.approx([20 * np.log10(2)], abs=0.05)
    assert max(map(abs, band_losses(low, low, RATE).values())) == 0
    assert band_losses(low, np.zeros_like(low), RATE) == {}


def test_the_default_keeps_a_tone_and_neural_says_that_it_does_not(tmp_path, capsys):
    soundfile.write(tmp_path / "tone.wav", tone(1000, SECONDS, RATE, level=0.3), RATE)
    flags = ["--input", str(tmp_path / "tone.wav"), "--rate", "0.8", "--output"]
    assert stretch.main([*flags, str(tmp_path / "default.wav")]) == 0
    assert "lost" not in capsys.readouterr().out
    assert stretch.main([*flags, str(tmp_path / "neural.wav"), "--method", "neural"]) == 0
    said = capsys.readouterr().out
    assert "dB of what sounds around 1008 Hz is lost" in said
    assert "--method vocoder keeps it" in said
