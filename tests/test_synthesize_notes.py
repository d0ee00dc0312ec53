"""synthesize_notes.py, with a SoundFont of a single tone that is made here."""

import json
import os
import sys

import numpy as np
import pytest
import soundfile

import synthesize_notes
from common.cli import UserError
from common.music import rendering, soundfont
from data import load_audio
from stress.tiny_soundfont import write_soundfont

ONE = ["--instruments", "keyboard_acoustic=0:0"]


@pytest.fixture(params=["FluidSynth", "TinySoundFont"])
def player(request, monkeypatch):
    """Name of the player; tests of a missing player are skipped."""
    if request.param == "TinySoundFont":
        pytest.importorskip("tinysoundfont", reason="TinySoundFont is not installed")
        hide(monkeypatch, "fluidsynth")
    else:
        try:
            soundfont._fluidsynth()
        except ImportError:
            pytest.skip("FluidSynth is not installed")
    yield request.param
    soundfont._fluidsynth.cache_clear()


def hide(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    soundfont._fluidsynth.cache_clear()


@pytest.fixture(scope="module")
def sine(tmp_path_factory):
    return write_soundfont(tmp_path_factory.mktemp("font") / "sine.sf2")


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """Tone of 40 partials; those of A4 reach up to 17.6 kHz."""
    return write_soundfont(tmp_path_factory.mktemp("font") / "rich.sf2", partials=40)


def synthesize(font, out, *flags):
    return synthesize_notes.main(["--soundfont", str(font), "--out", str(out), *ONE, *flags])


def play(font, pitch, velocity=100):
    synthesizer = soundfont.open_soundfont(font, 1)
    synthesizer.select(0, 0)
    return synthesizer.render(pitch, velocity)


def levels(audio, rate):
    """Spectrum of the second second: levels in dB, 1 Hz apart, 0 for a sine of amplitude 1."""
    window = np.blackman(rate)
    spectrum = np.abs(np.fft.rfft(audio[rate : 2 * rate] * window)) * 2 / window.sum()
    return 20 * np.log10(spectrum + 1e-12)


def frequency(audio, rate):
    """Frequency of the strongest partial in Hz."""
    window = np.hanning(2 * rate)
    spectrum = np.abs(np.fft.rfft(audio[rate // 4 :][: 2 * rate] * window, 16 * rate))
    return np.argmax(spectrum) / 16


@pytest.mark.usefixtures("player")
@pytest.mark.parametrize("pitch", [21, 45, 69, 84, 108])
def test_pitch_within_five_cents(sine, tmp_path, pitch):
    synthesize(sine, tmp_path, "--pitches", f"{pitch}:{pitch}", "--velocities", "100")
    path = tmp_path / "audio" / f"keyboard_acoustic_000-{pitch:03d}-100.wav"
    audio, rate = load_audio(path, sample_rate=None)
    assert (rate, audio.shape) == (16000, (64000,))
    expected = 440 * 2 ** ((pitch - 69) / 12)
    assert abs(1200 * np.log2(frequency(audio, rate) / expected)) < 5


@pytest.mark.usefixtures("player")
def test_level_rises_with_velocity_and_files_are_16_bit_mono(sine, tmp_path):
    synthesize(sine, tmp_path, "--pitches", "60:60", "--jobs", "2")
    loudness = []
    for velocity in (25, 50, 75, 100, 127):
        path = tmp_path / "audio" / f"keyboard_acoustic_000-060-{velocity:03d}.wav"
        header = soundfile.info(path)
        assert (header.subtype, header.channels, header.samplerate) == ("PCM_16", 1, 16000)
        audio, rate = load_audio(path, sample_rate=None)
        loudness.append(20 * np.log10(np.sqrt(np.mean(audio[:rate] ** 2))))
        assert np.abs(audio).max() < 1
        assert abs(audio[-1]) < 1e-4
    # the default velocity curve of the format: 40 log10(velocity / 127) dB
    assert np.diff(loudness) == pytest.approx([12.04, 7.04, 5.00, 4.15], abs=0.3)


@pytest.mark.usefixtures("player")
def test_high_note_is_not_aliased(rich):
    pitch = 76  # partials of the sample up to 26 kHz
    rendered = play(rich, pitch)
    note = rendering.finish(rendered)
    assert note.shape == (64000,)
    high, low = levels(rendered, 48000)[:7000], levels(note, 16000)[:7000]
    audible = high > -80
    assert np.abs(low - high)[audible].max() < 0.1
    assert low[~audible].max() < -79


def test_nothing_above_8_khz_is_folded_into_the_note(rich, player):
    # at 440 Hz the partials above 8 kHz would fold between the others: 16000 is no multiple of 440
    rendered = play(rich, 69)
    distance = np.abs((np.arange(7000) + 220) % 440 - 220)
    between = distance > 10
    assert levels(rendered[::3], 16000)[:7000][between].max() > -40  # folded partials
    limit = -75 if player == "FluidSynth" else -60  # the other one interpolates samples linearly
    assert levels(rendering.finish(rendered), 16000)[:7000][between].max() < limit


@pytest.mark.usefixtures("player")
def test_released_after_three_seconds_and_faded_at_the_end(sine):
    rendered = play(sine, 60)
    level = np.sqrt(np.mean(rendered.reshape(40, -1) ** 2, axis=1))  # tenths of a second
    assert level[25:30] == pytest.approx([level[10]] * 5, rel=0.01)
    assert level[31] < level[29] / 10
    assert level[39] == 0
    ringing = np.ones(4 * 48000, np.float32)  # a release longer than the note
    note = rendering.finish(ringing)
    assert note[-400] == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(note[-400:])).max() < 0.01
    assert abs(note[-1]) < 1e-6


@pytest.mark.usefixtures("player")
def test_a_note_does_not_depend_on_what_was_played_before(rich):
    synthesizer = soundfont.open_soundfont(rich, 1)
    synthesizer.select(0, 0)
    alone = play(rich, 60, 75)
    first = synthesizer.render(60, 75)
    for pitch, velocity in [(61, 127), (21, 127), (108, 25)]:
        synthesizer.render(pitch, velocity)
        np.testing.assert_array_equal(synthesizer.render(60, 75), alone)
    np.testing.assert_array_equal(first, alone)


@pytest.mark.usefixtures("player")
@pytest.mark.parametrize("audio_format", ["wav", "flac"])
def test_same_bytes_in_every_run(rich, tmp_path, audio_format):
    flags = ["--pitches", "50:70:10", "--velocities", "40", "90", "--format", audio_format]
    synthesize(rich, tmp_path / "a", *flags, "--jobs", "1")
    synthesize(rich, tmp_path / "b", *flags, "--jobs", "3")
    first, second = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / run).rglob("*.*"))}
        for run in "ab"
    )
    assert len(first) == 7
    assert first == second


