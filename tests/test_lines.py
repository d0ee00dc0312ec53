"""Single lines of music: which notes they have, and how they are played."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import outcome, write_midi

from common.music.lines import LinePlayer, Tone, outer_line, phrased
from common.music.midi import Note
from common.music.pitch import frequency
from common.music.soundfont import SYNTH_RATE
from vq_timbre import render


class Whistle:
    """Stands in for a player: a steady tone."""

    def __init__(self):
        self.rendered = []

    def render(self, pitch, velocity):
        self.rendered.append((pitch, velocity))
        samples = np.arange(4 * SYNTH_RATE)
        tone = np.sin(2 * np.pi * frequency(pitch) * samples / SYNTH_RATE)
        return (velocity / 127 * tone).astype(np.float32)


def hertz(audio):
    power = np.abs(np.fft.rfft(audio * np.hanning(audio.size), 2**17))
    return np.argmax(power) * SYNTH_RATE / 2**17


def test_a_line_is_the_outer_notes_moved_into_the_range_by_octaves():
    chords = [(0.0, 1.0, 60), (0.01, 1.0, 72), (1.0, 2.0, 74), (1.0, 2.0, 59), (1.5, 2.0, 50)]
    notes = [Note(start=a, end=b, pitch=p, velocity=80) for a, b, p in chords]
    top = outer_line(notes, 40, 100)
    assert [(tone.pitch, tone.end) for tone in top] == [(72, 1.0), (74, 2.0)]
    low = outer_line(notes, 30, 85, top=False)
    assert [tone.pitch for tone in low] == [60, 59, 50]
    assert low[1].end == 1.5
    moved = outer_line(notes, 50, 61)
    assert [tone.pitch for tone in moved] == [60, 50]
    assert outer_line([], 0, 127) == []


def test_phrasing_slurs_only_what_touches():
    line = [Tone(n, n + 0.98, 60 + n, 80) for n in range(40)] + [Tone(50, 51, 70, 80)]
    tones = phrased(line, np.random.default_rng(0))
    assert 10 < sum(tone.slurred for tone in tones) < 35
    assert 5 < sum(tone.vibrato for tone in tones) < 35
    assert not tones[0].slurred
    assert not tones[-1].slurred
    for before, tone in pairwise(tones):
        assert tone.swell[0] == pytest.approx(before.swell[1], abs=9)
        assert not tone.slurred or before.end == tone.start
    assert phrased(line, np.random.default_rng(0)) == tones


def test_a_slurred_note_glides_from_the_one_before_and_keeps_the_level():
    player = LinePlayer(Whistle())
    tones = [Tone(0, 1, 60, 100), Tone(1, 2, 64, 100, slurred=True)]
    audio = player.play(tones)
    second = SYNTH_RATE
    assert hertz(audio[second // 2 : second]) == pytest.approx(frequency(60), rel=0.01)
    assert hertz(audio[second * 3 // 2 : 2 * second]) == pytest.approx(frequency(64), rel=0.01)
    glide = audio[second + 480 : second + 1200]
    assert frequency(60) * 0.9 < hertz(glide) < frequency(64)
    around = audio[second - 2400 : second + 2400].reshape(-1, 800)
    level = np.sqrt(np.mean(audio[second // 2 : second] ** 2))
    assert np.sqrt(np.mean(around**2, axis=1)).min() > 0.3 * level
    player.play(tones)
    assert len(player._player.rendered) == 2  # kept


def test_a_swell_is_a_change_in_decibels():
    audio = LinePlayer(Whistle()).play([Tone(0, 2, 60, 100, swell=(-6.0, 6.0))])
    first, last = (np.abs(audio[at : at + 4800]).max() for at in (0, int(1.9 * SYNTH_RATE)))
    assert 20 * np.log10(last / first) == pytest.approx(11.7, abs=0.5)


def test_folders_without_midi_are_refused(tmp_path, capsys):
    argv = ["--soundfont", tmp_path / "x.sf2", "--instrument", "violin"]
    argv += ["--midi_path", tmp_path, "--audio_path", tmp_path.parent / "out"]
    status, _, err = outcome(render.main, list(map(str, argv)), capsys)
    assert (status, len(err)) == (2, 1)
    write_midi(tmp_path / "a.mid", (60, 62))
    status, _, err = outcome(render.main, list(map(str, argv)), capsys)
    assert (status, len(err)) == (2, 1)
    assert "x.sf2" in err[0]
