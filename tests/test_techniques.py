"""Playing techniques compared with closed forms; orchestra and drums through the script."""

import json

import numpy as np
import pytest
from conftest import assert_refused, needs_player, outcome
from scipy.signal import hilbert

import synthesize_notes
from common.files.audio import load_audio
from common.music import techniques
from common.music.dataset import validate
from common.music.drums import CLASSES, is_same_hit, keys_of_kit, trimmed
from common.music.instruments import ORCHESTRA, TIMBRE_STUDIES
from common.music.pitch import check_pitch, frequency
from common.music.rendering import orchestra_voices
from common.music.sample_names import ORDINARY
from common.music.soundfont import NOTE_SECONDS, SYNTH_RATE
from common.music.techniques import TECHNIQUES
from stress.tiny_soundfont import write_soundfont

SAMPLES = NOTE_SECONDS * SYNTH_RATE
TIME = np.arange(SAMPLES) / SYNTH_RATE


def sine(hertz):
    return np.float32(0.5 * np.sin(2 * np.pi * hertz * TIME))


def instantaneous(audio):
    """Frequency in Hz at each sample of a tone."""
    return np.diff(np.unwrap(np.angle(hilbert(audio.astype(float))))) * SYNTH_RATE / (2 * np.pi)


class Bell:
    """A player whose note is a tone that ends with its key."""

    def render(self, pitch, velocity, held=3.0):
        return sine(frequency(pitch)) * np.float32(velocity / 127) * (held > TIME)