@pytest.mark.usefixtures("player")
def test_restart_keeps_what_exists_and_completes_the_rest(sine, tmp_path, capsys):
    flags = ["--pitches", "60:62", "--velocities", "100"]
    assert synthesize(sine, tmp_path, *flags) == 0
    assert capsys.readouterr().out.startswith("3 notes written, 0 kept, 0 silent; 3 in")
    changed = (tmp_path / "examples.json").stat().st_mtime_ns
    kept, gone, _ = sorted((tmp_path / "audio").iterdir())
    kept.write_bytes(b"kept")
    whole = gone.read_bytes()
    gone.unlink()
    synthesize(sine, tmp_path, *flags)
    assert capsys.readouterr().out.startswith("1 note written, 2 kept, 0 silent; 3 in")
    assert kept.read_bytes() == b"kept"
    assert gone.read_bytes() == whole
    assert (tmp_path / "examples.json").stat().st_mtime_ns == changed
    synthesize(sine, tmp_path, *flags, "--overwrite")
    assert kept.read_bytes() != b"kept"


@pytest.mark.usefixtures("player")
def test_notes_at_another_sample_rate(sine, tmp_path, capsys):
    flags = ["--pitches", "69:69", "--velocities", "100", "--sample_rate", "24000"]
    synthesize(sine, tmp_path, *flags)
    path = tmp_path / "audio" / "keyboard_acoustic_000-069-100.wav"
    audio, rate = load_audio(path, sample_rate=None)
    assert (rate, audio.shape) == (24000, (96000,))
    assert frequency(audio, rate) == pytest.approx(440, abs=0.5)
    assert abs(audio[-1]) < 1e-4
    examples = tmp_path / "examples.json"
    assert json.loads(examples.read_text())[path.stem]["sample_rate"] == 24000
    with pytest.raises(UserError, match="24000 Hz, not 16000"):  # a folder has one rate
        synthesize(sine, tmp_path, *flags[:4])
    synthesize(sine, tmp_path, *flags[:4], "--overwrite")
    assert json.loads(examples.read_text())[path.stem]["sample_rate"] == 16000
    capsys.readouterr()


