"""Preparing recordings of notes: start, offset, level, length, rate."""

import numpy as np
import pytest
from conftest import make_note

from common.files.audio import resample
from common.music.samples import LEAD_SECONDS, prepare_sample

RATE = 8000


def tone(seconds=1.0, level=0.5, rate=RATE):
    time = np.arange(int(seconds * rate)) / rate
    return np.float32(level * np.cos(2 * np.pi * 250 * time))


def test_leading_silence_is_removed_and_the_rest_untouched():
    audio = np.concatenate([np.zeros(RATE // 2, np.float32), tone()])
    found = prepare_sample(audio, RATE, RATE, 4)
    lead = int(LEAD_SECONDS * RATE)
    assert found.changes["leading_silence"] == pytest.approx(0.5 - LEAD_SECONDS)
    assert found.changes["seconds"] == pytest.approx(1 + LEAD_SECONDS)
    np.testing.assert_allclose(found.audio[lead:-80], tone()[:-80], atol=1e-5)
    assert found.audio[-1] == pytest.approx(0, abs=1e-7)


def test_an_offset_is_subtracted():
    found = prepare_sample(tone() + np.float32(0.25), RATE, RATE, 4)
    assert found.changes["offset"] == pytest.approx(0.25, abs=1e-4)
    np.testing.assert_allclose(found.audio[:-80], tone()[:-80], atol=1e-4)


def test_the_silence_after_a_hit_stays_silent():
    time = np.arange(RATE) / RATE
    hit = np.exp(-20 * time) * np.sin(2 * np.pi * 40 * time)  # whose mean is not zero
    assert abs(hit.mean()) > 1e-3
    found = prepare_sample(np.float32(hit), RATE, RATE, 4)
    assert abs(found.changes["offset"]) < 1e-5
    assert np.abs(found.audio[-RATE // 10 :]).max() < 1e-5


def test_the_level_is_kept_or_set():
    assert np.abs(prepare_sample(tone(), RATE, RATE, 4).audio).max() == pytest.approx(0.5, 1e-3)
    found = prepare_sample(tone(), RATE, RATE, 4, level=-6.0)
    assert 20 * np.log10(np.abs(found.audio).max()) == pytest.approx(-6, abs=0.01)
    assert found.changes["gain"] == pytest.approx(10 ** (-0.3) / 0.5, rel=1e-3)
    loud = prepare_sample(tone(level=3.0), RATE, RATE, 4)  # as a floating-point file may be
    assert np.abs(loud.audio).max() == pytest.approx(0.999, rel=1e-3)
    assert loud.changes["gain"] == pytest.approx(0.333, rel=1e-2)


def test_a_long_note_is_faded_out_and_a_short_one_padded():
    found = prepare_sample(tone(3), RATE, RATE, 2, release=0.5, pad=True)
    assert (len(found.audio), found.changes["cut"]) == (2 * RATE, True)
    np.testing.assert_allclose(found.audio[: 3 * RATE // 2], tone(1.5), atol=1e-5)
    # halfway through the fade, a squared cosine is at a half
    assert np.abs(found.audio[int(1.75 * RATE) - 16 :][:32]).max() == pytest.approx(0.25, rel=0.05)
    short = prepare_sample(tone(1), RATE, RATE, 2, pad=True)
    assert (len(short.audio), short.changes["cut"]) == (2 * RATE, False)
    assert not short.audio[RATE:].any()


def test_the_silent_end_is_removed_if_asked():
    hit = make_note(60, seconds=1, rate=RATE)
    audio = np.concatenate([hit, np.zeros(RATE, np.float32)])
    assert len(prepare_sample(audio, RATE, RATE, 4, trim_end=True).audio) == pytest.approx(RATE, 10)
    assert len(prepare_sample(audio, RATE, RATE, 4).audio) == 2 * RATE


def test_the_rate_is_changed_as_by_the_resampler():
    audio = tone(rate=44100)
    found = prepare_sample(audio, 44100, 16000, 4).audio
    audio = audio - audio.mean()
    np.testing.assert_allclose(found[:15000], resample(audio, 44100, 16000)[:15000], atol=1e-6)


@pytest.mark.parametrize("audio", [np.zeros(100), np.full(100, 0.3), np.zeros(0)])
def test_silence_is_none(audio):
    assert prepare_sample(np.float32(audio), RATE, RATE, 4) is None
