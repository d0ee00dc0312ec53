"""common/audio/loudness.py against the reference levels of the standards."""

import numpy as np
import pytest

from common.audio.loudness import TARGET_LUFS, at_loudness, loudness
from common.files.audio import PEAK, peak


def sine(level, seconds=2.0, rate=48000, frequency=997):
    """Make a sine with a peak level in dB of full scale: (samples,) float32."""
    time = np.arange(round(seconds * rate)) / rate
    return np.float32(10 ** (level / 20) * np.sin(2 * np.pi * frequency * time))


def test_a_tone_of_full_range_has_the_loudness_of_the_standard():
    # ITU-R BS.1770-4: 997 Hz at 0 dB full scale in one front channel reads -3.01 LKFS
    assert loudness(sine(0), 48000) == pytest.approx(-3.01, abs=0.05)
    assert loudness(np.stack([sine(-20)] * 2), 48000) == pytest.approx(-20, abs=0.05)


@pytest.mark.parametrize("level", [-60, -30, -3])
@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_sounds_are_brought_to_one_loudness(level, seconds):
    tone = sine(level, seconds)
    before = tone.copy()
    made = at_loudness(tone, 48000)
    assert loudness(made, 48000) == pytest.approx(TARGET_LUFS, abs=0.1)
    np.testing.assert_array_equal(tone, before)


def test_a_peak_is_never_beyond_full_range():
    click = np.zeros(48000, np.float32)
    click[1000] = 0.5
    made = at_loudness(click, 48000)
    assert peak(made) == pytest.approx(PEAK)
    assert loudness(made, 48000) < TARGET_LUFS


def test_silence_stays_silence():
    silence = np.zeros(48000, np.float32)
    assert loudness(silence, 48000) == -np.inf
    np.testing.assert_array_equal(at_loudness(silence, 48000), silence)