@pytest.mark.parametrize(
    ("curve", "largest", "last"), [(techniques.vibrato, 0.35, None), (techniques.bend, 0, 0)]
)
def test_the_pitch_follows_its_curve(curve, largest, last):
    semitones = curve(SAMPLES)
    assert semitones.max() == pytest.approx(largest, abs=1e-3)
    assert last is None or semitones[-1] == last
    heard = instantaneous(techniques.at_speed(sine(880), 2 ** (semitones / 12)))
    middle = slice(SYNTH_RATE // 10, 3 * SYNTH_RATE)
    cents = 1200 * np.log2(heard[middle] / 880) - 100 * semitones[:-1][middle]
    assert np.abs(cents).max() < 2


def test_vibrato_has_its_rate_and_grows():
    curve = techniques.vibrato(SAMPLES)
    spectrum = np.abs(np.fft.rfft(curve[SYNTH_RATE : 3 * SYNTH_RATE]))
    assert np.argmax(spectrum) / 2 == techniques.VIBRATO_HERTZ
    assert np.abs(curve[: SYNTH_RATE // 10]).max() < 0.1
    assert np.abs(curve).max() > 0.3


def test_at_its_own_speed_a_sound_stays_as_it_is():
    noise = np.random.default_rng(0).normal(0, 0.1, 1000).astype(np.float32)
    np.testing.assert_allclose(techniques.at_speed(noise, np.ones(1000)), noise, atol=1e-7)
    assert not techniques.at_speed(noise, np.full(1000, 2.0))[500:].any()  # the sample has ended


def test_a_swell_rises_by_20_decibels_and_falls_again():
    decibels = 20 * np.log10(techniques.swell(SAMPLES))
    assert decibels[[0, 3 * SYNTH_RATE // 2, 3 * SYNTH_RATE]] == pytest.approx([-20, 0, -20], 1e-3)


def test_repetition_is_the_sum_of_its_strokes():
    stroke = np.zeros(SAMPLES, np.float32)
    stroke[:3] = 1, 2, 3
    result = techniques.repeated(stroke)
    step = SYNTH_RATE // 4
    assert np.flatnonzero(result)[::3].tolist() == [k * step for k in range(12)]
    assert result.sum() == 12 * 6


@pytest.mark.parametrize("octaves", [-1, 0, 1])
def test_a_mute_is_a_filter_of_second_order(octaves):
    edge = frequency(69 + 12 * techniques.MUTE_OCTAVES)
    gain = techniques.muted(sine(edge * 2**octaves), 69)[SYNTH_RATE:].max() / 0.5
    assert gain == pytest.approx((1 + 16.0**octaves) ** -0.5, rel=0.02)  # Butterworth


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_every_technique_is_played_at_its_pitch_and_differs(technique):
    note = techniques.play(Bell(), technique, 69, 127)
    assert (note.shape, note.dtype) == ((SAMPLES,), np.float32)
    assert check_pitch(note, SYNTH_RATE, 69).agrees
    assert (technique == ORDINARY) == np.array_equal(note, Bell().render(69, 127))


def test_a_hit_is_short_and_without_silence():
    hit = np.concatenate([np.zeros(800), np.exp(-np.arange(32000) / 1600), np.zeros(32000)])
    short = trimmed(np.float32(hit), 16000)
    assert len(short) == pytest.approx(1600 * np.log(1000), abs=120)  # to 60 dB below the peak
    assert np.abs(short).max() == pytest.approx(1, abs=0.1)
    assert trimmed(np.zeros(100, np.float32), 16000).size == 0
    assert len(trimmed(np.float32(0.5 * np.cos(np.arange(64000))), 16000)) == 32000


def test_a_hit_is_the_same_at_another_level_and_place():
    rng = np.random.default_rng(0)
    hit, other = rng.normal(0, 0.1, (2, 6000)).astype(np.float32)
    assert is_same_hit(hit, 0.3 * hit)
    assert is_same_hit(hit, np.concatenate([np.zeros(20, np.float32), -hit]))
    assert not is_same_hit(hit, other)
    assert not is_same_hit(hit, hit + 0.2 * other)  # a correlation of 1 / sqrt(1.04)


# The scripts


def test_the_orchestra_covers_all_pitch_classes_and_every_range():
    voices = orchestra_voices(TIMBRE_STUDIES, [ORDINARY], 5)
    assert len(voices) == 12
    assert {pitch % 12 for *_, pitches in voices for pitch in pitches} == set(range(12))
    assert (
        len(
            {
                pitches.start - part.low
                for (*_, pitches), part in zip(voices, TIMBRE_STUDIES, strict=True)
            }
        )
        == 5
    )
    for (played, _, pitches), part in zip(voices, TIMBRE_STUDIES, strict=True):
        assert played.name.endswith("_acoustic_000")
        assert part.low <= pitches[0] < part.low + 5
        assert part.high - 5 < pitches[-1] <= part.high
    every = orchestra_voices(ORCHESTRA, ["all"], 1)
    assert {technique for _, technique, _ in every} == set(TECHNIQUES)
    assert len({played.name for played, *_ in every}) == len(every)


@needs_player
def test_the_orchestra_through_the_script(tmp_path, capsys):
    font = write_soundfont(tmp_path / "font.sf2", program=40, partials=8)
    argv = ["--soundfont", font, "--out", tmp_path / "notes", "--orchestra", "violin"]
    argv += ["--step", 12, "--pitches", "60:72", "--techniques", "all", "--licence", "CC0"]
    argv = [str(word) for word in argv]
    status, out, _ = outcome(synthesize_notes.main, argv, capsys)
    assert status == 0
    assert out[0].startswith("21 notes written, 0 kept, 0 silent; 21 in")
    entries = json.loads((tmp_path / "notes" / "examples.json").read_text())
    assert {
        (e["instrument_str"][-3:], e["technique"], e["rendered"]) for e in entries.values()
    } == {(f"{number:03d}", technique, number > 0) for number, technique in enumerate(TECHNIQUES)}
    entry = entries["violin_acoustic_003-066-112"]
    assert (entry["licence"], entry["instrument_family_str"]) == ("CC0", "string")
    assert sorted({entry["velocity"] for entry in entries.values()}) == [32, 80, 112]
    index, problems = validate(tmp_path / "notes")
    assert (len(index.files), problems, list(index.sources)) == (21, [], ["font"])
    audio, rate = load_audio(tmp_path / "notes" / "audio" / "violin_acoustic_003-066-112.wav")
    assert check_pitch(audio, rate, 66).agrees
    # once more: nothing changes
    status, out, _ = outcome(synthesize_notes.main, argv, capsys)
    assert out[0].startswith("0 notes written, 21 kept")
    assert json.loads((tmp_path / "notes" / "examples.json").read_text()) == entries


def test_kits_without_an_instrument_do_not_play_another_in_its_class():
    assert keys_of_kit(0) == CLASSES
    brush, orchestra = keys_of_kit(40), keys_of_kit(48)
    assert brush == {**CLASSES, "clap": ()}
    others = {"clap": (), "hat": (), "tom": (), "crash_or_ride": (55, 57, 59)}
    assert orchestra == {**CLASSES, **others}


@needs_player
def test_drums_through_the_script(tmp_path, capsys):
    font = write_soundfont(tmp_path / "font.sf2", bank=128, program=8, keys=(38, 57))
    argv = ["--soundfont", font, "--out", tmp_path / "drums", "--drums", "room=8", "--velocities"]
    argv += [50, 100, "--licence", "CC0", "--held_out", "room", "--format", "flac"]
    status, out, _ = outcome(synthesize_notes.main, [str(word) for word in argv], capsys)
    assert status == 0
    keys = sum(len(keys) for keys in CLASSES.values())
    said = f"{2 * (keys - 3)} notes written, 0 kept, 6 silent, 0 removed, as an earlier kit has the"
    assert out[0] == f"{said} same"
    assert out[1] == "room: not written, silent at pitch 35, 36, 59"
    index, problems = validate(tmp_path / "drums")
    assert problems == []
    entry = index.files["snare/room_38_100.flac"]
    assert (entry["class"], entry["kit"], entry["held_out"]) == ("snare", "font room", True)
    assert not (tmp_path / "drums" / "examples.json").exists()
    audio, rate = load_audio(tmp_path / "drums" / "snare" / "room_38_100.flac")
    assert (rate, audio.size) == (16000, 32000)
    # another kit that sounds the same
    argv.insert(argv.index("room=8") + 1, "hall=8")
    status, out, _ = outcome(synthesize_notes.main, [str(word) for word in argv], capsys)
    assert f"{2 * (keys - 3)} removed" in out[0]
    assert validate(tmp_path / "drums") == (index, [])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--orchestra", "kazoo"], "not in the orchestra: clarinet"),
        (["--orchestra", "banjo"], "not in the orchestra: clarinet"),
        (["--drums", "room"], "write KIT=PROGRAM"),
        (["--orchestra", "--drums", "room=8"], "not allowed with argument"),
        (["--orchestra", "--techniques", "growl"], "invalid choice: 'growl'"),
        (["--orchestra", "--step", "13"], "at most 12"),
    ],
)
def test_mistakes_take_one_line(flags, message, tmp_path, capsys):
    argv = ["--soundfont", "a.sf2", "--out", str(tmp_path / "notes"), *flags]
    assert_refused(synthesize_notes.main, argv, capsys, message)
