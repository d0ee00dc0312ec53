"""stress/kill_data.py: the data scripts pass, and the faults that it looks for are found."""

import itertools
import re
import shutil
import sys
import time

import pytest
from conftest import needs_player

from stress import kill_data
from stress.processes import Fault, Victim

pytestmark = pytest.mark.stress


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("notes", marks=needs_player),
        pytest.param("audios", marks=pytest.mark.slow),
        pytest.param("features", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_killed_ends_like_an_undisturbed_one(script, tmp_path, capsys):
    flags = ["--script", script, "--kills", "3", "--files", "3", "--seed", "1"]
    status = kill_data.main([*flags, "--folder", str(tmp_path / "runs")])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(" after ")[0] for line in lines[1:4]] == ["kill   1", "kill   2", "kill   3"]
    assert sum(int(line.split()[0]) for line in lines[5:-2]) == 3
    assert lines[-1] == "the files are those of the undisturbed run, each made once"


@pytest.fixture
def inspected(audios_folder, features_folder, tmp_path):
    """A finished output, copied from another one, and its ``Inspector`` after a first check."""
    shutil.copytree(features_folder, tmp_path / "killed")
    inspector = kill_data.Inspector(tmp_path / "killed", features_folder)
    inspector.check()
    return tmp_path / "killed", inspector


def test_a_file_that_differs_is_found(inspected):
    folder, inspector = inspected
    path = folder / "guitar_acoustic.h5"
    content = path.read_bytes()
    inspector.begin_anew()
    folder.mkdir()
    for wrong in (b"", content[:-1], content[:5000] + b"\x01" + content[5001:]):
        path.write_bytes(wrong)
        with pytest.raises(Fault, match=re.escape(f"{path}: differs")):
            inspector.check()
    path.write_bytes(content)
    inspector.check()


def test_a_part_that_differs_is_found(inspected, features_folder):
    folder, inspector = inspected
    (folder / "guitar_acoustic.h5").unlink()
    part = kill_data.part_path(folder / ".parts" / "guitar_acoustic", "march")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    with pytest.raises(Fault, match=re.escape(f"{part}: differs")):
        inspector.check()


def test_a_file_that_is_made_again_or_lost_is_found(inspected):
    folder, inspector = inspected
    path = folder / "guitar_acoustic.h5"
    content = path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(Fault, match=re.escape(f"{path}: was finished before, and has been made")):
        inspector.check()
    path.unlink()
    with pytest.raises(Fault, match=re.escape(f"{path}: was finished before, and is gone")):
        inspector.check()


@pytest.mark.parametrize("name", [".part.guitar_acoustic.h5", ".lock", "more/a.wav"])
def test_what_should_not_remain_is_found(inspected, name):
    folder, inspector = inspected
    inspector.check_end()
    if "/" not in name:
        (folder / name).write_bytes(b"")
        with pytest.raises(Fault, match=re.escape(name)):
            inspector.check_end()
    else:
        (folder / name).parent.mkdir()
        with pytest.raises(Fault, match="more"):
            inspector.check_end()


def test_a_process_that_is_left_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(kill_data, "PATIENCE", 0.1)
    script = kill_data.Script("x.py", "", "", lambda *_: [])
    run = kill_data.Run(script, tmp_path, "out", 2)
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    with Victim("x.py", words, tmp_path / "log.txt", {kill_data.MARK: run._mark}) as victim:
        time.sleep(0.1)  # until it has started
        with pytest.raises(Fault, match=rf"left processes \[{victim.pid}\]"):
            run.check_processes()
    run.check_processes()
    (tmp_path / "tmp" / "left").write_bytes(b"")
    with pytest.raises(Fault, match="tmp/left"):
        run.check_remains()


def test_plans_hit_every_kind_of_moment():
    script = kill_data.SCRIPTS["features"]
    plans = list(itertools.islice(kill_data.make_plans(0, script, 5.0), 100))
    assert plans == list(itertools.islice(kill_data.make_plans(0, script, 5.0), 100))
    assert {(plan.what, plan.whole) for plan in plans} == {
        ("start", False),
        *((what, whole) for what in (".npy", ".h5") for whole in (False, True)),
    }
    assert max(plan.delay for plan in plans if plan.what == "start") > 4