@pytest.mark.usefixtures("player")
def test_examples_json_is_in_nsynths_schema(sine, tmp_path):
    flags = ["--pitches", "60:61", "--velocities", "100"]
    synthesize(sine, tmp_path, *flags, "--instruments", "synth_lead_synthetic_004=0:0")
    path = tmp_path / "examples.json"
    first = json.loads(path.read_text())
    assert first["synth_lead_synthetic_004-060-100"] == {
        "note": ((9 * 3 + 2) * 1000 + 4) * 128 * 128 + 60 * 128 + 100,
        "note_str": "synth_lead_synthetic_004-060-100",
        "instrument": (9 * 3 + 2) * 1000 + 4,
        "instrument_str": "synth_lead_synthetic_004",
        "pitch": 60,
        "velocity": 100,
        "sample_rate": 16000,
        "qualities": [0] * 10,
        "qualities_str": [],
        "instrument_family": 9,
        "instrument_family_str": "synth_lead",
        "instrument_source": 2,
        "instrument_source_str": "synthetic",
    }
    # NSynth's own entries stay, and those of another run
    first["synth_lead_synthetic_004-061-100"]["qualities_str"] = ["bright"]
    path.write_text(json.dumps(first))
    synthesize(sine, tmp_path, *flags, "--instruments", "bass_acoustic:2=0:0")
    both = json.loads(path.read_text())
    assert {name: both[name] for name in first} == first
    assert sorted(set(both) - set(first)) == [
        "bass_acoustic_002-060-100",
        "bass_acoustic_002-061-100",
    ]
    assert len({entry["note"] for entry in both.values()}) == 4


@pytest.mark.usefixtures("player")
def test_silent_notes_are_reported_and_not_written(tmp_path, capsys):
    font = write_soundfont(tmp_path / "narrow.sf2", keys=(60, 61))
    flags = ["--velocities", "100", "127", "--pitches"]
    assert synthesize(font, tmp_path, *flags, "59:62") == 0
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == [
        f"keyboard_acoustic_000-{pitch:03d}-{velocity}.wav"
        for pitch in (60, 61)
        for velocity in (100, 127)
    ]
    assert len(json.loads((tmp_path / "examples.json").read_text())) == 4
    said = capsys.readouterr().out
    assert "4 notes written, 0 kept, 4 silent" in said
    assert "keyboard_acoustic_000: not written, silent at pitch 59, 62" in said
    with pytest.raises(UserError, match="none of these notes sounds"):
        synthesize(font, tmp_path, *flags, "80:81")


