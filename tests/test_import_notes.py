"""Importing recordings of single notes, whatever their names, and sounds in classes."""

import json

import numpy as np
import pytest
import soundfile
from conftest import assert_refused, make_note, outcome, snapshot

import import_notes
from common.files.audio import load_audio, write_audio
from common.music.dataset import read_index, validate
from common.music.notes import NoteLibrary
from common.music.nsynth import describe

PARTIALS = (1.0, 0.6, 0.4, 0.3, 0.2)
RATE = 22050


def put(path, pitch=60, *, rate=RATE, channels=1, seconds=1.0, silence=0.0, level=0.5, **format):
    """Write a tone; ``pitch`` None is noise, 0 silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pitch is None:
        audio = np.random.default_rng(0).normal(0, 0.1, int(seconds * rate))
    elif pitch == 0:
        audio = np.zeros(rate)
    else:
        audio = make_note(pitch, PARTIALS, seconds=seconds, rate=rate, level=level)
    audio = np.concatenate([np.zeros(int(silence * rate)), audio])
    soundfile.write(path, np.tile(audio[:, None], channels), rate, **format)
    return path


def run_import(folder, out, *flags):
    argv = ["--input", folder, "--out", out, "--jobs", 1, *flags]
    return import_notes.main([str(word) for word in argv])


def examples(out):
    return json.loads((out / "examples.json").read_text(encoding="utf-8"))


def notes(out):
    return sorted(path.stem for path in (out / "audio").iterdir())


@pytest.fixture
def odd(tmp_path):
    """Folder of oddly named notes of a kazoo, and of files that are no notes."""
    folder = tmp_path / "my kazoo (2)"
    put(folder / "Kazoo A4 (pp).wav", 69, channels=2, silence=0.3)
    put(folder / "wav" / "bb-3_v100.flac", 58, rate=44100)
    put(folder / "kazoo.ff.C♯5.ogg", 73, rate=48000, format="OGG", subtype="VORBIS")
    put(folder / "flutter" / "NOTE 62.aiff", 62, seconds=5.0)
    put(folder / "höher–E5.wav", 76, subtype="PCM_24")
    put(folder / "without a pitch.wav", 60)
    (folder / "broken_C4.wav").write_bytes(b"RIFF and nothing")
    put(folder / "silent_D4.wav", 0)
    (folder / "notes.txt").write_text("a list")
    return folder


def test_a_folder_of_odd_names_becomes_a_library(odd, tmp_path, capsys):
    out, before = tmp_path / "notes", snapshot(odd)
    status = run_import(odd, out, "--instrument", "kazoo", "--family", "reed", "--licence", "CC0")
    said = capsys.readouterr()
    assert status == 1
    assert notes(out) == [
        "kazoo_acoustic_000-058-100",
        "kazoo_acoustic_000-069-032",
        "kazoo_acoustic_000-073-112",
        "kazoo_acoustic_000-076-080",
        "kazoo_acoustic_001-062-080",
    ]
    assert "5 notes of 8 recordings written, 0 kept" in said.out
    assert "kazoo_acoustic_000 (kazoo, ordinary): 4 notes, pitch 58 to 76" in said.out
    assert "kazoo_acoustic_001 (kazoo, flatterzunge): 1 note, pitch 62 to 62" in said.out
    assert "pitch: 4 by note name, 1 by MIDI number" in said.out
    assert "velocity: 3 by name, 2 by --velocity" in said.out
    assert "5 within a quarter tone of their name, 0 off, 0 not checked" in said.out
    for reason in ("without a pitch.wav: its name gives no pitch", "silent_D4.wav: is silent"):
        assert reason in said.err
    assert "broken_C4.wav: not a readable audio file" in said.err
    assert "3 skipped" in said.err
    assert "1 file ignored, not audio: notes.txt" in said.err
    assert snapshot(odd) == before
    voice = NoteLibrary(out).voice("kazoo_acoustic", 0)
    assert voice.sample_rate == 16000
    audio, distance = voice.note(69, 32)
    assert (audio.shape, distance) == ((64000,), 0)
    assert np.argmax(np.abs(audio) > 0.1) < 200  # the silence before it was cut
    index, problems = validate(out)
    assert (len(index.files), problems) == (5, [])
    assert index.sources == {odd.name: {"licence": "CC0", "citation": odd.name}}


def test_entries_are_those_of_nsynth_and_say_what_was_done(odd, tmp_path):
    run_import(odd, tmp_path / "notes", "--instrument", "kazoo", "--family", "reed")
    entry = examples(tmp_path / "notes")["kazoo_acoustic_000-069-032"]
    done = entry.pop("import")
    assert entry == {
        **describe("kazoo_acoustic_000-069-032", 16000, "reed"),
        "technique": "ordinary",
        "licence": "unknown",
    }
    assert entry["instrument_family"] == 7
    assert set(describe("keyboard_acoustic_000-060-100", 16000)) < set(entry)
    assert done["file"] == "Kazoo A4 (pp)"
    assert (done["rate"], done["channels"], done["gain"], done["cut"]) == (RATE, 2, 1.0, False)
    assert done["leading_silence"] == pytest.approx(0.3, abs=0.01)
    assert done["measured_pitch"] == pytest.approx(69, abs=0.2)
    long = examples(tmp_path / "notes")["kazoo_acoustic_001-062-080"]["import"]
    assert (long["seconds"], long["cut"]) == (5.0, True)


def test_without_swift_the_other_tracker_is_asked(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("common.music.pitch._swift", lambda: None)
    put(tmp_path / "flute" / "C5.wav", 72)
    assert run_import(tmp_path / "flute", tmp_path / "notes") == 0
    said = capsys.readouterr().out
    assert "1 pitch, 1 by pyin: 1 within a quarter tone" in said
    assert "swift-f0 is not installed" in said


def test_tinysol_as_unpacked_needs_no_pattern(tmp_path, capsys):
    sol = tmp_path / "TinySOL"
    for name, pitch in {
        "Strings/Violin/ordinario/Vn-ord-A4-ff-1c-N": 69,
        "Strings/Violin/ordinario/Vn-ord-A4-ff-2c-N": 69,
        "Strings/Violin/pizzicato_secco/Vn-pizz_sec-A4-ff-1c-N": 69,
        "Winds/Clarinet_Bb/ordinario/ClBb-ord-A#3-pp-N-T14d": 58,
        "Brass/Horn/ordinario/Hn-ord-C3-mf-N-N": 48,
    }.items():
        put(sol / f"{name}.wav", pitch, rate=44100)
    with pytest.raises(SystemExit) as ended:
        import_notes.run(
            import_notes.main, ["--input", str(sol), "--out", str(tmp_path / "a"), "--jobs", "1"]
        )
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "Vn-ord-A4-ff-2c-N: is violin_acoustic_000-069-112, and so is " in said
    assert "--twice presets" in said
    assert run_import(sol, tmp_path / "b", "--twice", "presets") == 0
    found = examples(tmp_path / "b")
    assert {name: entry["technique"] for name, entry in found.items()} == {
        "clarinet_acoustic_000-058-032": "ordinary",
        "french_horn_acoustic_000-048-080": "ordinary",
        "violin_acoustic_000-069-112": "ordinary",
        "violin_acoustic_001-069-112": "ordinary",
        "violin_acoustic_002-069-112": "pizzicato_secco",
    }
    assert found["violin_acoustic_000-069-112"]["instrument_family_str"] == "string"
    # only one of its folders
    for place, flags in enumerate([[], ["--instrument", "violin"]]):
        out = tmp_path / f"violin {place}"
        assert run_import(sol / "Strings" / "Violin", out, "--twice", "presets", *flags) == 0
        assert {entry["technique"] for entry in examples(out).values()} == {
            "ordinary",
            "pizzicato_secco",
        }
    # only one of its instruments; the others have other names
    assert run_import(sol, tmp_path / "c", "--instrument", "horn") == 1
    assert notes(tmp_path / "c") == ["french_horn_acoustic_000-048-080"]
    assert "is of violin by its name, not of French horn" in capsys.readouterr().err


def test_notes_off_their_name_are_listed_and_left_out_if_asked(tmp_path, capsys):
    folder = tmp_path / "in"
    put(folder / "A4.wav", 69)
    put(folder / "C4.wav", 72)
    put(folder / "E4.wav", 64.75)
    put(folder / "F4.wav", None)
    assert run_import(folder, tmp_path / "kept", "--instrument", "oboe") == 0
    said = capsys.readouterr().out
    assert "C4: oboe_acoustic_000-060-080, measured 1 octave higher (7" in said
    assert "E4: oboe_acoustic_000-064-080, measured 0.7" in said
    assert "1 within a quarter tone of their name, 2 off, 1 not checked" in said
    assert "no pitch is heard in oboe_acoustic_000-065-080" in said
    assert len(notes(tmp_path / "kept")) == 4
    assert run_import(folder, tmp_path / "strict", "--instrument", "oboe", "--strict") == 0
    assert [name[18:21] for name in notes(tmp_path / "strict")] == ["065", "069"]


def test_what_the_names_do_not_say_is_measured(tmp_path, capsys):
    folder = tmp_path / "in"
    put(folder / "01.wav", 57, level=0.5)
    put(folder / "02.wav", 64, level=0.05)
    put(folder / "03.wav", None)
    flags = ["--instrument", "cello", "--pitch", "measure", "--velocity", "measure"]
    assert run_import(folder, tmp_path / "notes", *flags) == 1
    said = capsys.readouterr()
    assert "03.wav: no pitch can be heard in it" in said.err
    found = sorted(examples(tmp_path / "notes").values(), key=lambda entry: entry["pitch"])
    assert [entry["pitch"] for entry in found] == [57, 64]
    # 20 dB are a factor of the square root of ten
    assert found[0]["velocity"] / found[1]["velocity"] == pytest.approx(10**0.5, rel=0.05)
    assert {entry["import"]["pitch_from"] for entry in found} == {"measurement"}


def test_rate_length_level_and_format_are_as_asked(tmp_path, capsys):
    put(tmp_path / "in" / "A4.wav", 69, rate=44100, channels=2, seconds=3.0)
    flags = ["--instrument", "flute", "--seconds", "2", "--level", "-3", "--format", "flac"]
    out = tmp_path / "notes"
    assert run_import(tmp_path / "in", out, *flags, "--rate", "22050") == 0
    audio, rate = load_audio(out / "audio" / "flute_acoustic_000-069-080.flac")
    assert (rate, audio.shape) == (22050, (44100,))
    assert 20 * np.log10(np.abs(audio).max()) == pytest.approx(-3, abs=0.05)
    entry = examples(out)["flute_acoustic_000-069-080"]
    assert entry["sample_rate"] == 22050
    # again in the other format: still one file per note, and the same entry
    assert run_import(tmp_path / "in", out, *flags[:-2], "--rate", "22050") == 0
    assert [path.name for path in (out / "audio").iterdir()] == ["flute_acoustic_000-069-080.wav"]
    assert examples(out) == {"flute_acoustic_000-069-080": entry}
    assert list(read_index(out).files) == ["audio/flute_acoustic_000-069-080.wav"]
    capsys.readouterr()
    argv = ["--input", str(tmp_path / "in"), "--out", str(out), "--instrument", "flute"]
    assert_refused(import_notes.main, argv, capsys, "--rate 16000", "22050 Hz")


def test_another_recording_of_a_note_that_is_there_is_not_lost(tmp_path, capsys):
    put(tmp_path / "one" / "A4.wav", 69)
    put(tmp_path / "two" / "A4.wav", 69, level=0.3)
    flags = ["--instrument", "viola"]
    for _ in range(2):  # importing the same recording twice adds nothing
        assert run_import(tmp_path / "one", tmp_path / "notes", *flags) == 0
    argv = ["--input", str(tmp_path / "two"), "--out", str(tmp_path / "notes"), *flags]
    assert_refused(import_notes.main, argv, capsys, "a note that is there already")
    for _ in range(2):
        assert run_import(tmp_path / "two", tmp_path / "notes", *flags, "--twice", "presets") == 0
    assert notes(tmp_path / "notes") == [f"viola_acoustic_00{k}-069-080" for k in (0, 1)]


def test_a_run_that_was_killed_is_continued(tmp_path, capsys, monkeypatch):
    for name, pitch in {"A4": 69, "C4": 72, "E4": 64}.items():
        put(tmp_path / "in" / f"{name}.wav", pitch)
    flags = [tmp_path / "in", tmp_path / "notes", "--instrument", "oboe"]
    monkeypatch.setattr(import_notes, "NOTES_AT_ONCE", 1)
    written = []

    def write(path, *rest):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.stem)
        write_audio(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("common.music.importing.write_audio", write)
        with pytest.raises(KeyboardInterrupt):
            run_import(*flags)
    assert notes(tmp_path / "notes") == sorted(examples(tmp_path / "notes")) == sorted(written)
    assert run_import(*flags) == 0
    said = capsys.readouterr().out
    assert "1 note of 3 recordings written, 2 kept; 3 in" in said
    assert "C4: oboe_acoustic_000-060-080, measured 1 octave higher (7" in said
    before = examples(tmp_path / "notes")
    assert run_import(*flags, "--licence", "CC0", "--citation", "myself") == 0
    assert "0 notes of 3 recordings written, 3 kept" in capsys.readouterr().out
    assert examples(tmp_path / "notes") == {
        name: {**entry, "licence": "CC0"} for name, entry in before.items()
    }
    assert validate(tmp_path / "notes")[0].sources["in"]["citation"] == "myself"
    # other settings, or --strict: made anew
    assert run_import(*flags, "--level", "-6") == 0
    assert "3 notes of 3 recordings written, 0 kept" in capsys.readouterr().out
    assert run_import(*flags, "--level", "-6", "--strict") == 0
    assert "0 notes of 3 recordings written, 2 kept" in capsys.readouterr().out
    assert len(notes(tmp_path / "notes")) == len(examples(tmp_path / "notes")) == 2


def test_classes_by_folder_and_by_name(tmp_path, capsys):
    put(tmp_path / "env" / "101 - Dog" / "a b.wav", None, silence=0.2)
    put(tmp_path / "env" / "rain" / "a.ogg", None, format="OGG", subtype="VORBIS")
    put(tmp_path / "env" / "loose.wav", None)
    out = tmp_path / "sounds"
    assert run_import(tmp_path / "env", out, "--classes", "--licence", "CC BY 4.0") == 1
    said = capsys.readouterr()
    assert "2 sounds of 3 recordings written: 101_-_Dog 1, rain 1" in said.out
    assert "loose.wav: is in no folder of a class" in said.err
    audio, rate = load_audio(out / "101_-_Dog" / "a_b.wav")
    assert (rate, len(audio)) == (16000, pytest.approx(16000, abs=200))
    put(tmp_path / "kit" / "bd_808.flac", 30)
    put(tmp_path / "kit" / "sn_dub.flac", None)
    put(tmp_path / "kit" / "elec_hi_snare.flac", None)
    put(tmp_path / "kit" / "loop.flac", None)
    flags = ["--kit", "pi", "--held_out", "--format", "flac", "--seconds", "0.5"]
    classes = ["--classes", "kick=bd_", "snare=sn_|snare"]
    assert run_import(tmp_path / "kit", out, *flags, *classes) == 1
    said = capsys.readouterr()
    assert "3 sounds of 4 recordings written: kick 1, snare 2" in said.out
    assert "loop.flac: its name belongs to no class" in said.err
    index, problems = validate(out)
    assert problems == []
    entry = index.files["kick/pi_bd_808.flac"]
    assert (entry["class"], entry["kit"], entry["held_out"]) == ("kick", "pi", True)
    assert index.files["rain/a.wav"]["licence"] == "CC BY 4.0"
    assert len(load_audio(out / "snare" / "pi_sn_dub.flac")[0]) == 8000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--instrument", "a/b"], "is no instrument's name"),
        (["--dynamics", "pp"], "write NAME=VELOCITY"),
        (["--velocity", "0"], "at least 1"),
        (["--pattern", "("], "not a regular expression"),
        (["--level", "3"], "at most 0"),
        (["--classes", "kick"], "write CLASS=REGEX"),
        (["--classes", "kick=("], "not a regular expression"),
        (["--kit", "a"], "are for --classes"),
        (["--out", "INPUT/notes"], "lies in the folder of --input"),
    ],
)
def test_mistakes_take_one_line(flags, message, tmp_path, capsys):
    put(tmp_path / "in" / "A4.wav", 69)
    flags = [word.replace("INPUT", str(tmp_path / "in")) for word in flags]
    argv = ["--input", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *flags]
    assert_refused(import_notes.main, argv, capsys, message)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_notes_writes_nothing(tmp_path, capsys):
    folder = tmp_path / "in"
    put(folder / "A4.wav", 69)
    out = tmp_path / "out"
    argv = ["--input", str(folder), "--out", str(out), "--jobs", "1"]
    status, _, err = outcome(import_notes.main, argv, capsys)
    assert status == 2
    assert "neither its name nor its folders name an instrument" in err[0]
    assert "no note in it" in err[-1]
    put(folder / "A4.wav", 0)
    status, _, err = outcome(import_notes.main, [*argv, "--instrument", "oboe"], capsys)
    assert (status, "no note could be imported" in err[-1]) == (2, True)
    assert not [path for path in out.rglob("*") if path.is_file()]
    (folder / "A4.wav").unlink()
    assert_refused(import_notes.main, argv, capsys, folder, "no audio file in it or below it")
