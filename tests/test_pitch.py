"""Measured pitches of tones with known frequencies."""

import numpy as np
import pytest
from conftest import frequency_of, make_note

import common.music.pitch
from common.music.pitch import (
    check_pitch,
    frequency,
    has_swift,
    measure_pitch,
    midi_number,
    pitch_track,
    sounding_part,
)

RATE = 22050
PARTIALS = (1.0, 0.6, 0.4, 0.3, 0.2)


@pytest.fixture(params=["swift-f0", "pyin"])
def tracker(request, monkeypatch):
    """Name of the tracker that is tried first."""
    if request.param == "pyin":
        monkeypatch.setattr(common.music.pitch, "_swift", lambda: None)
    elif not has_swift():
        pytest.skip("swift-f0 is not installed")
    return request.param


def test_midi_numbers_and_frequencies_are_inverse():
    assert frequency(69) == 440
    assert midi_number(frequency(60.25)) == pytest.approx(60.25)


@pytest.mark.parametrize("pitch", [45, 69.3, 88])
def test_the_pitch_of_a_tone_is_measured(tracker, pitch):
    found = measure_pitch(make_note(pitch, PARTIALS, rate=RATE), RATE)
    assert found.tracker == tracker
    assert found.pitch == pytest.approx(pitch, abs=0.15)
    assert found.voiced > 0.9


@pytest.mark.parametrize("pitch", [28, 103])
def test_beyond_the_range_of_swift_the_other_tracker_is_asked(pitch):
    check = check_pitch(make_note(pitch, PARTIALS, rate=44100), 44100, pitch)
    assert check.measured.tracker == "pyin"
    assert check.agrees
    assert abs(check.deviation) < 0.4


@pytest.mark.parametrize(("named", "agrees"), [(60, True), (61, False), (72, False), (48, False)])
def test_a_name_is_compared_with_the_sound(named, agrees):
    check = check_pitch(make_note(60.2, PARTIALS, rate=RATE), RATE, named)
    assert check.agrees is agrees
    assert check.deviation == pytest.approx(60.2 - named, abs=0.15)


def test_what_has_no_pitch_is_not_checked(tracker):
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    for sound in (noise, 0 * noise, noise[:10]):
        check = check_pitch(sound, RATE, 60)
        assert (check.measured, check.deviation, check.agrees) == (None, None, None)
        assert measure_pitch(sound, RATE) is None


def test_a_wrong_octave_of_the_first_tracker_is_put_right(monkeypatch):
    class Wrong:
        def detect(self, audio, rate):
            class Found:
                pitch_hz = np.full(50, 2 * frequency_of(60))
                confidence = np.ones(50)

            return Found

    monkeypatch.setattr(common.music.pitch, "_swift", Wrong)
    note = make_note(60, PARTIALS, rate=RATE)
    check = check_pitch(note, RATE, 60)
    assert check.agrees
    assert check.measured.tracker == measure_pitch(note, RATE).tracker == "pyin"


def test_the_part_that_sounds_is_at_most_two_seconds():
    note = np.concatenate([np.zeros(RATE, np.float32), make_note(60, seconds=5, rate=RATE)])
    part = sounding_part(note, RATE)
    assert len(part) == 2 * RATE
    np.testing.assert_array_equal(part, note[RATE // 220 * 220 :][: 2 * RATE])


@pytest.mark.skipif(not has_swift(), reason="swift-f0 is not installed")
def test_the_track_of_two_notes_and_a_rest():
    rest = np.zeros(RATE // 2, np.float32)
    notes = [make_note(pitch, PARTIALS, seconds=1.0, rate=RATE) for pitch in (60, 67)]
    track = pitch_track(np.concatenate([notes[0], rest, notes[1]]), RATE)
    assert track.size == pytest.approx(2.5 * 62.5, abs=2)
    parts = track[10:50], track[70:90], track[105:145]
    assert np.nanmedian(parts[0]) == pytest.approx(60, abs=0.15)
    assert np.isnan(parts[1]).mean() > 0.8
    assert np.nanmedian(parts[2]) == pytest.approx(67, abs=0.15)


def test_without_the_tracker_there_is_no_track(monkeypatch):
    monkeypatch.setattr(common.music.pitch, "_swift", lambda: None)
    assert pitch_track(np.zeros(100, np.float32), RATE) is None