@pytest.mark.usefixtures("player")
def test_a_soundfont_and_a_folder_may_have_any_name(sine, tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9\n")
    font = tmp_path / f"{name}.sf2"
    font.write_bytes(sine.read_bytes())
    assert synthesize(font, tmp_path / name, "--pitches", "60:60", "--velocities", "9") == 0
    assert len(list((tmp_path / name / "audio").iterdir())) == 1
    assert capsys.readouterr().out.startswith(
        f"1 note written, 0 kept, 0 silent; 1 in {tmp_path}/caf\\udce9\\n/examples.json\n"
    )


@pytest.mark.usefixtures("player")
def test_one_gain_and_no_clipping(tmp_path):
    font = write_soundfont(tmp_path / "loud.sf2", amplitude=1.0)
    flags = ["--pitches", "60:60", "--velocities", "127"]
    with pytest.raises(UserError, match=r"060-127\.wav: would clip at .*--gain"):
        synthesize(font, tmp_path, *flags, "--gain", "10")
    assert not list((tmp_path / "audio").iterdir())
    peaks = []
    for gain in ("1", "0.5"):
        synthesize(font, tmp_path, *flags, "--gain", gain, "--overwrite")
        audio, _ = load_audio(next((tmp_path / "audio").iterdir()), sample_rate=None)
        peaks.append(np.abs(audio).max())
    assert peaks[0] == pytest.approx(2 * peaks[1], rel=1e-3)


def test_a_soundfont_with_damaged_tables(sine, tmp_path, player):
    damaged, whole = tmp_path / "damaged.sf2", sine.read_bytes()
    contents = [whole.replace(b"pgen", b"xxxx")]
    for table, place, size in (("phdr", 24, 38), ("pbag", 0, 4), ("inst", 20, 22), ("ibag", 0, 4)):
        first = whole.index(table.encode()) + 8 + place
        for record in (0, 1):
            at = first + record * size
            contents.append(whole[:at] + b"\xff\x7f" + whole[at + 2 :])
    for content in contents:
        damaged.write_bytes(content)
        with pytest.raises(UserError, match=rf"\.sf2: not a SoundFont that {player} can read"):
            synthesize(damaged, tmp_path)


@pytest.mark.usefixtures("player")
def test_soundfont_errors(sine, tmp_path, capfd):
    with pytest.raises(UserError, match=r"none\.sf2: no such file"):
        synthesize(tmp_path / "none.sf2", tmp_path)
    corrupt = tmp_path / "corrupt.sf2"
    for content in (b"", b"RIFF nonsense", sine.read_bytes()[:400], sine.read_bytes()[:-60]):
        corrupt.write_bytes(content)
        with pytest.raises(UserError, match=r"corrupt\.sf2: not a whole SoundFont"):
            synthesize(corrupt, tmp_path)
    with pytest.raises(UserError, match=r"program 8:5 is not in it; .* 0:0 Tiny Tone"):
        synthesize(sine, tmp_path, "--instruments", "keyboard_acoustic=8:5")
    with pytest.raises(UserError, match="two have the same name"):
        synthesize(sine, tmp_path, *ONE, "keyboard_acoustic_000=0:0")
    assert not (tmp_path / "audio").exists()
    (tmp_path / "examples.json").write_text("{")
    with pytest.raises(UserError, match=r"examples\.json: not JSON"):
        synthesize(sine, tmp_path, "--pitches", "60:60", "--velocities", "100")
    assert capfd.readouterr() == ("", "")  # no message of FluidSynth


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--instruments", "piano_acoustic=0:0"],
            "no family 'piano' in NSynth; it has bass, brass",
        ),
        (["--instruments", "keyboard_grand=0:0"], "no source 'grand' in NSynth; it has acoustic"),
        (["--instruments", "keyboard_acoustic"], "write <family>_<source>=<bank>:<program>"),
        (["--instruments", "keyboard_acoustic_4=0:0"], "write <family>_<source>=<bank>"),
        (["--pitches", "60"], "write LOW:HIGH"),
        (["--pitches", "72:60"], "write LOW:HIGH"),
        (["--pitches", "0:128"], "write LOW:HIGH"),
        (["--pitches", "0:12:0"], "write LOW:HIGH"),
        (["--velocities", "0"], "at least 1"),
        (["--velocities", "128"], "at most 127"),
        (["--gain", "0"], "above 0"),
    ],
)
def test_argument_errors_take_one_line(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        synthesize_notes.main(["--soundfont", "a.sf2", "--out", "notes", *flags])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_instruments_and_pitches_are_read():
    parse = synthesize_notes.instrument
    assert parse("keyboard_acoustic=0:0") == ("keyboard_acoustic_000", 0, 0)
    assert parse("keyboard_acoustic_004=8:1") == ("keyboard_acoustic_004", 8, 1)
    assert parse("synth_lead_synthetic:12=128:127") == ("synth_lead_synthetic_012", 128, 127)
    assert list(synthesize_notes.pitch_range("21:27:3")) == [21, 24, 27]
    assert len(synthesize_notes.pitch_range("21:108")) == 88


def test_without_a_player_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    hide(monkeypatch, "fluidsynth")
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(UserError, match=r"make notes.*pip install pyfluidsynth.*libfluidsynth3"):
        synthesize(tmp_path / "any.sf2", tmp_path)
    soundfont._fluidsynth.cache_clear()


def test_both_players_are_equally_loud_at_every_velocity_and_attenuation(tmp_path):
    pytest.importorskip("tinysoundfont", reason="TinySoundFont is not installed")
    try:
        soundfont._fluidsynth()
    except ImportError:
        pytest.skip("FluidSynth is not installed")
    for attenuation in (0, 100):  # tenths of a dB
        font = write_soundfont(tmp_path / "font.sf2", attenuation=attenuation)
        players = [kind(font) for kind in (soundfont.FluidSynth, soundfont.TinySoundFont)]
        for velocity in (10, 25, 64, 127):
            held = []
            for synthesizer in players:
                synthesizer.select(0, 0)
                held.append(synthesizer.render(60, velocity)[4800:144000])  # after the attack
            difference = np.abs(held[1] - held[0])
            assert difference.max() < 0.03 * np.abs(held[0]).max()


@pytest.mark.usefixtures("player")
def test_the_layer_of_a_velocity_plays(tmp_path):
    font = write_soundfont(tmp_path / "font.sf2", velocities=(64, 64))
    sounding = [bool(play(font, 60, velocity).any()) for velocity in (63, 64, 65)]
    assert sounding == [False, True, False]
