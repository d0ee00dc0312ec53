"""Indexes of data sets: missing, changed and unlisted files are found."""

import hashlib
from pathlib import Path

import pytest
from conftest import ROOT, assert_refused, make_note, outcome

from common.cli import UserError
from common.files.audio import write_audio
from common.music import dataset
from common.music.dataset import Source, add_to_index, checksum, cite, read_index, validate
from common.music.drums import CLASSES
from common.music.names import parse_note
from common.music.nsynth import read_examples

A = Source("set A", "CC0", "A. Nobody, 2020")
B = Source("set B", "CC BY 4.0", "B. Somebody, 2021")


@pytest.fixture
def folder(tmp_path):
    for name in ("a/1.wav", "a/2.wav", "b/3.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_audio(tmp_path / name, make_note(60 + int(name[2]), seconds=0.1), 16000)
    add_to_index(tmp_path, A, {"a/1.wav": {}, "a/2.wav": {"kit": "x"}})
    add_to_index(tmp_path, B, {"b/3.flac": {}})
    return tmp_path


def test_an_index_has_checksum_source_and_licence_of_each_file(folder):
    index, problems = validate(folder)
    assert problems == []
    assert index.files["a/2.wav"] == {
        "sha256": hashlib.sha256((folder / "a/2.wav").read_bytes()).hexdigest(),
        "source": "set A",
        "licence": "CC0",
        "kit": "x",
    }
    assert index.sources["set B"] == {"licence": "CC BY 4.0", "citation": "B. Somebody, 2021"}
    assert cite(index) == [
        "set A (2 files, CC0): A. Nobody, 2020",
        "set B (1 file, CC BY 4.0): B. Somebody, 2021",
    ]


def test_what_is_missing_changed_or_not_listed_is_found(folder, capsys):
    (folder / "a/1.wav").unlink()
    write_audio(folder / "a/2.wav", make_note(50, seconds=0.1), 16000)
    write_audio(folder / "new.ogg", make_note(50, seconds=0.1), 16000)
    (folder / "notes.txt").write_text("no audio")
    found = {path.name: reason for path, reason in validate(folder)[1]}
    assert set(found) == {"1.wav", "2.wav", "new.ogg"}
    status, out, err = outcome(dataset.main, [str(folder)], capsys)
    assert (status, len(err)) == (1, 4)
    assert out[0].endswith("3 problems")
    # files that are gone leave the index with the next ones that come, and so do their sources
    add_to_index(folder, A, {"a/2.wav": {}, "new.ogg": {}})
    (folder / "b/3.flac").unlink()
    add_to_index(folder, A, {})
    index, problems = validate(folder)
    assert (sorted(index.files), list(index.sources), problems) == (
        ["a/2.wav", "new.ogg"],
        ["set A"],
        [],
    )


def test_the_script_says_how_to_cite(folder, capsys):
    status, out, err = outcome(dataset.main, [str(folder)], capsys)
    assert (status, err) == (0, [])
    assert "3 files" in out[0]
    assert "all as in the index" in out[0]
    assert out[1:] == [f"  {line}" for line in cite(read_index(folder))]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"a": {}}, "sources": {}}'])
def test_what_is_no_index_is_refused(tmp_path, text, capsys):
    assert_refused(dataset.main, [str(tmp_path)], capsys, "index.json: no such file")
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(UserError, match="not an index"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    "shipped", sorted(path.parent for path in ROOT.glob("data/*/index.json")), ids=lambda p: p.name
)
def test_shipped_data_sets_are_whole(shipped):
    index, problems = validate(shipped)
    assert index.files
    assert problems == []
    assert all(entry["licence"] not in ("", "unknown") for entry in index.files.values())


def test_the_shipped_orchestra_is_small_and_has_every_pitch_class_and_two_dynamics():
    folder = ROOT / "data" / "orchestra"
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 9e6
    names = [parse_note(Path(name).stem) for name in read_index(folder).files]
    assert len({name.instrument for name in names}) == 12
    assert {name.pitch % 12 for name in names} == set(range(12))
    assert {name.velocity for name in names} == {48, 96}
    entries = read_examples(folder)
    assert sorted(entries) == sorted(map(str, names))
    assert all(entry["technique"] == "ordinary" for entry in entries.values())


def test_the_shipped_drums_are_small_and_hold_out_whole_kits_with_all_classes():
    folder = ROOT / "data" / "drums"
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 2e6
    entries = read_index(folder).files.values()
    kits = {}
    for entry in entries:
        kits.setdefault((entry["kit"], entry["held_out"]), set()).add(entry["class"])
    assert len(kits) == len({kit for kit, _ in kits}) == 6
    assert kits["MuseScore_General_Lite tr_808", True] == set(CLASSES)
    assert {kit for kit, held_out in kits if held_out} >= {"audiophob", "rumpf"}
    assert {entry["class"] for entry in entries if not entry["held_out"]} == set(CLASSES)


def test_a_checksum_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert checksum(tmp_path / "a").startswith("ba7816bf8f01cfea")  # FIPS 180-2, appendix B.1
